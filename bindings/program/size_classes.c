/* The allocator of the executable: size classes for small objects.
 * SPDX-License-Identifier: MIT */
#include "size_classes.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { GRAIN = 16, LARGEST = 64 * GRAIN, BLOCK = 64 * 1024 };

static size_t class_of(size_t size) {
  return (size - 1) / GRAIN;
}

static bool is_small(size_t size) {
  return size <= LARGEST;
}

/* Begins a new block; what was left of the last one is too small to matter. */
static bool add_block(neapL_pool *pool) {
  struct cell *block = malloc(BLOCK);
  if (!block)
    return false;
  block->next = pool->blocks;
  pool->blocks = block;
  pool->fresh = (char *)block + GRAIN;
  pool->end = (char *)block + BLOCK;
  return true;
}

static void *take(neapL_pool *pool, size_t size) {
  size_t class = class_of(size);
  struct cell *cell = pool->free[class];
  if (cell) {
    pool->free[class] = cell->next;
    return cell;
  }
  size_t bytes = (class + 1) * GRAIN;
  if ((size_t)(pool->end - pool->fresh) < bytes && !add_block(pool))
    return NULL;
  void *ptr = pool->fresh;
  pool->fresh += bytes;
  return ptr;
}

static void give(neapL_pool *pool, void *ptr, size_t size) {
  struct cell *cell = ptr;
  size_t class = class_of(size);
  cell->next = pool->free[class];
  pool->free[class] = cell;
}

/* Moves to another class, or between the classes and malloc. */
static void *move(neapL_pool *pool, void *ptr, size_t old_size,
                  size_t new_size) {
  void *moved = is_small(new_size) ? take(pool, new_size) : malloc(new_size);
  if (!moved)
    return NULL;
  memcpy(moved, ptr, old_size < new_size ? old_size : new_size);
  if (is_small(old_size))
    give(pool, ptr, old_size);
  else
    free(ptr);
  return moved;
}

void *neapL_pool_alloc(void *ud, void *ptr, size_t old_size, size_t new_size) {
  neapL_pool *pool = ud;
  if (!ptr) /* then old_size is the kind of object */
    return new_size == 0        ? NULL
           : is_small(new_size) ? take(pool, new_size)
                                : malloc(new_size);
  if (new_size == 0) {
    if (is_small(old_size))
      give(pool, ptr, old_size);
    else
      free(ptr);
    return NULL;
  }
  if (!is_small(old_size) && !is_small(new_size))
    return realloc(ptr, new_size);
  if (is_small(old_size) && is_small(new_size) &&
      class_of(old_size) == class_of(new_size))
    return ptr;
  return move(pool, ptr, old_size, new_size);
}

void neapL_pool_free(neapL_pool *pool) {
  while (pool->blocks) {
    struct cell *block = pool->blocks;
    pool->blocks = block->next;
    free(block);
  }
}
