/* In which folder a path lies that was granted.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_GRANTS_FILES_H
#define NEAP_GRANTS_FILES_H

#include "grants.h"

/* Finds the grant in whose folder a path lies by its names, and in *rest the
 * path from that folder. A relative path lies in the first folder. NULL where
 * it lies in none. */
const neap__grant *neap__grants_root(const neap__grants *grants,
                                     const char *path, const char **rest);

/* Whether a folder, or a file, that is open is the folder of a grant. */
bool neap__grants_is_root(const neap__grants *grants, int folder,
                          const char *name);

/* Why a path is refused. */
typedef enum neap__grants_why {
  NEAP__GRANTS_OUTSIDE = 0, /* it leads out of all folders */
  NEAP__GRANTS_READ_ONLY,   /* what is there may only be read */
  NEAP__GRANTS_ROOT,        /* it is the folder of a grant */
  NEAP__GRANTS_LINK,        /* a link would lead out */
} neap__grants_why;

/* Notes the refusal of a path, that of a grant or, with NULL, of none. Returns
 * its number. */
int neap__grants_refuse_path(neap__grants *grants, const neap__grant *grant,
                             const char *path, neap__grants_why why);

/* Opens the file at a path, at once. The flags are as for open. Returns -1 with
 * errno; if that is NEAP__EREFUSED, *number is that of the refusal. */
int neap__grants_open(neap__grants *grants, const char *path, int flags,
                      mode_t mode, int *number);

/* Opens (O_PATH) the local socket at the path of a grant, which is not a link.
 * Returns -1 with errno. */
int neap__grants_open_unix(const neap__grant *grant);

/* The grant of the local socket at a path; NULL after noting the refusal. */
const neap__grant *neap__grants_unix(neap__grants *grants, const char *path,
                                     int *number);

#endif
