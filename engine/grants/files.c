/* In which folder a path lies that was granted.
 * SPDX-License-Identifier: MIT */
#include "files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const char *skip_nothing(const char *path) {
  for (;;) {
    if (*path == '/')
      path++;
    else if (path[0] == '.' && (path[1] == '/' || path[1] == '\0'))
      path++;
    else
      return path;
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

const neap__grant *neap__grants_unix(neap__grants *grants, const char *path,
                                     int *number) {
  for (size_t i = 0; i < grants->count; i++) {
    const neap__grant *g = &grants->items[i];
    const char *rest =
        g->kind == NEAP__GRANT_UNIX && *path == '/' ? rest_in(g, path) : NULL;
    if (rest && strcmp(rest, g->last) == 0)
      return g;
  }
  *number = neap__grants_refuse(grants, "unix=%s would allow it", path);
  return NULL;
}
