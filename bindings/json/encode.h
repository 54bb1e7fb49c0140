/* JSON for Lua: encode, straight from Lua values.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_JSON_ENCODE_H
#define NEAP_BINDINGS_JSON_ENCODE_H

#include <lua.h>

/* encode(value, { indent = 0, sort_keys = true }), with the upvalues of json.h.
 * Looks at tables as they are, without their metamethods; what finalizers
 * change while it works may be in the text or not. Raises an error object of
 * code "json" with `path` ("$.items[3].name", indices as in Lua) at what JSON
 * cannot say or decode could not read. */
int neapL_json_encode(lua_State *L);

#endif
