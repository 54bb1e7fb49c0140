/* The values that mark null, arrays and ordered objects of JSON.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_JSON_VALUES_H
#define NEAP_BINDINGS_JSON_VALUES_H

#include <lua.h>

/* The registry's keys of the metatable that marks arrays, and of json.null. */
#define NEAPL_JSON_ARRAY_META "neap.json.array"
#define NEAPL_JSON_NULL_KEY   "neap.json.null"

/* The upvalues of all functions of the module: json.null, the metatable that
 * marks arrays, and the name under which the metatable of an ordered object has
 * the ranks of its keys, a table of integers by name. */
enum {
  NEAPL_JSON_NULL = lua_upvalueindex(1),
  NEAPL_JSON_ARRAY = lua_upvalueindex(2),
  NEAPL_JSON_RANKS = lua_upvalueindex(3)
};

#endif
