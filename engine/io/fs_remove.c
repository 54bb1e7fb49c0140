/* Removing files, directories and whole trees.
 * SPDX-License-Identifier: MIT
 *
 * A tree is walked with descriptors rather than paths. So no path is too long,
 * and where a directory is replaced by a symbolic link meanwhile, the walk
 * stays in the tree. One directory is open at a time, however deep the tree is.
 *
 * A directory that cannot be removed is not emptied either: the given one may
 * be such, and so is one on which something is mounted.
 */
#include "fs_op.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "fs_inside.h"
#include "fs_within.h"
#include "grants/files.h"

/* How many of the directories above it a walk remembers. */
enum { MAX_KNOWN = 2048 };

enum { OPEN_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/* What tells one directory from another. */
typedef struct place {
  uint64_t device, inode;
  uint64_t mount; /* of the file system that it is seen in; 0: unknown */
} place;

/* The walk through a tree. Functions that fail return -1 and leave why in
 * errno. */
typedef struct walk {
  DIR *dir; /* where it is; NULL when that could not be opened */
  place here;
  size_t depth;
  size_t known;           /* how many of `above` it remembers, the last ones */
  place above[MAX_KNOWN]; /* the directories that dir is in, by depth */
} walk;

/* Finds the place of an open directory (`path` is ""), or of a path. */
#ifdef NEAP_HAS_STATX
static int find_place(int at, const char *path, place *out) {
  struct statx found;
  int flags = AT_SYMLINK_NOFOLLOW | (*path ? 0 : AT_EMPTY_PATH);
  if (statx(at, path, flags, STATX_INO | STATX_MNT_ID, &found) < 0)
    return -1;
  *out = (place){
      .device = (uint64_t)found.stx_dev_major << 32 | found.stx_dev_minor,
      .inode = found.stx_ino,
      .mount = found.stx_mask & STATX_MNT_ID ? found.stx_mnt_id : 0,
  };
  return 0;
}
#else
static int find_place(int at, const char *path, place *out) {
  struct stat found;
  int flags = AT_SYMLINK_NOFOLLOW | (*path ? 0 : AT_EMPTY_PATH);
  if (fstatat(at, path, &found, flags) < 0)
    return -1;
  *out = (place){.device = found.st_dev, .inode = found.st_ino};
  return 0;
}
#endif

/* Goes on in a directory that has been opened; `file` is transferred. */
static int enter(walk *w, int file) {
  if (w->dir)
    closedir(w->dir);
  w->dir = file < 0 ? NULL : fdopendir(file);
  if (w->dir)
    return find_place(file, "", &w->here);
  neap__sys_close(file);
  return -1;
}

static int go_down(walk *w, const char *name) {
  place above = w->here;
  int below = openat(dirfd(w->dir), name, OPEN_FLAGS);
  if (below < 0 || enter(w, below) < 0)
    return -1;
  if (w->here.mount != above.mount)
    return neap__sys_fail(EBUSY);
  w->above[w->depth++ % MAX_KNOWN] = above;
  if (w->known < MAX_KNOWN)
    w->known++;
  return 0;
}

/* Goes back, which must lead where the walk came from: a directory that has
 * been moved meanwhile is in another one now. */
static int go_up(walk *w) {
  int above = openat(dirfd(w->dir), "..", OPEN_FLAGS);
  if (above < 0 || enter(w, above) < 0)
    return -1;
  const place *expected = &w->above[--w->depth % MAX_KNOWN];
  w->known--;
  if (w->here.device == expected->device && w->here.inode == expected->inode)
    return 0;
  return neap__sys_fail(EBUSY);
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

/* Removes the next entry of the directory, or goes into it. Where there is no
 * entry left, goes up; sets *end if the walk does not know the way up. */
static int take_entry(walk *w, bool *end) {
  errno = 0;
  const struct dirent *found = readdir(w->dir);
  if (!found) {
    if (errno != 0)
      return -1;
    *end = w->known == 0;
    return *end ? 0 : go_up(w);
  }
  if (is_dots(found->d_name) ||
      remove_name(dirfd(w->dir), found->d_name) == 0 || errno == ENOENT)
    return 0;
  return is_not_empty(errno) ? go_down(w, found->d_name) : -1;
}

/* Removes what is in a directory, unless it is told to stop. Sets *again if the
 * tree was so deep that the walk has forgotten its way back to the top; what is
 * left is less deep. */
static int walk_through(int at, const char *path, const atomic_bool *stop,
                        bool *again) {
  walk w = {.depth = 0};
  bool end = false;
  int status = enter(&w, openat(at, path, OPEN_FLAGS));
  while (status == 0 && !end) {
    status = stop && atomic_load(stop) ? neap__sys_fail(ECANCELED)
                                       : take_entry(&w, &end);
  }
  *again = w.depth > 0;
  if (w.dir) {
    int why = errno;
    closedir(w.dir);
    errno = why;
  }
  return status;
}

static int empty(int at, const char *path, const atomic_bool *stop) {
  bool again = true;
  int status = 0;
  while (status == 0 && again)
    status = walk_through(at, path, stop, &again);
  return status;
}

/* Finds the last name of a path; "" where there is none but slashes. Its end is
 * what follows it, slashes or nothing. */
static const char *last_name(const char *path, size_t *size) {
  const char *end = path + strlen(path);
  while (end > path && end[-1] == '/')
    end--;
  const char *name = end;
  while (name > path && name[-1] != '/')
    name--;
  *size = (size_t)(end - name);
  return name;
}

/* Whether a path does not give the name of what is to be removed: the system
 * would refuse that too, but only when it comes to the directory itself, after
 * all that is in it. */
static bool is_nameless(const char *path) {
  size_t size;
  const char *name = last_name(path, &size);
  return (*path && size == 0) || (size == 1 && memcmp(name, ".", 1) == 0) ||
         (size == 2 && memcmp(name, "..", 2) == 0);
}

/* Whether the directory at a path could be removed if it were empty. */
static int may_remove(int at, const char *path) {
  size_t size;
  const char *name = last_name(path, &size);
  size_t length = (size_t)(name - path);
  char folder[PATH_MAX] = ".";
  if (length >= sizeof folder)
    return neap__sys_fail(ENAMETOOLONG);
  if (length > 0) {
    memcpy(folder, path, length);
    folder[length] = '\0';
  }
  place within, itself;
  struct stat above, found;
  if (faccessat(at, folder, W_OK | X_OK, AT_EACCESS) < 0 ||
      fstatat(at, folder, &above, 0) < 0 ||
      fstatat(at, path, &found, AT_SYMLINK_NOFOLLOW) < 0 ||
      find_place(at, path, &itself) < 0)
    return -1;
  int file = openat(at, folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (file < 0)
    return -1;
  int status = find_place(file, "", &within);
  close(file);
  if (status < 0)
    return -1;
  uid_t user = geteuid();
  if (itself.mount != within.mount)
    errno = EBUSY;
  else if ((above.st_mode & S_ISVTX) && user != 0 && user != above.st_uid &&
           user != found.st_uid)
    errno = EPERM;
  else
    return 0;
  return -1;
}

/* Removes what `path` names, seen from the folder `at`. Returns 0 or a code of
 * libuv's. */
static int remove_at(int at, const char *path, bool recursive,
                     const atomic_bool *stop) {
  int status = remove_name(at, path);
  if (status < 0 && recursive && is_not_empty(errno)) {
    status = may_remove(at, path);
    if (status == 0)
      status = empty(at, path, stop);
    if (status == 0)
      status = remove_name(at, path);
  }
  return neap__sys_code_of(status);
}

static int remove_path(const char *path, bool recursive,
                       const atomic_bool *stop) {
  return is_nameless(path) ? UV_EINVAL
                           : remove_at(AT_FDCWD, path, recursive, stop);
}

static int remove_unless_unwanted(neap_fs_result *fs) {
  return remove_path(fs->path.bytes, fs->recursive, &fs->unwanted);
}

/* The same in a restricted engine. */
static int remove_inside(neap_fs_result *fs) {
  char name[NAME_MAX + 1];
  int parent = neap__inside_changeable(fs, 0, name);
  if (parent < 0)
    return neap__sys_code();
  int code = remove_at(parent, name, fs->recursive, &fs->unwanted);
  close(parent);
  return code;
}

int neap_fs_remove(neap_engine *engine, neap_op *op, const char *path,
                   bool recursive, neap_fs_result **result) {
  if (!neap__op_may_start(engine, op) || !path || !result)
    return neap__home_fault(engine);
  neap_fs_result *fs = neap__fs_op_new(engine);
  if (!fs)
    return NEAP_ENOMEM;
  fs->recursive = recursive;
  if (engine->grants)
    return neap__within_begin(op, fs, remove_inside, path, NULL,
                              NEAP__INSIDE_CHANGES, result);
  return neap__fs_op_begin_work(op, fs, remove_unless_unwanted, path, result);
}

/* The same at once, with no operation. */
static int remove_granted(const neap__grants *grants, const char *path,
                          bool recursive) {
  char name[NAME_MAX + 1];
  const char *rest;
  bool slash;
  const neap__grant *g = neap__grants_root(grants, path, &rest);
  if (!g || g->read_only || strcmp(rest, ".") == 0)
    return NEAP__REFUSED;
  int parent = neap__beneath_parent(&g->folder, rest, name, &slash);
  if (parent < 0)
    return neap__sys_code();
  int code = neap__grants_is_root(grants, parent, name)
                 ? NEAP__REFUSED
                 : remove_at(parent, name, recursive, NULL);
  close(parent);
  return code;
}

int neap_fs_remove_now(const neap_engine *engine, const char *path,
                       bool recursive, int *detail) {
  if (!path)
    return NEAP_EINVAL;
  int code = neap_is_restricted(engine)
                 ? remove_granted(engine->grants, path, recursive)
                 : remove_path(path, recursive, NULL);
  int status = neap__sys_status(code);
  if (detail)
    *detail = status == NEAP_EPERM ? 0 : code;
  return status;
}
