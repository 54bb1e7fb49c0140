/* Plans: flows of Lua nodes, resolved for the engine.
 * SPDX-License-Identifier: MIT
 *
 * lua/neap/flow/graph.lua walks a graph of nodes and checks it. It makes a
 * record for each node: a table with the options, the four methods and the
 * successors. This file makes a neap_flow of the records, and the plan's table,
 * in which drive.c finds the methods by number.
 */
#include "plan.h"

#include <lauxlib.h>

#include "base/units.h"
#include "native.h"
#include "task/check.h"
#include "task/class.h"

#define PLAN_META "neap.plan"

/* Arguments and locals of `plan`. */
enum { RECORDS = 1, PLAN, TABLE, RECORD };

static int collect(lua_State *L) {
  neap_flow_free(neapL_class_take(L, 1, PLAN_META));
  return 0;
}

static void check(lua_State *L, int status) {
  if (status < 0)
    luaL_error(L, "neap.plan: %s", neap_status_text(status));
}

static double number(lua_State *L, const char *key) {
  lua_getfield(L, RECORD, key);
  double value = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return value;
}

static uint64_t nanoseconds(lua_State *L, const char *key) {
  return neap__ns_of_seconds(number(L, key));
}

static bool flag(lua_State *L, const char *key) {
  lua_getfield(L, RECORD, key);
  bool value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

/* Puts the field `key` of the record into the plan's table, at `index`; false
 * when it is nil. Returns whether the record has it. */
static bool place(lua_State *L, const char *key, int index) {
  bool found = lua_getfield(L, RECORD, key) != LUA_TNIL;
  if (!found) {
    lua_pop(L, 1);
    lua_pushboolean(L, 0);
  }
  lua_rawseti(L, TABLE, index);
  return found;
}

/* Adds the node of the record at RECORD. */
static neap_node *add(lua_State *L, neap_flow *flow, neapL_record *record) {
  static const char *const methods[] = {"prep", "exec", "process_after_fail",
                                        "post"};
  neap_node_opts opts = NEAP_NODE_OPTS_INIT;
  place(L, "view", record->methods + NEAPL_PLAN_VIEW);
  for (int phase = NEAP_PREP; phase <= NEAP_POST; phase++)
    if (place(L, methods[phase], record->methods + NEAPL_PLAN_PHASE + phase))
      opts.methods |= 1u << phase;
  record->params = place(L, "params", record->methods + NEAPL_PLAN_PARAMS);
  place(L, "branches", record->methods + NEAPL_PLAN_BRANCHES);
  opts.kind = (neap_kind)number(L, "kind");
  record->is_batch =
      opts.kind == NEAP_BATCH_NODE || opts.kind == NEAP_BATCH_FLOW;
  record->has_items = record->is_batch || opts.kind == NEAP_PARALLEL;
  lua_rawgeti(L, TABLE, record->methods + NEAPL_PLAN_VIEW);
  record->native = neapL_native_at(L, -1) != NULL;
  record->selfless =
      record->native || (opts.kind == NEAP_FLOW && opts.methods == 0);
  opts.max_attempts = (uint32_t)number(L, "max_retries");
  opts.wait_ns = nanoseconds(L, "wait");
  opts.backoff = number(L, "backoff");
  opts.max_wait_ns = nanoseconds(L, "max_wait");
  opts.max_retry_after_ns = nanoseconds(L, "max_retry_after");
  opts.jitter = number(L, "jitter");
  opts.timeout_ns = nanoseconds(L, "timeout");
  opts.concurrency = (uint32_t)number(L, "concurrency");
  opts.collect = flag(L, "collect");
  opts.strict = flag(L, "strict");
  opts.data = record;
  lua_getfield(L, RECORD, "name");
  opts.name = lua_tostring(L, -1);
  neap_node *node;
  check(L, record->native ? neapL_native_add(L, -2, flow, &opts, &node)
                          : neap_flow_add(flow, &opts, &node));
  lua_pop(L, 2);
  if (flag(L, "atomic"))
    record->atomic = neap_node_name(node);
  return node;
}

/* Adds the branches of the node of the record at RECORD, if it has any. */
static void branch_out(lua_State *L, neap_flow *flow, neap_node **nodes,
                       lua_Integer self) {
  lua_getfield(L, RECORD, "branch_numbers");
  lua_Integer count = lua_isnil(L, -1) ? 0 : luaL_len(L, -1);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, i);
    check(L, neap_flow_branch(flow, nodes[self], nodes[lua_tointeger(L, -1)]));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* Wires the node of the record at RECORD. The action strings go into the plan's
 * table, from *next on, so that they are not collected. */
static void wire(lua_State *L, neap_flow *flow, neap_node **nodes,
                 lua_Integer self, int *next) {
  lua_Integer start = (lua_Integer)number(L, "start");
  if (start > 0)
    check(L, neap_flow_start(flow, nodes[self], nodes[start]));
  lua_getfield(L, RECORD, "actions");
  lua_getfield(L, RECORD, "targets");
  lua_Integer count = luaL_len(L, -2);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, -2, i);
    size_t size;
    const char *action = neapL_check_lstring(L, -1, &size);
    lua_rawseti(L, TABLE, (*next)++);
    lua_rawgeti(L, -1, i);
    lua_Integer target = lua_tointeger(L, -1);
    lua_pop(L, 1);
    check(L, neap_flow_wire(flow, nodes[self], action, size, true,
                            target > 0 ? nodes[target] : NULL));
  }
  lua_pop(L, 2);
}

/* plan(records) -> plan. The first record is that of the root node. */
static int make_plan(lua_State *L) {
  neapL_check_type(L, RECORDS, LUA_TTABLE);
  lua_settop(L, 1);
  lua_Integer count = luaL_len(L, RECORDS);
  neapL_check_that(L, count > 0, RECORDS, "there is no root");
  neapL_plan *plan = neapL_class_new(L, PLAN_META, sizeof *plan, 2);
  lua_createtable(L, (int)count * (NEAPL_PLAN_SIZE + 1), 1);
  lua_pushvalue(L, PLAN);
  lua_rawseti(L, TABLE, 0);
  lua_pushvalue(L, TABLE);
  lua_setiuservalue(L, PLAN, 1);
  neapL_record *records =
      lua_newuserdatauv(L, (size_t)count * sizeof *records, 0);
  lua_setiuservalue(L, PLAN, 2);
  neap_node **nodes =
      lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *nodes, 0);
  lua_rawseti(L, TABLE, -1); /* anchored until the plan is made */
  neap_alloc alloc;
  alloc.fn = lua_getallocf(L, &alloc.ud);
  check(L, neap_flow_new(&alloc, &plan->flow));
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, RECORDS, i);
    records[i - 1] =
        (neapL_record){.methods = (int)((i - 1) * NEAPL_PLAN_SIZE + 1)};
    nodes[i] = add(L, plan->flow, &records[i - 1]);
    lua_settop(L, TABLE);
  }
  int next = (int)count * NEAPL_PLAN_SIZE + 1;
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, RECORDS, i);
    branch_out(L, plan->flow, nodes, i);
    wire(L, plan->flow, nodes, i, &next);
    lua_settop(L, TABLE);
  }
  check(L, neap_flow_seal(plan->flow));
  plan->root = nodes[1];
  lua_pushnil(L);
  lua_rawseti(L, TABLE, -1);
  lua_settop(L, PLAN);
  return 1;
}

neapL_plan *neapL_plan_check(lua_State *L, int arg) {
  neapL_plan *plan = neapL_class_given(L, arg, PLAN_META, NULL);
  lua_getiuservalue(L, arg, 1);
  return plan;
}

int neapL_plan_open(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", collect}, {NULL, NULL}};
  neapL_class_define(L, PLAN_META, metamethods, 0);
  lua_pop(L, 1);
  lua_pushcfunction(L, make_plan);
  return 1;
}
