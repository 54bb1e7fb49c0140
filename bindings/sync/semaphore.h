/* Semaphores.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_SYNC_SEMAPHORE_H
#define NEAP_BINDINGS_SYNC_SEMAPHORE_H

#include <lua.h>

/* Adds the function semaphore to the table on top. [-0, +0, m] */
void neapL_semaphore_open(lua_State *L);

#endif
