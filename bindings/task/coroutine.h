/* The functions of Lua's `coroutine`, for coroutines that may wait.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_COROUTINE_H
#define NEAP_BINDINGS_TASK_COROUTINE_H

#include <lua.h>
#include <stdbool.h>

#include "host.h"

/* Sets them in the global table `coroutine`. [-0, +0, v] */
void neapL_coroutine_open(lua_State *L);

/* Suspends this coroutine until the engine wakes it: yields a token of ours,
 * which differs from all values that a user could yield. The code that resumes
 * the coroutine pops the token first. */
int neapL_coroutine_suspend(lua_State *L, lua_KContext context,
                            lua_KFunction k);

/* Suspends this coroutine of a task until the next slice, which calls `k`. */
int neapL_coroutine_cut(lua_State *L, lua_KFunction k);

/* True for a coroutine that has been suspended in that way. [-0, +0, -] */
bool neapL_coroutine_is_suspended(lua_State *co);

/* Ends a coroutine that is suspended or has failed. Its <close> variables are
 * called. They may not wait, since lua_resetthread cannot be suspended. Returns
 * true when one of them has raised, with the error on the stack of `co`;
 * otherwise that stack is empty. [-0, +0, -] */
bool neapL_coroutine_end(lua_State *L, lua_State *co);

/* Marks a coroutine in that way which the budget has suspended. [-0, +0, -] */
void neapL_coroutine_mark(neapL_host *host, lua_State *co);

#endif
