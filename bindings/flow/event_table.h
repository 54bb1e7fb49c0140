/* The table of an event, as on_event gets it.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_EVENT_TABLE_H
#define NEAP_BINDINGS_FLOW_EVENT_TABLE_H

#include <lua.h>

#include "neap.h"

/* Pushes the table of an event. At the stack index `value` is what belongs to
 * it: the error of a failure, the fields of an event of the script's own.
 * [-0, +1, m] */
void neapL_event_push(lua_State *L, const neap_event *event, int value);

#endif
