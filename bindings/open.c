/* Opening neap in a Lua state, and its end with that.
 * SPDX-License-Identifier: MIT */
#include "open.h"

#include <lauxlib.h>

#include "error.h"
#include "luv.h"
#include "object.h"
#include "task_life.h"

/* Warns of what failed under the root and was never awaited. [-0, +0, m] */
static void warn_of_unheard(lua_State *L, neap__host *host) {
  while (neap__task_take_failure(L, host->root, 0)) {
    lua_warning(L, "neap: a task failed that nobody awaited: ", 1);
    lua_warning(L, neap__error_text(L, -1), 0);
    lua_pop(L, 2);
  }
}

static int collect(lua_State *L) {
  neap__host *host = lua_touserdata(L, 1);
  if (!host->engine)
    return 0;
  neap__task *root = host->root;
  warn_of_unheard(L, host);
  for (neap_link *link = root->children.next; link != &root->children;
       link = link->next)
    neap__task_warn_unbegun(NEAP__ITEM(link, neap__task, sibling));
  neap__task_forget_all(root);
  neap_op_forget(&root->op);
  /* First, for callbacks of luv's handles, which end now. */
  neap_engine *engine = neap__host_close(host);
  neap__object_end(L);
  neap_engine_free(engine);
  neap__luv_end(L);
  neap__host_free(L, host);
  return 0;
}

/* `done` of the root's operation: whoever drives the loop goes on. */
static void wake_driver(neap_op *op) {
  neap__task *root = op->data;
  neap_break(root->host->engine);
}

void neap__open(lua_State *L, const neap__runs *runs) {
  if (neap__host_is_open(L))
    return; /* opened again: the tasks that live go on */
  struct whole {
    neap__host host;
    neap__task root;
  };
  neap__host *host = neap__host_new(L, sizeof(struct whole), NEAP__TASK_META);
  neap__task *root = &((struct whole *)host)->root;
  neap__task_init(root, host, wake_driver);
  root->state = NEAP__TASK_DONE; /* it is never resumed, nor ends */
  host->root = root;
  host->runs = runs;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  int status = neap_engine_new(NULL, &host->engine);
  if (status < 0)
    luaL_error(L, "neap cannot start: %s", neap_status_text(status));
  neap__host_open(L);
}
