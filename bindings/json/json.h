/* JSON for Lua: the module.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_JSON_JSON_H
#define NEAP_BINDINGS_JSON_JSON_H

#include <lua.h>

/* Pushes the module table: `decode` (decode.h), `encode` (encode.h), `array`,
 * `object` and `null`, the last of them the same value however often a state
 * opens the module. [-0, +1, m]
 *
 * array(t): marks a table (a new one without `t`) as an array, so that it is
 * "[]" and not "{}" when empty. Returns it.
 *
 * object(t, keys): gives a table (a new one without `t`) the order in which its
 * keys are written; those that are not in the list come after these, sorted.
 * Returns it. */
int neapL_json_open(lua_State *L);

#endif
