/* The values that mark null and arrays of JSON.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_JSON_VALUES_H
#define NEAP_BINDINGS_JSON_VALUES_H

#include <lua.h>

/* The upvalues of all functions of the module: json.null, and the metatable
 * that marks arrays. */
enum {
  NEAPL_JSON_NULL = lua_upvalueindex(1),
  NEAPL_JSON_ARRAY = lua_upvalueindex(2)
};

#endif
