/* Workers: runs for attempts with a time limit and for items of a batch.
 * SPDX-License-Identifier: MIT */
#include "worker.h"

#include "base/units.h"
#include "batch.h"
#include "drive.h"
#include "task/task_error.h"
#include "task/task_life.h"
#include "task/time_limit.h"
#include "task/wait.h"

/* The function of a worker's task. It makes the worker's run only when it
 * begins. A run made earlier would take an item, or the turn to fetch one, that
 * another worker could have had. */
static int begin(lua_State *L) {
  neapL_task *task = neapL_task_current(L);
  lua_rawgeti(L, PLAN, 0);
  neapL_plan *plan = lua_touserdata(L, -1);
  lua_pop(L, 1);
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  opts.root = (neap_root)task->root;
  opts.parent = task->parent->run;
  opts.data = task;
  opts.seed = neapL_task_seed(task);
  int status = neap_run_new(plan->flow, NULL, &opts, &task->run);
  if (status < 0)
    return luaL_error(L, "%s", neap_status_text(status));
  set_note(task, neap_run_note(task->run, 0), task->first_self);
  return neapL_drive(L, task, neap_run_step(task->run));
}

/* Spawns a worker for the run of `owner`; `root` says what for. Its stack gets
 * what the visit of the step keeps, from the slot `first` on (ITEM_META or
 * later). */
static neapL_task *spawn(lua_State *L, neapL_task *owner, neap_root root,
                         const neap_step *step, int first) {
  int self = self_of(*step->note);
  luaL_checkstack(L, LUA_MINSTACK, "too many nested flows");
  neapL_task_need_workers(L, owner);
  lua_pushcfunction(L, begin);
  lua_pushvalue(L, PLAN);
  lua_pushvalue(L, SHARED);
  lua_pushnil(L);
  lua_pushvalue(L, HANDLER);
  int count = HANDLER;
  for (int slot = first; slot <= EXEC; slot++, count++)
    lua_pushvalue(L, self + slot);
  neapL_task *worker = neapL_task_spawn(L, owner, count, NEAPL_TASK_ORIGIN);
  lua_pop(L, 1);
  worker->internal = true;
  worker->hands_over = root == NEAP_ROOT_ATTEMPT;
  worker->root = (uint8_t)root;
  worker->first_self = (uint8_t)(VISITS - first);
  worker->observed = owner->observed;
  worker->is_kept = owner->is_kept;
  return worker;
}

/* Returns the lowest slot that the visit of a step has. */
static int first_slot(neapL_task *task, const neap_step *step) {
  bool item;
  uint64_t index;
  const neap_node *node =
      neap_run_node_at(task->run, step->depth, &item, &index);
  if (item)
    return PARAMS;
  return has_items(node) ? ITEM_META : walks(node) ? PARAMS : SELF;
}

const neap_step *neapL_worker_attempt(lua_State *L, neapL_task *task,
                                      const neap_step *step) {
  int self = self_of(*step->note);
  lua_settop(L, self + EXEC);
  if (step->attempt > 0 && !record_of(step->node)->selfless) {
    lua_pushinteger(L, step->attempt);
    lua_setfield(L, self, "cur_retry");
  }
  neapL_task *worker =
      spawn(L, task, NEAP_ROOT_ATTEMPT, step, first_slot(task, step));
  neapL_time_limit_set(
      L, worker, neap__seconds_of_ns(neap_node_timeout(step->node)), false);
  return neapL_worker_join(L, task, step);
}

/* A worker that wants another one makes its owner spawn it. It has fetched an
 * item, which it begins only now. */
const neap_step *neapL_worker_fork(lua_State *L, neapL_task *task,
                                   const neap_step *step) {
  uint32_t depth = step->depth;
  neapL_task *owner = neapL_batch_owner(task, depth);
  for (uint32_t i = 0; i < step->count; i++)
    spawn(L, owner, NEAP_ROOT_WORKER, step, ITEM_META);
  const neap_step *next = neap_run_ok(task->run);
  if (owner != task)
    neapL_batch_note_item(task, depth, next);
  return next;
}

/* Pushes the error of a failed worker, and takes over its origin. [-0, +1, -]
 */
static void push_error(lua_State *L, neapL_task *task, neapL_task *worker) {
  neapL_task_push(L, worker);
  lua_getiuservalue(L, -1, NEAPL_TASK_ORIGIN);
  neapL_task_set_origin(L, task);
  lua_getiuservalue(L, -1, NEAPL_TASK_RESULT);
  lua_replace(L, -2);
}

/* Takes the result of an attempt that succeeded. */
static const neap_step *take_result(lua_State *L, neapL_task *task,
                                    neapL_task *worker, const neap_step *step) {
  int self = self_of(*step->note);
  lua_settop(L, self + PREP);
  neapL_task_push(L, worker);
  lua_getiuservalue(L, -1, NEAPL_TASK_RESULT);
  lua_replace(L, -2); /* at EXEC */
  neapL_task_release(worker);
  if (!walks(step->node))
    return neap_run_ok(task->run);
  size_t size;
  const char *action = lua_tolstring(L, self + EXEC, &size);
  return neap_run_action(task->run, action, size);
}

static void cancel_workers(neapL_task *task) {
  for (neap_link *link = task->children.next; link != &task->children;
       link = link->next) {
    neapL_task *child = NEAP__ITEM(link, neapL_task, sibling);
    if (child->internal)
      neapL_task_cancel(child, NEAP_ECANCELED);
  }
}

const neap_step *neapL_worker_stop(neapL_task *task) {
  cancel_workers(task);
  return neap_run_ok(task->run);
}

static int join_again(lua_State *L, const neap_op *op) {
  neapL_task *task = op->data;
  return neapL_drive(L, task,
                     neapL_worker_join(L, task, neap_run_step(task->run)));
}

/* The wait for an attempt is over. If the task has been cancelled, so is the
 * attempt. If the attempt succeeded nevertheless, the run goes on with its
 * result, and the task gets the cancellation at its next wait. */
static int after_attempt(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  neapL_task *task = neapL_task_current(L);
  const neap_link *ended = &task->workers->ended;
  if (neap__list_empty(ended)) {
    cancel_workers(task);
    neap_op_hold(task->host->engine, &task->op);
    return neapL_wait_again(L, after_attempt);
  }
  const neapL_task *worker = NEAP__ITEM(ended->next, neapL_task, sibling);
  if (worker->state == NEAPL_TASK_DONE || !neapL_wait_is_over(task))
    neapL_wait_settle(L);
  else
    neapL_wait_end(L);
  return neapL_drive(L, task,
                     neapL_worker_join(L, task, neap_run_step(task->run)));
}

/* Returns what a task waits for, in words, when it waits for the workers of a
 * step. */
static const char *name_workers(const neap_step *step) {
  if (step->what == NEAP_DO_ATTEMPT)
    return "an attempt";
  return is_parallel(step->node) ? "its branches" : "the items of a batch";
}

const neap_step *neapL_worker_join(lua_State *L, neapL_task *task,
                                   const neap_step *step) {
  static const neapL_wait_then then = {.finish = join_again};
  bool joins = step->what == NEAP_DO_JOIN;
  neap_link *ended = &task->workers->ended;
  if (neap__list_empty(ended)) {
    if (joins)
      return neapL_drive_wait_child(L, task, name_workers(step), &then);
    neap_op_hold(task->host->engine, neapL_wait_begin(L, name_workers(step)));
    task->joining = task->lasting = true;
    neapL_wait_started(L, after_attempt);
    return NULL; /* it has been suspended */
  }
  neapL_task *worker = NEAP__ITEM(ended->next, neapL_task, sibling);
  if (worker->state == NEAPL_TASK_DONE) {
    if (!joins)
      return take_result(L, task, worker, step);
  } else if (!(joins && step->failed)) {
    push_error(L, task, worker);
    neapL_task_release(worker);
    return neapL_drive_failed(L, task);
  }
  neapL_task_release(worker);
  bool has_failed = joins && step->failed; /* the run has the failure */
  const neap_step *next = neap_run_ok(task->run);
  return has_failed && next->what != NEAP_DO_JOIN
             ? neapL_drive_unwound(L, task, next)
             : next;
}
