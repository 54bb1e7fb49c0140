/* CBOR for Lua: encode.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_CBOR_ENCODE_H
#define NEAP_BINDINGS_CBOR_ENCODE_H

#include <lua.h>

#include "encoder.h"

/* How errors are raised: their code, and what stands for the whole value in
 * paths, as "$" or "shared" does. */
typedef struct neapL_cbor_names {
  const char *code, *root;
} neapL_cbor_names;

/* Pushes a new encoder, whose memory is used again by each call of the
 * functions below. What they return lies in the encoder until it is used again.
 * Tables are read without their metamethods, in a moment in which nothing else
 * runs; but the `save` functions of classes are called before it, and must not
 * wait.
 * [-0, +1, m] */
neapL_cbor_encoder *neapL_cbor_encoder_new(lua_State *L);

/* Encodes the value at an index, and returns the bytes. Raises an error object
 * with `path` for a value that cannot be encoded, and what `save` raises.
 * [-0, +0, v] */
const char *neapL_cbor_encode_value(lua_State *L, neapL_cbor_encoder *e,
                                    neapL_cbor_names names, int value,
                                    size_t *size);

/* Encodes each field of the table at the index `shared`, but for those that are
 * keys of the table at `left_out` (0: none are left out), and returns where the
 * encodings lie in `e->bytes`. Refuses what cannot be encoded, names that are
 * no strings, and a table that two fields hold. [-0, +0, v] */
const neapL_cbor_variable *neapL_cbor_encode_variables(lua_State *L,
                                                       neapL_cbor_encoder *e,
                                                       neapL_cbor_names names,
                                                       int shared, int left_out,
                                                       size_t *count);

/* Frees memory that the encoder does not need for what is small. [-0, +0, -] */
void neapL_cbor_encoder_trim(lua_State *L, neapL_cbor_encoder *e);

/* Registers the metatable of encoders. [-0, +0, m] */
void neapL_cbor_encode_open(lua_State *L);

#endif
