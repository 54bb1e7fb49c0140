/* Sockets for Lua: what lua/neap/net.lua is made of.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_IO_NET_H
#define NEAP_BINDINGS_IO_NET_H

#include <lua.h>

/* Pushes the raw module table, for lua/neap/net.lua only. [-0, +1, m] */
int neapL_net_open(lua_State *L);

#endif
