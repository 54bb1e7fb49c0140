/* The Lua modules that are part of libneap_lua and of the executable.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_PRELOAD_H
#define NEAP_BINDINGS_PRELOAD_H

#include <lua.h>

/* Makes `require` find neap.core and all modules of modules.h in
 * package.preload. [-0, +0, m] */
void neapL_preload(lua_State *L);

#endif
