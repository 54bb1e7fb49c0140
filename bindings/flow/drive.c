/* Driving a run: the C function that calls the methods of Lua nodes.
 * SPDX-License-Identifier: MIT
 *
 * One C function in the coroutine of the run's task drives the run. It takes
 * the next step from the engine's state machine, calls the method with a
 * continuation, and tells the state machine the result. visit.h says how the
 * stack is laid out.
 */
#include "drive.h"

#include "action.h"
#include "base/units.h"
#include "batch.h"
#include "events.h"
#include "keep.h"
#include "native_node.h"
#include "params.h"
#include "path.h"
#include "retry.h"
#include "task/budget.h"
#include "task/coroutine.h"
#include "task/task_error.h"
#include "task/task_life.h"
#include "task/wait.h"
#include "worker.h"

const neapL_runs neapL_drive_runs = {.push_path = neapL_path_push_current,
                                     .note_place = neapL_path_note,
                                     .tell = neapL_events_task,
                                     .abandon = neapL_events_abandon};

static int go_on(lua_State *L, const neap_op *op) {
  neapL_task *task = op->data;
  return neapL_drive(L, task, neap_run_ok(task->run));
}

const neap_step *neapL_drive_wait(lua_State *L, neap_op *op) {
  static const neapL_wait_then then = {.finish = go_on};
  neapL_wait(L, op, 0, &then);
  return NULL;
}

const neap_step *neapL_drive_wait_child(lua_State *L, neapL_task *task,
                                        const char *what,
                                        const neapL_wait_then *then) {
  neap_op *op = neapL_wait_begin(L, what);
  neap_op_hold(task->host->engine, op);
  task->joining = true;
  neapL_wait(L, op, 0, then);
  return NULL;
}

static const neap_step *wait_for_retry(lua_State *L, const neap_step *step) {
  neap_op *op = neapL_wait_begin(L, "the next attempt");
  neap_engine *engine = neapL_engine(L);
  neap_sleep_until(engine, op,
                   neap__time_after(neap_now(engine), step->delay_ns));
  return neapL_drive_wait(L, op);
}

static int clear_again(lua_State *L, const neap_op *op);

/* Cancels the tasks of a failed attempt before the run takes its next step.
 * That step tells which attempt has failed. */
static const neap_step *clear(lua_State *L, neapL_task *task) {
  static const neapL_wait_then then = {.finish = clear_again};
  const neap_step *next = neap_run_step(task->run);
  if (!neapL_task_owns_any(task) || next->what == NEAP_DO_END ||
      next->what == NEAP_DO_STOP || next->what == NEAP_DO_JOIN)
    return next; /* the end of the task or of the batch cancels them */
  uint32_t depth = next->depth - (next->what == NEAP_DO_ENTER);
  uint32_t since = serial_of(*neap_run_note(task->run, depth));
  if (neapL_task_cancel_since(task, since) > 0)
    return neapL_drive_wait_child(
        L, task, "the tasks of a failed attempt to end", &then);
  while (neapL_task_take_failure(L, task, since)) {
    if (lua_rawequal(L, -1, ERROR))
      lua_pop(L, 1); /* the error with which the attempt failed */
    else
      neapL_task_suppress(L, ERROR);
  }
  return next;
}

static int clear_again(lua_State *L, const neap_op *op) {
  neapL_task *task = op->data;
  return neapL_drive(L, task, clear(L, task));
}

const neap_step *neapL_drive_unwound(lua_State *L, neapL_task *task,
                                     const neap_step *next) {
  next = neapL_events_leave_all(L, task, next);
  neapL_events_failure(L, task, next);
  return clear(L, task);
}

const neap_step *neapL_drive_failed(lua_State *L, neapL_task *task) {
  lua_replace(L, ERROR);
  neap_failure failure = neapL_retry_failure(L, ERROR);
  return neapL_drive_unwound(L, task, neap_run_fail(task->run, &failure));
}

/* True when the run is to end at once with the error on top: a cancellation is
 * neither retried nor collected, and an error that nothing handles should keep
 * its traceback. */
static bool is_fatal(neapL_task *task) {
  return task->cancel_status != 0 || !neap_run_step(task->run)->caught;
}

const neap_step *neapL_drive_fail(lua_State *L, neapL_task *task) {
  if (is_fatal(task))
    lua_error(L);
  lua_pushnil(L);
  neapL_task_set_origin(L, task);
  return neapL_drive_failed(L, task);
}

const neap_step *neapL_drive_fail_as(lua_State *L, neapL_task *task,
                                     int status) {
  /* Lua calls no message handler for a lack of memory. */
  if (status == LUA_ERRMEM)
    return neapL_drive_fail(L, task);
  if (is_fatal(task)) {
    neapL_task_origin_is_known(task);
    lua_error(L);
  }
  neapL_task_unwound(L, task, -1);
  return neapL_drive_failed(L, task);
}

/* Pushes the params of a visit: those of the node, overridden by those from
 * outside, which are at `outer`. Pushes nil when there are none. [-0, +1, m] */
static void push_params(lua_State *L, const neapL_record *record, int outer) {
  int own = lua_gettop(L) + 1;
  if (!record->params) {
    lua_pushvalue(L, outer);
    return;
  }
  lua_rawgeti(L, PLAN, record->methods + NEAPL_PLAN_PARAMS);
  if (lua_istable(L, outer)) {
    neapL_params_merge(L, own, outer);
    lua_replace(L, own);
  }
}

/* Pushes the self of a visit. Its params are at `params`. With 0 they are the
 * node's own, which self reads from the node anyway. [-0, +1, m] */
static void push_self(lua_State *L, const neapL_record *record, int params) {
  if (record->selfless) {
    lua_pushnil(L);
    return;
  }
  lua_createtable(L, 0, 0);
  lua_rawgeti(L, PLAN, record->methods + NEAPL_PLAN_VIEW);
  lua_setmetatable(L, -2);
  if (params != 0) {
    lua_pushvalue(L, params);
    lua_setfield(L, -2, "params");
  }
}

/* Pushes the self of a visit that begins or goes on, and what else its kind of
 * node needs. */
static void push_visit(lua_State *L, neapL_task *task, const neap_step *step) {
  uint32_t depth = step->depth;
  int first = VISITS, outer = ERROR;
  if (depth > 0) {
    int around = self_at(task, depth - 1);
    first = around + EXEC + 1;
    outer = around + PARAMS;
  }
  lua_settop(L, first - 1);
  make_room(L, first);
  const neapL_record *record = record_of(step->node);
  bool given = !lua_isnil(L, outer);
  int self = first;
  if (record->native) {
    push_params(L, record, outer);
    neapL_native_enter(L, task, self);
    lua_replace(L, self);
  } else if (neap_node_kind(step->node) != NEAP_NODE) {
    if (has_items(step->node)) {
      lua_pushnil(L); /* item_meta */
      self++;
    }
    push_params(L, record, outer);
    push_self(L, record, given ? self : 0);
    self++;
  } else if (!given) {
    push_self(L, record, 0);
  } else {
    push_params(L, record, outer);
    push_self(L, record, self);
    lua_replace(L, self);
  }
  set_note(task, step->note, self);
  if (depth == 0) {
    lua_pushnil(L);
    lua_replace(L, ERROR);
  }
}

static void enter(lua_State *L, neapL_task *task, const neap_step *step) {
  push_visit(L, task, step);
  if (task->is_kept)
    neapL_keep_name(L, task, step->depth, self_of(*step->note));
  if (neapL_events_wanted(task))
    neapL_events_start(L, task, step->depth);
}

/* The run has been saved at its place before this visit. */
static int enter_kept(lua_State *L, int status, lua_KContext context) {
  neapL_task *task = (neapL_task *)context;
  (void)status;
  enter(L, task, neap_run_step(task->run));
  return neapL_drive(L, task, neap_run_ok(task->run));
}

/* Gives a visit of a run that was loaded what has been kept of it. */
static const neap_step *resume(lua_State *L, neapL_task *task,
                               const neap_step *step) {
  enum { FIELDS = 2, RESULTS, ERRORS };
  neap_run_watch(task->run, neap_now(task->host->engine));
  push_visit(L, task, step);
  int self = self_of(*step->note);
  neapL_keep_name(L, task, step->depth, self);
  neapL_keep_restore(L, task, step);
  if (lua_istable(L, self + FIELDS) && lua_istable(L, self))
    for (lua_pushnil(L); lua_next(L, self + FIELDS);) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2); /* key key value */
      lua_rawset(L, self);
    }
  lua_remove(L, self + FIELDS);
  if (has_items(step->node))
    neapL_batch_resume(L, self); /* takes results and errors */
  else
    lua_settop(L, self + EXEC);
  return neap_run_ok(task->run);
}

int neapL_drive_call(lua_State *L, neapL_task *task, const neap_step *step,
                     int count, int results, lua_KFunction k) {
  task->atomic = record_of(step->node)->atomic;
  if (step->caught)
    return lua_pcallk(L, count, results, HANDLER, (lua_KContext)task, k);
  lua_callk(L, count, results, (lua_KContext)task, k);
  return LUA_OK;
}

/* Takes the result of post, on top, as the action. */
static const neap_step *take_action(lua_State *L, neapL_task *task,
                                    const neap_step *step) {
  if (lua_type(L, -1) == LUA_TSTRING) {
    size_t size;
    const char *action = lua_tolstring(L, -1, &size);
    return neap_run_action(task->run, action, size);
  }
  if (lua_isnil(L, -1))
    return neap_run_action(task->run, NULL, 0);
  neapL_action_push_misfit(L, step);
  return neapL_drive_fail(L, task);
}

/* A call has ended. Its result or error is on top. */
static const neap_step *called(lua_State *L, neapL_task *task, int status) {
  task->atomic = NULL;
  if (call_failed(status))
    return neapL_drive_fail_as(L, task, status);
  const neap_step *step = neap_run_step(task->run);
  if (step->phase == NEAP_POST)
    return take_action(L, task, step);
  if (step->phase == NEAP_PREP) { /* exec's tasks count from here on */
    set_note(task, step->note, self_of(*step->note));
    if (task->is_kept && walks(step->node) && !has_items(step->node))
      neapL_keep_prepared(L, task, step, self_of(*step->note));
  }
  if (step->phase == NEAP_FALLBACK && walks(step->node) &&
      lua_type(L, -1) == LUA_TSTRING)
    return take_action(L, task, step); /* in place of that of the walk */
  return neap_run_ok(task->run);
}

static int after_call(lua_State *L, int status, lua_KContext context) {
  neapL_task *task = (neapL_task *)context;
  return neapL_drive(L, task, called(L, task, status));
}

static const neap_step *call_method(lua_State *L, neapL_task *task,
                                    const neap_step *step) {
  int self = self_of(*step->note);
  const neapL_record *record = record_of(step->node);
  int count, results = 1;
  if (record->native)
    return neapL_native_call(L, task, step);
  if (step->attempt > 0) {
    lua_pushinteger(L, step->attempt);
    lua_setfield(L, self, "cur_retry");
  }
  switch (step->phase) {
  case NEAP_PREP:
    count = 2;
    if (record->is_batch)
      results = 3; /* neapL_batch_items takes them */
    break;
  case NEAP_EXEC:
    set_note(task, step->note, self);
    lua_settop(L, self + PREP);
    count = 3;
    break;
  case NEAP_FALLBACK:
    lua_settop(L, self + PREP);
    count = 4;
    break;
  default:
    lua_settop(L, self + EXEC);
    if (record->has_items)
      neapL_batch_finish(L, task, step);
    count = 4;
  }
  lua_rawgeti(L, PLAN, record->methods + NEAPL_PLAN_PHASE + (int)step->phase);
  lua_pushvalue(L, self);
  lua_pushvalue(L, SHARED);
  if (count >= 3)
    lua_pushvalue(L, self + PREP);
  if (count == 4)
    lua_pushvalue(L, step->phase == NEAP_POST ? self + EXEC : ERROR);
  return called(L, task,
                neapL_drive_call(L, task, step, count, results, after_call));
}

static const neap_step *warn(lua_State *L, neapL_task *task,
                             const neap_step *step) {
  neapL_action_warn(L, task, step);
  return neap_run_ok(task->run);
}

static const neap_step *raise(lua_State *L, neapL_task *task,
                              const neap_step *step) {
  neapL_action_push_refusal(L, step);
  return neapL_drive_fail(L, task);
}

/* The walk inside a visit has ended with an action. That becomes the result of
 * the visit, if it has a self for methods that read it. */
static const neap_step *come_back(lua_State *L, neapL_task *task,
                                  const neap_step *step) {
  if (!record_of(step->node)->selfless) {
    neapL_action_push(L, step);
    lua_replace(L, self_of(*step->note) + EXEC);
  }
  return neap_run_ok(task->run);
}

/* Ends the task with the run. The task keeps the result: the action of a visit,
 * or the result of exec of an attempt. The results of a worker are in the
 * batch. */
static int end(lua_State *L, neapL_task *task, const neap_step *step) {
  if (step->failed) {
    neapL_task_origin_is_known(task);
    lua_pushvalue(L, ERROR);
    return lua_error(L);
  }
  bool item;
  uint64_t index;
  const neap_node *node = neap_run_node_at(task->run, 0, &item, &index);
  if (!task->internal || (walks(node) && task->root == NEAP_ROOT_ATTEMPT))
    neapL_action_push(L, step);
  else if (task->root == NEAP_ROOT_ATTEMPT)
    lua_settop(L, self_at(task, 0) + EXEC);
  else
    return 0;
  return 1;
}

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

/* Calls a function that does nothing, so that Lua calls the hook of the
 * coroutine. A signal stops code that computes by a hook, and a loop of nodes
 * without methods calls nothing. [-0, +0, e] */
static void let_hook_run(lua_State *L) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_pushcfunction(L, nothing);
  lua_call(L, 0, 0);
}

/* The budget was over as a visit was to begin. */
static int enter_later(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  neapL_task *task = neapL_task_current(L);
  return neapL_drive(L, task, neap_run_step(task->run));
}

static int pause_kept(lua_State *L, int status, lua_KContext context) {
  neapL_task *task = (neapL_task *)context;
  (void)status;
  return neapL_drive(L, task, wait_for_retry(L, neap_run_step(task->run)));
}

/* A keeper saves that a run waits, if it does for so long. */
enum { LONG_PAUSE_NS = 1000000000 };

int neapL_drive(lua_State *L, neapL_task *task, const neap_step *step) {
  for (;;) {
    switch (step->what) {
    case NEAP_DO_ENTER:
      if (lua_gethookmask(L) != 0) {
        if (neapL_budget_is_over(L))
          return neapL_coroutine_cut(L, enter_later);
        let_hook_run(L);
        step = neap_run_step(task->run);
      }
      if (task->is_kept) {
        neapL_keep_enter(L, task, enter_kept);
        step = neap_run_step(task->run);
      }
      enter(L, task, step);
      step = neap_run_ok(task->run);
      break;
    case NEAP_DO_RESUME:
      step = resume(L, task, step);
      break;
    case NEAP_DO_CALL:
      step = call_method(L, task, step);
      break;
    case NEAP_DO_RETURN:
      step = come_back(L, task, step);
      break;
    case NEAP_DO_WAIT:
      if (task->is_kept && step->delay_ns >= LONG_PAUSE_NS)
        neapL_keep_pause(L, task, step, pause_kept);
      step = wait_for_retry(L, neap_run_step(task->run));
      break;
    case NEAP_DO_ATTEMPT:
      step = neapL_worker_attempt(L, task, step);
      break;
    case NEAP_DO_ITEMS:
      step = neapL_batch_items(L, task, step);
      break;
    case NEAP_DO_FORK:
      step = neapL_worker_fork(L, task, step);
      break;
    case NEAP_DO_JOIN:
      step = neapL_worker_join(L, task, step);
      break;
    case NEAP_DO_STOP:
      step = neapL_worker_stop(task);
      break;
    case NEAP_DO_FETCH:
      step = neapL_batch_fetch(L, task, step);
      break;
    case NEAP_DO_TURN:
      step = neapL_batch_turn(L, task, step);
      break;
    case NEAP_DO_ITEM_END:
      step = neapL_batch_item_end(L, task, step);
      break;
    case NEAP_DO_WARN:
      step = warn(L, task, step);
      break;
    case NEAP_DO_RAISE:
      step = raise(L, task, step);
      break;
    case NEAP_DO_LEAVE:
      if (task->is_kept && !step->failed)
        neapL_keep_left(L, task, step);
      step = neapL_events_leave(L, task, step);
      break;
    case NEAP_DO_END:
      return end(L, task, step);
    }
  }
}

int neapL_drive_begin(lua_State *L) {
  neapL_task *task = neapL_task_current(L);
  return neapL_drive(L, task, neap_run_step(task->run));
}

neapL_task *neapL_drive_spawn(lua_State *L, neapL_task *owner, neap_flow *flow,
                              const neap_node *node, int on_event,
                              uint64_t max_steps) {
  bool observed = !lua_isnil(L, on_event);
  lua_pushcfunction(L, neapL_task_trace);
  neapL_task *task = neapL_task_spawn(
      L, owner, HANDLER, observed ? NEAPL_TASK_EVENTS : NEAPL_TASK_ORIGIN);
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  opts.max_steps = max_steps;
  opts.data = task;
  opts.seed = neapL_task_seed(task);
  int status = neap_run_new(flow, node, &opts, &task->run);
  if (status < 0) {
    neapL_task_cancel(task, NEAP_ECANCELED);
    luaL_error(L, "%s", neap_status_text(status));
  }
  if (observed) {
    lua_pushvalue(L, on_event);
    lua_setiuservalue(L, -2, NEAPL_TASK_EVENTS);
    task->observed = true;
  }
  return task;
}
