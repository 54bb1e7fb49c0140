/* The one funnel through which the engine gets its memory.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BASE_ALLOC_H
#define NEAP_BASE_ALLOC_H

#include "neap.h"

/* Returns `alloc`, or the C library's allocator where it is NULL or empty. */
neap_alloc neap__alloc_or_default(const neap_alloc *alloc);

/* Returns `size` zeroed bytes, NULL when there are none. `size` is not 0. */
void *neap__alloc(const neap_alloc *alloc, size_t size);

/* Frees `size` bytes at `ptr`. NULL is ignored. */
void neap__free(const neap_alloc *alloc, void *ptr, size_t size);

/* Makes room for `count` items of `item_size` bytes in *items, which has room
 * for *capacity: at least doubles, so that appending is linear. On failure
 * nothing has changed and NEAP_ENOMEM is returned. */
int neap__reserve(const neap_alloc *alloc, void *items, size_t *capacity,
                  size_t count, size_t item_size);

/* Returns an *owned* copy of `size` bytes with a zero after them; its size is
 * size + 1. NULL when there is no memory. */
char *neap__copy(const neap_alloc *alloc, const char *bytes, size_t size);

#endif
