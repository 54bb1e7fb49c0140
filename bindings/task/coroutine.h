/* Lua's coroutine.resume and coroutine.wrap, such that what runs inside may
 * wait for the engine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_COROUTINE_H
#define NEAP_BINDINGS_TASK_COROUTINE_H

#include <lua.h>
#include <stdbool.h>

/* Puts them into the global table `coroutine`. [-0, +0, v] */
void neapL_coroutine_open(lua_State *L);

/* Suspends this coroutine on behalf of the engine: yields a token of ours, so
 * that nobody takes it for a yield of the user's. Whoever resumes it has to pop
 * the token first. */
int neapL_coroutine_suspend(lua_State *L, lua_KContext context,
                            lua_KFunction k);

/* True for a coroutine that has been suspended so. [-0, +0, -] */
bool neapL_coroutine_is_suspended(lua_State *co);

/* Ends a coroutine that is suspended, or has failed: its <close> variables run,
 * and may not wait, since lua_resetthread cannot be suspended. Returns true
 * when one of them has raised, with the error on the stack of `co`; else
 * nothing is left there. [-0, +0, -] */
bool neapL_coroutine_end(lua_State *L, lua_State *co);

/* True when the function at `index` is one that coroutine.wrap gave.
 * [-0, +0, -] */
bool neapL_coroutine_is_wrap(lua_State *L, int index);

#endif
