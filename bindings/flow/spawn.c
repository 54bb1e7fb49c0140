/* The functions of tasks for Lua: spawn, await, cancel, join, status.
 * SPDX-License-Identifier: MIT */
#include "spawn.h"

#include <lauxlib.h>
#include <string.h>

#include "drive.h"
#include "plan.h"
#include "task/check.h"
#include "task/class.h"
#include "task/error.h"
#include "task/task_life.h"
#include "task/time_limit.h"
#include "task/wait.h"

/* The most steps that are taken to find a cycle of tasks that await each other.
 */
enum { MAX_CYCLE_STEPS = 1000 };

static neapL_task *check_task(lua_State *L, int arg) {
  return neapL_class_check(L, arg, NEAPL_TASK_META);
}

neapL_task *neapL_spawn(lua_State *L, int count) {
  return neapL_task_spawn(L, neapL_task_current(L), count, NEAPL_TASK_ORIGIN);
}

/* spawn(f, ...) -> task */
static int spawn(lua_State *L) {
  neapL_check_any(L, 1);
  neapL_spawn(L, lua_gettop(L) - 1);
  neapL_task_tell(neapL_task_current(L), NEAP_EVENT_SPAWN);
  return 1;
}

/* The function that spawner returns. Upvalue 1 is `other`. */
static int spawn_function(lua_State *L) {
  if (lua_isfunction(L, 1))
    return spawn(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* spawner(other) -> a function that spawns a function that it is given, as
 * spawn does, and passes any other arguments to `other`. */
static int spawner(lua_State *L) {
  lua_settop(L, 1);
  lua_pushcclosure(L, spawn_function, 1);
  return 1;
}

/* Pushes the task of a run that belongs to `owner`. Its arguments are at 1 to
 * 6: plan, shared, params, on_event, max_steps, timeout. [-0, +1, v] */
static neapL_task *spawn_run(lua_State *L, neapL_task *owner) {
  lua_pushcfunction(L, neapL_drive_begin);
  neapL_plan *plan = neapL_plan_check(L, 1); /* pushes its table */
  lua_Integer max_steps = neapL_opt_integer(L, 5, 0);
  bool is_limited = !lua_isnil(L, 6);
  double limit = is_limited ? neapL_check_number(L, 6) : 0;
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  neapL_task *task = neapL_drive_spawn(L, owner, plan->flow, plan->root, 4,
                                       (uint64_t)max_steps);
  if (is_limited)
    neapL_time_limit_set(L, task, limit, false);
  return task;
}

/* start(plan, shared, params, on_event, max_steps, timeout) -> task */
static int start(lua_State *L) {
  lua_settop(L, 6);
  spawn_run(L, neapL_task_current(L));
  neapL_task_tell(neapL_task_current(L), NEAP_EVENT_SPAWN);
  return 1;
}

int neapL_spawn_run(lua_State *L) {
  lua_settop(L, 6);
  spawn_run(L, neapL_host_of(L)->root);
  return 1;
}

/* Pushes the results of a task (at `arg`) that has ended, or raises its error.
 */
static int give_results(lua_State *L, int arg) {
  neapL_task *task = lua_touserdata(L, arg);
  lua_getiuservalue(L, arg, NEAPL_TASK_RESULT);
  if (task->state != NEAPL_TASK_DONE) {
    if (task->L && !task->internal)
      neapL_task_release(task); /* its error is raised now */
    return lua_error(L);
  }
  if (task->results == 0)
    return 0;
  if (task->results == 1)
    return 1;
  int table = lua_absindex(L, -1);
  luaL_checkstack(L, task->results, "too many results");
  for (int i = 1; i <= task->results; i++)
    lua_rawgeti(L, table, i);
  return task->results;
}

/* What ends a join: all tasks have ended; all have ended or one has failed; one
 * has ended. In the last two cases the rest of the own tasks are cancelled
 * then. */
enum mode { ALL, FAILURE, ANY };

typedef struct joins joins;

typedef struct member {
  neapL_join join;
  joins *group;
  neapL_task *task;
  bool own; /* it works for the waiter, and ends with the call */
} member;

/* What a task waits for in one join. It lies on the stack of the waiter. */
struct joins {
  neapL_task *waiter;
  enum mode mode;
  bool decided;      /* the outcome is known, or the waiter was cancelled; only
                        `own` tasks are still waited for */
  bool shielded;     /* own tasks are not cancelled with the waiter */
  size_t remaining;  /* the number of tasks that have not ended */
  neapL_task *first; /* the one that decided the outcome; or one that succeeded
                        after the waiter of rivals was cancelled */
  size_t count;
  member members[];
};

/* Pushes joins with room for `count` members. To be called before the tasks are
 * checked, since finalizers may run. [-0, +1, m] */
static joins *push_joins(lua_State *L, enum mode mode, size_t count) {
  joins *j = lua_newuserdatauv(L, sizeof *j + count * sizeof *j->members, 0);
  *j = (joins){.waiter = neapL_task_current(L), .mode = mode};
  return j;
}

static bool is_linked(const member *m) {
  return !neap__list_empty(&m->join.link);
}

/* Notes that the outcome is known. From now on only own tasks are waited for,
 * and they are cancelled. In a deadlock so are the others, since nothing else
 * could end them. */
static void decide(joins *j) {
  j->decided = true;
  for (size_t i = 0; i < j->count; i++) {
    member *m = &j->members[i];
    if (!is_linked(m))
      continue;
    if (m->own || j->waiter->stuck) {
      neapL_task_cancel(m->task, NEAP_ECANCELED);
    } else {
      neap__list_remove(&m->join.link);
      j->remaining--;
    }
  }
}

static void note_end(neapL_join *join, neapL_task *task) {
  joins *j = NEAP__ITEM(join, member, join)->group;
  j->remaining--;
  bool ended_well = task->state == NEAPL_TASK_DONE;
  bool decides = j->mode == ANY || (j->mode == FAILURE && !ended_well);
  if (!j->decided && decides) {
    j->first = task;
    decide(j);
  } else if (j->mode == ANY && ended_well && !j->first) {
    j->first = task;
  }
  if (j->remaining == 0)
    neap_op_settle(&j->waiter->op, 0);
}

/* Adds a task that has not ended to the joins. */
static void add(joins *j, neapL_task *task, bool own) {
  member *m = &j->members[j->count++];
  *m = (member){.join.ended = note_end, .group = j, .task = task, .own = own};
  neap__list_append(&task->waiters, &m->join.link);
  j->remaining++;
}

/* True when `task` cannot go on before `until` has ended: it awaits `until`, or
 * works for a task that does. Gives up after *steps. A cycle that is missed for
 * that will be found as a deadlock. */
static bool is_held_up(const neapL_task *task, const neapL_task *until,
                       int *steps) {
  if (task == until)
    return true;
  for (neap_link *link = until->waiters.next; link != &until->waiters;
       link = link->next) {
    neapL_join *join = NEAP__ITEM(link, neapL_join, link);
    if (join->ended != note_end)
      continue; /* a host waits */
    const joins *j = NEAP__ITEM(join, member, join)->group;
    if (j->mode != ANY && --*steps > 0 && is_held_up(task, j->waiter, steps))
      return true;
  }
  return until->internal && --*steps > 0 &&
         is_held_up(task, until->parent, steps);
}

/* Raises an error unless the current task may wait for `task`. *steps is shared
 * by all the tasks of a join. [-0, +0, v] */
static void check_cycle(lua_State *L, const neapL_task *task, int *steps) {
  const neapL_task *current = neapL_task_current(L);
  if (task == current)
    neapL_error_raise(L, "deadlock", "a task cannot await itself");
  if (!neapL_task_has_ended(task) && is_held_up(task, current, steps))
    neapL_error_raise(L, "deadlock",
                      "a task cannot await one that waits for it to end");
}

static void drop_joins(neapL_task *task) {
  joins *j = task->dropped;
  for (size_t i = 0; i < j->count; i++)
    neap__list_remove(&j->members[i].join.link);
}

/* Begins the wait for the members. Nothing may have run Lua since they were
 * checked. The wait is lasting: when the waiter is cancelled, its own tasks are
 * cancelled too, and a result that they have nevertheless is not lost. */
static int wait_for(lua_State *L, joins *j, lua_KFunction k) {
  neapL_task_hold(j->waiter, drop_joins, j);
  j->waiter->lasting = true;
  return neapL_wait_started(L, k);
}

/* Ends the wait. Raises the cancellation of the waiter, unless there is an
 * outcome. */
static void end_wait(lua_State *L, joins *j, bool has_outcome) {
  if (has_outcome || !neapL_wait_is_over(j->waiter))
    neapL_wait_settle(L);
  else
    neapL_wait_end(L);
}

/* Makes the wait go on until the own tasks have ended. Returns whether it does.
 */
static bool waits_on(joins *j) {
  if (neap_op_active(&j->waiter->op))
    return false; /* not resumed by neap: the wait cannot go on */
  if (j->remaining > 0 && !j->decided && !j->shielded)
    decide(j);
  if (j->remaining == 0)
    return false;
  neap_op_hold(j->waiter->host->engine, &j->waiter->op);
  return true;
}

/* The stack of a wait for one task: the task, and the joins. */
enum { TASK = 1, JOINS };

static int awaited(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  joins *j = lua_touserdata(L, JOINS);
  const neapL_task *task = lua_touserdata(L, TASK);
  if (waits_on(j))
    return neapL_wait_again(L, awaited);
  /* If the task has succeeded, its results come before a cancellation. */
  end_wait(L, j, task->state == NEAPL_TASK_DONE);
  return give_results(L, TASK);
}

/* task:await() -> its results */
static int await(lua_State *L) {
  neapL_task *task = check_task(L, TASK);
  int steps = MAX_CYCLE_STEPS;
  lua_settop(L, TASK);
  if (neapL_task_has_ended(task))
    return give_results(L, TASK);
  joins *j = push_joins(L, ALL, 1);
  check_cycle(L, task, &steps);
  if (neapL_task_has_ended(task)) /* a finalizer has run the loop */
    return give_results(L, TASK);
  neapL_wait_begin(L, "a task");
  add(j, task, false);
  return wait_for(L, j, awaited);
}

static int called(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  joins *j = lua_touserdata(L, JOINS);
  const neapL_task *task = lua_touserdata(L, TASK);
  if (waits_on(j))
    return neapL_wait_again(L, called);
  end_wait(L, j, j->shielded || task->state == NEAPL_TASK_DONE);
  return give_results(L, TASK);
}

/* Waits for the task at TASK, which works for the caller, and so ends with the
 * call. It has just been spawned. It can have ended only in the main chunk of a
 * plain Lua interpreter, where a finalizer has driven the loop. */
static int await_call(lua_State *L, joins *j) {
  neapL_task *task = lua_touserdata(L, TASK);
  if (neapL_task_has_ended(task))
    return give_results(L, TASK);
  add(j, task, true);
  return wait_for(L, j, called);
}

/* run(plan, shared, params, on_event, max_steps, timeout) -> action */
static int run(lua_State *L) {
  neapL_wait_begin(L, "a flow"); /* first, for it may raise */
  lua_settop(L, 6);
  joins *j = push_joins(L, ALL, 1);
  spawn_run(L, j->waiter);
  lua_replace(L, TASK);
  lua_replace(L, JOINS);
  lua_settop(L, JOINS);
  return await_call(L, j);
}

/* call(task, seconds): awaits a task that works for the caller, and so ends
 * with the call. `seconds` is its time limit, nil for none. */
static int call(lua_State *L) {
  neapL_task *task = check_task(L, TASK);
  bool bounded = !lua_isnoneornil(L, 2);
  double seconds = neapL_opt_number(L, 2, 0);
  lua_settop(L, TASK);
  neapL_host_of(L); /* raises when neap has ended */
  if (bounded)
    neapL_time_limit_set(L, task, seconds, true);
  joins *j = push_joins(L, ALL, 1);
  neapL_wait_begin(L, bounded ? "a function with a time limit" : "a function");
  return await_call(L, j);
}

/* shield(task, seconds): the same for a task that goes on when the caller is
 * cancelled. */
static int shield(lua_State *L) {
  neapL_task *task = check_task(L, TASK);
  double seconds = neapL_check_number(L, 2);
  lua_settop(L, TASK);
  neapL_host_of(L); /* raises when neap has ended */
  neapL_time_limit_set(L, task, seconds, true);
  joins *j = push_joins(L, ALL, 1);
  j->shielded = true;
  neapL_wait_shielded(L, "a function that is shielded");
  task->shielded = true;
  return await_call(L, j);
}

/* Pushes the place of a task in the list of tasks; returns nothing for NULL. */
static int give_place(lua_State *L, const neapL_task *task) {
  lua_Integer i = 0;
  if (!task)
    return 0;
  do {
    lua_settop(L, 2);
    lua_rawgeti(L, 1, ++i);
  } while (lua_touserdata(L, -1) != task);
  lua_pushinteger(L, i);
  return 1;
}

/* True when the join has an outcome although its waiter was cancelled: of
 * rivals, one has succeeded; of others, all have. */
static bool has_outcome(const joins *j) {
  if (j->mode == ANY || j->first)
    return j->first != NULL;
  for (size_t i = 0; i < j->count; i++)
    if (j->members[i].task->state != NEAPL_TASK_DONE)
      return false;
  return true;
}

static int joined(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  joins *j = lua_touserdata(L, 2);
  if (waits_on(j))
    return neapL_wait_again(L, joined);
  end_wait(L, j, has_outcome(j));
  return give_place(L, j->first);
}

/* join(tasks, mode, own): waits until all tasks have ended. With the mode
 * "failure" it ends when the first has failed, with "any" when the first has
 * ended. Then it returns the place of that one in the list.
 *
 * The first `own` tasks in the list work for the caller. When the outcome is
 * known, or the caller is cancelled, they are cancelled. They have ended when
 * join returns or raises. */
static int join(lua_State *L) {
  static const char *const modes[] = {"all", "failure", "any", NULL};
  neapL_check_type(L, 1, LUA_TTABLE);
  enum mode mode = (enum mode)neapL_check_option(L, 2, NULL, modes);
  lua_Integer own = neapL_opt_integer(L, 3, 0);
  lua_settop(L, 1);
  lua_Integer count = luaL_len(L, 1);
  joins *j = push_joins(L, mode, (size_t)count);
  const neapL_task *first = NULL;
  size_t waits = 0;
  int steps = MAX_CYCLE_STEPS;
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, 1, i);
    neapL_task *task = check_task(L, -1);
    lua_pop(L, 1);
    if (mode != ANY)
      check_cycle(L, task, &steps);
    else if (task == j->waiter)
      return neapL_error_raise(L, "deadlock", "a task cannot await itself");
    if (!neapL_task_has_ended(task))
      waits++;
    else if (!first && (mode == ANY ||
                        (mode == FAILURE && task->state != NEAPL_TASK_DONE)))
      first = task;
  }
  if (waits == 0 || (first && own == 0))
    return give_place(L, first);
  neapL_wait_begin(L, "tasks");
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, 1, i);
    neapL_task *task = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (!neapL_task_has_ended(task))
      add(j, task, i <= own);
  }
  if (first) {
    j->first = (neapL_task *)first;
    decide(j);
    if (j->remaining == 0) /* no own task is left */
      return give_place(L, first);
  }
  return wait_for(L, j, joined);
}

/* task:cancel(reason) */
static int cancel(lua_State *L) {
  neapL_task *task = check_task(L, 1);
  neapL_host_of(L); /* raises when neap has ended */
  lua_settop(L, 2);
  if (task->cancel_status == 0 && task->state < NEAPL_TASK_ENDING) {
    lua_setiuservalue(L, 1, NEAPL_TASK_RESULT);
    neapL_task_cancel(task, NEAP_ECANCELED);
  }
  return 0;
}

static const char *status_of(const neapL_task *task) {
  switch (task->state) {
  case NEAPL_TASK_DONE:
    return "done";
  case NEAPL_TASK_FAILED:
    return "failed";
  case NEAPL_TASK_CANCELLED:
    return "cancelled";
  default:
    return "pending";
  }
}

/* The __index of a task: its methods, which are in upvalue 2, and `status`. */
static int get_field(lua_State *L) {
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL)
    return 1;
  const neapL_task *task = check_task(L, 1);
  const char *key = lua_tostring(L, 2);
  if (key && strcmp(key, "status") == 0)
    lua_pushstring(L, status_of(task));
  return 1;
}

static int to_string(lua_State *L) {
  const neapL_task *task = check_task(L, 1);
  const neapL_host *host = neapL_host_find(L);
  if (host && host->is_sandbox) /* whose scripts see no addresses */
    lua_pushfstring(L, "neap.task: %d (%s)", (int)task->slot, status_of(task));
  else
    lua_pushfstring(L, "neap.task: %p (%s)", (const void *)task,
                    status_of(task));
  return 1;
}

/* detach(task) -> task. The task has just been spawned. */
static int detach(lua_State *L) {
  neapL_task *task = check_task(L, 1);
  if (task->state == NEAPL_TASK_READY)
    neapL_task_detach(task);
  lua_settop(L, 1);
  return 1;
}

/* is_task(value) -> boolean */
static int is_task(lua_State *L) {
  lua_pushboolean(L, luaL_testudata(L, 1, NEAPL_TASK_META) != NULL);
  return 1;
}

void neapL_spawn_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"spawn", spawn},   {"spawner", spawner},
                                       {"start", start},   {"run", run},
                                       {"join", join},     {"call", call},
                                       {"shield", shield}, {"is_task", is_task},
                                       {"detach", detach}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"await", await},
                                     {"cancel", cancel},
                                     {"__index", get_field},
                                     {"__tostring", to_string},
                                     {NULL, NULL}};
  neapL_class_define(L, NEAPL_TASK_META, methods, 0);
  luaL_setfuncs(L, functions, 1);
}
