/* The Lua state of the executable.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_PROGRAM_INTERPRETER_H
#define NEAP_BINDINGS_PROGRAM_INTERPRETER_H

#include <lua.h>

#include "size_classes.h"

/* Makes a state that has its memory from `pool` and prints its warnings on
 * stderr. Returns NULL when there is no memory. Close the state before the pool
 * is freed. */
lua_State *neapL_state_new(neapL_pool *pool);

#endif
