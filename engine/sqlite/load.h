/* Finds and loads the library for SQLite.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SQLITE_LOAD_H
#define NEAP_SQLITE_LOAD_H

#include "store/store.h"

/* Finds what keeps stores in files; `path` is that of the library, or NULL. On
 * failure, NEAP_ENOLIB, `why` has a sentence of at most 1023 bytes. */
int neap__sqlite_find(const char *path, const neap__keeper_api **out,
                      char *why);

#endif
