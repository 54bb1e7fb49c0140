/* The allocator of a host that runs short of memory, for the specs in C.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SPEC_SHORT_MEMORY_H
#define NEAP_SPEC_SHORT_MEMORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct memory {
  long requests; /* for more memory, so far */
  long fail_at;  /* the one that gets nothing; 0: each gets what it wants */
  bool for_good; /* nor do those after it */
  size_t live;   /* bytes not returned */
} memory;

/* Serves as the allocator of Lua and of the engine; `ud` is a memory. */
static inline void *allocate(void *ud, void *ptr, size_t old_size,
                             size_t new_size) {
  memory *m = ud;
  if (!ptr)
    old_size = 0; /* Lua tells the kind of object */
  if (new_size > old_size) {
    m->requests++;
    if (m->fail_at > 0 && (m->requests == m->fail_at ||
                           (m->for_good && m->requests > m->fail_at)))
      return NULL;
  }
  m->live += new_size - old_size;
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  void *block = realloc(ptr, new_size);
  assert_non_null(block);
  return block;
}

#endif
