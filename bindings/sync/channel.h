/* Channels.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_SYNC_CHANNEL_H
#define NEAP_BINDINGS_SYNC_CHANNEL_H

#include <lua.h>

/* Adds the function channel to the table on top. [-0, +0, m] */
void neapL_channel_open(lua_State *L);

#endif
