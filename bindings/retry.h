/* What is tried again by code in Lua: when, and who hears of it.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_RETRY_H
#define NEAP_BINDINGS_RETRY_H

#include <lua.h>

/* Adds retry_delay and tell_retry to the table on top. [-0, +0, m] */
void neap__retry_open(lua_State *L);

#endif
