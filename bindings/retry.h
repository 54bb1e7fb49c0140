/* How long to wait before something is tried again.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_RETRY_H
#define NEAP_BINDINGS_RETRY_H

#include <lua.h>

/* Pushes the function retry_delay. [-0, +1, m] */
void neap__retry_open(lua_State *L);

#endif
