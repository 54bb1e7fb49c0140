/* JSON for Lua: encode, without jansson.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_JSON_ENCODE_H
#define NEAP_BINDINGS_JSON_ENCODE_H

#include <lua.h>

/* encode(value, { indent = 0, sort_keys = true }), with the upvalues of
 * values.h. It reads tables without their metamethods. A finalizer that changes
 * a table meanwhile may change the text, too. Raises an error object of code
 * "json" with `path` ("$.items[3].name", with indices as in Lua) for a value
 * that JSON cannot hold or decode could not read. */
int neapL_json_encode(lua_State *L);

#endif
