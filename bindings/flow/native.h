/* Functions and nodes in C that a host has registered, and calls of them.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_NATIVE_H
#define NEAP_BINDINGS_FLOW_NATIVE_H

#include "task/task.h"

/* What a host has registered: an object. */
typedef struct neapL_native {
  neap_flow *flow; /* *owned*; first, as class.h wants it. It has the node
                      alone, for calls that are no part of a flow */
  const neap_node *node;
  neap_node_ops ops; /* its `drop` is called when the object is collected */
  void *self;
} neapL_native;

/* The call of such a node or function: an object. */
typedef struct neapL_call {
  neap_call *call; /* *owned*; first. NULL: it is over */
  neap_run *run;   /* *owned*; of a function: the run that it is the node of */
  neap_value shared, params, item;
} neapL_call;

/* Adds native(name) to the table on top, which gives what is registered under a
 * name, or nil. [-0, +0, m] */
void neapL_native_open(lua_State *L);

/* Pushes an object that has these functions, but does not drop `self`. [-0, +1,
 * v] */
void neapL_native_new(lua_State *L, const char *name,
                      const neap_node_opts *opts, const neap_node_ops *ops,
                      void *self);

/* Pushes the table at a key of the registry, and a name, which has a place in
 * it from now on: false if it had none. So setting it needs no memory. The
 * second is for the table of objects by name. [-0, +2, m] */
void neapL_native_reserve(lua_State *L, const void *key, const char *name);
void neapL_native_reserve_name(lua_State *L, const char *name);

/* The object at an index drops its `self` from here on, when it is collected.
 * Allocates nothing. [-0, +0, -] */
void neapL_native_keep(lua_State *L, int index, const neap_node_ops *ops);

/* Returns what is registered, of an object; NULL when the value at an index is
 * none. [-0, +0, m] */
const neapL_native *neapL_native_at(lua_State *L, int index);

/* Adds a node with the functions of the object at an index, which the caller
 * keeps as long as the flow. Returns what neap_flow_add_ops does. */
int neapL_native_add(lua_State *L, int index, neap_flow *flow,
                     const neap_node_opts *opts, neap_node **out);

/* Pushes a new call. What it works on is at indices of the stack, or nothing,
 * 0. [-0, +1, v] */
neapL_call *neapL_call_new(lua_State *L, const neapL_task *task, int shared,
                           int params, int item);

/* Ends a call: its results are dropped, and what goes on is cancelled. */
void neapL_call_end(neapL_call *call);

/* Pushes the error object for a phase that has failed. The message begins with
 * `what`, unless that is NULL. [-0, +1, m] */
void neapL_call_push_error(lua_State *L, const neapL_call *call,
                           const char *what);

#endif
