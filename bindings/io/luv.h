/* luv on the engine's loop.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_IO_LUV_H
#define NEAP_BINDINGS_IO_LUV_H

#include <lua.h>

/* Pushes the raw module table, for lua/neap/luv.lua only. [-0, +1, m]
 *
 * attach(path): has the luv in that file, when it is opened, use the engine's
 * loop, and its callbacks be called here. is_attached(path): whether it does.
 * wait(): waits until no handle of others is active on the loop. adopt():
 * prepares luv, which has been opened, for the end of the state. handles(): a
 * list of its handles that have not been closed. */
int neapL_luv_open(lua_State *L);

/* Lets go of what luv has left, when the state is being closed and the engine
 * has been freed. [-0, +0, -] */
void neapL_luv_end(lua_State *L);

#endif
