/* The calls on the stack of a coroutine, from the innermost outwards.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_FRAME_H
#define NEAP_BINDINGS_TASK_FRAME_H

#include <lua.h>
#include <stdbool.h>

typedef struct neapL_frame {
  lua_State *L;
  lua_Debug ar; /* as lua_getstack fills it, for lua_getinfo and lua_setlocal */
  int level;
} neapL_frame;

/* Finds the innermost call of a coroutine; false when there is none. */
bool neapL_frame_first(lua_State *L, neapL_frame *frame);

/* Goes on to the call around it; false when there is none. */
bool neapL_frame_next(neapL_frame *frame);

/* Looks how this Lua keeps its calls. To be called once before. [-0, +0, m] */
void neapL_frame_open(lua_State *L);

#endif
