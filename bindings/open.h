/* Opens neap in a Lua state, and ends it when the state is closed.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_OPEN_H
#define NEAP_BINDINGS_OPEN_H

#include "neap_lua.h"
#include "task/task.h"

/* Makes the host of a Lua state and its engine, of the options (NULL: the
 * defaults), unless the state has one. `runs` is what the tasks need to know of
 * runs. Returns 0, or the status of neap_engine_new. [-0, +0, v] */
int neapL_open(lua_State *L, const neapL_runs *runs, const neap_lua_opts *opts);

#endif
