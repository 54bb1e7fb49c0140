/* Keepers: what saves a run while it goes on.
 * SPDX-License-Identifier: MIT */
#include "keep.h"

#include <lauxlib.h>

#include "base/units.h"
#include "drive.h"
#include "events.h"
#include "path.h"
#include "task/check.h"
#include "task/error.h"
#include "task/task_error.h"
#include "task/task_life.h"

/* Most runs are saved in so many bytes. */
enum { USUAL_SIZE = 256 };

/* Returns the run that all others of a task's run work for. */
static const neap_run *outermost(const neapL_task *task) {
  const neap_run *run = task->run, *parent;
  while ((parent = neap_run_parent(run)))
    run = parent;
  return run;
}

/* Pushes the keeper of a task's run. [-0, +1, -] */
static void push_keeper(lua_State *L, const neapL_task *task) {
  neapL_task_push(L, neap_run_data(outermost(task)));
  lua_getiuservalue(L, -1, NEAPL_TASK_KEEPER);
  lua_replace(L, -2);
}

/* Pushes where the run is, as bytes. Pushes nothing, and returns false, in a
 * moment in which that cannot be said. [-0, +(0|1), m] */
static bool push_frames(lua_State *L, const neapL_task *task) {
  char bytes[USUAL_SIZE];
  size_t size;
  int status = neap_run_save(outermost(task), bytes, sizeof bytes, &size);
  if (status == 0)
    lua_pushlstring(L, bytes, size);
  if (status != NEAP_ETOOBIG)
    return status == 0;
  luaL_Buffer buffer;
  char *room = luaL_buffinitsize(L, &buffer, size); /* may run finalizers */
  size_t room_size = size;
  status = neap_run_save(outermost(task), room, room_size, &size);
  luaL_pushresultsize(&buffer, status == 0 ? size : 0);
  if (status < 0)
    lua_pop(L, 1);
  return status == 0;
}

/* Pushes the keeper, the name of the moment, and the frames, for a call.
 * Returns false, and pushes nothing, where the run cannot be saved now.
 * [-0, +(0|3), v] */
static bool begin(lua_State *L, neapL_task *task, const char *moment) {
  luaL_checkstack(L, LUA_MINSTACK, "too many nested flows");
  push_keeper(L, task);
  lua_pushstring(L, moment);
  if (push_frames(L, task))
    return true;
  lua_pop(L, 2);
  return false;
}

void neapL_keep_enter(lua_State *L, neapL_task *task, lua_KFunction k) {
  neap_run_watch(task->run, neap_now(task->host->engine));
  if (!begin(L, task, "enter"))
    return;
  lua_pushboolean(L, neap_run_parent(task->run) != NULL);
  lua_callk(L, 3, 0, (lua_KContext)task, k);
}

void neapL_keep_pause(lua_State *L, neapL_task *task, const neap_step *step,
                      lua_KFunction k) {
  double seconds = neap__seconds_of_ns(step->delay_ns);
  if (!begin(L, task, "pause"))
    return;
  lua_pushnumber(L, seconds);
  lua_callk(L, 3, 0, (lua_KContext)task, k);
}

void neapL_keep_item(lua_State *L, neapL_task *task, const neap_step *step,
                     int result, int error, lua_KFunction k) {
  uint64_t index = step->index;
  uint32_t depth = step->depth;
  neap_run_keep(task->run);
  if (!begin(L, task, "item"))
    return;
  neapL_path_push(L, task->run, depth - 1);
  lua_pushinteger(L, (lua_Integer)index + 1);
  if (result != 0)
    lua_pushvalue(L, result);
  else
    lua_pushnil(L);
  if (error != 0)
    lua_pushvalue(L, error);
  else
    lua_pushnil(L);
  lua_callk(L, 6, 0, (lua_KContext)task, k);
}

void neapL_keep_left(lua_State *L, neapL_task *task, const neap_step *step) {
  uint64_t since, now = neap_now(task->host->engine);
  uint32_t depth = step->depth, attempt = neap_run_attempt(task->run, depth);
  neap_run_visit(task->run, depth, &since);
  luaL_checkstack(L, LUA_MINSTACK, "too many nested flows");
  push_keeper(L, task);
  lua_pushliteral(L, "left");
  neapL_path_push(L, task->run, depth);
  lua_pushlstring(L, step->action ? step->action : "", step->action_size);
  if (!step->action) {
    lua_pop(L, 1);
    lua_pushnil(L);
  }
  lua_pushinteger(L, attempt);
  lua_pushnumber(L, now > since ? neap__seconds_of_ns(now - since) : 0);
  lua_call(L, 5, 0);
}

void neapL_keep_prepared(lua_State *L, neapL_task *task, const neap_step *step,
                         int self) {
  uint32_t depth = step->depth;
  luaL_checkstack(L, LUA_MINSTACK, "too many nested flows");
  push_keeper(L, task);
  lua_pushliteral(L, "prepared");
  neapL_path_push(L, task->run, depth);
  lua_pushvalue(L, self + PREP);
  lua_pushvalue(L, self);
  lua_call(L, 4, 0);
}

void neapL_keep_name(lua_State *L, neapL_task *task, uint32_t depth, int self) {
  uint64_t since;
  if (!lua_istable(L, self))
    return; /* nothing reads it */
  luaL_checkstack(L, LUA_MINSTACK, "too many nested flows");
  push_keeper(L, task);
  lua_pushliteral(L, "name");
  neapL_path_push(L, task->run, depth);
  lua_pushinteger(L, (lua_Integer)neap_run_visit(task->run, depth, &since));
  lua_call(L, 3, 2);
  lua_setfield(L, self, "key");
  lua_setfield(L, self, "run_id");
}

void neapL_keep_restore(lua_State *L, neapL_task *task, const neap_step *step) {
  uint32_t depth = step->depth;
  push_keeper(L, task);
  lua_pushliteral(L, "restore");
  neapL_path_push(L, task->run, depth);
  lua_call(L, 2, 4);
}

/* ---- For Lua ------------------------------------------------------------- */

/* Raises the error for a saved run that does not fit the flow. [-0, +0, v] */
static int raise_stuck(lua_State *L, const neap_stuck *stuck) {
  static const char *const reasons[] = {
      [NEAP_STUCK_GONE] = "there is no node of that name any more",
      [NEAP_STUCK_TWICE] = "several nodes have that name",
      [NEAP_STUCK_KIND] = "the node of that name is of another kind now",
      [NEAP_STUCK_BRANCHES] = "the parallel has fewer branches now",
  };
  lua_pushlstring(L, stuck->name ? stuck->name : "", stuck->name_size);
  const char *name = lua_tostring(L, -1);
  if (stuck->inside)
    neapL_error_push(L, "stuck", "the run was at '%s' in '%s': %s", name,
                     neap_node_name(stuck->inside), reasons[stuck->why]);
  else
    neapL_error_push(L, "stuck", "the run was in the flow '%s': %s", name,
                     reasons[stuck->why]);
  lua_pushboolean(L, false);
  lua_setfield(L, -2, "retryable");
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "name");
  return lua_error(L);
}

/* The arguments of start. */
enum { THE_PLAN = 1, THE_SHARED, THE_PARAMS, THE_KEEPER, THE_FRAMES };

/* Makes the run of a task. [-0, +0, v] */
static int load(lua_State *L, neapL_task *task, const neapL_plan *plan,
                neap_stuck *stuck) {
  if (lua_isnil(L, THE_FRAMES)) {
    neap_run_opts opts = NEAP_RUN_OPTS_INIT;
    opts.data = task;
    opts.seed = neapL_task_seed(task);
    return neap_run_new(plan->flow, plan->root, &opts, &task->run);
  }
  size_t size;
  const char *frames = neapL_check_lstring(L, THE_FRAMES, &size);
  neap_load_opts opts = NEAP_LOAD_OPTS_INIT;
  opts.data = task;
  return neap_run_load(plan->flow, plan->root, frames, size, &opts, stuck,
                       &task->run);
}

static int start(lua_State *L) {
  lua_settop(L, THE_FRAMES);
  neapL_check_type(L, THE_KEEPER, LUA_TFUNCTION);
  lua_pushcfunction(L, neapL_drive_begin);
  neapL_plan *plan = neapL_plan_check(L, THE_PLAN); /* pushes its table */
  lua_pushvalue(L, THE_SHARED);
  lua_pushvalue(L, THE_PARAMS);
  lua_pushcfunction(L, neapL_task_trace);
  neapL_task *task =
      neapL_task_spawn(L, neapL_task_current(L), HANDLER, NEAPL_TASK_KEEPER);
  lua_pushvalue(L, THE_KEEPER);
  lua_setiuservalue(L, -2, NEAPL_TASK_KEEPER);
  task->is_kept = true;
  neap_stuck stuck = {.name = NULL};
  int status = load(L, task, plan, &stuck);
  if (status == 0)
    return 1;
  neapL_task_cancel(task, NEAP_ECANCELED);
  if (status == NEAP_ESTUCK)
    return raise_stuck(L, &stuck);
  return neapL_error_raise(L, "durable", "the saved run cannot be read: %s",
                           neap_status_text(status));
}

static int current(lua_State *L) {
  neapL_task *task = neapL_events_runner(neapL_task_current(L));
  if (!task || !task->is_kept)
    return 0;
  neap_place place;
  uint64_t since;
  push_keeper(L, task);
  neap_run_place(task->run, &place);
  neapL_path_push(L, task->run, place.depth);
  lua_pushinteger(L,
                  (lua_Integer)neap_run_visit(task->run, place.depth, &since));
  lua_pushinteger(L, (lua_Integer)place.attempt);
  lua_pushboolean(L, !neap_run_parent(task->run));
  return 5;
}

/* twin(plan): the name of several nodes of one flow; nil if no name is that of
 * several. */
static int twin(lua_State *L) {
  lua_settop(L, THE_PLAN);
  const neapL_plan *plan = neapL_plan_check(L, THE_PLAN);
  const neap_node *node = NULL;
  int status = neap_flow_check_names(plan->flow, &node);
  if (status == 0)
    return 0;
  if (status != NEAP_ESTUCK)
    return neapL_error_raise(L, "durable", "the names of nodes: %s",
                             neap_status_text(status));
  lua_pushstring(L, neap_node_name(node));
  return 1;
}

void neapL_keep_open(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"start", start}, {"current", current}, {"twin", twin}, {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "keep");
}
