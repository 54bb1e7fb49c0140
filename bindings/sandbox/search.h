/* string.find, match, gmatch and gsub of a sandbox.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_SANDBOX_SEARCH_H
#define NEAP_BINDINGS_SANDBOX_SEARCH_H

#include <lua.h>

/* Each does what the function of that name in Lua does, with its work
 * counted. */
int neapL_search_find(lua_State *L);
int neapL_search_match(lua_State *L);
int neapL_search_gmatch(lua_State *L);
int neapL_search_gsub(lua_State *L);

#endif
