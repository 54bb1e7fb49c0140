/* Opens neap in a Lua state, and ends it when the state is closed.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_OPEN_H
#define NEAP_BINDINGS_OPEN_H

#include "task/task.h"

/* Makes the host of a Lua state and its engine, unless the state has one.
 * `runs` is what the tasks need to know of runs. [-0, +0, v] */
void neapL_open(lua_State *L, const neapL_runs *runs);

#endif
