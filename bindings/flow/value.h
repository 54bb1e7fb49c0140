/* Values of Lua's, for nodes and hosts in C.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_VALUE_H
#define NEAP_BINDINGS_FLOW_VALUE_H

#include "task/host.h"

/* Makes *out stand for the value on top, until it is given back.
 * [-1, +0, m] */
void neapL_value_new(lua_State *L, neap_value *out);

/* Gives it back. Does nothing for a value of others. [-0, +0, -] */
void neapL_value_free(neap_value *value);

/* Pushes what a value stands for: nil for an empty one, a light userdata for a
 * plain pointer. Returns false, and pushes nothing, for a value of another
 * state or of another kind. [-0, +(0|1), -] */
bool neapL_value_push(lua_State *L, neap_value value);

/* Makes the value on top what `given` stands for. [-1, +0, -] */
void neapL_value_set(lua_State *L, neap_value given);

/* Notes that a value has the arguments of a call on this coroutine. */
void neapL_value_set_state(neap_value given, lua_State *L);

/* Returns that coroutine; NULL for other values. */
lua_State *neapL_value_state(neap_value given);

#endif
