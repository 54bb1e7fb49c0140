/* What keeps a coroutine from being suspended, by name.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_OBSTACLE_H
#define NEAP_BINDINGS_TASK_OBSTACLE_H

#include <lua.h>

/* Pushes the name of what keeps `blocked` from being suspended, "table.sort":
 * the innermost C function that calls back without a continuation. The search
 * begins at the level `first` of its stack. [-0, +1, m] */
void neapL_obstacle_push(lua_State *L, lua_State *blocked, int first);

#endif
