/* Files beneath a folder: opened so that no path leads out of it.
 * SPDX-License-Identifier: MIT
 *
 * openat2 of Linux 5.6 resolves a path in one go, so no link that is made
 * meanwhile, and no folder that is moved, can lead it astray. Where the system
 * does not have it, or does not allow it, a path is walked name by name, each
 * from the descriptor of the folder before it. That is as safe, since it
 * follows no link at all.
 */
#include "beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/status.h"

#ifndef SYS_openat2
#define SYS_openat2 437 /* on all processors */
#endif

/* Linux calls it struct open_how. Its header is missing on older systems. */
typedef struct how {
  uint64_t flags, mode, resolve;
} how;

enum {
  NO_MAGICLINKS = 0x02, /* RESOLVE_NO_MAGICLINKS */
  BENEATH = 0x08,       /* RESOLVE_BENEATH */
  MAX_ATTEMPTS = 128,   /* while others move folders on the way */
};

static int open2(int folder, const char *path, int flags, mode_t mode) {
  how h = {.flags = (uint64_t)(flags | O_CLOEXEC),
           .mode = flags & O_CREAT ? mode : 0,
           .resolve = BENEATH | NO_MAGICLINKS};
  int file = -1;
  /* "EAGAIN: the kernel could not ensure that a ".." component didn't escape
   * (due to a race condition or potential attack). The caller may choose to
   * retry". */
  for (int i = 0; i < MAX_ATTEMPTS && file < 0; i++) {
    file = (int)syscall(SYS_openat2, folder, path, &h, sizeof h);
    if (file < 0 && errno != EAGAIN && errno != EINTR)
      break;
  }
  if (file < 0 && (errno == EXDEV || errno == EAGAIN))
    errno = NEAP__EREFUSED;
  return file;
}

int neap__beneath_start(const char *path, neap__folder *out) {
  out->walks = false;
  out->file = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (out->file < 0)
    return -1;
  int probe = open2(out->file, ".", O_PATH, 0);
  out->walks = probe < 0;
  neap__sys_close(probe);
  return 0;
}

/* Takes the next name of a path. Returns what follows it, NULL if there is no
 * name left. ENAMETOOLONG sets *name to "". */
static const char *next_name(const char *path, char name[NAME_MAX + 1]) {
  do {
    path += strspn(path, "/");
    size_t size = strcspn(path, "/");
    if (size == 0)
      return NULL;
    size_t kept = size > NAME_MAX ? 0 : size;
    memcpy(name, path, kept);
    name[kept] = '\0';
    path += size;
  } while (strcmp(name, ".") == 0);
  return path;
}

static bool is_link(int folder, const char *name) {
  struct stat found;
  return fstatat(folder, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISLNK(found.st_mode);
}

/* Opens one name in a folder, which is closed. */
static int step(int folder, const char *name, int flags, mode_t mode) {
  int file = -1;
  if (*name == '\0')
    errno = ENAMETOOLONG;
  else if (strcmp(name, "..") == 0)
    errno = NEAP__EREFUSED;
  else
    file = openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
  /* ELOOP, or ENOTDIR with O_DIRECTORY. */
  bool wants_link = (flags & O_NOFOLLOW) != 0;
  if (file < 0 && (errno == ELOOP || errno == ENOTDIR) && !wants_link &&
      is_link(folder, name))
    errno = NEAP__EREFUSED;
  neap__sys_close(folder);
  struct stat found;
  if (file >= 0 && (flags & O_PATH) && !wants_link &&
      fstat(file, &found) == 0 && S_ISLNK(found.st_mode)) {
    neap__sys_close(file);
    return neap__sys_fail(NEAP__EREFUSED);
  }
  return file;
}

int neap__beneath_walk(const neap__folder *folder, const char *path, int flags,
                       mode_t mode) {
  char name[NAME_MAX + 1], next[NAME_MAX + 1];
  if (*path == '\0')
    return neap__sys_fail(ENOENT);
  if (*path == '/')
    return neap__sys_fail(NEAP__EREFUSED);
  const char *rest = next_name(path, name);
  bool is_folder = path[strlen(path) - 1] == '/';
  if (!rest)
    return openat(folder->file, ".", flags | O_CLOEXEC, mode);
  int file = fcntl(folder->file, F_DUPFD_CLOEXEC, 0);
  while (file >= 0 && (rest = next_name(rest, next))) {
    file = step(file, name, O_PATH | O_DIRECTORY, 0);
    memcpy(name, next, sizeof name);
  }
  return file < 0
             ? -1
             : step(file, name, flags | (is_folder ? O_DIRECTORY : 0), mode);
}

int neap__beneath_open(const neap__folder *folder, const char *path, int flags,
                       mode_t mode) {
  return folder->walks ? neap__beneath_walk(folder, path, flags, mode)
                       : open2(folder->file, path, flags, mode);
}

int neap__beneath_parent(const neap__folder *folder, const char *path,
                         char name[NAME_MAX + 1], bool *slash) {
  char parent[PATH_MAX];
  size_t whole = strlen(path), size = whole;
  while (size > 0 && path[size - 1] == '/')
    size--;
  *slash = size < whole;
  size_t start = size;
  while (start > 0 && path[start - 1] != '/')
    start--;
  size_t length = size - start;
  if (whole == 0)
    return neap__sys_fail(ENOENT);
  if (length > NAME_MAX || start >= sizeof parent)
    return neap__sys_fail(ENAMETOOLONG);
  memcpy(name, path + start, length);
  name[length] = '\0';
  memcpy(parent, path, start);
  parent[start] = '\0';
  bool is_name =
      length > 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
  int file = neap__beneath_open(folder, start > 0 ? parent : ".",
                                O_PATH | O_DIRECTORY, 0);
  if (file < 0 || is_name)
    return file;
  neap__sys_close(file);
  return neap__sys_fail(EINVAL);
}
