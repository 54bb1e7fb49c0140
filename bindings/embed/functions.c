/* Functions in C that a script calls, and that may go on after they have
 * returned.
 * SPDX-License-Identifier: MIT
 *
 * Such a function is called as the exec of a node is, of a run of its own.
 */
#include "functions.h"

#include <lauxlib.h>

#include "flow/native.h"
#include "flow/value.h"
#include "guard.h"
#include "neap_lua.h"
#include "task/error.h"
#include "task/wait.h"

static int outcome(lua_State *L, neapL_call *c, int status);

/* Returns the results: the elements of a list, as many as its `n` says. */
static int give_results(lua_State *L, neapL_call *c) {
  neapL_value_push(L, c->item);
  int list = lua_gettop(L);
  neapL_call_end(c);
  lua_getfield(L, list, "n");
  lua_Integer count =
      lua_isinteger(L, -1) ? lua_tointeger(L, -1) : luaL_len(L, list);
  if (count < 0 || count > LUAI_MAXSTACK / 2)
    return luaL_error(L, "the number of results is wrong");
  luaL_checkstack(L, (int)count, "too many results");
  for (lua_Integer i = 1; i <= count; i++)
    lua_rawgeti(L, list, i);
  return (int)count;
}

static int settle(lua_State *L, const neap_op *op) {
  (void)op;
  neapL_call *c = lua_touserdata(L, -1);
  return outcome(L, c, neap_call_settle(c->call));
}

static void give_up(lua_State *L) {
  neapL_call_end(lua_touserdata(L, -1));
}

/* The name of the function that is called. */
static const char *name_of(const neapL_call *c) {
  return neap_node_name(neap_run_step(c->run)->node);
}

static int outcome(lua_State *L, neapL_call *c, int status) {
  static const neapL_wait_then then = {.finish = settle, .discard = give_up};
  if (status == 0)
    return give_results(L, c);
  if (status != NEAP_LATER) {
    neapL_call_push_error(L, c, name_of(c));
    neapL_call_end(c);
    return lua_error(L);
  }
  if (neapL_task_current(L)->cancel_status != 0)
    neap_call_cancel(c->call); /* the wait raises */
  neap_op *op = neapL_wait_begin(L, name_of(c));
  return neapL_wait(L, op, neap_call_wait(c->call, op), &then);
}

/* The function that a script calls. Upvalue 1 is the object. */
static int call_function(lua_State *L) {
  const neapL_native *native = lua_touserdata(L, lua_upvalueindex(1));
  int count = lua_gettop(L);
  luaL_checkstack(L, LUA_MINSTACK, "too many arguments");
  lua_createtable(L, count, 1);
  for (int i = 1; i <= count; i++) {
    lua_pushvalue(L, i);
    lua_rawseti(L, -2, i);
  }
  lua_pushinteger(L, count);
  lua_setfield(L, -2, "n");
  lua_newtable(L);
  const neapL_task *task = neapL_task_current(L);
  neapL_call *c = neapL_call_new(L, task, 0, count + 1, count + 2);
  neapL_value_set_state(c->params, L);
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  int status = neap_run_new(native->flow, native->node, &opts, &c->run);
  if (status < 0)
    return luaL_error(L, "%s", neap_status_text(status));
  const neap_step *step = neap_run_step(c->run);
  while (step->what != NEAP_DO_CALL || step->phase != NEAP_EXEC)
    step = neap_run_ok(c->run);
  neapL_wait_begin(L, name_of(c)); /* raises where it could not wait */
  return outcome(L, c, neap_call_do(c->call, c->run));
}

/* ---- What a host calls ---- */

/* The registry's key of the functions by name, by address. */
static const char functions_key;

typedef struct registering {
  const char *name;
  const neap_node_opts *opts;
  const neap_node_ops *ops;
  void *self;
  bool is_function;
} registering;

static int register_ops(lua_State *L) {
  enum { ARGS = 1, NATIVE, NATIVES, NAME, FUNCTION, FUNCTIONS };
  const registering *r = lua_touserdata(L, ARGS);
  lua_settop(L, ARGS);
  neapL_native_new(L, r->name, r->opts, r->ops, r->self);
  neapL_native_reserve_name(L, r->name); /* native natives name */
  if (r->is_function) {
    lua_pushvalue(L, NATIVE);
    lua_pushcclosure(L, call_function, 1);
    neapL_native_reserve(L, &functions_key, r->name);
    lua_pushvalue(L, FUNCTION);
    lua_setglobal(L, r->name);
    lua_pushvalue(L, FUNCTION);
    lua_rawset(L, FUNCTIONS);
  }
  /* The names have their places, so from setglobal on nothing has failed. */
  lua_settop(L, NAME);
  lua_pushvalue(L, NATIVE);
  lua_rawset(L, NATIVES);
  neapL_native_keep(L, NATIVE, r->ops);
  return 0;
}

void neapL_functions_copy(lua_State *L, int globals) {
  int top = lua_gettop(L);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &functions_key) == LUA_TTABLE)
    for (lua_pushnil(L); lua_next(L, top + 1);) {
      if (!lua_toboolean(L, -1)) { /* reserved */
        lua_pop(L, 1);
        continue;
      }
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, globals);
    }
  lua_settop(L, top);
}

static int do_register(lua_State *L, const char *name, const neap_node_ops *ops,
                       void *self, bool is_function) {
  if (!L || !name || !ops)
    return NEAP_EINVAL;
  neap_node_opts opts = NEAP_NODE_OPTS_INIT;
  opts.name = name;
  registering r = {name, &opts, ops, self, is_function};
  return neapL_guard_call(L, register_ops, &r, 0);
}

int neap_lua_register(lua_State *L, const char *name, const neap_node_ops *ops,
                      void *self) {
  return do_register(L, name, ops, self, true);
}

int neap_lua_register_node(lua_State *L, const char *name,
                           const neap_node_ops *ops, void *self) {
  return do_register(L, name, ops, self, false);
}

lua_State *neap_lua_call_state(const neap_call *call) {
  return call ? neapL_value_state(neap_call_params(call)) : NULL;
}

neap_value neap_lua_call_results(const neap_call *call) {
  return neap_lua_call_state(call) ? neap_call_item(call) : (neap_value){0};
}

/* Runs below lua_pcall: returns a list of its arguments. */
static int pack(lua_State *L) {
  int count = lua_gettop(L);
  lua_createtable(L, count, 1);
  lua_insert(L, 1);
  for (int i = count; i >= 1; i--)
    lua_rawseti(L, 1, i);
  lua_pushinteger(L, count);
  lua_setfield(L, 1, "n");
  return 1;
}

int neap_lua_call_return(const neap_call *call, int count) {
  lua_State *L = neap_lua_call_state(call);
  if (!L || count < 0 || count > lua_gettop(L))
    return NEAP_EINVAL;
  if (!lua_checkstack(L, 2))
    return NEAP_ENOMEM;
  lua_pushcfunction(L, pack);
  lua_insert(L, -count - 1);
  if (lua_pcall(L, count, 1, 0) != LUA_OK) {
    lua_pop(L, 1);
    return NEAP_ENOMEM;
  }
  neapL_value_set(L, neap_call_item(call));
  return 0;
}
