/* Removing files, directories and whole trees.
 * SPDX-License-Identifier: MIT
 *
 * A tree is walked with descriptors rather than paths: a directory that
 * somebody replaces by a symbolic link meanwhile is not followed out of the
 * tree. One directory is open at a time, however deep the tree is.
 */
#include "fs_op.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Directories within each other, as many as a path can name. */
enum { MAX_DEPTH = PATH_MAX / 2 };

enum { OPEN_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/* Which directory one is. */
typedef struct place {
  dev_t device;
  ino_t inode;
} place;

/* The walk through a tree. Functions that fail return -1 and leave why in
 * errno. */
typedef struct walk {
  DIR *dir; /* where it is; NULL when that could not be opened */
  size_t depth;
  place above[MAX_DEPTH]; /* the directories that dir is in */
} walk;

static int find_place(int file, place *out) {
  struct stat found;
  if (fstat(file, &found) < 0)
    return -1;
  *out = (place){.device = found.st_dev, .inode = found.st_ino};
  return 0;
}

/* Goes on in a directory that has been opened; `file` is transferred. */
static int enter(walk *w, int file) {
  if (w->dir)
    closedir(w->dir);
  w->dir = file < 0 ? NULL : fdopendir(file);
  if (w->dir)
    return 0;
  if (file >= 0) {
    int why = errno;
    close(file);
    errno = why;
  }
  return -1;
}

static int go_down(walk *w, const char *name) {
  if (w->depth == MAX_DEPTH) {
    errno = ENAMETOOLONG;
    return -1;
  }
  int file = dirfd(w->dir);
  if (find_place(file, &w->above[w->depth]) < 0)
    return -1;
  int below = openat(file, name, OPEN_FLAGS);
  if (below < 0)
    return -1;
  w->depth++;
  return enter(w, below);
}

/* Goes back, which must lead where the walk came from: a directory that has
 * been moved meanwhile is in another one now. */
static int go_up(walk *w) {
  place here;
  int above = openat(dirfd(w->dir), "..", OPEN_FLAGS);
  if (above < 0)
    return -1;
  const place *expected = &w->above[--w->depth];
  if (find_place(above, &here) < 0 || here.device != expected->device ||
      here.inode != expected->inode) {
    close(above);
    errno = EBUSY;
    return -1;
  }
  return enter(w, above);
}

/* Removes a name that is no directory, or an empty one. `at` as for
 * unlinkat. */
static int remove_name(int at, const char *name) {
  if (unlinkat(at, name, 0) == 0)
    return 0;
  int why = errno;
  /* Linux says EISDIR of a directory, POSIX EPERM. */
  if (why != EISDIR && why != EPERM)
    return -1;
  if (unlinkat(at, name, AT_REMOVEDIR) == 0)
    return 0;
  if (errno == ENOTDIR)
    errno = why; /* it was about permission */
  return -1;
}

static bool is_not_empty(int why) {
  return why == ENOTEMPTY || why == EEXIST;
}

static bool is_dots(const char *name) {
  return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Removes what the next entry of the directory is, or goes into it. Where there
 * is no more, goes up; when it cannot go further up, *end is set. */
static int take_entry(walk *w, bool *end) {
  errno = 0;
  const struct dirent *found = readdir(w->dir);
  if (!found) {
    if (errno != 0)
      return -1;
    *end = w->depth == 0;
    return *end ? 0 : go_up(w);
  }
  if (is_dots(found->d_name) ||
      remove_name(dirfd(w->dir), found->d_name) == 0 || errno == ENOENT)
    return 0;
  return is_not_empty(errno) ? go_down(w, found->d_name) : -1;
}

/* Removes all that is in a directory, unless it is told to stop. */
static int empty(const char *path, const atomic_bool *stop) {
  walk w = {.depth = 0};
  bool end = false;
  int status = enter(&w, open(path, OPEN_FLAGS));
  while (status == 0 && !end) {
    if (stop && atomic_load(stop)) {
      errno = ECANCELED;
      status = -1;
    } else {
      status = take_entry(&w, &end);
    }
  }
  if (w.dir) {
    int why = errno;
    closedir(w.dir);
    errno = why;
  }
  return status;
}

/* Returns 0 or a code of libuv's. */
static int remove_path(const char *path, bool recursive,
                       const atomic_bool *stop) {
  int status = remove_name(AT_FDCWD, path);
  if (status < 0 && recursive && is_not_empty(errno)) {
    status = empty(path, stop);
    if (status == 0)
      status = remove_name(AT_FDCWD, path);
  }
  return status < 0 ? uv_translate_sys_error(errno) : 0;
}

static int remove_unless_unwanted(neap_fs_result *fs) {
  return remove_path(fs->path.bytes, fs->recursive, &fs->unwanted);
}

int neap__fs_remove(neap__files *files, neap_op *op, const char *path,
                    bool recursive, neap_fs_result **result) {
  neap_fs_result *fs = neap__fs_op_new(files);
  if (!fs)
    return NEAP_ENOMEM;
  fs->recursive = recursive;
  return neap__fs_op_begin_work(op, fs, remove_unless_unwanted, path, result);
}

int neap_fs_remove_now(const char *path, bool recursive, int *detail) {
  int code = remove_path(path, recursive, NULL);
  if (detail)
    *detail = code;
  return code < 0 ? neap__fs_status(code) : 0;
}
