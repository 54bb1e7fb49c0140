/* JSON for Lua: decoding with jansson, encoding straight from Lua values.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_JSON_H
#define NEAP_BINDINGS_JSON_H

#include <lua.h>

/* Pushes the module table: `decode`, `encode`, `array` and `null`, the last of
 * them the same value however often a state opens the module. [-0, +1, m]
 *
 * decode(text): null becomes json.null, an array a table that remembers being
 * one, integers and reals stay apart. Raises an error object of code "json"
 * with `line`, `column` and `offset`, all from 1 (columns count characters,
 * the offset bytes), where the text is no JSON, nests deeper than jansson
 * goes or has a number that Lua can not hold.
 *
 * encode(value, { indent = 0, sort_keys = false }): the way back. Raises an
 * error object of code "json" with `path` ("$.items[3].name", indices as in
 * Lua) at what JSON can not say.
 *
 * array(t): marks a table (a new one without `t`) as an array, so that it is
 * "[]" and not "{}" when empty. Returns it. */
int neap__json_open(lua_State *L);

#endif
