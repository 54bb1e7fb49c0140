/* neap.core: the part of neap that is written in C.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_CORE_H
#define NEAP_BINDINGS_CORE_H

#include <lua.h>

#include "neap_lua.h"

/* Does what luaopen_neap_core does, with these options (NULL: the defaults),
 * unless the state has an engine already. Returns 0, or the status
 * of neap_engine_new, and then pushes nothing. [-0, +(0|1), v] */
int neapL_core_open(lua_State *L, const neap_lua_opts *opts);

#endif
