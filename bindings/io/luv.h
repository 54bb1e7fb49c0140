/* luv on the engine's loop.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_IO_LUV_H
#define NEAP_BINDINGS_IO_LUV_H

#include <lua.h>

/* Pushes the table of the functions for lua/neap/luv.lua. [-0, +1, m]
 *
 * attach(path): makes the luv in that file use the engine's loop when it is
 * opened, and makes its callbacks be called here. is_attached(path): returns
 * whether it does so. wait(): waits until no guest is active on the loop.
 * adopt(): prepares luv, which has been opened, for the end of the state.
 * handles(): returns a list of its handles that have not been closed. */
int neapL_luv_open(lua_State *L);

/* Frees what luv has left, when the state is being closed and the engine has
 * been freed. [-0, +0, -] */
void neapL_luv_end(lua_State *L);

#endif
