/* Retries in Lua code: when to try again, and the events of that.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_RETRY_H
#define NEAP_BINDINGS_FLOW_RETRY_H

#include <lua.h>

#include "neap.h"

/* Returns what the error at an index says about further attempts. Its fields
 * may be computed; if that raises, the error says nothing. [-0, +0, m] */
neap_failure neapL_retry_failure(lua_State *L, int index);

/* Adds retry_delay, next_attempt and tell_retry to the table on top. [-0, +0,
 * m] */
void neapL_retry_open(lua_State *L);

#endif
