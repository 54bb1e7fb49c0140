/* JSON for Lua: decode, which jansson does.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_JSON_DECODE_H
#define NEAP_BINDINGS_JSON_DECODE_H

#include <lua.h>

/* decode(text, { big_integers = "error", lone_surrogates = "error" }), with the
 * upvalues of json.h. null becomes json.null, an array a table that remembers
 * being one; integers and reals stay apart. Integers beyond 64 bits become
 * reals with "float", their digits with "string"; escaped surrogates that are
 * not a pair become U+FFFD with "replace". Raises an error object of code
 * "json" with `line`, `column` and `offset`, all from 1 (columns count
 * characters, the offset bytes), where the text is no JSON, nests deeper than
 * jansson goes or has a number that Lua cannot hold. */
int neapL_json_decode(lua_State *L);

/* Registers what decode needs in a state. [-0, +0, m] */
void neapL_json_decode_open(lua_State *L);

#endif
