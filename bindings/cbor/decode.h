/* CBOR for Lua: decode.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_CBOR_DECODE_H
#define NEAP_BINDINGS_CBOR_DECODE_H

#include <lua.h>
#include <stddef.h>

/* Pushes the value that `size` bytes at `bytes` encode. Raises an error object
 * of `code` with `offset` (from 1) for bytes that encode none, and what `load`
 * of a class raises, which must not wait. The bytes must stay where they are
 * meanwhile, whatever Lua does. [-0, +1, v] */
void neapL_cbor_decode(lua_State *L, const char *code, const char *bytes,
                       size_t size);

#endif
