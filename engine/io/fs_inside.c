/* The paths of an operation in a restricted engine: none leads out of the
 * folders that were granted. SPDX-License-Identifier: MIT
 *
 * A path is taken for what it was granted as by its names (grants/files.c), and
 * resolved beneath the folder of that grant in a thread (grants/beneath.c).
 * What follows acts on descriptors, so it does not matter what the path leads
 * to meanwhile. Threads look at grants only, which do not change.
 */
#include "fs_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "grants/files.h"

enum {
  SUFFIX = 6,         /* letters at the end of a name that is made up */
  MAX_ATTEMPTS = 100, /* to find one that is free */
};

static int refuse(neap_fs_result *fs) {
  (void)fs;
  return NEAP__REFUSED;
}

/* Finds out in which folders the paths lie, of which there are `count` in
 * `path`, each with its zero byte. False if they were not granted. */
bool neap__inside_look(neap_fs_result *fs, int count, unsigned changes) {
  neap__within *w = &fs->within;
  const char *given = fs->path.bytes;
  for (int i = 0; i < count; i++) {
    w->which = i;
    w->given[i] = given;
    w->grant[i] = neap__grants_root(fs->engine->grants, given, &w->rest[i]);
    w->why = NEAP__GRANTS_OUTSIDE;
    if (!w->grant[i])
      return false;
    w->why = NEAP__GRANTS_READ_ONLY;
    if (w->grant[i]->read_only && (changes & 1u << i))
      return false;
    given += strlen(given) + 1;
  }
  w->why = NEAP__GRANTS_OUTSIDE;
  return true;
}

/* In a thread of the pool. */
static void call_work(uv_work_t *task) {
  neap_fs_result *fs = task->data;
  fs->code = fs->work(fs);
}

/* The file is open, or could not be opened: goes on as after uv_fs_open. */
static void on_opened(uv_work_t *task, int status) {
  neap_fs_result *fs = task->data;
  fs->work = NULL;
  fs->uv.result = status < 0 ? status : fs->code;
  fs->on_opened(&fs->uv);
}

int neap__inside_queue(neap_fs_result *fs, int (*work)(neap_fs_result *fs),
                       uv_after_work_cb after) {
  fs->work = work ? work : refuse;
  fs->task.data = fs;
  return uv_queue_work(&fs->engine->uv, &fs->task, call_work, after);
}

int neap__inside_open_at(neap_fs_result *fs, int which, int flags,
                         mode_t mode) {
  neap__within *w = &fs->within;
  w->which = which;
  return neap__beneath_open(&w->grant[which]->folder, w->rest[which],
                            flags | (flags & O_PATH ? 0 : O_NOCTTY), mode);
}

static int open_file(neap_fs_result *fs) {
  int file = neap__inside_open_at(fs, 0, fs->flags, 0666);
  return file < 0 ? neap__sys_code() : file;
}

int neap__inside_open(neap_fs_result *fs) {
  int changing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
  bool changes = fs->flags & changing;
  bool granted = neap__inside_look(fs, 1, changes ? NEAP__INSIDE_CHANGES : 0);
  return neap__inside_queue(fs, granted ? open_file : NULL, on_opened);
}

/* Whether a name that has slashes behind it is one of a directory. Where there
 * is none, the system will say so. */
static bool is_folder(int parent, const char *name) {
  struct stat found;
  return fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) < 0 ||
         S_ISDIR(found.st_mode);
}

int neap__inside_parent(neap_fs_result *fs, int which,
                        char name[NAME_MAX + 1]) {
  neap__within *w = &fs->within;
  bool slash;
  w->which = which;
  int parent = neap__beneath_parent(&w->grant[which]->folder, w->rest[which],
                                    name, &slash);
  if (parent < 0 || !slash || is_folder(parent, name))
    return parent;
  neap__sys_close(parent);
  return neap__sys_fail(ENOTDIR);
}

int neap__inside_changeable(neap_fs_result *fs, int which,
                            char name[NAME_MAX + 1]) {
  neap__within *w = &fs->within;
  int parent = -1;
  bool is_root = strcmp(w->rest[which], ".") == 0;
  if (!is_root) {
    parent = neap__inside_parent(fs, which, name);
    is_root =
        parent >= 0 && neap__grants_is_root(fs->engine->grants, parent, name);
  }
  if (!is_root)
    return parent;
  neap__sys_close(parent);
  w->which = which;
  w->why = NEAP__GRANTS_ROOT;
  return neap__sys_fail(NEAP__EREFUSED);
}

/* Reads the path of what is open. `text` has room for PATH_MAX. */
static int read_path(int file, char *text) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t size = readlink(link, text, PATH_MAX - 1);
  if (size < 0)
    return -1;
  text[size] = '\0';
  return 0;
}

int neap__inside_place(const neap_fs_result *fs, int file, char *rest) {
  char folder[PATH_MAX];
  if (read_path(file, rest) < 0 ||
      read_path(fs->within.grant[0]->folder.file, folder) < 0)
    return -1;
  size_t size = strlen(folder);
  if (size == 1) /* "/" */
    size = 0;
  if (strncmp(rest, folder, size) != 0 ||
      (rest[size] != '/' && rest[size] != '\0'))
    return neap__sys_fail(ENOENT); /* it has been moved away, or removed */
  size += rest[size] == '/';
  memmove(rest, rest + size, strlen(rest + size) + 1);
  return 0;
}

/* Whether a name leads to the file that is open. */
static bool is_at(int parent, const char *name, int file) {
  struct stat found, opened;
  return fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
         fstat(file, &opened) == 0 && found.st_dev == opened.st_dev &&
         found.st_ino == opened.st_ino;
}

int neap__inside_target(neap_fs_result *fs, char name[NAME_MAX + 1]) {
  char rest[PATH_MAX];
  bool slash;
  int file = neap__inside_open_at(fs, 0, O_PATH, 0);
  if (file < 0)
    return errno == ENOENT ? neap__inside_parent(fs, 0, name) : -1;
  int parent = neap__inside_place(fs, file, rest);
  if (parent == 0)
    parent = *rest ? neap__beneath_parent(&fs->within.grant[0]->folder, rest,
                                          name, &slash)
                   : neap__sys_fail(EISDIR);
  if (parent >= 0 && !is_at(parent, name, file)) {
    neap__sys_close(parent);
    parent = neap__sys_fail(ENOENT);
  }
  neap__sys_close(file);
  return parent;
}

/* Has `make` make something whose name ends with letters that no other has,
 * which are written to the end of `text`. Returns what it has returned. */
int neap__inside_make_up(neap_fs_result *fs, char *text,
                         int (*make)(int parent, const char *name)) {
  static const char letters[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  char name[NAME_MAX + 1];
  int parent = neap__inside_parent(fs, 0, name);
  if (parent < 0)
    return -1;
  char *end = name + strlen(name) - SUFFIX;
  int result = neap__sys_fail(EEXIST);
  for (int i = 0; i < MAX_ATTEMPTS && result < 0 && errno == EEXIST; i++) {
    unsigned char bytes[SUFFIX];
    if (getrandom(bytes, sizeof bytes, 0) < (ssize_t)sizeof bytes)
      break;
    for (int k = 0; k < SUFFIX; k++)
      end[k] = letters[bytes[k] % (sizeof letters - 1)];
    result = make(parent, name);
  }
  memcpy(text + strlen(text) - SUFFIX, end, SUFFIX);
  neap__sys_close(parent);
  return result;
}

static int create_file(int parent, const char *name) {
  int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  return openat(parent, name, flags, 0600);
}

static int make_file(neap_fs_result *fs) {
  int file = neap__inside_make_up(fs, fs->path.bytes, create_file);
  return file < 0 ? neap__sys_code() : file;
}

int neap__inside_make_file(neap_fs_result *fs) {
  bool granted = neap__inside_look(fs, 1, NEAP__INSIDE_CHANGES);
  return neap__inside_queue(fs, granted ? make_file : NULL, on_opened);
}

void neap__inside_unlink(const neap_engine *engine, const char *path,
                         int flags) {
  const char *rest;
  char name[NAME_MAX + 1];
  bool slash;
  const neap__grant *g = neap__grants_root(engine->grants, path, &rest);
  if (!g || g->read_only)
    return;
  int parent = neap__beneath_parent(&g->folder, rest, name, &slash);
  if (parent >= 0)
    unlinkat(parent, name, flags);
  neap__sys_close(parent);
}

int neap__inside_refuse(const neap_fs_result *fs) {
  const neap__within *w = &fs->within;
  return neap__grants_refuse_path(fs->engine->grants, w->grant[w->which],
                                  w->given[w->which], w->why);
}
