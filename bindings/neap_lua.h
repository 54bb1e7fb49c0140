/* neap for Lua 5.4: what a host needs to put neap into a Lua state.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_LUA_H
#define NEAP_LUA_H

#include <lua.h>

#include "neap.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Opens `neap.core`, the part of neap that is written in C, with an engine of
 * its own that lives as long as the state. A host calls it through
 * luaL_requiref or package.preload under the name "neap.core"; `require "neap"`
 * then finds it beside the Lua modules. Leaves the module's table on the stack.
 */
NEAP_API int luaopen_neap_core(lua_State *L);

/* The engine of a Lua state in which neap.core is open, *kept* by it: for
 * neap_on_event, neap_wake and the like. Do not poll or free it. NULL when neap
 * is not open, or has ended because the state is being closed. [-0, +0, -] */
NEAP_API neap_engine *neap_lua_engine(lua_State *L);

#ifdef __cplusplus
}
#endif

#endif
