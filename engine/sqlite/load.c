/* Finds and loads the library for SQLite.
 * SPDX-License-Identifier: MIT */
#include "load.h"

#include "library.h"
#include "loop/library.h"

/* A program may have linked the archive of the library. Else this is NULL. */
#pragma weak neap__sqlite_library

static const neap__library library = {
    .file = "libneap_sqlite.so",
    .symbol = NEAP__SQLITE_SYMBOL,
    .what = "the library for SQLite",
};

int neap__sqlite_find(const char *path, const neap__keeper_api **out,
                      char *why) {
  if (!path && &neap__sqlite_library) {
    *out = &neap__sqlite_library.api;
    return neap__library_check(&neap__sqlite_library,
                               "the library for SQLite that is linked", why);
  }
  const void *found;
  int status = neap__library_find(&library, path, &found, why);
  if (status == 0)
    *out = &((const neap__store_library *)found)->api;
  return status;
}
