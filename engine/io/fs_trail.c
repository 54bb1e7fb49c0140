/* How a path leads to what it names: over links, some of which may be made to
 * point elsewhere.
 * SPDX-License-Identifier: MIT */
#include "fs_trail.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/status.h"
#include "neap.h"

enum { MAX_LINKS = 40 }; /* as many as Linux follows */

/* The walk along a path: where it is, and the rest of the path. */
typedef struct walk {
  const neap__folder *root; /* "/" is this folder; NULL: that of the system */
  char here[PATH_MAX]; /* a directory, without links; "/" or without a slash at
                          its end */
  char rest[PATH_MAX];
  int links;
} walk;

/* Copies a path; all have room for PATH_MAX. */
static void copy(char *to, const char *path) {
  memcpy(to, path, strlen(path) + 1);
}

/* Takes the next name off the rest; false when there is none. */
static bool next_name(walk *w, char *name) {
  const char *from = w->rest + strspn(w->rest, "/");
  size_t size = strcspn(from, "/");
  memcpy(name, from, size);
  name[size] = '\0';
  memmove(w->rest, from + size, strlen(from + size) + 1);
  return size > 0;
}

static bool is_last(const walk *w) {
  return w->rest[strspn(w->rest, "/")] == '\0';
}

/* Appends a name to a directory's path; false when that is too long. */
static bool join(char *path, const char *name) {
  size_t size = strlen(path), more = strlen(name);
  bool slash = path[size - 1] != '/';
  if (size + slash + more >= PATH_MAX)
    return false;
  if (slash)
    path[size++] = '/';
  memcpy(path + size, name, more + 1);
  return true;
}

static void go_up(walk *w) {
  char *slash = strrchr(w->here, '/');
  slash[slash == w->here] = '\0';
}

/* As lstat, from the root. The names on the way may have become links by now;
 * none leads out of it. */
static int look_at(const walk *w, const char *path, struct stat *found) {
  char name[NAME_MAX + 1];
  bool slash;
  if (!w->root)
    return lstat(path, found);
  if (path[1] == '\0')
    return fstat(w->root->file, found);
  int folder = neap__beneath_parent(w->root, path + 1, name, &slash);
  int status =
      folder < 0 ? -1 : fstatat(folder, name, found, AT_SYMLINK_NOFOLLOW);
  neap__sys_close(folder);
  return status;
}

/* As readlink, from the root. */
static ssize_t read_link(const walk *w, const char *path, char *target,
                         size_t size) {
  char name[NAME_MAX + 1];
  bool slash;
  if (!w->root)
    return readlink(path, target, size);
  int folder = neap__beneath_parent(w->root, path + 1, name, &slash);
  ssize_t count = folder < 0 ? -1 : readlinkat(folder, name, target, size);
  neap__sys_close(folder);
  if (count > 0 && *target == '/')
    return neap__sys_fail(NEAP__EREFUSED);
  return count;
}

/* Puts where a link leads before the rest. Returns 0 or an errno. */
static int follow_link(walk *w, const char *link) {
  char target[PATH_MAX];
  if (++w->links > MAX_LINKS)
    return ELOOP;
  ssize_t size = read_link(w, link, target, sizeof target - 1);
  if (size < 0)
    return errno;
  target[size] = '\0';
  if ((size_t)size + 1 + strlen(w->rest) >= sizeof w->rest)
    return ENAMETOOLONG;
  if (*target == '/')
    copy(w->here, "/");
  memmove(w->rest + size + 1, w->rest, strlen(w->rest) + 1);
  memcpy(w->rest, target, (size_t)size);
  w->rest[size] = '/';
  return 0;
}

/* Ends the walk at the file `found`; or if that is NULL nowhere, for the reason
 * `why`, an errno. */
static int end_at(const walk *w, neap__trail_kind kind,
                  const struct stat *found, int why, neap__trail *out) {
  out->kind = kind;
  out->why = why ? uv_translate_sys_error(why) : 0;
  out->device = found ? found->st_dev : 0;
  out->inode = found ? found->st_ino : 0;
  out->linked = w->links > 0;
  out->last = is_last(w);
  return 0;
}

static int end_nowhere(const walk *w, int why, neap__trail *out) {
  return end_at(w, NEAP__TRAIL_MISSING, NULL, why, out);
}

int neap__trail_follow(const neap__folder *root, const char *path,
                       neap__trail_fn visit, void *ud, neap__trail *out) {
  walk w = {.root = root, .here = "/"};
  char name[PATH_MAX];
  struct stat found = {0};
  copy(out->real, "/");
  if (strlen(path) >= sizeof w.rest)
    return end_nowhere(&w, ENAMETOOLONG, out);
  copy(w.rest, path);
  while (next_name(&w, name)) {
    if (strcmp(name, ".") == 0)
      continue;
    if (strcmp(name, "..") == 0) {
      if (root && w.here[1] == '\0')
        return end_nowhere(&w, NEAP__EREFUSED, out);
      go_up(&w);
      continue;
    }
    copy(out->real, w.here);
    if (!join(out->real, name))
      return end_nowhere(&w, ENAMETOOLONG, out);
    int why = look_at(&w, out->real, &found) < 0 ? errno : 0;
    if (why == 0 && S_ISDIR(found.st_mode)) {
      copy(w.here, out->real);
      continue;
    }
    bool is_link = why == 0 && S_ISLNK(found.st_mode);
    int status = visit(ud, w.here, name, is_link);
    if (status < 0)
      return status;
    if (is_link)
      why = follow_link(&w, out->real);
    else if (why == 0 && !is_last(&w))
      why = ENOTDIR;
    if (why != 0)
      return end_nowhere(&w, why, out);
    if (!is_link)
      return end_at(&w, NEAP__TRAIL_FILE, &found, 0, out);
  }
  copy(out->real, w.here);
  if (look_at(&w, out->real, &found) < 0)
    return end_nowhere(&w, errno, out);
  return end_at(&w, NEAP__TRAIL_FOLDER, &found, 0, out);
}
