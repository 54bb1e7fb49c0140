/* The Lua state of the executable.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_PROGRAM_INTERPRETER_H
#define NEAP_BINDINGS_PROGRAM_INTERPRETER_H

#include <lua.h>

#include "size_classes.h"

/* Makes a state that has its memory from `pool` and says its warnings on
 * stderr, from the start. Returns NULL when there is no memory. Close it before
 * the pool is freed. */
lua_State *neapL_state_new(neapL_pool *pool);

#endif
