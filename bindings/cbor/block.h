/* Memory that grows while tables are read.
 * SPDX-License-Identifier: MIT
 *
 * It comes from the allocator of the state and not from the collector: making
 * room for more takes no step of the collector, so no finalizer runs and
 * changes the tables meanwhile. */
#ifndef NEAP_BINDINGS_CBOR_BLOCK_H
#define NEAP_BINDINGS_CBOR_BLOCK_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct neapL_cbor_block {
  char *bytes;       /* owned */
  size_t used, size; /* in bytes */
} neapL_cbor_block;

/* Makes the block at least `size` bytes large. Returns false, and changes
 * nothing, when there is no memory. [-0, +0, -] */
bool neapL_cbor_block_grow(lua_State *L, neapL_cbor_block *block, size_t size);

/* Frees the memory of a block if it is larger than `most` bytes. [-0, +0, -] */
void neapL_cbor_block_trim(lua_State *L, neapL_cbor_block *block, size_t most);

#endif
