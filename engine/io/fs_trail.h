/* Where a path leads, over links that may be made to point elsewhere.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_IO_FS_TRAIL_H
#define NEAP_IO_FS_TRAIL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "grants/beneath.h"

typedef enum neap__trail_kind {
  NEAP__TRAIL_MISSING = 0, /* the path leads nowhere */
  NEAP__TRAIL_FILE,
  NEAP__TRAIL_FOLDER,
} neap__trail_kind;

/* Where a path has led. */
typedef struct neap__trail {
  neap__trail_kind kind;
  int why;                /* of MISSING: libuv's code, UV_ENOENT, ... */
  char real[PATH_MAX];    /* without links; up to the name at which it ended */
  uint64_t device, inode; /* 0 where it leads nowhere */
  bool linked;            /* there were links on the way */
  bool last;              /* it ended at the last name of the path */
} neap__trail;

/* Called for each name on which the end of the path depends: the links on the
 * way, and the last name, unless that is a directory. `folder` is the directory
 * that has the name; its path has no links. Returns a status. */
typedef int (*neap__trail_fn)(void *ud, const char *folder, const char *name,
                              bool is_link);

/* Follows an absolute path. With `root` it begins in that folder, and is
 * nowhere (NEAP__REFUSED) where it leads out of it. Returns 0, or the negative
 * status with which `visit` has ended the walk. */
int neap__trail_follow(const neap__folder *root, const char *path,
                       neap__trail_fn visit, void *ud, neap__trail *out);

#endif
