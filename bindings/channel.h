/* Channels.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_CHANNEL_H
#define NEAP_BINDINGS_CHANNEL_H

#include <lua.h>

/* Adds the function channel to the table on top. [-0, +0, m] */
void neap__channel_open(lua_State *L);

#endif
