/* A pcall and an xpcall that let a cancelled task end.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_PROTECT_H
#define NEAP_BINDINGS_TASK_PROTECT_H

#include <lua.h>
#include <stdbool.h>

/* Makes pcall and xpcall pass on the error on top. [-0, +0, v] */
void neapL_protect_let_pass(lua_State *L);

/* True when the error on top, which has been caught, must be raised again: the
 * current task is being ended. [-0, +0, -] */
bool neapL_protect_must_pass(lua_State *L);

/* Sets the globals `pcall` and `xpcall`. [-0, +0, m] */
void neapL_protect_open(lua_State *L);

/* Removes the message handlers of each xpcall, ours or Lua's, that the
 * suspended coroutine `co` is inside of. Returns whether there was any.
 * [-0, +0, -] */
bool neapL_protect_drop_handlers(lua_State *L, lua_State *co);

#endif
