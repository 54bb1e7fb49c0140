/* How a path leads to what it names: over links, some of which may be made to
 * point elsewhere.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_FS_TRAIL_H
#define NEAP_FS_TRAIL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum neap__trail_kind {
  NEAP__TRAIL_MISSING = 0, /* it leads nowhere */
  NEAP__TRAIL_FILE,
  NEAP__TRAIL_FOLDER,
} neap__trail_kind;

/* Where a path has led. */
typedef struct neap__trail {
  neap__trail_kind kind;
  int why;                /* it leads nowhere: libuv's code, UV_ENOENT, ... */
  char real[PATH_MAX];    /* without links; up to the name at which it ended */
  uint64_t device, inode; /* 0 where it leads nowhere */
  bool linked;            /* there were links on the way */
  bool last;              /* it ended at the last name of the path */
} neap__trail;

/* Called for each name on which it depends where the path leads: those of links
 * on the way, and that at which it ends, unless that is a directory. `folder`
 * is the directory where the name is, without links. Returns a status. */
typedef int (*neap__trail_fn)(void *ud, const char *folder, const char *name,
                              bool is_link);

/* Follows an absolute path. Returns what `visit` has returned that is negative,
 * or 0. */
int neap__trail_follow(const char *path, neap__trail_fn visit, void *ud,
                       neap__trail *out);

#endif
