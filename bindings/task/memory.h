/* The memory of a Lua state that neap has made: counted, from one allocator.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_MEMORY_H
#define NEAP_BINDINGS_TASK_MEMORY_H

#include <lua.h>
#include <stdbool.h>

#include "neap.h"

/* What a state and its engine use together. */
typedef struct neapL_memory {
  neap_alloc below; /* where it comes from */
  size_t used;      /* bytes */
  size_t peak;      /* the most that was used */
  bool ends;        /* it is freed with the last byte that it counts */
} neapL_memory;

/* Makes the account of a state whose memory comes from `below`; without a
 * function, from the C library. Returns NULL when there is no memory. It counts
 * nothing yet: neapL_memory_free frees it. */
neapL_memory *neapL_memory_new(const neap_alloc *below);
void neapL_memory_free(neapL_memory *memory);

/* The allocator that counts, in the form of Lua's and of the engine's; `ud` is
 * a neapL_memory. */
void *neapL_memory_alloc(void *ud, void *ptr, size_t old_size, size_t new_size);

#endif
