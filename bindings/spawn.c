/* Tasks as Lua sees them: spawn, await, cancel, join, status.
 * SPDX-License-Identifier: MIT */
#include "spawn.h"

#include <lauxlib.h>
#include <string.h>

#include "drive.h"
#include "error.h"
#include "object.h"
#include "plan.h"
#include "wait.h"

/* How far a cycle of tasks that await each other is looked for. */
enum { MAX_CYCLE_STEPS = 1000 };

static neap__task *check_task(lua_State *L, int arg) {
  return neap__object_check(L, arg, NEAP__TASK_META);
}

static int after_function(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  neap__task_return(L, neap__task_current(L), lua_gettop(L));
  return 0;
}

/* The entry of a task that calls the Lua function at index 1. */
static int call_function(lua_State *L) {
  lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, after_function);
  return after_function(L, LUA_OK, 0);
}

neap__task *neap__spawn(lua_State *L, int count) {
  return neap__task_spawn(L, neap__task_current(L), call_function, count + 1);
}

/* spawn(f, ...) -> task */
static int spawn(lua_State *L) {
  luaL_checkany(L, 1);
  neap__spawn(L, lua_gettop(L) - 1);
  neap__report_task(L, neap__task_current(L), NEAP_EVENT_SPAWN);
  return 1;
}

/* The function that spawner gives; `other` is upvalue 1. */
static int spawn_function(lua_State *L) {
  if (lua_isfunction(L, 1))
    return spawn(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* spawner(other) -> a function that spawns the function it is given, as spawn
 * does, and leaves whatever else it is given to `other`. */
static int spawner(lua_State *L) {
  lua_settop(L, 1);
  lua_pushcclosure(L, spawn_function, 1);
  return 1;
}

/* Pushes the task of a run for the arguments (plan, shared, params, on_event,
 * max_steps, timeout), from 1 on. [-0, +1, v] */
static neap__task *spawn_run(lua_State *L) {
  lua_settop(L, 6);
  neap__plan *plan = neap__plan_check(L, 1);
  lua_Integer max_steps = luaL_optinteger(L, 5, 0);
  for (int arg = 2; arg <= 4; arg++)
    lua_pushvalue(L, arg);
  neap__task *task =
      neap__drive_spawn(L, plan->flow, plan->root, (uint64_t)max_steps);
  if (!lua_isnil(L, 6))
    neap__task_set_deadline(L, task, luaL_checknumber(L, 6));
  return task;
}

/* start(plan, shared, params, on_event, max_steps, timeout) -> task */
static int start(lua_State *L) {
  spawn_run(L);
  neap__report_task(L, neap__task_current(L), NEAP_EVENT_SPAWN);
  return 1;
}

/* Pushes the results of a task (at `arg`) that has ended, or raises its error.
 */
static int give_results(lua_State *L, int arg) {
  neap__task *task = lua_touserdata(L, arg);
  lua_getiuservalue(L, arg, NEAP__TASK_RESULT);
  if (task->state != NEAP__TASK_DONE) {
    if (task->L && !task->internal)
      neap__task_release(task); /* it has been heard of now */
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

/* For what somebody waits: until all have ended; but no longer than until the
 * first has failed; or has ended, which ends its rivals. */
enum mode { ALL, FAILURE, ANY };

typedef struct joins joins;

typedef struct member {
  neap__join join;
  joins *group;
  neap__task *task;
} member;

/* All that somebody waits for, on his stack. */
struct joins {
  neap__task *waiter;
  enum mode mode;
  size_t remaining;  /* how many have not ended */
  neap__task *first; /* the first that failed, or ended */
  size_t rivals;     /* so many members, from the first, are rivals */
  size_t count;
  member members[];
};

/* Pushes joins with room for `count`. [-0, +1, m] */
static joins *push_joins(lua_State *L, enum mode mode, size_t count) {
  joins *j = lua_newuserdatauv(L, sizeof *j + count * sizeof *j->members, 0);
  *j = (joins){.waiter = neap__task_current(L), .mode = mode};
  return j;
}

static void cancel_rivals(joins *j) {
  for (size_t i = 0; i < j->rivals; i++)
    if (j->members[i].task != j->first)
      neap__task_cancel(j->members[i].task, NEAP_ECANCELED);
}

static void note_end(neap__join *join, neap__task *task) {
  joins *j = NEAP__ITEM(join, member, join)->group;
  bool decides =
      j->mode == ANY || (j->mode == FAILURE && task->state != NEAP__TASK_DONE);
  if (decides && !j->first) {
    j->first = task;
    cancel_rivals(j);
  }
  j->remaining--;
  if (j->remaining == 0 || decides)
    neap_op_settle(&j->waiter->op, 0);
}

/* Has the joins wait for a task that has not ended. */
static void add(joins *j, neap__task *task) {
  member *m = &j->members[j->count++];
  *m = (member){.join.ended = note_end, .group = j, .task = task};
  neap__list_append(&task->waiters, &m->join.link);
  j->remaining++;
}

/* True when `task` is among those that cannot go on before `until` has ended:
 * they await it, or work on it. Gives up after so many steps: what is missed
 * then is found as a deadlock. */
static bool is_held_up(const neap__task *task, const neap__task *until,
                       int *steps) {
  if (task == until)
    return true;
  for (neap_link *link = until->waiters.next; link != &until->waiters;
       link = link->next) {
    neap__join *join = NEAP__ITEM(link, neap__join, link);
    const joins *j = NEAP__ITEM(join, member, join)->group;
    if (j->mode != ANY && --*steps > 0 && is_held_up(task, j->waiter, steps))
      return true;
  }
  return until->internal && --*steps > 0 &&
         is_held_up(task, until->parent, steps);
}

/* Raises an error unless the task that runs may wait for `task`. Of many, the
 * *steps are shared. [-0, +0, v] */
static void check_cycle(lua_State *L, const neap__task *task, int *steps) {
  const neap__task *current = neap__task_current(L);
  if (task == current)
    neap__error_raise(L, "deadlock", "a task cannot await itself");
  if (!neap__task_has_ended(task) && is_held_up(task, current, steps))
    neap__error_raise(L, "deadlock",
                      "a task cannot await one that waits for it to end");
}

static void drop_joins(neap__task *task) {
  joins *j = task->dropped;
  for (size_t i = 0; i < j->count; i++)
    neap__list_remove(&j->members[i].join.link);
}

/* The same for somebody whose wait was for the run of a call: it ends, too. */
static void drop_call(neap__task *task) {
  joins *j = task->dropped;
  drop_joins(task);
  neap__task_cancel(j->members[0].task, NEAP_ECANCELED);
}

static int awaited(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  neap__wait_end(L);
  return give_results(L, 1);
}

/* Waits for the task at index 1. */
static int wait_for(lua_State *L, neap__task *task, const char *what,
                    void (*drop)(neap__task *)) {
  if (neap__task_has_ended(task))
    return give_results(L, 1);
  joins *j = push_joins(L, ALL, 1);
  neap__wait_begin(L, what);
  neap__task_hold(j->waiter, drop, j);
  add(j, task);
  return neap__wait(L, awaited);
}

/* task:await() -> its results */
static int await(lua_State *L) {
  neap__task *task = check_task(L, 1);
  int steps = MAX_CYCLE_STEPS;
  check_cycle(L, task, &steps);
  lua_settop(L, 1);
  return wait_for(L, task, "a task", drop_joins);
}

/* run(plan, shared, params, on_event, max_steps, timeout) -> action */
static int run(lua_State *L) {
  neap__wait_begin(L, "a flow"); /* where it cannot wait, nothing is started */
  neap__task *task = spawn_run(L);
  lua_replace(L, 1);
  lua_settop(L, 1);
  return wait_for(L, task, "a flow", drop_call);
}

/* call(task, seconds): awaits a task that does what the caller calls, and so
 * ends with it; gives it no more than so many seconds. */
static int call(lua_State *L) {
  neap__task *task = check_task(L, 1);
  double seconds = luaL_checknumber(L, 2);
  lua_settop(L, 1);
  neap__task_set_deadline(L, task, seconds);
  return wait_for(L, task, "a function with a time limit", drop_call);
}

/* Pushes the place of a task in the list of tasks, nil for none. */
static int give_place(lua_State *L, const neap__task *task) {
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

static int joined(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  drop_joins(neap__task_current(L));
  neap__wait_end(L);
  joins *j = lua_touserdata(L, 2);
  return give_place(L, j->first);
}

/* join(tasks, mode, rivals): waits until all have ended; with "failure" no
 * longer than until the first has failed, with "any" until the first has ended:
 * then gives its place in the list. The first to end cancels those of the first
 * `rivals` in the list that have not, before they take what nobody will get. */
static int join(lua_State *L) {
  static const char *const modes[] = {"all", "failure", "any", NULL};
  luaL_checktype(L, 1, LUA_TTABLE);
  enum mode mode = (enum mode)luaL_checkoption(L, 2, NULL, modes);
  lua_Integer rivals = luaL_optinteger(L, 3, 0);
  lua_settop(L, 1);
  lua_Integer count = luaL_len(L, 1);
  joins *j = push_joins(L, mode, (size_t)count);
  bool wait = false;
  int steps = MAX_CYCLE_STEPS;
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, 1, i);
    neap__task *task = check_task(L, -1);
    lua_pop(L, 1);
    if (mode != ANY)
      check_cycle(L, task, &steps);
    else if (task == j->waiter)
      return neap__error_raise(L, "deadlock", "a task cannot await itself");
    if (!neap__task_has_ended(task))
      wait = true;
    else if (mode == ANY || (mode == FAILURE && task->state != NEAP__TASK_DONE))
      return give_place(L, task);
  }
  if (!wait)
    return 0;
  neap__wait_begin(L, "tasks");
  neap__task_hold(j->waiter, drop_joins, j);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, 1, i);
    neap__task *task = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (!neap__task_has_ended(task))
      add(j, task);
    if (i == rivals)
      j->rivals = j->count;
  }
  return neap__wait(L, joined);
}

/* task:cancel(reason) */
static int cancel(lua_State *L) {
  neap__task *task = check_task(L, 1);
  lua_settop(L, 2);
  if (task->cancel_status == 0 && task->state < NEAP__TASK_ENDING) {
    lua_setiuservalue(L, 1, NEAP__TASK_RESULT);
    neap__task_cancel(task, NEAP_ECANCELED);
  }
  return 0;
}

static const char *status_of(const neap__task *task) {
  switch (task->state) {
  case NEAP__TASK_DONE:
    return "done";
  case NEAP__TASK_FAILED:
    return "failed";
  case NEAP__TASK_CANCELLED:
    return "cancelled";
  default:
    return "pending";
  }
}

/* The methods of a task, which are in its metatable, and task.status. */
static int get_field(lua_State *L) {
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
    return 1;
  const neap__task *task = check_task(L, 1);
  const char *key = lua_tostring(L, 2);
  if (key && strcmp(key, "status") == 0)
    lua_pushstring(L, status_of(task));
  return 1;
}

static int to_string(lua_State *L) {
  const neap__task *task = check_task(L, 1);
  lua_pushfstring(L, "neap.task: %p (%s)", (const void *)task, status_of(task));
  return 1;
}

/* detach(task) -> task, which has just been spawned */
static int detach(lua_State *L) {
  neap__task *task = check_task(L, 1);
  if (task->state == NEAP__TASK_READY)
    neap__task_detach(task);
  lua_settop(L, 1);
  return 1;
}

/* is_task(value) -> boolean */
static int is_task(lua_State *L) {
  lua_pushboolean(L, luaL_testudata(L, 1, NEAP__TASK_META) != NULL);
  return 1;
}

void neap__spawn_open(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"spawn", spawn},     {"spawner", spawner}, {"start", start},
      {"run", run},         {"join", join},       {"call", call},
      {"is_task", is_task}, {"detach", detach},   {NULL, NULL}};
  static const luaL_Reg methods[] = {{"await", await},
                                     {"cancel", cancel},
                                     {"__index", get_field},
                                     {"__tostring", to_string},
                                     {NULL, NULL}};
  neap__object_class(L, NEAP__TASK_META, methods, 0);
  luaL_setfuncs(L, functions, 1);
}
