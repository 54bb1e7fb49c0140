/* Operations on files in a restricted engine: none leaves the folders that were
 * granted.
 * SPDX-License-Identifier: MIT
 *
 * Each kind of work is a few system calls on descriptors (fs_inside.h), made by
 * a thread of the pool.
 */
#include "fs_within.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "fs_inside.h"
#include "grants/grants.h"

enum { COPY_SIZE = 1 << 16 };

static void on_worked(uv_work_t *task, int status) {
  neap_fs_result *fs = task->data;
  int code = status < 0 ? status : fs->code;
  neap__fs_op_end(fs, code < 0 ? neap__sys_status(code) : 0, code);
}

int neap__within_begin(neap_op *op, neap_fs_result *fs,
                       int (*work)(neap_fs_result *fs), const char *path,
                       const char *other, unsigned changes,
                       neap_fs_result **out) {
  if (neap__buf_append(&fs->path, &fs->alloc, path, strlen(path) + 1) < 0 ||
      (other &&
       neap__buf_append(&fs->path, &fs->alloc, other, strlen(other) + 1) < 0)) {
    neap_fs_free(fs);
    return NEAP_ENOMEM;
  }
  bool granted = neap__inside_look(fs, other ? 2 : 1, changes);
  int code = neap__inside_queue(fs, granted ? work : NULL, on_worked);
  return neap__fs_op_begin(op, fs, code, out);
}

static int note_stat(neap_fs_result *fs, int status, const struct stat *found) {
  if (status < 0)
    return neap__sys_code();
  fs->stat = (neap_file_stat){
      .type = neap__fs_type_of(found->st_mode),
      .mode = found->st_mode & 07777,
      .size = (uint64_t)found->st_size,
      .mtime =
          (double)found->st_mtim.tv_sec + (double)found->st_mtim.tv_nsec / 1e9,
  };
  return 0;
}

int neap__within_stat(neap_fs_result *fs) {
  struct stat found;
  int file = neap__inside_open_at(fs, 0, O_PATH, 0);
  int status = file < 0 ? -1 : fstat(file, &found);
  int code = note_stat(fs, status, &found);
  neap__sys_close(file);
  return code;
}

int neap__within_lstat(neap_fs_result *fs) {
  const char *rest = fs->within.rest[0];
  size_t size = strlen(rest);
  char name[NAME_MAX + 1];
  struct stat found;
  if (size > 0 && rest[size - 1] == '/')
    return neap__within_stat(fs);
  int parent = neap__inside_parent(fs, 0, name);
  if (parent < 0 && errno == EINVAL) /* it ends with "." or ".." */
    return neap__within_stat(fs);
  int status =
      parent < 0 ? -1 : fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW);
  int code = note_stat(fs, status, &found);
  neap__sys_close(parent);
  return code;
}

/* Ends work that has `parent` open and a result of the system's. */
static int end(int parent, int status) {
  int code = parent < 0 || status < 0 ? neap__sys_code() : 0;
  neap__sys_close(parent);
  return code;
}

int neap__within_mkdir(neap_fs_result *fs) {
  char name[NAME_MAX + 1];
  int parent = neap__inside_parent(fs, 0, name);
  if (parent < 0 && errno == EINVAL)
    errno = EEXIST;
  int status = parent < 0 ? -1 : mkdirat(parent, name, fs->mode & 01777);
  return end(parent, status);
}

/* Whether a path leads to a directory. */
static bool leads_to_folder(neap_fs_result *fs) {
  int file = neap__inside_open_at(fs, 0, O_PATH | O_DIRECTORY, 0);
  neap__sys_close(file);
  return file >= 0;
}

int neap__within_mkdir_tree(neap_fs_result *fs) {
  neap__within *w = &fs->within;
  char path[PATH_MAX];
  const char *whole = w->rest[0];
  size_t size = strlen(whole);
  if (size >= sizeof path)
    return UV_ENAMETOOLONG;
  w->rest[0] = path;
  mode_t mode = fs->mode;
  int code = 0;
  /* Each name in turn, the last with the given mode. */
  for (size_t at = 0; at < size && code == 0;) {
    at += strspn(whole + at, "/");
    at += strcspn(whole + at, "/");
    memcpy(path, whole, at);
    path[at] = '\0';
    bool last = whole[at + strspn(whole + at, "/")] == '\0';
    fs->mode = last ? mode : 0777;
    code = neap__within_mkdir(fs);
    if (code == UV_EEXIST && (!last || leads_to_folder(fs)))
      code = 0;
    if (last)
      break;
  }
  w->rest[0] = whole;
  return code;
}

static int create_dir(int parent, const char *name) {
  return mkdirat(parent, name, 0700);
}

int neap__within_make_dir(neap_fs_result *fs) {
  return neap__sys_code_of(
      neap__inside_make_up(fs, fs->bytes.bytes, create_dir));
}

/* Opens the folders of both paths, and copies their names. */
static int open_parents(neap_fs_result *fs, bool moves, int parents[2],
                        char names[2][NAME_MAX + 1]) {
  parents[1] = -1;
  parents[0] = moves ? neap__inside_changeable(fs, 0, names[0])
                     : neap__inside_parent(fs, 0, names[0]);
  if (parents[0] >= 0)
    parents[1] = neap__inside_changeable(fs, 1, names[1]);
  return parents[1] < 0 ? -1 : 0;
}

static int end_both(const int parents[2], int status) {
  neap__sys_close(parents[0]);
  return end(parents[1], status);
}

int neap__within_rename(neap_fs_result *fs) {
  int parents[2];
  char names[2][NAME_MAX + 1];
  int status = open_parents(fs, true, parents, names);
  if (status == 0)
    status = renameat(parents[0], names[0], parents[1], names[1]);
  return end_both(parents, status);
}

int neap__within_link(neap_fs_result *fs) {
  int parents[2];
  char names[2][NAME_MAX + 1];
  int status = open_parents(fs, false, parents, names);
  if (status == 0)
    status = linkat(parents[0], names[0], parents[1], names[1], 0);
  return end_both(parents, status);
}

/* Whether a link at `path`, which is relative to the folder of a grant, would
 * lead out of that, by its names. */
static bool leads_out(const char *path, const char *target) {
  long depth = -1; /* the last name is the link's own */
  bool is_target = false;
  if (*target == '/')
    return true;
  for (const char *at = path;;) {
    at += strspn(at, "/");
    size_t size = strcspn(at, "/");
    if (size == 0 && is_target)
      return false;
    if (size == 0) {
      is_target = true;
      at = target;
      continue;
    }
    if (size == 2 && memcmp(at, "..", 2) == 0)
      depth--;
    else if (size > 1 || *at != '.')
      depth++;
    if (is_target && depth < 0)
      return true;
    at += size;
  }
}

int neap__within_symlink(neap_fs_result *fs) {
  char name[NAME_MAX + 1];
  int parent = neap__inside_changeable(fs, 0, name);
  if (parent >= 0 && leads_out(fs->within.rest[0], fs->bytes.bytes)) {
    neap__sys_close(parent);
    parent = -1;
    fs->within.why = NEAP__GRANTS_LINK;
    errno = NEAP__EREFUSED;
  }
  int status = parent < 0 ? -1 : symlinkat(fs->bytes.bytes, parent, name);
  return end(parent, status);
}

int neap__within_readlink(neap_fs_result *fs) {
  char name[NAME_MAX + 1];
  int parent = neap__inside_parent(fs, 0, name);
  ssize_t size = -1;
  if (parent >= 0)
    size = readlinkat(parent, name, fs->bytes.bytes, fs->bytes.capacity);
  if (size >= 0)
    fs->bytes.size = (size_t)size;
  return end(parent, size < 0 ? -1 : 0);
}

/* The path of the folder is that under which it was granted, also after it has
 * been moved. */
int neap__within_realpath(neap_fs_result *fs) {
  char rest[PATH_MAX];
  int file = neap__inside_open_at(fs, 0, O_PATH, 0);
  int status = file < 0 ? -1 : neap__inside_place(fs, file, rest);
  if (status == 0) {
    const char *root = fs->within.grant[0]->real;
    bool is_top = strcmp(root, "/") == 0;
    int size = snprintf(fs->bytes.bytes, PATH_MAX, "%s%s%s", is_top ? "" : root,
                        *rest || is_top ? "/" : "", rest);
    fs->bytes.size = (size_t)size;
    if (size >= PATH_MAX)
      status = neap__sys_fail(ENAMETOOLONG);
  }
  return end(file, status);
}

/* fchmod does not take a descriptor with O_PATH, but its name in /proc is a
 * path. The bits that lend the host's rights to other users are not given. */
int neap__within_chmod(neap_fs_result *fs) {
  char path[32];
  if (fs->mode & (S_ISUID | S_ISGID))
    return UV_EPERM;
  int file = neap__inside_open_at(fs, 0, O_PATH, 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  return end(file, file < 0 ? -1 : chmod(path, fs->mode));
}

static int copy_bytes(neap_fs_result *fs, int from, int to) {
  char bytes[COPY_SIZE];
  for (;;) {
    if (atomic_load(&fs->unwanted))
      return neap__sys_fail(ECANCELED);
    ssize_t count = read(from, bytes, sizeof bytes);
    if (count == 0)
      return 0;
    for (ssize_t done = 0; done < count;) {
      ssize_t more = write(to, bytes + done, (size_t)(count - done));
      if (more < 0 && errno != EINTR)
        return -1;
      done += more > 0 ? more : 0;
    }
    if (count < 0 && errno != EINTR)
      return -1;
  }
}

/* As uv_fs_copyfile does it: a file is copied over itself without harm, and a
 * copy that has failed is removed. */
int neap__within_copy(neap_fs_result *fs) {
  struct stat source, target;
  char name[NAME_MAX + 1];
  int from = neap__inside_open_at(fs, 0, O_RDONLY, 0), to = -1;
  int status = from < 0 ? -1 : fstat(from, &source);
  if (status == 0 && S_ISDIR(source.st_mode))
    status = neap__sys_fail(EISDIR);
  if (status == 0) {
    to = neap__inside_open_at(fs, 1, O_WRONLY | O_CREAT, source.st_mode & 0777);
    status = to < 0 ? -1 : fstat(to, &target);
  }
  bool is_same = status == 0 && source.st_dev == target.st_dev &&
                 source.st_ino == target.st_ino;
  if (status == 0 && !is_same) {
    status = ftruncate(to, 0) < 0 || fchmod(to, source.st_mode & 01777) < 0
                 ? -1
                 : copy_bytes(fs, from, to);
    int why = errno;
    int parent = status < 0 ? neap__inside_parent(fs, 1, name) : -1;
    if (parent >= 0)
      unlinkat(parent, name, 0);
    neap__sys_close(parent);
    errno = why;
  }
  neap__sys_close(from);
  return end(to, status);
}
