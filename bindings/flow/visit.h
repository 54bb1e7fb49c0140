/* The stack of a run's coroutine, and what it holds of each visit.
 * SPDX-License-Identifier: MIT
 *
 * From index 1 on, the stack holds
 *
 *   plan   shared   error (at first: params)   message handler
 *
 * and then the slots of the visit at depth 0, of that at depth 1, and so on:
 *
 *   of a node                        self   prep_res   exec_res   action
 *   of a flow or an item    params   self   prep_res   exec_res   action
 *   of a batch   item_meta  params   self   prep_res   exec_res   action
 *
 * The call that makes a value fills its slot: the function is pushed where its
 * result is to be. So the action of a flow takes the place of the inner visits.
 * Params are read-only tables, or nil.
 *
 * In a batch, prep_res is the list or iterator, exec_res the table of results,
 * and item_meta the metatable of the items' selves. In an item, prep_res is the
 * item.
 *
 * A parallel is laid out as a batch whose items are its branches. The prep_res
 * of such an item is the node of the branch, and its exec_res is the action
 * with which the visit of that node ended.
 */
#ifndef NEAP_BINDINGS_FLOW_VISIT_H
#define NEAP_BINDINGS_FLOW_VISIT_H

#include <lauxlib.h>

#include "plan.h"
#include "task/task.h"

enum { PLAN = 1, SHARED, ERROR, HANDLER, VISITS };
enum { ITEM_META = -2, PARAMS, SELF, PREP, EXEC, ACTION };

/* Makes room for a visit whose slots begin at index `first`, and for the values
 * that are pushed for it. The limit is lower than Lua's own, at which not even
 * finalizers could run. [-0, +0, v] */
static inline void make_room(lua_State *L, int first) {
  if (first > LUAI_MAXSTACK - 10000)
    luaL_error(L, "too many nested flows");
  luaL_checkstack(L, 16, "too many nested flows");
}

/* A visit's note has two halves. The lower one is the stack index of its self.
 * The upper one is the serial of the first task that its attempt may spawn. */

static inline void set_note(const neapL_task *task, uint64_t *note, int self) {
  *note = (uint64_t)task->spawned << 32 | (uint32_t)self;
}

static inline int self_of(uint64_t note) {
  return (int)(uint32_t)note;
}

static inline uint32_t serial_of(uint64_t note) {
  return (uint32_t)(note >> 32);
}

/* Returns the stack index of an item's self, given that of the batch. */
static inline int item_self(int batch) {
  return batch + EXEC + 1 - PARAMS;
}

/* Returns the stack index of the self of the visit at a depth. */
static inline int self_at(neapL_task *task, uint32_t depth) {
  return self_of(*neap_run_note(task->run, depth));
}

static inline const neapL_record *record_of(const neap_node *node) {
  return neap_node_data(node);
}

static inline bool is_parallel(const neap_node *node) {
  return neap_node_kind(node) == NEAP_PARALLEL;
}

/* True of a batch, and of a parallel, whose items are its branches. */
static inline bool has_items(const neap_node *node) {
  neap_kind kind = neap_node_kind(node);
  return kind == NEAP_BATCH_NODE || kind == NEAP_BATCH_FLOW ||
         kind == NEAP_PARALLEL;
}

static inline bool walks(const neap_node *node) {
  neap_kind kind = neap_node_kind(node);
  return kind == NEAP_FLOW || kind == NEAP_BATCH_FLOW;
}

/* Pushes a new table whose metatable is at `meta`. [-0, +1, m] */
static inline void push_view(lua_State *L, int meta) {
  lua_createtable(L, 0, 0);
  lua_pushvalue(L, meta);
  lua_setmetatable(L, -2);
}

#endif
