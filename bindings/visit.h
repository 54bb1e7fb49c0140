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
#ifndef NEAP_BINDINGS_VISIT_H
#define NEAP_BINDINGS_VISIT_H

#include <lauxlib.h>

#include "drive.h"

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

/* What a run asks for next. A function that gives an answer to the run returns
 * the step that it led to; one that has to wait does not return. */
typedef const neap_step *answer;

/* Goes on with a run until it ends or waits; returned by continuations. */
int neap__drive(lua_State *L, neap__task *task, answer step);

/* A visit's note: the stack index of its self, and in the upper half how many
 * tasks there were when its attempt began. */

static inline void set_note(const neap__task *task, uint64_t *note, int self) {
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
static inline int self_at(neap__task *task, uint32_t depth) {
  return self_of(*neap_run_note(task->run, depth));
}

static inline const neap__record *record_of(const neap_node *node) {
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

/* Calls the function below the `count` arguments on top for so many results,
 * under the run's message handler when a failure would be caught. Returns as
 * lua_pcallk; `k` continues after a wait. [-count - 1, +results, v] */
int neap__drive_call(lua_State *L, neap__task *task, const neap_step *step,
                     int count, int results, lua_KFunction k);

static inline bool call_failed(int status) {
  return status != LUA_OK && status != LUA_YIELD;
}

/* Answers that the step has failed: as the call with `status` did whose error
 * is on top; or with an error on top that did not come out of a call.
 * [-1, +0, v] */
answer neap__drive_fail_as(lua_State *L, neap__task *task, int status);
answer neap__drive_fail(lua_State *L, neap__task *task);

/* The same when the origin of the error is noted already. [-1, +0, v] */
answer neap__drive_failed(lua_State *L, neap__task *task);

/* Suspends the run. Being in a task, it does not come back. */
answer neap__drive_wait(lua_State *L, lua_KFunction k);

/* Waits until a task of this one's has ended. */
answer neap__drive_wait_child(lua_State *L, neap__task *task, const char *what,
                              lua_KFunction k);

/* Takes over after either. [-0, +0, v] */
neap__task *neap__drive_woken(lua_State *L);

/* A continuation that answers ok to the step that waited. */
int neap__drive_go_on(lua_State *L, int status, lua_KContext context);

/* Steps of batches, in batch.c. */

answer neap__batch_items(lua_State *L, neap__task *task, const neap_step *step);
answer neap__batch_fetch(lua_State *L, neap__task *task, const neap_step *step);
answer neap__batch_turn(lua_State *L, neap__task *task, const neap_step *step);
answer neap__batch_item_end(lua_State *L, neap__task *task,
                            const neap_step *step);

/* Notes where the self of the item is that has been fetched, if the run has
 * begun with it: that led to the step `next`. */
void neap__batch_note_item(neap__task *task, uint32_t depth, answer next);

/* The task in whose run the batch at a depth is: a worker's batch is its
 * owner's. */
neap__task *neap__batch_owner(neap__task *task, uint32_t depth);

/* Fills in what post of a batch gets besides the items' results. */
void neap__batch_finish(lua_State *L, neap__task *task, const neap_step *step);

/* Steps that runs of their own take part in, in part.c. */
answer neap__part_attempt(lua_State *L, neap__task *task,
                          const neap_step *step);
answer neap__part_fork(lua_State *L, neap__task *task, const neap_step *step);
answer neap__part_join(lua_State *L, neap__task *task, const neap_step *step);
answer neap__part_stop(neap__task *task);

/* Words and events, in report.c. */

/* Pushes the path of a visit: "order > payment[3] > Charge". [-0, +1, m] */
void neap__report_path(lua_State *L, const neap_run *run, uint32_t depth);

/* Pushes the action of a step. [-0, +1, m] */
void neap__report_action(lua_State *L, const neap_step *step);

/* Pushes where post of the node of a step is defined, "order.lua:12: "; nothing
 * where it has none in Lua. [-0, +1, m] */
void neap__report_post(lua_State *L, const neap_step *step);

/* Notes that the error in ERROR arose where the table on top says, or that
 * nobody knows (nil). [-1, +0, -] */
void neap__report_origin(lua_State *L, neap__task *task);

/* Tells whoever watches the run; each does nothing when nobody does.
 * [-0, +0, m] */
void neap__report_start(lua_State *L, neap__task *task, uint32_t depth);
void neap__report_items(lua_State *L, neap__task *task, const neap_step *step,
                        uint64_t count);
void neap__report_item_start(lua_State *L, neap__task *task, uint32_t depth,
                             uint64_t index);
void neap__report_item_end(lua_State *L, neap__task *task,
                           const neap_step *step);
void neap__report_failure(lua_State *L, neap__task *task,
                          const neap_step *next);

/* Warns with the text on top, and tells whoever watches the run of `task`, if
 * it has one, of the visit at `depth`. [-1, +0, m] */
void neap__report_warning(lua_State *L, neap__task *task, uint32_t depth);

/* Warns of an action that has no successor, and of what comes of that.
 * [-0, +0, m] */
void neap__report_stray_action(lua_State *L, neap__task *task,
                               const neap_step *step);

/* Pushes the error for a step in which the run failed by itself. [-0, +1, m] */
void neap__report_refusal(lua_State *L, const neap_step *step);

#endif
