/* pcall and xpcall, such that nothing refuses to end.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_PROTECT_H
#define NEAP_BINDINGS_TASK_PROTECT_H

#include <lua.h>
#include <stdbool.h>

/* A task that has been told of its cancellation, and waits again, is ended by
 * an error that our pcall and xpcall pass on. Code that knows another pcall, or
 * whose <close> variables raise, can still go on; after so many waits nothing
 * catches any error in it, and after twice as many its coroutine is ended. */
enum { NEAPL_PROTECT_PATIENCE = 1000 };

/* Has pcall and xpcall pass on the error on top. [-0, +0, v] */
void neapL_protect_let_pass(lua_State *L);

/* True when the error on top, which has been caught, must not stay caught: the
 * task that runs is being ended. [-0, +0, -] */
bool neapL_protect_must_pass(lua_State *L);

/* Puts them into the globals `pcall` and `xpcall`. [-0, +0, m] */
void neapL_protect_open(lua_State *L);

/* Has no xpcall that the suspended coroutine `co` is inside of, ours or the one
 * that was there before, call its message handler any more. Returns whether it
 * is inside of any. [-0, +0, -] */
bool neapL_protect_drop_handlers(lua_State *L, lua_State *co);

#endif
