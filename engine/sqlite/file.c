/* The file of a store, and the processes of this machine.
 * SPDX-License-Identifier: MIT */
#include "file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* What statfs says of file systems of the network. */
static const struct {
  uint32_t type;
  const char *name;
} networks[] = {
    {0x6969, "NFS"},      {0x517b, "SMB"},      {0xff534d42, "CIFS"},
    {0xfe534d42, "SMB2"}, {0x5346414f, "AFS"},  {0x73757245, "Coda"},
    {0x01021997, "9p"},   {0x00c36400, "Ceph"},
};

/* The folder of a path, as a path. */
static void folder_of(const char *path, char folder[PATH_MAX]) {
  snprintf(folder, PATH_MAX, "%s", path);
  char *slash = strrchr(folder, '/');
  if (!slash)
    snprintf(folder, PATH_MAX, ".");
  else
    slash[slash == folder] = '\0';
}

int neap__file_refusal(const char *path, char *why, size_t why_size) {
  char folder[PATH_MAX];
  struct statfs fs;
  folder_of(path, folder);
  if (statfs(path, &fs) < 0 && statfs(folder, &fs) < 0)
    return 0; /* opening says it better */
  for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
    if ((uint32_t)fs.f_type != networks[i].type)
      continue;
    snprintf(why, why_size, "%s lies on %s; a store needs a local disk", path,
             networks[i].name);
    return NEAP_EINVAL;
  }
  return 0;
}

neap__file_id neap__file_identify(const char *path) {
  struct stat info;
  if (stat(path, &info) < 0)
    return (neap__file_id){0};
  return (neap__file_id){.device = info.st_dev, .number = info.st_ino};
}

bool neap__file_sync(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return false;
  bool synced = fsync(fd) == 0;
  close(fd);
  char folder[PATH_MAX];
  folder_of(path, folder);
  fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return false;
  synced = fsync(fd) == 0 && synced;
  close(fd);
  return synced;
}

void neap__file_machine(char *name, size_t size) {
  char boot[64] = "";
  FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
  if (file) {
    if (fscanf(file, "%63s", boot) != 1)
      boot[0] = '\0';
    fclose(file);
  }
  struct stat names = {0};
  if (stat("/proc/self/ns/pid", &names) < 0)
    names.st_ino = 0;
  snprintf(name, size, "%s/%" PRIu64, boot, (uint64_t)names.st_ino);
}

int64_t neap__file_process_start(int64_t pid) {
  char path[64], line[1024];
  snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
  FILE *file = fopen(path, "re");
  if (!file)
    return 0;
  size_t size = fread(line, 1, sizeof line - 1, file);
  fclose(file);
  line[size] = '\0';
  /* "(2) comm: the filename of the executable, in parentheses", which may have
   * any bytes; (3) follows the last of these. */
  char *at = strrchr(line, ')');
  if (!at)
    return 0;
  at++;
  for (int field = 3; field < 22 && at; field++)
    at = strchr(at + 1, ' ');
  return at ? strtoll(at, NULL, 10) : 0;
}
