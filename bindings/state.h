/* The Lua state of the executable.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_STATE_H
#define NEAP_BINDINGS_STATE_H

#include <lua.h>

#include "pool.h"

/* Makes a state that has its memory from `pool` and says its warnings on
 * stderr, from the start. Returns NULL when there is no memory. Close it before
 * the pool is freed. */
lua_State *neap__state_new(neap__pool *pool);

#endif
