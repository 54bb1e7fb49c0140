/* CBOR for Lua: the module.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_CBOR_CBOR_H
#define NEAP_BINDINGS_CBOR_CBOR_H

#include <lua.h>

/* Pushes the module table: `encode`, `decode`, `type` (classes.h) and
 * `variables`. JSON must be open. [-0, +1, m]
 *
 * encode(value) -> string, decode(bytes) -> value: raise error objects of code
 * "cbor", with `path` and with `offset`.
 *
 * variables(shared, left_out) -> table: each field of a table, encoded, by its
 * name, but for those whose names are keys of `left_out`. Raises error objects
 * of code "durable". */
int neapL_cbor_open(lua_State *L);

#endif
