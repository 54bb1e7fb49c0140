/* Params as a visit sees them: tables that can be read, but not written.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_PARAMS_H
#define NEAP_BINDINGS_FLOW_PARAMS_H

#include <lua.h>

/* Puts in the place of the table on top another that reads from it, by
 * indexing,
 * `#` and pairs, and refuses to be written to. One that does already stays.
 * [-1, +1, m] */
void neapL_params_protect(lua_State *L);

/* Puts in the place of such a table on top the one that it reads from; leaves
 * whatever else is there. [-1, +1, -] */
void neapL_params_reveal(lua_State *L);

/* Pushes a table as neapL_params_protect gives it, which has the pairs of the
 * table at `under`, and over them those of the table at `over`. [-0, +1, m] */
void neapL_params_merge(lua_State *L, int under, int over);

/* Adds the same for lua/neap to the table on top, read_only and revealed, and
 * puts a function in the place of the global next that sees through them.
 * [-0, +0, m] */
void neapL_params_open(lua_State *L);

#endif
