/* Files beneath a folder: opened so that no path leads out of it.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_GRANTS_BENEATH_H
#define NEAP_GRANTS_BENEATH_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* A folder that has been opened (O_PATH): whatever its path leads to later, it
 * is this one. */
typedef struct neap__folder {
  int file;
  bool walks; /* the system has no openat2: paths are walked name by name, and
                 any link on the way is refused, as ".." is */
} neap__folder;

/* Functions that fail return -1 and leave why in errno: NEAP__EREFUSED where a
 * path leads out of the folder. They may be called from any thread. */

/* Opens the folder at a path. */
int neap__beneath_start(const char *path, neap__folder *out);

/* Opens what `path`, which is relative, leads to from the folder, as openat
 * does. The descriptor is closed on exec. */
int neap__beneath_open(const neap__folder *folder, const char *path, int flags,
                       mode_t mode);

/* Opens (O_PATH) the folder that has the last name of a path, and copies that
 * name. Slashes behind it are dropped, and set *slash. EINVAL where the last
 * name is "." or "..", or there is none. */
int neap__beneath_parent(const neap__folder *folder, const char *path,
                         char name[NAME_MAX + 1], bool *slash);

/* The same without openat2, as for `walks`. */
int neap__beneath_walk(const neap__folder *folder, const char *path, int flags,
                       mode_t mode);

#endif
