/* Flows that a host has loaded: by number, and by name.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_EMBED_LOAD_H
#define NEAP_BINDINGS_EMBED_LOAD_H

#include "neap_lua.h"
#include "task/task.h"

/* A script that has been loaded, or is being loaded. */
typedef struct neapL_loaded {
  neapL_join join;  /* in the task that runs the script */
  neapL_task *task; /* that task; NULL once it has ended */
  uint32_t serial;  /* no other of the state has it */
  int number;       /* that of its anchor */
  int status;       /* as neap_lua_loaded returns it */
  bool named;       /* it has a name */
} neapL_loaded;

/* The user values of such an object. */
enum {
  NEAPL_LOADED_RESULT = 1, /* the task; then the plan, or the error */
  NEAPL_LOADED_RUN = 2,    /* the function that runs a flow after that task */
};

/* Pushes the object of a flow, and returns it; NULL, with a nil, when there is
 * none. Runs no Lua and allocates nothing. [-0, +1, -] */
neapL_loaded *neapL_loaded_push(lua_State *L, neap_lua_flow flow);

/* The same for the flow that has a name. [-0, +1, m] */
neapL_loaded *neapL_loaded_push_named(lua_State *L, const char *name);

#endif
