/* Events that tasks wait for.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_SYNC_EVENT_H
#define NEAP_BINDINGS_SYNC_EVENT_H

#include <lua.h>

/* Adds the function event to the table on top. [-0, +0, m] */
void neapL_event_open(lua_State *L);

#endif
