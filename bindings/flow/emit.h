/* Events of the script's own.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_EMIT_H
#define NEAP_BINDINGS_FLOW_EMIT_H

#include <lua.h>

/* Adds emit and event_kinds to the table on top. [-0, +0, m] */
void neapL_emit_open(lua_State *L);

#endif
