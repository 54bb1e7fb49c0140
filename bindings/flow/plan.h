/* Plans: flows of Lua nodes, resolved for the engine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_PLAN_H
#define NEAP_BINDINGS_FLOW_PLAN_H

#include <lua.h>
#include <stdbool.h>

#include "neap.h"

/* The data of a Lua node's neap_node. */
typedef struct neapL_record {
  int methods;        /* the index of its first value in the plan's table */
  bool params;        /* the node has params of its own */
  bool is_batch;      /* its prep returns the items */
  bool has_items;     /* as those of a batch and of a parallel */
  bool selfless;      /* a flow without methods: its visits need no self */
  bool native;        /* a node in C; its call is its self */
  const char *atomic; /* the node's name if its methods must not wait */
} neapL_record;

/* The plan's table has these values for each node, from `methods` on. */
enum {
  NEAPL_PLAN_VIEW,  /* the metatable of a visit's self; of a node in C, what
                       has been registered */
  NEAPL_PLAN_PHASE, /* the four methods, in the order of neap_phase */
  NEAPL_PLAN_PARAMS = NEAPL_PLAN_PHASE + 4, /* the node's own, or false */
  NEAPL_PLAN_BRANCHES, /* of a parallel: the list of its branches, or false */
  NEAPL_PLAN_SIZE,
};

typedef struct neapL_plan {
  neap_flow *flow; /* *owned*; first, as class.h wants it */
  const neap_node *root;
} neapL_plan;

/* Registers the metatable, and pushes the function plan(records) for
 * lua/neap/flow/graph.lua. Returns 1. [-0, +1, m] */
int neapL_plan_open(lua_State *L);

/* Checks that the argument is a plan, and pushes its table. [-0, +1, v] */
neapL_plan *neapL_plan_check(lua_State *L, int arg);

#endif
