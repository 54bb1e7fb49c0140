/* The params of a visit: tables that can be read, but not written.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_PARAMS_H
#define NEAP_BINDINGS_FLOW_PARAMS_H

#include <lua.h>
#include <stdbool.h>

/* Replaces the table on top by one that reads from it, by indexing, `#` and
 * pairs, and that cannot be written. A table that is one already stays.
 * [-1, +1, m] */
void neapL_params_protect(lua_State *L);

/* Whether the value at an index is such a table. [-0, +0, -] */
bool neapL_params_is(lua_State *L, int index);

/* Replaces such a table on top by the one that it reads from. Any other value
 * stays. [-1, +1, -] */
void neapL_params_reveal(lua_State *L);

/* Pushes a read-only table with the pairs of the table at `under`, overridden
 * by those of the table at `over`. [-0, +1, m] */
void neapL_params_merge(lua_State *L, int under, int over);

/* Adds read_only and revealed, the same for lua/neap, to the table on top.
 * Replaces the global `next` by one that works on such tables. [-0, +0, m] */
void neapL_params_open(lua_State *L);

#endif
