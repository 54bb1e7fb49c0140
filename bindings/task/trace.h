/* Tracebacks, without the functions of neap's own.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_TRACE_H
#define NEAP_BINDINGS_TASK_TRACE_H

#include <stdbool.h>

#include <lua.h>

/* Pushes the traceback of the coroutine `of`, which may be L, as luaL_traceback
 * does from `level` on, without the lines of neap's own functions and of what
 * has no name. Returns false where nothing but functions in C without a name
 * was at work: then these are in it. [-0, +1, m] */
bool neapL_trace(lua_State *L, lua_State *of, int level);

/* Pushes the place where the innermost function of the script's is that is at
 * work in the coroutine `of`, "order.lua:12"; false where there is none.
 * [-0, +(0|1), m] */
bool neapL_trace_place(lua_State *L, lua_State *of);

/* Adds own_source(prefix) to the table on top: says what the sources of neap's
 * own functions begin with; and traceback(level), as debug.traceback but for
 * these functions. [-0, +0, m] */
void neapL_trace_open(lua_State *L);

#endif
