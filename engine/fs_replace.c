/* Replacing a file as a whole: whoever reads it sees the old or the new one.
 * SPDX-License-Identifier: MIT
 *
 * The new one is written beside the old one, brought to the disk and renamed.
 * All of that is the work of one thread, which needs no memory of the engine's.
 */
#include "fs_op.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  MAX_WRITE = 1 << 24, /* bytes at once: a cancelled one ends after these */
  MAX_TRIES = 16,      /* names that might be taken */
  NAME_SIZE = 32,      /* room for ".neap-", 16 digits */
};

/* Functions that fail return -1 and leave why in errno. */

/* Finds the file that is to be replaced: a link stays, and leads to the new
 * one. `target` has room for PATH_MAX. */
static int find_target(const char *path, char *target) {
  if (realpath(path, target))
    return 0;
  if (errno != ENOENT)
    return -1;
  size_t size = strlen(path) + 1;
  if (size > PATH_MAX) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(target, path, size);
  return 0;
}

/* Whether the target can be replaced, and with which mode: what is no regular
 * file, such as /dev/null, is not to become one. *exists is false where there
 * is none. */
static int look_at(const char *target, bool *exists, mode_t *mode) {
  struct stat found;
  *exists = stat(target, &found) == 0;
  if (!*exists)
    return errno == ENOENT ? 0 : -1;
  *mode = found.st_mode & 07777;
  if (S_ISREG(found.st_mode))
    return 0;
  errno = S_ISDIR(found.st_mode) ? EISDIR : EINVAL;
  return -1;
}

/* Creates a file beside the target with a name that nobody else has. Its mode
 * is 0666 less the umask, which mkstemp does not grant. */
static int create_beside(const char *target, char *temp) {
  const char *slash = strrchr(target, '/');
  int folder = slash ? (int)(slash - target) + 1 : 0;
  for (int tries = 0; tries < MAX_TRIES; tries++) {
    uint64_t number;
    int code = uv_random(NULL, NULL, &number, sizeof number, 0, NULL);
    if (code < 0) {
      errno = EAGAIN;
      return -1;
    }
    snprintf(temp, PATH_MAX + NAME_SIZE, "%.*s.neap-%016" PRIx64, folder,
             target, number);
    int file = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file >= 0 || errno != EEXIST)
      return file;
  }
  return -1;
}

static int write_all(neap_fs_result *fs, int file) {
  while (fs->written < fs->bytes.size) {
    if (atomic_load(&fs->unwanted)) {
      errno = ECANCELED;
      return -1;
    }
    size_t left = fs->bytes.size - fs->written;
    ssize_t count = write(file, fs->bytes.bytes + fs->written,
                          left < MAX_WRITE ? left : MAX_WRITE);
    if (count < 0 && errno != EINTR)
      return -1;
    if (count > 0)
      fs->written += (size_t)count;
  }
  return 0;
}

/* Fills the new file and closes it, in any case. */
static int fill(neap_fs_result *fs, int file, bool set_mode, mode_t mode) {
  int status = set_mode ? fchmod(file, mode) : 0;
  if (status == 0)
    status = write_all(fs, file);
  if (status == 0)
    status = fsync(file);
  int why = errno;
  int closed = close(file);
  if (status == 0)
    return closed;
  errno = why;
  return status;
}

/* Returns 0 or a code of libuv's. */
static int replace(neap_fs_result *fs) {
  char target[PATH_MAX], temp[PATH_MAX + NAME_SIZE];
  bool exists;
  mode_t mode = 0;
  if (find_target(fs->path.bytes, target) < 0 ||
      look_at(target, &exists, &mode) < 0)
    return uv_translate_sys_error(errno);
  int file = create_beside(target, temp);
  if (file < 0)
    return uv_translate_sys_error(errno);
  int status = fill(fs, file, exists, mode);
  if (status == 0 && atomic_load(&fs->unwanted)) {
    errno = ECANCELED;
    status = -1;
  }
  if (status == 0)
    status = rename(temp, target);
  if (status == 0)
    return 0;
  int why = errno;
  unlink(temp);
  return uv_translate_sys_error(why);
}

int neap__fs_replace(neap__files *files, neap_op *op, const char *path,
                     const void *bytes, size_t size, neap_fs_result **result) {
  neap_fs_result *fs = neap__fs_op_new(files);
  if (!fs)
    return NEAP_ENOMEM;
  int status = neap__buf_append(&fs->bytes, &fs->alloc, bytes, size);
  if (status < 0) {
    neap_fs_free(fs);
    return status;
  }
  return neap__fs_op_begin_work(op, fs, replace, path, result);
}
