/* pcall and xpcall, such that nothing refuses to end.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_PROTECT_H
#define NEAP_BINDINGS_PROTECT_H

#include <lua.h>
#include <stdbool.h>

/* Puts them into the globals `pcall` and `xpcall`. [-0, +0, m] */
void neap__protect_open(lua_State *L);

/* Has no xpcall that the suspended coroutine `co` is inside of, ours or the one
 * that was there before, call its message handler any more. Returns whether it
 * is inside of any. [-0, +0, -] */
bool neap__protect_drop_handlers(lua_State *L, lua_State *co);

#endif
