/* Sockets for Lua: the C functions for lua/neap/net.lua.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_IO_NET_H
#define NEAP_BINDINGS_IO_NET_H

#include <lua.h>

/* Pushes the table of these functions. [-0, +1, m] */
int neapL_net_open(lua_State *L);

#endif
