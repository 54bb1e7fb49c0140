/* Functions and nodes in C that a host has registered, and calls of them.
 * SPDX-License-Identifier: MIT */
#include "native.h"

#include "base/opts.h"
#include "base/units.h"
#include "task/check.h"
#include "task/class.h"
#include "task/error.h"
#include "value.h"

#define NATIVE_META "neap.native"
#define CALL_META   "neap.call"

/* The registry's key of what is registered, by name; by address. */
static const char natives_key;

/* ---- What is registered ---- */

static int collect_native(lua_State *L) {
  neapL_native *native = lua_touserdata(L, 1);
  neap_flow_free(native->flow);
  native->flow = NULL;
  void (*drop)(void *) = native->ops.drop;
  native->ops.drop = NULL;
  if (drop)
    drop(native->self);
  return 0;
}

/* Makes the flow that has the node alone. */
static int make_flow(lua_State *L, neapL_native *native,
                     const neap_node_opts *opts) {
  neap_alloc alloc;
  alloc.fn = lua_getallocf(L, &alloc.ud);
  int status = neap_flow_new(&alloc, &native->flow);
  if (status < 0)
    return status;
  neap_node_ops ops = native->ops;
  ops.drop = NULL; /* the object does that */
  neap_node *node;
  status = neap_flow_add_ops(native->flow, opts, &ops, native->self, &node);
  if (status == 0)
    status = neap_flow_seal(native->flow);
  native->node = node;
  return status;
}

void neapL_native_new(lua_State *L, const char *name,
                      const neap_node_opts *opts, const neap_node_ops *ops,
                      void *self) {
  neap_node_ops own;
  const size_t first = NEAP__SIZE_WITH(neap_node_ops, fetch);
  if (neap__opts_take(&own, sizeof own, first, ops) < 0 || !own.exec)
    luaL_error(L, "%s: the functions of a node expected, with exec", name);
  own.size = sizeof own;
  neapL_native *native = neapL_class_new(L, NATIVE_META, sizeof *native, 0);
  native->ops = own;
  native->ops.drop = NULL;
  native->self = self;
  int status = make_flow(L, native, opts);
  if (status < 0)
    luaL_error(L, "%s: %s", name, neap_status_text(status));
}

void neapL_native_reserve(lua_State *L, const void *key, const char *name) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
  }
  lua_pushstring(L, name);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) == LUA_TNIL) {
    lua_pushvalue(L, -2);
    lua_pushboolean(L, false);
    lua_rawset(L, -5);
  }
  lua_pop(L, 1);
}

void neapL_native_reserve_name(lua_State *L, const char *name) {
  neapL_native_reserve(L, &natives_key, name);
}

void neapL_native_keep(lua_State *L, int index, const neap_node_ops *ops) {
  neapL_native *native = lua_touserdata(L, index);
  neap_node_ops own;
  const size_t first = NEAP__SIZE_WITH(neap_node_ops, fetch);
  if (neap__opts_take(&own, sizeof own, first, ops) == 0)
    native->ops.drop = own.drop;
}

const neapL_native *neapL_native_at(lua_State *L, int index) {
  return luaL_testudata(L, index, NATIVE_META);
}

static int find_native(lua_State *L) {
  neapL_check_string(L, 1);
  lua_settop(L, 1);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &natives_key) != LUA_TTABLE)
    return 0;
  lua_pushvalue(L, 1);
  lua_rawget(L, 2);
  if (!lua_toboolean(L, -1))
    return 0; /* the name has only been reserved */
  return 1;
}

/* A node always has a post, so that its end is seen. */
static int end_visit(neap_call *call) {
  (void)call;
  return 0;
}

int neapL_native_add(lua_State *L, int index, neap_flow *flow,
                     const neap_node_opts *opts, neap_node **out) {
  const neapL_native *native = neapL_native_at(L, index);
  neap_node_ops ops = native->ops;
  ops.drop = NULL;
  if (!ops.post)
    ops.post = end_visit;
  return neap_flow_add_ops(flow, opts, &ops, native->self, out);
}

/* ---- Calls ---- */

static int collect_call(lua_State *L) {
  neapL_call_end(lua_touserdata(L, 1));
  return 0;
}

void neapL_call_end(neapL_call *c) {
  neap_call *call = c->call;
  neap_run *run = c->run;
  c->call = NULL;
  c->run = NULL;
  neap_call_free(call);
  neap_run_free(run);
  neapL_value_free(&c->shared);
  neapL_value_free(&c->params);
  neapL_value_free(&c->item);
}

/* Makes a value of what is at an index. [-0, +0, m] */
static void make_value(lua_State *L, int index, neap_value *out) {
  if (index == 0 || lua_isnil(L, index))
    return;
  lua_pushvalue(L, index);
  neapL_value_new(L, out);
}

neapL_call *neapL_call_new(lua_State *L, const neapL_task *task, int shared,
                           int params, int item) {
  neapL_call *c = neapL_class_new(L, CALL_META, sizeof *c, 0);
  make_value(L, shared, &c->shared);
  make_value(L, params, &c->params);
  make_value(L, item, &c->item);
  neap_call_opts opts = NEAP_CALL_OPTS_INIT;
  opts.shared = c->shared;
  opts.params = c->params;
  opts.item = c->item;
  while (task->internal)
    task = task->parent;
  opts.ticket = task->ticket;
  int status = neap_call_new(task->host->engine, &opts, &c->call);
  if (status < 0)
    luaL_error(L, "%s", neap_status_text(status));
  return c;
}

void neapL_call_push_error(lua_State *L, const neapL_call *c,
                           const char *what) {
  neap_failure failure = {0};
  const char *code, *text;
  int status = neap_call_why(c->call, &failure, &code, &text);
  if (what)
    neapL_error_push(L, code, "%s: %s", what, text);
  else
    neapL_error_push(L, code, "%s", text);
  lua_pushinteger(L, status);
  lua_setfield(L, -2, "status");
  if (failure.final) {
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "retryable");
  }
  if (failure.retry_after_ns > 0) {
    lua_pushnumber(L, neap__seconds_of_ns(failure.retry_after_ns));
    lua_setfield(L, -2, "retry_after");
  }
}

void neapL_native_open(lua_State *L) {
  static const luaL_Reg native[] = {{"__gc", collect_native}, {NULL, NULL}};
  static const luaL_Reg call[] = {{"__gc", collect_call}, {NULL, NULL}};
  neapL_class_define(L, NATIVE_META, native, 0);
  neapL_class_define(L, CALL_META, call, 0);
  lua_pop(L, 2);
  lua_pushcfunction(L, find_native);
  lua_setfield(L, -2, "native");
}
