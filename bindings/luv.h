/* luv on the engine's loop.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_LUV_H
#define NEAP_BINDINGS_LUV_H

#include <lua.h>

/* Pushes the raw module table, for lua/neap/luv.lua only. [-0, +1, m]
 *
 * attach(path): has the luv in that file, when it is opened, use the engine's
 * loop, and its callbacks be called here. is_attached(path): whether it does.
 * wait(): waits until no handle of others is active on the loop. */
int neap__luv_open(lua_State *L);

#endif
