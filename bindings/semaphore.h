/* Semaphores.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_SEMAPHORE_H
#define NEAP_BINDINGS_SEMAPHORE_H

#include <lua.h>

/* Adds the function semaphore to the table on top. [-0, +0, m] */
void neap__semaphore_open(lua_State *L);

#endif
