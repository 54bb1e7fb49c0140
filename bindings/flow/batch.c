/* Driving the items of a batch, and the branches of a parallel.
 * SPDX-License-Identifier: MIT */
#include "batch.h"

#include "drive.h"
#include "events.h"
#include "keep.h"
#include "params.h"
#include "path.h"
#include "task/error.h"
#include "task/wait.h"

/* A list may have metamethods that raise. So these functions run below
 * lua_pcall: length(list) and element(list, index). */
static int length(lua_State *L) {
  lua_getfield(L, 1, "n");
  if (!lua_isinteger(L, -1))
    lua_pushinteger(L, luaL_len(L, 1));
  return 1;
}

static int element(lua_State *L) {
  lua_geti(L, 1, lua_tointeger(L, 2));
  return 1;
}

/* True of functions, and of values with the metamethod __call. [-0, +0, -] */
static bool is_iterator(lua_State *L, int index) {
  if (lua_isfunction(L, index))
    return true;
  if (!luaL_getmetafield(L, index, "__call"))
    return false;
  lua_pop(L, 1);
  return true;
}

/* The two values of the iterator are on top: returns the item that they stand
 * for. */
static int after_step(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  lua_copy(L, -2, lua_upvalueindex(3));
  if (lua_isnil(L, -2) || lua_isnil(L, -1))
    lua_pop(L, 1);
  return 1;
}

/* Turns an iterator in three values, the upvalues, into one that returns one
 * value at each call. The upvalues are the function, what it is called with,
 * and what it returned last. */
static int step_iterator(lua_State *L) {
  lua_settop(L, 0);
  for (int i = 1; i <= 3; i++)
    lua_pushvalue(L, lua_upvalueindex(i));
  lua_callk(L, 2, 2, 0, after_step);
  return after_step(L, LUA_OK, 0);
}

/* Replaces the three values on top, which prep has returned, by one list or
 * iterator. [-3, +1, m] */
static void take_prepared(lua_State *L) {
  bool more = !lua_isnil(L, -2) || !lua_isnil(L, -1);
  if (more && is_iterator(L, lua_absindex(L, -3)))
    lua_pushcclosure(L, step_iterator, 3);
  else
    lua_pop(L, 2);
}

/* Finds out how many items prep has given. Returns false, with an error on top,
 * when that is no batch. [-0, +(0|1), m] */
static bool count_items(lua_State *L, neapL_task *task, const neap_step *step,
                        uint64_t *count) {
  int list = self_of(*step->note) + PREP;
  if (is_iterator(L, list)) {
    *count = NEAP_UNCOUNTED;
    return true;
  }
  switch (lua_type(L, list)) {
  case LUA_TNIL:
    *count = 0;
    return true;
  case LUA_TTABLE: {
    lua_pushcfunction(L, length);
    lua_pushvalue(L, list);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK)
      return false;
    lua_Integer n = lua_tointeger(L, -1);
    lua_pop(L, 1);
    *count = n > 0 ? (uint64_t)n : 0;
    return true;
  }
  default:
    neapL_path_push(L, task->run, step->depth);
    neapL_error_push(L, "batch",
                     "prep of the batch %s gave a %s; expected a list, an "
                     "iterator function, or nil for an empty batch",
                     lua_tostring(L, -1), luaL_typename(L, list));
    return false;
  }
}

/* Pushes the table of results, with room for `count`, and makes the metatable
 * of the items' selves. */
static void begin_items(lua_State *L, int self, int count) {
  lua_createtable(L, count, 1); /* at EXEC */
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, self);
  lua_setfield(L, -2, "__index");
  if (neapL_host_of(L)->is_sandbox) {
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
  }
  lua_replace(L, self + ITEM_META);
}

/* Has the list kept from which a loaded run would go on. Returns false, with an
 * error on top, for an iterator, which cannot be. [-0, +(0|1), v] */
static bool keep_items(lua_State *L, neapL_task *task, const neap_step *step,
                       uint64_t count) {
  int self = self_of(*step->note);
  if (count != NEAP_UNCOUNTED) {
    neapL_keep_prepared(L, task, step, self);
    return true;
  }
  neapL_path_push(L, task->run, step->depth);
  neapL_error_push(L, "durable",
                   "prep of the batch %s gave an iterator; a durable run needs "
                   "a list, which can be saved",
                   lua_tostring(L, -1));
  return false;
}

void neapL_batch_resume(lua_State *L, int self) {
  enum { RESULTS = EXEC, ERRORS };
  begin_items(L, self, 0); /* prep_res results errors table */
  int made = self + ERRORS + 1;
  if (lua_istable(L, self + RESULTS))
    for (lua_pushnil(L); lua_next(L, self + RESULTS);) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2); /* key key value */
      lua_rawset(L, made);
    }
  if (lua_istable(L, self + ERRORS)) {
    lua_pushvalue(L, self + ERRORS);
    lua_setfield(L, made, "errors");
  }
  lua_replace(L, self + EXEC);
  lua_settop(L, self + EXEC);
}

const neap_step *neapL_batch_items(lua_State *L, neapL_task *task,
                                   const neap_step *step) {
  int self = self_of(*step->note);
  if (lua_gettop(L) == self + PREP + 2)
    take_prepared(L);
  lua_settop(L, self + PREP); /* nil where there is no prep */
  if (is_parallel(step->node)) {
    begin_items(L, self, 0);
    return neap_run_ok(task->run);
  }
  uint64_t count;
  if (!count_items(L, task, step, &count))
    return neapL_drive_fail(L, task);
  if (task->is_kept && !keep_items(L, task, step, count))
    return neapL_drive_fail(L, task);
  bool known = !walks(step->node) && count < 1 << 20;
  begin_items(L, self, known ? (int)count : 0);
  if (neapL_events_wanted(task))
    neapL_events_items(L, task, step, count);
  return neap_run_items(task->run, count);
}

neapL_task *neapL_batch_owner(neapL_task *task, uint32_t depth) {
  neap_run *parent = neap_run_parent(task->run);
  return depth == 0 && parent ? neap_run_data(parent) : task;
}

/* Wakes the first of the workers that wait for their turn to fetch; all of them
 * when nothing is left to fetch. */
static void pass_turn(neapL_task *owner, bool all) {
  if (!owner->workers)
    return;
  neapL_task *next;
  do {
    next = neapL_task_next(&owner->workers->turns);
    if (next)
      neap_op_settle(&next->op, 0);
  } while (next && all);
}

const neap_step *neapL_batch_turn(lua_State *L, neapL_task *task,
                                  const neap_step *step) {
  neap_op *op = neapL_wait_begin(L, "its turn to fetch an item");
  neapL_task_line_up(task,
                     &neapL_batch_owner(task, step->depth)->workers->turns,
                     neapL_task_leave, NULL);
  return neapL_drive_wait(L, op);
}

/* True unless a run refuses an item for lack of memory, or wants another worker
 * first: then it has not begun the visit of the item. */
static bool has_begun(const neap_step *next, uint32_t depth) {
  return next->depth != depth ||
         (next->what != NEAP_DO_RAISE && next->what != NEAP_DO_FORK);
}

void neapL_batch_note_item(neapL_task *task, uint32_t depth,
                           const neap_step *next) {
  if (!has_begun(next, depth))
    return;
  int batch = self_at(task, depth);
  set_note(task, neap_run_note(task->run, depth + 1), item_self(batch));
}

/* Fails the item whose entry, on top, is no table of params. A batch that
 * collects keeps the error as that of this item. */
static const neap_step *refuse_entry(lua_State *L, neapL_task *task,
                                     const neap_step *step) {
  uint32_t depth = step->depth;
  bool collects = neap_node_collects(step->node);
  neapL_path_push(L, task->run, depth);
  neapL_error_push(L, "params",
                   "entry %d of %s is a %s; prep of a BatchFlow gives tables "
                   "of params",
                   (int)step->index + 1, lua_tostring(L, -1),
                   luaL_typename(L, -2));
  if (!collects)
    return neapL_drive_fail(L, task);
  lua_replace(L, ERROR);
  if (neapL_events_wanted(task))
    neapL_events_item_start(L, task, depth, step->index);
  const neap_step *next =
      neap_run_fail(task->run, &(neap_failure){.item = true});
  if (next->what == NEAP_DO_ITEM_END)
    neapL_batch_note_item(task, depth, next);
  return next;
}

/* Begins the visit of the item on top, one level deeper than the batch of the
 * step. The item lies where the params of that visit will be. */
static const neap_step *enter_item(lua_State *L, neapL_task *task,
                                   const neap_step *step) {
  int batch = self_of(*step->note);
  int self = item_self(batch), params = self + PARAMS;
  uint32_t depth = step->depth;
  make_room(L, params);
  if (walks(step->node) && !lua_istable(L, params))
    return refuse_entry(L, task, step);
  push_view(L, batch + ITEM_META);
  lua_pushvalue(L, params); /* params self prep_res */
  if (!walks(step->node)) {
    lua_pushvalue(L, batch + PARAMS);
    lua_replace(L, params);
  } else {
    if (lua_istable(L, batch + PARAMS)) {
      neapL_params_merge(L, batch + PARAMS, self + PREP);
    } else {
      lua_pushvalue(L, params);
      neapL_params_protect(L);
    }
    lua_pushvalue(L, -1);
    lua_replace(L, params);
    lua_setfield(L, self, "params");
  }
  if (neapL_events_wanted(task) && !is_parallel(step->node))
    neapL_events_item_start(L, task, depth, step->index);
  const neap_step *next = neap_run_ok(task->run);
  neapL_batch_note_item(task, depth, next);
  if (task->is_kept && has_begun(next, depth))
    neapL_keep_name(L, task, depth + 1, self);
  return next;
}

static const neap_step *fetched(lua_State *L, neapL_task *task, int status) {
  const neap_step *step = neap_run_step(task->run);
  task->atomic = NULL;
  bool over = call_failed(status) || lua_isnil(L, -1);
  pass_turn(neapL_batch_owner(task, step->depth), over);
  if (call_failed(status))
    return neapL_drive_fail_as(L, task, status);
  return over ? neap_run_none(task->run) : enter_item(L, task, step);
}

static int after_fetch(lua_State *L, int status, lua_KContext context) {
  neapL_task *task = (neapL_task *)context;
  return neapL_drive(L, task, fetched(L, task, status));
}

/* Pushes the node of the branch that the step fetches. [-0, +1, -] */
static void push_branch(lua_State *L, const neap_step *step) {
  lua_rawgeti(L, PLAN, record_of(step->node)->methods + NEAPL_PLAN_BRANCHES);
  lua_rawgeti(L, -1, (lua_Integer)step->index + 1);
  lua_replace(L, -2);
}

const neap_step *neapL_batch_fetch(lua_State *L, neapL_task *task,
                                   const neap_step *step) {
  int self = self_of(*step->note);
  lua_settop(L, self + EXEC);
  if (is_parallel(step->node)) {
    push_branch(L, step);
    return enter_item(L, task, step);
  }
  lua_Integer key = (lua_Integer)step->index + 1;
  if (lua_istable(L, self + PREP) && !lua_getmetatable(L, self + PREP)) {
    lua_rawgeti(L, self + PREP, key);
  } else if (is_iterator(L, self + PREP)) {
    lua_settop(L, self + EXEC); /* without the metatable, if it has one */
    lua_pushvalue(L, self + PREP);
    return fetched(L, task, neapL_drive_call(L, task, step, 0, 1, after_fetch));
  } else {
    lua_pushcfunction(L, element);
    lua_replace(L, -2); /* in place of the metatable */
    lua_pushvalue(L, self + PREP);
    lua_pushinteger(L, key);
    if (lua_pcall(L, 2, 1, 0) != LUA_OK)
      return neapL_drive_fail(L, task);
  }
  pass_turn(neapL_batch_owner(task, step->depth), false);
  return enter_item(L, task, step);
}

/* Puts the result or the error of an item where post of the batch finds it. */
static void keep_result(lua_State *L, neapL_task *task, const neap_step *step) {
  int results = self_at(task, step->depth - 1) + EXEC;
  lua_Integer key = (lua_Integer)step->index + 1;
  if (step->failed) {
    if (lua_getfield(L, results, "errors") == LUA_TNIL) {
      lua_newtable(L);
      lua_pushvalue(L, -1);
      lua_setfield(L, results, "errors");
    }
    if (lua_isnil(L, ERROR)) /* would leave no trace */
      lua_pushliteral(L, "<no error object>");
    else
      lua_pushvalue(L, ERROR);
    lua_rawseti(L, -2, key);
  } else if (!walks(step->node)) {
    lua_settop(L, self_of(*step->note) + EXEC);
    lua_rawseti(L, results, key);
  }
}

/* The item has ended, and if its run is kept, that has been saved. */
static inline const neap_step *finish_item(lua_State *L, neapL_task *task,
                                           const neap_step *step) {
  keep_result(L, task, step);
  if (neapL_events_wanted(task))
    neapL_events_item_end(L, task, step);
  return neap_run_ok(task->run);
}

static int item_kept(lua_State *L, int status, lua_KContext context) {
  neapL_task *task = (neapL_task *)context;
  (void)status;
  return neapL_drive(L, task, finish_item(L, task, neap_run_step(task->run)));
}

/* Has the end of an item kept. [-0, +0, v] */
static void keep_item(lua_State *L, neapL_task *task, const neap_step *step) {
  int self = self_of(*step->note);
  bool has_result = !step->failed && !walks(step->node);
  if (has_result)
    lua_settop(L, self + EXEC);
  neapL_keep_item(L, task, step, has_result ? self + EXEC : 0,
                  step->failed ? ERROR : 0, item_kept);
}

static int end_item(lua_State *L, const neap_op *op) {
  neapL_task *task = op->data;
  return neapL_drive(L, task,
                     neapL_batch_item_end(L, task, neap_run_step(task->run)));
}

const neap_step *neapL_batch_item_end(lua_State *L, neapL_task *task,
                                      const neap_step *step) {
  static const neapL_wait_then then = {.finish = end_item};
  if (!step->failed && neapL_task_owns_any(task)) {
    /* The tasks of the item end with it. */
    uint32_t since = serial_of(*step->note);
    if (neapL_task_cancel_since(task, since) > 0)
      return neapL_drive_wait_child(L, task,
                                    is_parallel(step->node)
                                        ? "the tasks of a branch to end"
                                        : "the tasks of an item to end",
                                    &then);
    if (neapL_task_take_failure(L, task, since))
      return neapL_drive_fail(L, task);
  }
  if (task->is_kept)
    keep_item(L, task, step);
  return finish_item(L, task, step);
}

void neapL_batch_finish(lua_State *L, neapL_task *task, const neap_step *step) {
  int results = self_of(*step->note) + EXEC;
  uint64_t items, failed;
  neap_run_counts(task->run, step->depth, &items, &failed);
  lua_pushinteger(L, (lua_Integer)items);
  lua_setfield(L, results, "n");
  if (walks(step->node)) {
    lua_pushinteger(L, (lua_Integer)failed);
    lua_setfield(L, results, "failed");
  } else if (!neap_node_collects(step->node)) {
    return;
  }
  if (lua_getfield(L, results, "errors") == LUA_TNIL) {
    lua_newtable(L);
    lua_setfield(L, results, "errors");
  }
  lua_pop(L, 1);
}
