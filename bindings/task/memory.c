/* The memory of a Lua state that neap has made: counted, from one allocator.
 * SPDX-License-Identifier: MIT
 *
 * The last thing that lua_close frees is the state itself, through the
 * allocator; objects that a host has from the engine may be freed even later.
 * So the account goes with the last byte that it counts, whichever that is. */
#include "memory.h"

#include <stdlib.h>

static void *c_alloc(void *ud, void *ptr, size_t old_size, size_t new_size) {
  (void)ud;
  (void)old_size;
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, new_size);
}

neapL_memory *neapL_memory_new(const neap_alloc *below) {
  neap_alloc from = *below;
  if (!from.fn)
    from = (neap_alloc){.fn = c_alloc};
  neapL_memory *memory = from.fn(from.ud, NULL, 0, sizeof *memory);
  if (memory)
    *memory = (neapL_memory){.below = from};
  return memory;
}

void neapL_memory_free(neapL_memory *memory) {
  neap_alloc below = memory->below;
  below.fn(below.ud, memory, sizeof *memory, 0);
}

void *neapL_memory_alloc(void *ud, void *ptr, size_t old_size,
                         size_t new_size) {
  neapL_memory *memory = ud;
  if (!ptr)
    old_size = 0; /* Lua tells the kind of object */
  if (old_size == new_size)
    return ptr;
  void *block = memory->below.fn(memory->below.ud, ptr, old_size, new_size);
  if (!block && new_size > 0)
    return NULL;
  memory->used += new_size - old_size;
  if (memory->used > memory->peak)
    memory->peak = memory->used;
  if (memory->used == 0 && memory->ends)
    neapL_memory_free(memory);
  return block;
}
