/* What neap's Lua modules need of the program and the process around them.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_SYSTEM_H
#define NEAP_BINDINGS_SYSTEM_H

#include <lua.h>

/* Pushes the table `neap.core.system`. So the modules use none of the globals
 * `debug`, `io` and `os`, which a host need not have, and a script may have
 * replaced. [-0, +1, v] */
int neapL_system_open(lua_State *L);

#endif
