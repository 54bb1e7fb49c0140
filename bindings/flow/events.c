/* The events of a run, for the observers of the run and of the engine.
 * SPDX-License-Identifier: MIT */
#include "events.h"

#include "event_table.h"
#include "task/budget.h"
#include "task/error.h"
#include "task/host.h"

/* Makes an event about the visit at a depth. */
static neap_event make_event(const neapL_task *task, neap_event_kind kind,
                             uint32_t depth) {
  uint64_t since;
  return (neap_event){.kind = kind,
                      .run = task->run,
                      .depth = depth,
                      .count = NEAP_UNCOUNTED,
                      .visit = neap_run_visit(task->run, depth, &since)};
}

/* Returns the depth of the visit that a run is at. A visit whose begin has not
 * been told, since tasks of the last attempt are being ended, does not count.
 */
static uint32_t depth_of(neap_run *run) {
  neap_place place;
  uint64_t since;
  neap_run_place(run, &place);
  bool begins = neap_run_step(run)->what == NEAP_DO_ENTER && place.depth > 0 &&
                neap_run_visit(run, place.depth, &since) == 0;
  return place.depth - begins;
}

/* Reports an event to the observers of the engine and of the run. What belongs
 * to it is at the stack index `value`. An error that on_event raises becomes a
 * warning: observing a run does not end it. [-0, +0, m] */
static void emit_with(lua_State *L, neapL_task *task, neap_event *event,
                      int value) {
  neap_emit(task->host->engine, event);
  if (!task->observed)
    return;
  const neapL_task *owner = task; /* the task that has the on_event */
  while (owner->internal)
    owner = owner->parent;
  neapL_task_push(L, owner);
  lua_getiuservalue(L, -1, NEAPL_TASK_EVENTS);
  lua_replace(L, -2);
  neapL_event_push(L, event, value);
  const neapL_task *running = task->host->current; /* a signal is told to it */
  if (!running)
    running = task;
  bool before = task->host->telling, told = running->told;
  task->host->telling = true;
  int status = lua_pcall(L, 1, 0, 0);
  task->host->telling = before;
  if (status == LUA_OK)
    return;
  if (running->told && !told)
    lua_error(L); /* a signal has stopped on_event */
  const char *text = neapL_error_text(L, -1); /* a __tostring may warn, too */
  lua_warning(L, "neap: on_event raised: ", 1);
  lua_warning(L, text, 0);
  lua_pop(L, 2);
}

/* The same in the driver of a run, which keeps the error at ERROR. [-0, +0, m]
 */
static void emit(lua_State *L, neapL_task *task, neap_event *event) {
  emit_with(L, task, event, ERROR);
}

void neapL_events_start(lua_State *L, neapL_task *task, uint32_t depth) {
  neap_run_watch(task->run, neap_now(task->host->engine));
  neap_event event = make_event(task, NEAP_EVENT_NODE_START, depth);
  emit(L, task, &event);
}

/* Makes the event that tells of the end of a visit. */
static neap_event make_end(const neapL_task *task, uint32_t depth,
                           bool failed) {
  neap_event event = make_event(task, NEAP_EVENT_NODE_END, depth);
  uint64_t since, now = neap_now(task->host->engine);
  neap_run_visit(task->run, depth, &since);
  event.spent_ns = now > since ? now - since : 0;
  event.failed = failed;
  return event;
}

const neap_step *neapL_events_leave(lua_State *L, neapL_task *task,
                                    const neap_step *step) {
  if (neapL_events_wanted(task)) {
    neap_event event = make_end(task, step->depth, step->failed);
    if (!step->failed) {
      event.action = step->action;
      event.action_size = step->action_size;
    }
    emit(L, task, &event);
  }
  return neap_run_ok(task->run);
}

const neap_step *neapL_events_leave_all(lua_State *L, neapL_task *task,
                                        const neap_step *step) {
  while (step->what == NEAP_DO_LEAVE)
    step = neapL_events_leave(L, task, step);
  return step;
}

void neapL_events_items(lua_State *L, neapL_task *task, const neap_step *step,
                        uint64_t count) {
  neap_event event = make_event(task, NEAP_EVENT_BATCH_START, step->depth);
  event.count = count;
  event.concurrency = neap_node_concurrency(step->node);
  emit(L, task, &event);
}

void neapL_events_item_start(lua_State *L, neapL_task *task, uint32_t depth,
                             uint64_t index) {
  neap_event event = make_event(task, NEAP_EVENT_ITEM_START, depth);
  event.index = index;
  emit(L, task, &event);
}

void neapL_events_item_end(lua_State *L, neapL_task *task,
                           const neap_step *step) {
  neap_event event =
      is_parallel(step->node)
          ? make_event(task, NEAP_EVENT_BRANCH_END, step->depth)
          : make_event(task, NEAP_EVENT_ITEM_END, step->depth - 1);
  event.index = step->index;
  event.failed = step->failed;
  emit(L, task, &event);
}

void neapL_events_failure(lua_State *L, neapL_task *task,
                          const neap_step *next) {
  bool falls_back = next->what == NEAP_DO_CALL && next->phase == NEAP_FALLBACK;
  bool walks_again = next->what == NEAP_DO_ENTER;
  bool retries = next->what == NEAP_DO_WAIT || next->what == NEAP_DO_ATTEMPT ||
                 (next->what == NEAP_DO_CALL && next->phase == NEAP_EXEC) ||
                 walks_again;
  if (!neapL_events_wanted(task) || !(falls_back || retries))
    return;
  uint32_t depth = next->depth - walks_again; /* that of the flow */
  neap_event event = make_event(
      task, falls_back ? NEAP_EVENT_FALLBACK : NEAP_EVENT_RETRY, depth);
  /* Without a wait, the next attempt has begun already. */
  bool begun = !falls_back && next->what != NEAP_DO_WAIT;
  event.attempt = neap_run_attempt(task->run, depth) - begun;
  event.failed = true;
  if (next->what == NEAP_DO_WAIT)
    event.delay_ns = next->delay_ns;
  emit(L, task, &event);
}

/* Runs below lua_pcall: reports the event at 1 about the task at 2. */
static int tell(lua_State *L) {
  emit_with(L, lua_touserdata(L, 2), lua_touserdata(L, 1), 0);
  return 0;
}

/* The same for an event to which the error of the task belongs. */
static int tell_error(lua_State *L) {
  neapL_task *task = lua_touserdata(L, 2);
  neapL_task_push(L, task);
  lua_getiuservalue(L, 3, NEAPL_TASK_RESULT);
  emit_with(L, task, lua_touserdata(L, 1), 4);
  return 0;
}

/* Reports an event by one of these functions. This does not use the task's own
 * stack: when the event is a wait, other tasks may already take values from
 * there, or put them there. [-0, +0, -] */
static void tell_by(lua_CFunction function, neapL_task *task,
                    neap_event *event) {
  neapL_host *host = task->host;
  lua_State *T = host->teller, *running = host->running;
  if (!lua_checkstack(T, 4))
    return;
  neapL_armed armed;
  neapL_budget_arm(host, &armed, T);
  host->telling = true;
  neapL_host_run(host, T);
  lua_pushcfunction(T, function);
  lua_pushlightuserdata(T, event);
  lua_pushlightuserdata(T, task);
  if (lua_pcall(T, 2, 0, 0) != LUA_OK)
    lua_pop(T, 1); /* no memory: the event is lost */
  neapL_host_run(host, running);
  host->telling = false;
  neapL_budget_disarm(host, &armed);
}

void neapL_events_task(neapL_task *task, neap_event_kind kind) {
  if (!task->run || !neapL_events_wanted(task))
    return;
  neap_event event = make_event(task, kind, depth_of(task->run));
  if (kind != NEAP_EVENT_SPAWN)
    event.message = task->what;
  tell_by(tell, task, &event);
}

void neapL_events_abandon(neapL_task *task) {
  neap_place place;
  neap_run_place(task->run, &place);
  for (uint32_t depth = place.depth + 1; depth-- > 0;) {
    if (!neap_run_unwatch(task->run, depth) || !neapL_events_wanted(task))
      continue;
    neap_event event = make_end(task, depth, true);
    tell_by(tell_error, task, &event);
  }
}

neapL_task *neapL_events_runner(neapL_task *task) {
  while (task && !task->run)
    task = task->parent;
  return task;
}

void neapL_events_emit(lua_State *L, neapL_task *task, const char *kind,
                       int fields) {
  if (!neapL_events_wanted(task))
    return;
  neap_event event = make_event(task, NEAP_EVENT_EMIT, depth_of(task->run));
  event.message = kind;
  emit_with(L, task, &event, fields);
}

void neapL_events_retry(lua_State *L, neapL_task *task, const char *what,
                        uint32_t attempt, uint64_t delay_ns, int error) {
  task = neapL_events_runner(task);
  if (!task || !neapL_events_wanted(task))
    return;
  neap_event event = make_event(task, NEAP_EVENT_RETRY, depth_of(task->run));
  event.message = what;
  event.attempt = attempt;
  event.delay_ns = delay_ns;
  event.failed = true;
  emit_with(L, task, &event, error);
}

void neapL_events_warning(lua_State *L, neapL_task *task, uint32_t depth) {
  lua_warning(L, lua_tostring(L, -1), 0);
  if (task->run && neapL_events_wanted(task) && !task->host->telling) {
    neap_event event = make_event(task, NEAP_EVENT_WARNING, depth);
    event.message = lua_tostring(L, -1);
    emit(L, task, &event);
  }
  lua_pop(L, 1);
}
