/* The kinds of store that there are, for the cases that take any.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SPEC_STORE_KINDS_H
#define NEAP_SPEC_STORE_KINDS_H

#include <stdio.h>
#include <unistd.h>

#include "store/conformance.h"

static inline void fill_memory(void *ud, int way, neap_store *first,
                               neap_store_opts *opts) {
  (void)ud;
  opts->kind = "memory";
  if (way > 0)
    opts->beside = first;
}

#ifdef NEAP_TEST_SQLITE_LIBRARY
/* The path of the file, which is made anew for each case. */
#define STORE_PATH_SIZE 64

static inline void fill_sqlite(void *ud, int way, neap_store *first,
                               neap_store_opts *opts) {
  (void)way;
  (void)first;
  opts->kind = "sqlite";
  opts->path = ud;
  opts->sync = "normal";
  opts->library = NEAP_TEST_SQLITE_LIBRARY;
}

static inline void remove_store(void *ud) {
  static const char *const endings[] = {"", "-wal", "-shm"};
  char path[STORE_PATH_SIZE + 8];
  for (int i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "%s%s", (const char *)ud, endings[i]);
    unlink(path);
  }
}

/* Stores in a file whose path is written to `path`. */
static inline store_kind sqlite_kind(char path[STORE_PATH_SIZE]) {
  const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  snprintf(path, STORE_PATH_SIZE, "%s/neap_store_%d.db", folder, (int)getpid());
  remove_store(path);
  return (store_kind){
      .name = "sqlite", .fill = fill_sqlite, .clean = remove_store, .ud = path};
}
#endif

static inline store_kind memory_kind(void) {
  return (store_kind){.name = "memory", .fill = fill_memory};
}

#endif
