/* Replacing a file as a whole: a reader sees the old contents or the new.
 * SPDX-License-Identifier: MIT
 *
 * The new file is written beside the old one, brought to the disk and renamed.
 * One thread does all of that, and needs no memory of the engine's.
 *
 * A process that is killed meanwhile leaves its new file behind. Such files
 * have numbered names, and a process that writes one holds a lock on it
 * (flock), which ends with the process. So a file that is not locked is dead,
 * and the next process that replaces a file in that folder removes it.
 */
#include "fs_op.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "fs_inside.h"
#include "fs_within.h"

enum {
  MAX_WRITE = 1 << 24, /* bytes at once: a cancelled one ends after these */
  MIN_NUMBERS = 16,    /* names that are looked at in any case */
  MAX_NUMBERS = 4096,  /* and at most */
  NAME_SIZE = 32,      /* room for ".neap-write-", 4 digits */
};

/* Functions that fail return -1 and leave why in errno. */

/* Finds the file that is to be replaced. A link stays, and will lead to the new
 * file. `target` has room for PATH_MAX. */
static int find_target(const char *path, char *target) {
  if (realpath(path, target))
    return 0;
  if (errno != ENOENT)
    return -1;
  size_t size = strlen(path) + 1;
  if (size > PATH_MAX)
    return neap__sys_fail(ENAMETOOLONG);
  memcpy(target, path, size);
  return 0;
}

/* Whether the target can be replaced, and with which mode. Only a regular file
 * can: /dev/null should stay a device. *exists is false where there is none. */
static int look_at(int at, const char *target, bool *exists, mode_t *mode) {
  struct stat found;
  int flags = at == AT_FDCWD ? 0 : AT_SYMLINK_NOFOLLOW;
  *exists = fstatat(at, target, &found, flags) == 0;
  if (!*exists)
    return errno == ENOENT ? 0 : -1;
  if (S_ISLNK(found.st_mode)) { /* it leads nowhere */
    *exists = false;
    return 0;
  }
  *mode = found.st_mode & 07777;
  if (S_ISREG(found.st_mode))
    return 0;
  return neap__sys_fail(S_ISDIR(found.st_mode) ? EISDIR : EINVAL);
}

/* Whether a path leads to the file that is open, and not to another one. */
static bool is_at(int at, const char *path, int file) {
  struct stat found, opened;
  return fstatat(at, path, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
         fstat(file, &opened) == 0 && found.st_dev == opened.st_dev &&
         found.st_ino == opened.st_ino;
}

/* Locks a file that is open; false when another process has. Where the file
 * system knows no locks, no dead file is removed (see is_dead). */
static bool lock(int file) {
  return flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

/* Creates a file under a name that is free. Its mode is 0666 less the umask, as
 * that of mkstemp would not be. EEXIST also if another process took the file
 * for dead before it was locked. */
static int create(int at, const char *path) {
  int file = openat(at, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0 || (lock(file) && is_at(at, path, file)))
    return file;
  close(file);
  return neap__sys_fail(EEXIST);
}

/* Whether an open file was left behind by a process that has died. If so, this
 * has locked it. */
static bool is_dead(int at, const char *path, int file) {
  struct stat found;
  return fstat(file, &found) == 0 && S_ISREG(found.st_mode) &&
         found.st_uid == geteuid() && found.st_nlink == 1 &&
         flock(file, LOCK_EX | LOCK_NB) == 0 && is_at(at, path, file);
}

/* Removes a file that a process which has died left behind. Returns whether
 * there was any file of that name. */
static bool remove_dead(int at, const char *path) {
  int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  int file = openat(at, path, O_RDONLY | flags);
  if (file < 0 && errno == EACCES)
    file = openat(at, path, O_WRONLY | flags);
  if (file < 0)
    return errno != ENOENT;
  if (is_dead(at, path, file))
    unlinkat(at, path, 0);
  close(file);
  return true;
}

/* Creates a file beside the target, and removes those of the dead. Numbers are
 * given from 0 on, so that few names have to be looked at. `temp` has room for
 * PATH_MAX + NAME_SIZE. */
static int create_beside(int at, const char *target, char *temp) {
  char other[PATH_MAX + NAME_SIZE];
  const char *slash = strrchr(target, '/');
  int folder = slash ? (int)(slash - target) + 1 : 0;
  int file = -1;
  bool more = true;
  for (int n = 0; n < MAX_NUMBERS && (more || n < MIN_NUMBERS); n++) {
    char *path = file < 0 ? temp : other;
    snprintf(path, PATH_MAX + NAME_SIZE, "%.*s.neap-write-%d", folder, target,
             n);
    if (file < 0) {
      file = create(at, path);
      if (file < 0 && errno != EEXIST)
        return -1;
      if (file >= 0)
        continue;
    }
    more = remove_dead(at, path);
  }
  return file;
}

static int write_all(neap_fs_result *fs, int file) {
  while (fs->written < fs->bytes.size) {
    if (atomic_load(&fs->unwanted))
      return neap__sys_fail(ECANCELED);
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

/* Some file systems tell only when a file is closed that they could not write.
 * It has to stay open, or its lock would go. */
static int close_copy(int file) {
  int copy = fcntl(file, F_DUPFD_CLOEXEC, 0);
  return copy < 0 ? -1 : close(copy);
}

/* Fills the new file. */
static int fill(neap_fs_result *fs, int file, bool set_mode, mode_t mode) {
  int status = set_mode ? fchmod(file, mode) : 0;
  if (status == 0)
    status = write_all(fs, file);
  if (status == 0)
    status = fsync(file);
  return status == 0 ? close_copy(file) : status;
}

/* Replaces the file of this name, seen from the folder `at`. Returns 0 or a
 * code of libuv's. */
static int replace_at(neap_fs_result *fs, int at, const char *target) {
  char temp[PATH_MAX + NAME_SIZE];
  bool exists;
  mode_t mode = 0;
  if (look_at(at, target, &exists, &mode) < 0)
    return neap__sys_code();
  int file = create_beside(at, target, temp);
  if (file < 0)
    return neap__sys_code();
  int status = fill(fs, file, exists, mode);
  if (status == 0 && atomic_load(&fs->unwanted))
    status = neap__sys_fail(ECANCELED);
  if (status == 0)
    status = renameat(at, temp, at, target);
  int code = neap__sys_code_of(status);
  if (code < 0)
    unlinkat(at, temp, 0);
  close(file);
  return code;
}

static int replace(neap_fs_result *fs) {
  char target[PATH_MAX];
  if (find_target(fs->path.bytes, target) < 0)
    return neap__sys_code();
  return replace_at(fs, AT_FDCWD, target);
}

/* The same in a restricted engine. */
static int replace_inside(neap_fs_result *fs) {
  char name[NAME_MAX + 1];
  int folder = neap__inside_target(fs, name);
  if (folder < 0)
    return neap__sys_code();
  int code = replace_at(fs, folder, name);
  close(folder);
  return code;
}

int neap_fs_replace(neap_engine *engine, neap_op *op, const char *path,
                    const void *bytes, size_t size, neap_fs_result **result) {
  if (!neap__op_may_start(engine, op) || !path || (!bytes && size > 0) ||
      !result)
    return neap__home_fault(engine);
  neap_fs_result *fs = neap__fs_op_new_write(engine, bytes, size);
  if (!fs)
    return NEAP_ENOMEM;
  if (engine->grants)
    return neap__within_begin(op, fs, replace_inside, path, NULL,
                              NEAP__INSIDE_CHANGES, result);
  return neap__fs_op_begin_work(op, fs, replace, path, result);
}
