/* Flows that a host has loaded: by number, and by name.
 * SPDX-License-Identifier: MIT
 *
 * A script is compiled at once. What it does is run by a task, so that it may
 * wait, is cut short where it computes too long, and is cancelled when the flow
 * is unloaded.
 */
#include "load.h"

#include <lauxlib.h>
#include <string.h>

#include "task/anchor.h"
#include "functions.h"
#include "guard.h"
#include "sandbox/chunk.h"
#include "sandbox/sandbox.h"
#include "sandbox/script.h"
#include "task/task_life.h"

/* The registry's keys, by address: the objects by number, and by name. */
static const char loaded_key, names_key;

static const char *const module = "neap.flow.loaded";

/* Pushes the last result of a task that has ended, or its error.
 * [-0, +1, -] */
static void push_result(lua_State *L, const neapL_task *task) {
  neapL_task_push(L, task);
  lua_getiuservalue(L, -1, NEAPL_TASK_RESULT);
  lua_replace(L, -2);
}

/* The script has ended. Runs no Lua and allocates nothing. */
static void end_script(neapL_join *join, neapL_task *task) {
  neapL_loaded *loaded = NEAP__ITEM(join, neapL_loaded, join);
  lua_State *S = task->host->scratch;
  neapL_anchor_push(S, &loaded_key, loaded->number);
  push_result(S, task);
  lua_setiuservalue(S, -2, NEAPL_LOADED_RESULT);
  lua_pop(S, 1);
  loaded->task = NULL;
  loaded->status = task->state == NEAPL_TASK_DONE     ? 0
                   : task->state == NEAPL_TASK_FAILED ? NEAP_EFAILED
                                                      : NEAP_ECANCELED;
  if (task->state == NEAPL_TASK_FAILED)
    neapL_task_release(task); /* its error is heard */
}

/* The serial of a flow. They begin at a place of its own in each state, so that
 * a flow of another state is hardly ever taken for one of this. */
static uint32_t next_serial(neapL_host *host) {
  if (host->serial == 0)
    host->serial = (uint32_t)((uintptr_t)host >> 4) * 2654435761u;
  if (++host->serial == 0)
    host->serial = 1;
  return host->serial;
}

typedef struct loading {
  const char *name, *text;
  size_t size;
  int status;
  neap_lua_flow flow;
  int number; /* of the anchor, until the task holds it; 0: none */
} loading;

static neap_lua_flow flow_of(const neapL_loaded *loaded) {
  return (neap_lua_flow)loaded->serial << 32 | (uint32_t)loaded->number;
}

/* Pushes the module of a script, and its chunk; or nil and what is wrong with
 * the text. [-0, +2, v] */
static void compile(lua_State *L, const loading *l) {
  neapL_guard_push(L, module);
  lua_getfield(L, -1, "compile");
  lua_pushstring(L, l->name);
  lua_pushlstring(L, l->text, l->size);
  lua_call(L, 2, 2); /* module chunk problem */
  if (lua_isnil(L, -2))
    lua_remove(L, -3);
  else
    lua_pop(L, 1);
}

/* The same in a state for scripts that nobody trusts: each has globals and
 * modules of neap of its own. */
static void compile_in_sandbox(lua_State *L, const loading *l) {
  int globals = lua_gettop(L) + 1;
  neapL_script_push(L); /* globals require */
  neapL_functions_copy(L, globals);
  lua_pushstring(L, module);
  lua_call(L, 1, 1); /* globals module */
  size_t size = l->size;
  const char *text = l->text;
  if (size > 0 && *text == '#') { /* a line for the shell */
    const char *end = memchr(text, '\n', size);
    size = end ? size - (size_t)(end - text) : 0;
    text = end ? end : text;
  }
  lua_pushfstring(L, "@%s", l->name);
  if (neapL_chunk_push(L, text, size, lua_tostring(L, -1), globals) != LUA_OK) {
    lua_pushnil(L);
    lua_replace(L, globals);
    lua_replace(L, globals + 1);
  } else {
    lua_replace(L, globals + 2); /* globals module chunk */
    lua_remove(L, globals);
  }
  lua_settop(L, globals + 1);
}

static int load(lua_State *L) {
  loading *l = lua_touserdata(L, 1);
  neapL_host *host = neapL_host_of(L);
  if (neapL_sandbox_is(L))
    compile_in_sandbox(L, l);
  else
    compile(L, l);
  if (lua_isnil(L, -2)) {
    neapL_guard_set_why(L);
    l->status = NEAP_EINVAL;
    return 0;
  }
  neapL_loaded *loaded = lua_newuserdatauv(L, sizeof *loaded, NEAPL_LOADED_RUN);
  *loaded = (neapL_loaded){.join = {.ended = end_script},
                           .status = NEAP_EAGAIN,
                           .serial = next_serial(host)};
  neap__list_init(&loaded->join.link);
  lua_pushvalue(L, -1);
  l->number = loaded->number = neapL_anchor_put(L, &loaded_key);
  lua_insert(L, -3); /* loaded module chunk */
  lua_getfield(L, -2, "run");
  lua_setiuservalue(L, -4, NEAPL_LOADED_RUN);
  lua_getfield(L, -2, "define");
  lua_replace(L, -3); /* loaded define chunk */
  lua_pushstring(L, l->name);
  neapL_task *task = neapL_task_spawn(L, host->root, 2, NEAPL_TASK_ORIGIN);
  lua_setiuservalue(L, -2, NEAPL_LOADED_RESULT);
  neap__list_append(&task->waiters, &loaded->join.link);
  task->script = loaded->serial;
  task->detached = true; /* a flow that is unloaded does not wait for it */
  loaded->task = task;
  l->flow = flow_of(loaded);
  l->number = 0;
  return 0;
}

int neap_lua_load(lua_State *L, const char *name, const char *text, size_t size,
                  neap_lua_flow *out) {
  if (!L || !name || !text || !out)
    return NEAP_EINVAL;
  loading l = {.name = name, .text = text, .size = size};
  int status = neapL_guard_call(L, load, &l, 0);
  if (status < 0 && l.number > 0)
    neapL_anchor_drop(L, &loaded_key, l.number);
  if (status == 0)
    status = l.status;
  if (status == 0)
    *out = l.flow;
  return status;
}

neapL_loaded *neapL_loaded_push(lua_State *L, neap_lua_flow flow) {
  neapL_anchor_push(L, &loaded_key, (lua_Integer)(uint32_t)flow);
  neapL_loaded *loaded = lua_touserdata(L, -1);
  if (loaded && loaded->serial == flow >> 32)
    return loaded;
  lua_pop(L, 1);
  lua_pushnil(L);
  return NULL;
}

/* Pushes the table of names. [-0, +1, m] */
static void push_names(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &names_key) == LUA_TTABLE)
    return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &names_key);
}

neapL_loaded *neapL_loaded_push_named(lua_State *L, const char *name) {
  push_names(L);
  lua_pushstring(L, name);
  lua_rawget(L, -2);
  lua_replace(L, -2);
  return lua_touserdata(L, -1);
}

/* Whether a call on L can look flows up. */
static bool is_open(lua_State *L) {
  return L && neapL_host_find(L);
}

/* Looks a flow up and leaves nothing on the stack. The object is anchored. */
static int look_up(lua_State *L, neap_lua_flow flow, neapL_loaded **out) {
  if (!is_open(L))
    return NEAP_EINVAL;
  if (!lua_checkstack(L, LUA_MINSTACK))
    return NEAP_ENOMEM;
  *out = neapL_loaded_push(L, flow);
  lua_pop(L, 1);
  return *out ? 0 : NEAP_ESTALE;
}

typedef struct naming {
  const char *name; /* NULL: any */
  neap_lua_flow flow;
  int status;
} naming;

/* Makes the error of a flow what neap_lua_why has to say. */
static int tell_why(lua_State *L) {
  const naming *n = lua_touserdata(L, 1);
  neapL_loaded_push(L, n->flow);
  lua_getiuservalue(L, -1, NEAPL_LOADED_RESULT);
  neapL_guard_set_why(L);
  return 0;
}

int neap_lua_loaded(lua_State *L, neap_lua_flow flow) {
  neapL_loaded *loaded;
  int status = look_up(L, flow, &loaded);
  if (status < 0)
    return status;
  status = loaded->status;
  naming n = {.flow = flow};
  if (status < 0 && status != NEAP_EAGAIN)
    neapL_guard_call(L, tell_why, &n, 0);
  return status;
}

/* Lets go of a flow, which has no name any more. */
static void drop(lua_State *L, neapL_loaded *loaded) {
  neapL_task *task = loaded->task;
  loaded->task = NULL;
  loaded->serial = 0;
  neap__list_remove(&loaded->join.link);
  neapL_anchor_drop(L, &loaded_key, loaded->number);
  if (task)
    neapL_task_cancel(task, NEAP_ECANCELED);
}

/* Takes the name of a flow away. Allocates nothing. [-0, +0, -] */
static void take_name(lua_State *L, const neapL_loaded *loaded) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &names_key);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (lua_touserdata(L, -1) != loaded)
      continue;
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_rawset(L, -3);
    break;
  }
  lua_pop(L, 1);
}

int neap_lua_unload(lua_State *L, neap_lua_flow flow) {
  neapL_loaded *loaded;
  int status = look_up(L, flow, &loaded);
  if (status < 0)
    return status;
  if (loaded->named)
    take_name(L, loaded);
  drop(L, loaded);
  return 0;
}

static int swap(lua_State *L) {
  naming *n = lua_touserdata(L, 1);
  lua_settop(L, 1);
  push_names(L);
  lua_pushstring(L, n->name);
  /* From here on nothing runs Lua. */
  neapL_loaded *loaded = neapL_loaded_push(L, n->flow);
  lua_pushvalue(L, 3);
  lua_rawget(L, 2); /* args names name loaded former */
  neapL_loaded *former = lua_touserdata(L, -1);
  if (!loaded)
    n->status = NEAP_ESTALE;
  else if (loaded->status < 0)
    n->status = loaded->status;
  else if (loaded->named && loaded != former)
    n->status = NEAP_EBUSY;
  if (n->status < 0 || loaded == former)
    return 0;
  lua_pop(L, 1);
  lua_rawset(L, 2);
  loaded->named = true;
  if (former)
    drop(L, former);
  return 0;
}

int neap_lua_swap(lua_State *L, const char *name, neap_lua_flow flow) {
  if (!L || !name)
    return NEAP_EINVAL;
  naming n = {.name = name, .flow = flow};
  int status = neapL_guard_call(L, swap, &n, 0);
  return status < 0 ? status : n.status;
}

static int find(lua_State *L) {
  naming *n = lua_touserdata(L, 1);
  const neapL_loaded *loaded = neapL_loaded_push_named(L, n->name);
  if (loaded)
    n->flow = flow_of(loaded);
  else
    n->status = NEAP_ESTALE;
  return 0;
}

int neap_lua_find(lua_State *L, const char *name, neap_lua_flow *out) {
  if (!L || !name || !out)
    return NEAP_EINVAL;
  naming n = {.name = name};
  int status = neapL_guard_call(L, find, &n, 0);
  if (status == 0)
    status = n.status;
  if (status == 0)
    *out = n.flow;
  return status;
}
