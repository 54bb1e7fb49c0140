/* Lua's coroutine.resume and coroutine.wrap, such that what runs inside may
 * wait for the engine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_COROUTINE_H
#define NEAP_BINDINGS_COROUTINE_H

#include <lua.h>

/* Puts them into the global table `coroutine`. [-0, +0, v] */
void neap__coroutine_open(lua_State *L);

#endif
