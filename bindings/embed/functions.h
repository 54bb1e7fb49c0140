/* Functions in C that a script calls, and that may go on after they have
 * returned.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_EMBED_FUNCTIONS_H
#define NEAP_BINDINGS_EMBED_FUNCTIONS_H

#include <lua.h>

/* Sets the functions that the host has registered in the table at an index: the
 * globals of a script that does not have those of the state. [-0, +0, m] */
void neapL_functions_copy(lua_State *L, int globals);

#endif
