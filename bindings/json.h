/* JSON for Lua: the module, and what encode and decode share.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_JSON_H
#define NEAP_BINDINGS_JSON_H

#include <lua.h>

/* The upvalues of all functions of the module: json.null, and the metatable
 * that marks arrays. */
enum {
  NEAP__JSON_NULL = lua_upvalueindex(1),
  NEAP__JSON_ARRAY = lua_upvalueindex(2)
};

/* Pushes the module table: `decode` (json_decode.h), `encode` (json_encode.h),
 * `array` and `null`, the last of them the same value however often a state
 * opens the module. [-0, +1, m]
 *
 * array(t): marks a table (a new one without `t`) as an array, so that it is
 * "[]" and not "{}" when empty. Returns it. */
int neap__json_open(lua_State *L);

#endif
