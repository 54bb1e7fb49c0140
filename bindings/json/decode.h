/* JSON for Lua: decode, with jansson.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_JSON_DECODE_H
#define NEAP_BINDINGS_JSON_DECODE_H

#include <lua.h>

/* decode(text, { big_integers = "error", lone_surrogates = "error" }), with the
 * upvalues of values.h. null becomes json.null, and an array a table that is
 * marked as one. Integers and reals stay apart. Integers beyond 64 bits become
 * reals with "float", and strings of their digits with "string". Escaped
 * surrogates that are not a pair become U+FFFD with "replace".
 *
 * Raises an error object of code "json" with `line`, `column` and `offset`, all
 * counted from 1: columns count characters, the offset counts bytes. That is
 * for a text that is no JSON, that is nested deeper than jansson reads, or that
 * has a number which Lua cannot hold. */
int neapL_json_decode(lua_State *L);

/* Registers what decode needs in a state. [-0, +0, m] */
void neapL_json_decode_open(lua_State *L);

#endif
