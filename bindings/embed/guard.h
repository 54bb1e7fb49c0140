/* Calls from a host into a Lua state, which raise nothing.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_EMBED_GUARD_H
#define NEAP_BINDINGS_EMBED_GUARD_H

#include "task/host.h"

/* Calls `f` with two arguments, protected: `args` as a light userdata, and the
 * value at `index` of L's stack; 0: nil. `f` leaves a status in `args`, and
 * returns nothing. When it raises, neap_lua_why gets the error. Returns 0,
 * NEAP_EFAILED when `f` has raised, NEAP_ENOMEM, or NEAP_EINVAL when neap is
 * not open in the state, or no value lies at the index. [-0, +0, -] */
int neapL_guard_call(lua_State *L, lua_CFunction f, void *args, int index);

/* Makes the value on top what neap_lua_why has to say. [-1, +0, m] */
void neapL_guard_set_why(lua_State *L);

/* Pushes a module of neap's. [-0, +1, v] */
void neapL_guard_push(lua_State *L, const char *module);

#endif
