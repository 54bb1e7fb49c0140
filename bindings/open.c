/* Opens neap in a Lua state, and ends it when the state is closed.
 * SPDX-License-Identifier: MIT */
#include "open.h"

#include <lauxlib.h>

#include "io/luv.h"
#include "task/alarm.h"
#include "task/budget.h"
#include "task/class.h"
#include "task/error.h"
#include "task/memory.h"
#include "task/task_life.h"

/* How long a task may compute without a wait under a budget, by default. */
#ifdef NEAP_PREEMPT_TEST
#define COMPUTE_LIMIT_NS NEAP_FOREVER
#else
#define COMPUTE_LIMIT_NS UINT64_C(50000000)
#endif

/* Warns of the children of the root that failed unheard. [-0, +0, m] */
static void warn_of_unheard(lua_State *L, neapL_host *host) {
  while (neapL_task_take_failure(L, host->root, 0)) {
    lua_warning(L, "neap: a task failed, and no task awaited it: ", 1);
    lua_warning(L, neapL_error_text(L, -1), 0);
    lua_pop(L, 2);
  }
}

/* Warns of the tasks that the script leaves behind. [-0, +0, m] */
static void warn_of_tasks(lua_State *L, neapL_host *host) {
  neapL_task *root = host->root;
  warn_of_unheard(L, host);
  neapL_task_warn_unbegun(root); /* in a plain Lua, the root is the script */
  for (neap_link *link = root->children.next; link != &root->children;
       link = link->next)
    neapL_task_warn_unbegun(NEAP__ITEM(link, neapL_task, sibling));
}

static int collect(lua_State *L) {
  neapL_host *host = lua_touserdata(L, 1);
  if (!host->engine)
    return 0;
  neapL_task *root = host->root;
  if (!neapL_host_is_left(host))
    warn_of_tasks(L, host);
  neapL_task_forget_all(root);
  neap_op_forget(&root->op);
  /* This comes first: the callbacks of luv's handles run from here on. */
  neap_engine *engine = neapL_host_close(host);
  if (host->memory)
    host->memory->host = NULL;
  neapL_class_end(L);
  neap_engine_free(engine);
  neapL_luv_end(L);
  neapL_alarm_free(L, host->budget.alarm);
  neapL_host_free(L, host);
  return 0;
}

/* `done` of the root's operation: makes the call that drives the loop return.
 */
static void wake_driver(neap_op *op) {
  neapL_task *root = op->data;
  neap_break(root->host->engine);
}

int neapL_open(lua_State *L, const neapL_runs *runs,
               const neap_lua_opts *opts) {
  if (neapL_host_is_open(L))
    return 0; /* opened again: its tasks go on */
  struct whole {
    neapL_host host;
    neapL_task root;
  };
  neapL_host *host = neapL_host_new(L, sizeof(struct whole), NEAPL_TASK_META);
  neapL_task *root = &((struct whole *)host)->root;
  neapL_task_init(root, host, wake_driver);
  root->state = NEAPL_TASK_DONE; /* it is never resumed, and never ends */
  host->root = root;
  host->runs = runs;
  host->budget.limit = opts && opts->compute_limit_ns > 0
                           ? opts->compute_limit_ns
                           : COMPUTE_LIMIT_NS;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  int status = 0;
  if (opts && opts->preempt_signal != 0)
    status = neapL_budget_lend(L, host, opts->preempt_signal);
  if (status == 0)
    status = neap_engine_new(opts ? opts->engine : NULL, &host->engine);
  if (status < 0) {
    neapL_alarm_free(L, host->budget.alarm);
    lua_pop(L, 1);
    return status;
  }
  neapL_memory *memory = neapL_memory_of(L);
  if (memory)
    neapL_memory_begin(memory, host);
  neapL_host_open(L);
  return 0;
}
