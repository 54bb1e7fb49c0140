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

/* The grant of the local socket at a path; NULL after noting the refusal. */
const neap__grant *neap__grants_unix(neap__grants *grants, const char *path,
                                     int *number);

#endif
