/* JSON for Lua: the module.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_JSON_JSON_H
#define NEAP_BINDINGS_JSON_JSON_H

#include <lua.h>

/* Pushes the module table: `decode` (decode.h), `encode` (encode.h), `array`,
 * `object` and `null`. `null` is the same value however often a state opens the
 * module. [-0, +1, m]
 *
 * array(t): marks a table as an array, so that it is "[]" and not "{}" when it
 * is empty. Returns it; without `t`, a new one.
 *
 * object(t, keys): sets the order in which the keys of a table are written.
 * Keys that are not in the list come after these, sorted. Returns the table;
 * without `t`, a new one. */
int neapL_json_open(lua_State *L);

#endif
