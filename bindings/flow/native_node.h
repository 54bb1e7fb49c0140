/* Nodes in C that are part of a flow in Lua.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_NATIVE_NODE_H
#define NEAP_BINDINGS_FLOW_NATIVE_NODE_H

#include "native.h"
#include "visit.h"

/* Pushes the call of a visit that begins, which is its self. Its params are at
 * `params`. [-0, +1, v] */
void neapL_native_enter(lua_State *L, const neapL_task *task, int params);

/* Calls a phase: takes the step, and returns the next, as other functions of
 * the driver do. */
const neap_step *neapL_native_call(lua_State *L, neapL_task *task,
                                   const neap_step *step);

#endif
