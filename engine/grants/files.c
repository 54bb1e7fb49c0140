/* In which folder a path lies that was granted.
 * SPDX-License-Identifier: MIT */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"

static const char *skip_nothing(const char *path) {
  for (;;) {
    bool is_nothing = path[0] == '/' ||
                      (path[0] == '.' && (path[1] == '/' || path[1] == '\0'));
    if (!is_nothing)
      return path;
    path++;
  }
}

/* Finds the part of an absolute path that follows a folder's, by their names;
 * "." where nothing does, NULL if the path does not lie in the folder. */
static const char *rest_of(const char *folder, const char *path) {
  for (;;) {
    path = skip_nothing(path);
    folder = skip_nothing(folder);
    if (*folder == '\0')
      return *path ? path : ".";
    size_t size = strcspn(folder, "/");
    if (strncmp(folder, path, size) != 0 ||
        (path[size] != '/' && path[size] != '\0'))
      return NULL;
    folder += size;
    path += size;
  }
}

/* The shorter of two rests: that of the folder that is farther down. */
static const char *nearer(const char *one, const char *other) {
  if (!one || !other)
    return one ? one : other;
  return strlen(other) < strlen(one) ? other : one;
}

static const char *rest_in(const neap__grant *g, const char *path) {
  return nearer(rest_of(g->path, path), rest_of(g->real, path));
}

const neap__grant *neap__grants_root(const neap__grants *grants,
                                     const char *path, const char **rest) {
  const neap__grant *found = NULL;
  *rest = NULL;
  for (size_t i = 0; i < grants->count; i++) {
    const neap__grant *g = &grants->items[i];
    if (g->kind != NEAP__GRANT_FILES)
      continue;
    if (*path != '/') {
      *rest = path;
      return g;
    }
    const char *below = rest_in(g, path);
    if (below && (!found || strlen(below) < strlen(*rest))) {
      found = g;
      *rest = below;
    }
  }
  return found;
}

bool neap__grants_is_root(const neap__grants *grants, int folder,
                          const char *name) {
  struct stat found, root;
  if (fstatat(folder, name, &found, AT_SYMLINK_NOFOLLOW) < 0)
    return false;
  for (size_t i = 0; i < grants->count; i++) {
    const neap__grant *g = &grants->items[i];
    if (g->kind == NEAP__GRANT_FILES && fstat(g->folder.file, &root) == 0 &&
        root.st_dev == found.st_dev && root.st_ino == found.st_ino)
      return true;
  }
  return false;
}

int neap__grants_refuse_path(neap__grants *grants, const neap__grant *grant,
                             const char *path, neap__grants_why why) {
  const char *slash = strrchr(path, '/');
  int size = slash > path ? (int)(slash - path) : 1;
  if (!grant && *path == '/')
    return neap__grants_refuse(grants, "files=%.*s would allow it", size, path);
  if (!grant)
    return neap__grants_refuse(grants, "files=FOLDER would allow it");
  switch (why) {
  case NEAP__GRANTS_READ_ONLY:
    return neap__grants_refuse(grants,
                               "%s may only be read, files=%s would allow it",
                               grant->path, grant->path);
  case NEAP__GRANTS_ROOT:
    return neap__grants_refuse(grants, "%s was granted, and stays where it is",
                               grant->path);
  case NEAP__GRANTS_LINK:
    return neap__grants_refuse(grants, "the link would lead out of %s",
                               grant->path);
  default:
    return neap__grants_refuse(grants, "it leads out of %s", grant->path);
  }
}

int neap__grants_open(neap__grants *grants, const char *path, int flags,
                      mode_t mode, int *number) {
  const char *rest;
  const neap__grant *g = neap__grants_root(grants, path, &rest);
  bool changes = !(flags & O_PATH) &&
                 (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND));
  neap__grants_why why = NEAP__GRANTS_OUTSIDE;
  int file = -1;
  errno = NEAP__EREFUSED;
  if (g && g->read_only && changes)
    why = NEAP__GRANTS_READ_ONLY;
  else if (g)
    file = neap__beneath_open(&g->folder, rest, flags, mode);
  if (file < 0 && errno == NEAP__EREFUSED) {
    *number = neap__grants_refuse_path(grants, g, path, why);
    errno = NEAP__EREFUSED;
  }
  return file;
}

int neap__grants_open_unix(const neap__grant *grant) {
  struct stat found;
  int file =
      openat(grant->folder.file, grant->last, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0 || (fstat(file, &found) == 0 && S_ISSOCK(found.st_mode)))
    return file;
  neap__sys_close(file);
  return neap__sys_fail(ECONNREFUSED);
}

/* A relative path begins in the first folder, as all do. */
static bool make_absolute(const neap__grants *grants, const char *path,
                          char out[PATH_MAX]) {
  const neap__grant *first = NULL;
  for (size_t i = 0; i < grants->count && !first; i++)
    if (grants->items[i].kind == NEAP__GRANT_FILES)
      first = &grants->items[i];
  bool is_relative = *path != '/' && first;
  return snprintf(out, PATH_MAX, "%s%s%s", is_relative ? first->path : "",
                  is_relative ? "/" : "", path) < PATH_MAX;
}

const neap__grant *neap__grants_unix(neap__grants *grants, const char *path,
                                     int *number) {
  char full[PATH_MAX] = "";
  bool fits = make_absolute(grants, path, full);
  for (size_t i = 0; fits && i < grants->count; i++) {
    const neap__grant *g = &grants->items[i];
    const char *rest =
        g->kind == NEAP__GRANT_UNIX && *full == '/' ? rest_in(g, full) : NULL;
    if (rest && strcmp(rest, g->last) == 0)
      return g;
  }
  *number = neap__grants_refuse(grants, "unix=%s would allow it", full);
  return NULL;
}
