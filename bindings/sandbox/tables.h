/* The functions of `table` of a sandbox.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_SANDBOX_TABLES_H
#define NEAP_BINDINGS_SANDBOX_TABLES_H

#include <lua.h>

/* Replaces the functions of the table `table` on top by bounded ones.
 * [-0, +0, v] */
void neapL_tables_bound(lua_State *L);

#endif
