/* Where the coroutine of a run keeps what belongs to its visits.
 * SPDX-License-Identifier: MIT
 *
 * The stack of the coroutine holds, from index 1 on
 *
 *   plan   shared   error (at first: params)   message handler
 *
 * and then what belongs to the visit at depth 0, to that at depth 1, and so on:
 *
 *   of a node                        self   prep_res   exec_res   action
 *   of a flow or an item    params   self   prep_res   exec_res   action
 *   of a batch   item_meta  params   self   prep_res   exec_res   action
 *
 * Each slot is filled by the call that makes its value: the function is pushed
 * where its result is to be. The action of a flow therefore takes the place
 * where its inner visits were. In a batch prep_res is the list or iterator and
 * exec_res the results; in an item prep_res is the item. item_meta is the
 * metatable of the items' selves. Params are read-only tables or nil. A
 * parallel is laid out as a batch: its items are its branches, an item's
 * prep_res is the node of the branch, and its exec_res the action that the
 * visit inside it ended with.
 */
#ifndef NEAP_BINDINGS_FLOW_VISIT_H
#define NEAP_BINDINGS_FLOW_VISIT_H

#include <lauxlib.h>

#include "plan.h"
#include "task/task.h"

enum { PLAN = 1, SHARED, ERROR, HANDLER, VISITS };
enum { ITEM_META = -2, PARAMS, SELF, PREP, EXEC, ACTION };

/* Makes room for a visit whose slots begin at index `first`, and for whatever
 * is done for it. The limit is short of Lua's own: there, not even finalizers
 * could run any more. [-0, +0, v] */
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

/* The stack index of an item's self, where that of the batch is known. */
static inline int item_self(int batch) {
  return batch + EXEC + 1 - PARAMS;
}

/* The stack index of the self of the visit that is on top at a depth. */
static inline int self_at(neapL_task *task, uint32_t depth) {
  return self_of(*neap_run_note(task->run, depth));
}

static inline const neapL_record *record_of(const neap_node *node) {
  return neap_node_data(node);
}

static inline bool is_parallel(const neap_node *node) {
  return neap_node_kind(node) == NEAP_PARALLEL;
}

/* True of batches, and of a parallel, whose branches are items. */
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
