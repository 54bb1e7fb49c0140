/* Flows in Lua that are nodes of a flow in C.
 * SPDX-License-Identifier: MIT
 *
 * The exec of such a node starts a run in the Lua state. That ends with a
 * report, which is kept as the result of exec. The memory for all of it is the
 * state's, and is freed when the flow in C is: maybe after the state.
 */
#include <stdio.h>
#include <string.h>

#include "neap_lua.h"
#include "start.h"
#include "task/memory.h"

/* What `self` of the node points at. */
typedef struct lua_node {
  neap_alloc alloc;
  lua_State *L; /* the main one */
  neap_engine *engine;
  neap_lua_flow flow;
  char name[]; /* "": the flow of that number */
} lua_node;

/* What the result of exec points at. */
typedef struct visit {
  neap_alloc alloc;
  neap_engine *engine;
  neap_token token; /* of exec, which goes on */
  int number;       /* of the run in Lua; 0: it has ended */
  int status;
  char *code, *text, *action;
  size_t action_size;
} visit;

static void *allocate(const neap_alloc *alloc, size_t size) {
  return alloc->fn(alloc->ud, NULL, 0, size);
}

static void release(neap_alloc alloc, void *ptr, size_t size) {
  if (ptr)
    alloc.fn(alloc.ud, ptr, size, 0);
}

/* Frees a string that has no zero amid it. */
static void release_text(const visit *v, char *text) {
  if (text)
    release(v->alloc, text, strlen(text) + 1);
}

static void free_visit(void *result) {
  visit *v = result;
  release_text(v, v->code);
  release_text(v, v->text);
  release(v->alloc, v->action, v->action_size + 1);
  release(v->alloc, v, sizeof *v);
}

static char *copy(const visit *v, const char *bytes, size_t size) {
  char *text = allocate(&v->alloc, size + 1);
  if (text) {
    memcpy(text, bytes, size);
    text[size] = '\0';
  }
  return text;
}

/* The sentence of a failure, with the place inside of the flow in Lua. */
static char *describe(const visit *v, const neap_report *report) {
  const char *error = report->error ? report->error : "";
  if (!report->path)
    return copy(v, error, strlen(error));
  size_t size = strlen(report->path) + strlen(error) + sizeof ": ";
  char *text = allocate(&v->alloc, size);
  if (text)
    snprintf(text, size, "%s: %s", report->path, error);
  return text;
}

/* The run in Lua has ended. */
static void note_end(void *self, const neap_report *report) {
  visit *v = self;
  v->number = 0;
  v->status = report->status;
  if (v->status < 0) {
    v->code = report->code ? copy(v, report->code, strlen(report->code)) : NULL;
    v->text = describe(v, report);
  } else if (report->action) {
    v->action = copy(v, report->action, report->action_size);
    v->action_size = report->action_size;
    if (!v->action)
      v->status = NEAP_ENOMEM;
  }
  neap_complete(v->engine, v->token, 0);
}

static int exec(neap_call *call) {
  const lua_node *node = neap_call_self(call);
  if (neap_call_engine(call) != node->engine)
    return neap_call_fail(call, NEAP_EINVAL, NULL,
                          "the run has another engine than the Lua state");
  visit *v = allocate(&node->alloc, sizeof *v);
  if (!v)
    return NEAP_ENOMEM;
  *v = (visit){.alloc = node->alloc, .engine = node->engine};
  neap_call_set_result(call, v, free_visit);
  int status = neap_later(call, &v->token);
  if (status < 0)
    return status;
  neap_start_opts opts = NEAP_START_OPTS_INIT;
  opts.shared = neap_call_shared(call);
  neap_value params = neap_call_params(call);
  if (params.ops)
    opts.params = params;
  neapL_starting s = {.name = *node->name ? node->name : NULL,
                      .flow = node->flow,
                      .opts = &opts,
                      .ended = note_end,
                      .self = v};
  status = neapL_start(node->L, &s, 0);
  if (status < 0) {
    const char *why = neap_lua_why(node->L);
    return neap_call_fail(call, status, NULL, *why ? why : NULL);
  }
  v->number = s.number;
  return NEAP_LATER;
}

static int resume(neap_call *call, int status) {
  const visit *v = neap_call_exec_result(call);
  if (status < 0 || !v)
    return status;
  if (v->status < 0)
    return neap_call_fail(call, v->status, v->code, v->text);
  return 0;
}

static int post(neap_call *call) {
  const visit *v = neap_call_exec_result(call);
  if (!v || !v->action)
    return 0;
  return neap_call_set_action(call, v->action, v->action_size);
}

static void cancel(neap_call *call) {
  const lua_node *node = neap_call_self(call);
  visit *v = neap_call_exec_result(call);
  /* When the state is being closed, its tasks do not go on. */
  if (v && v->number > 0 && neap_lua_engine(node->L))
    neapL_start_cancel(node->L, v->number, true);
  if (v)
    v->number = 0;
}

/* Frees what `self` of a node points at. */
static void drop_node(void *self) {
  lua_node *node = self;
  release(node->alloc, node, sizeof *node + strlen(node->name) + 1);
}

int neap_lua_add_node(lua_State *L, neap_flow *flow, const neap_node_opts *opts,
                      const char *name, neap_lua_flow lua, neap_node **out) {
  if (!L || !neap_lua_engine(L))
    return NEAP_EINVAL;
  if (!lua_checkstack(L, 1))
    return NEAP_ENOMEM;
  size_t size = name ? strlen(name) : 0;
  if (name && size == 0)
    return NEAP_EINVAL;
  neap_alloc alloc = neapL_memory_allocator(L);
  lua_node *node = allocate(&alloc, sizeof *node + size + 1);
  if (!node)
    return NEAP_ENOMEM;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  *node = (lua_node){.alloc = alloc,
                     .L = lua_tothread(L, -1),
                     .engine = neap_lua_engine(L),
                     .flow = lua};
  lua_pop(L, 1);
  memcpy(node->name, name ? name : "", size + 1);
  neap_node_ops ops = NEAP_NODE_OPS_INIT;
  ops.exec = exec;
  ops.resume = resume;
  ops.post = post;
  ops.cancel = cancel;
  ops.drop = drop_node;
  int status = neap_flow_add_ops(flow, opts, &ops, node, out);
  if (status < 0)
    drop_node(node);
  return status;
}
