/* Lua's coroutine.resume and coroutine.wrap, such that what runs inside may
 * wait for the engine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_COROUTINE_H
#define NEAP_BINDINGS_COROUTINE_H

#include <lua.h>
#include <stdbool.h>

/* Puts them into the global table `coroutine`. [-0, +0, v] */
void neap__coroutine_open(lua_State *L);

/* True when the function at `index` is one that coroutine.wrap gave.
 * [-0, +0, -] */
bool neap__coroutine_is_wrap(lua_State *L, int index);

#endif
