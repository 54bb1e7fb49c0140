/* An allocator that counts, and fails when told to.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SPEC_FAILING_ALLOC_H
#define NEAP_SPEC_FAILING_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "neap.h"

/* A test that every allocation may fail:
 *
 *   bool failed = true;
 *   for (long n = 1; failed; n++) {
 *     failing_state memory;
 *     neap_alloc alloc = failing_alloc(&memory, n);
 *     ... what is tested gives NEAP_ENOMEM just when memory.failed ...
 *     assert_int_equal(0, memory.live);
 *     failed = memory.failed;
 *   }
 *
 * Whatever grows also moves, and what has been freed is overwritten, so that
 * pointers kept too long are noticed. A wrong `old_size` aborts the test. */
typedef struct failing_state {
  long calls;    /* requests for memory so far, those to grow included */
  long fail_at;  /* which of them gets none; 0: each gets what it wants */
  bool for_good; /* all after it get none, either */
  bool failed;   /* that one has come */
  size_t live;   /* bytes not returned */
  size_t peak;   /* the most that `live` has been */
} failing_state;

/* Stands before each block and keeps it aligned. */
typedef union failing_block {
  size_t size;
  max_align_t align;
} failing_block;

static inline void *failing_realloc(void *ud, void *ptr, size_t old_size,
                                    size_t new_size) {
  failing_state *state = ud;
  failing_block *old = ptr ? (failing_block *)ptr - 1 : NULL;
  size_t size = old ? old->size : 0;
  if (old_size != size) {
    fprintf(stderr, "a block of %zu bytes was said to have %zu\n", size,
            old_size);
    abort();
  }
  if (new_size > old_size) {
    state->calls++;
    if (state->calls == state->fail_at)
      state->failed = true;
    if (state->calls == state->fail_at || (state->failed && state->for_good))
      return NULL;
  }
  failing_block *block = NULL;
  if (new_size > 0) {
    block = malloc(sizeof *block + new_size);
    if (!block)
      return NULL;
    block->size = new_size;
    if (old)
      memcpy(block + 1, ptr, old_size < new_size ? old_size : new_size);
  }
  if (old) {
    memset(ptr, 0xdd, old_size);
    free(old);
  }
  state->live += new_size - old_size;
  if (state->live > state->peak)
    state->peak = state->live;
  return block ? block + 1 : NULL;
}

/* Returns an allocator of which request `fail_at` (from 1; 0: none) fails. It
 * uses *state, which it resets, until the last block has been freed. */
static inline neap_alloc failing_alloc(failing_state *state, long fail_at) {
  *state = (failing_state){.fail_at = fail_at};
  return (neap_alloc){.fn = failing_realloc, .ud = state};
}

/* Has each allocation of `survives` fail once. That does what is tested while
 * allocation `fail_at` fails, and returns whether there was such a one. Returns
 * how many there are. */
static inline long fail_each(bool (*survives)(long fail_at)) {
  long count = 0;
  while (survives(count + 1))
    count++;
  return count;
}

#endif
