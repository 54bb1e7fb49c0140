/* Tracebacks without neap's own functions.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_TRACE_H
#define NEAP_BINDINGS_TASK_TRACE_H

#include <stdbool.h>

#include <lua.h>

/* Pushes the traceback of the coroutine `of`, which may be L, as luaL_traceback
 * does from `level` on, but without lines of neap's own functions and of
 * functions without a name. Returns false when only C functions without a name
 * were active; then their lines are kept. [-0, +1, m] */
bool neapL_trace(lua_State *L, lua_State *of, int level);

/* Pushes the place of the innermost function of the script's that is active in
 * the coroutine `of`, "order.lua:12". Returns false where there is none.
 * [-0, +(0|1), m] */
bool neapL_trace_place(lua_State *L, lua_State *of);

/* Adds two functions to the table on top. own_source(prefix) sets the prefix of
 * neap's own sources. traceback(level) is debug.traceback without neap's
 * functions. [-0, +0, m] */
void neapL_trace_open(lua_State *L);

#endif
