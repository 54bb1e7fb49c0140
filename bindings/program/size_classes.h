/* The allocator of the executable: size classes for small objects.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_PROGRAM_SIZE_CLASSES_H
#define NEAP_BINDINGS_PROGRAM_SIZE_CLASSES_H

#include <stddef.h>

/* Zero-initialised means empty. */
typedef struct neapL_pool {
  struct cell {
    struct cell *next;
  } * free[64];        /* cells of 16, 32, ... 1024 bytes that are not in use */
  char *fresh, *end;   /* what is left of the newest block */
  struct cell *blocks; /* all blocks */
} neapL_pool;

/* A lua_Alloc, with the pool as `ud`. Lua passes the size of what it frees, so
 * cells need no headers. The memory of small objects goes back to their free
 * lists, and to the system only when the pool is freed. Larger objects are
 * malloc's. */
void *neapL_pool_alloc(void *ud, void *ptr, size_t old_size, size_t new_size);

/* Frees all blocks. Nothing in them may be used any more. */
void neapL_pool_free(neapL_pool *pool);

#endif
