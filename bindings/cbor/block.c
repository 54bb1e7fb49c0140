/* Memory that grows while tables are read.
 * SPDX-License-Identifier: MIT */
#include "block.h"

bool neapL_cbor_block_grow(lua_State *L, neapL_cbor_block *block, size_t size) {
  if (size <= block->size)
    return true;
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  char *bytes = alloc(ud, block->bytes, block->size, size);
  if (bytes == NULL)
    return false;
  block->bytes = bytes;
  block->size = size;
  return true;
}

void neapL_cbor_block_trim(lua_State *L, neapL_cbor_block *block, size_t most) {
  if (block->size <= most)
    return;
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  alloc(ud, block->bytes, block->size, 0);
  *block = (neapL_cbor_block){NULL, 0, 0};
}
