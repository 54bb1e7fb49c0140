/* Plans: flows of Lua nodes, resolved for the engine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_PLAN_H
#define NEAP_BINDINGS_PLAN_H

#include <lua.h>

#include "neap.h"

typedef struct neap__plan {
  neap_flow *flow; /* owned; first, for those who find the plan by it */
  const neap_node *root;
} neap__plan;

/* Registers the metatable and pushes the function plan(records), which
 * lua/neap/graph.lua calls. [-0, +1, m] */
void neap__plan_open(lua_State *L);

/* Checks that the argument is a plan, and pushes its table. [-0, +1, v] */
neap__plan *neap__plan_check(lua_State *L, int arg);

#endif
