/* What a Lua state knows of neap: its engine, and who runs.
 * SPDX-License-Identifier: MIT */
#include "host.h"

#include <lauxlib.h>
#include <stdatomic.h>
#include <string.h>

#include "error.h"
#include "luv.h"
#include "object.h"
#include "slots.h"
#include "wait.h"

/* The key of the host in the registry, by address. */
static const char host_key;

/* The host that was asked for last in this thread, and has not ended. A Lua
 * state is known by its registry; once any has been closed, another may have
 * that address. */
static _Thread_local struct {
  const void *registry;
  neap__host *host;
  unsigned closed; /* how many had been closed then */
} last;

/* The coroutine that runs in this thread, and its host: while it does, both
 * live. */
static _Thread_local struct {
  lua_State *L;
  neap__host *host;
} running;

static atomic_uint closed;

void neap__host_run(neap__host *host, lua_State *L) {
  host->running = L;
  running.L = L;
  running.host = host;
}

/* Looks the host up, also one that has ended; NULL when there is none.
 * [-0, +0, -] */
static neap__host *look_up(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &host_key);
  neap__host *host = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return host;
}

neap__host *neap__host_find(lua_State *L) {
  if (running.L == L)
    return running.host;
  const void *registry = lua_topointer(L, LUA_REGISTRYINDEX);
  unsigned count = atomic_load_explicit(&closed, memory_order_acquire);
  if (last.registry == registry && last.closed == count)
    return last.host;
  neap__host *host = look_up(L);
  if (!host || !host->engine)
    return NULL;
  last.registry = registry;
  last.host = host;
  last.closed = count;
  return host;
}

neap__host *neap__host_of(lua_State *L) {
  neap__host *host = neap__host_find(L);
  if (!host)
    neap__error_raise(L, "closed",
                      "neap has ended, for its Lua state is being closed; an "
                      "object whose finalizer uses neap has to be made after "
                      "neap is loaded");
  return host;
}

void neap__host_push(lua_State *L, const neap__host *host, int place) {
  lua_pushvalue(host->shelf, place);
  lua_xmove(host->shelf, L, 1);
}

bool neap__host_stuck(const neap__host *host) {
  return neap_pending(host->engine) == host->idle;
}

/* Runs below lua_pcall: makes the error of a deadlock. */
static int make_deadlock(lua_State *L) {
  neap__task_dump(L);
  neap__error_push(L, "deadlock",
                   "deadlock: nothing is left that could wake anyone\n%s",
                   lua_tostring(L, -1));
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "retryable");
  return 1;
}

/* The same: makes the error of a wait that can have no end. */
static int make_refusal(lua_State *L) {
  neap__error_push(L, "unyieldable", "a finalizer cannot wait");
  return 1;
}

/* Puts the error that `make` gives on the shelf, for a wait that is about to
 * end with it. [-0, +0, -] */
static void shelve(const neap__host *host, lua_CFunction make) {
  lua_State *S = host->scratch;
  lua_pushcfunction(S, make);
  lua_pcall(S, 0, 1, 0); /* no memory: the message is one made before */
  lua_xmove(S, host->shelf, 1);
  lua_replace(host->shelf, NEAP__SHELF_DEADLOCK);
}

void neap__host_break_deadlock(neap__task *task) {
  shelve(task->host, make_deadlock);
  /* What is collected meanwhile may have given back what was waited for. */
  if (neap__host_stuck(task->host))
    neap__task_break_deadlock(task);
}

void neap__host_drive(lua_State *L, neap_op *op) {
  neap__host *host = neap__host_of(L);
  lua_State *before = host->driver;
  host->driver = L;
  while (neap_op_active(op)) {
    if (neap__host_stuck(host)) {
      if (host->root.stuck)
        break; /* what waits below does not end either: it is left */
      neap__host_break_deadlock(&host->root);
    }
    if (neap_poll(host->engine, NEAP_FOREVER) == NEAP_EBUSY) {
      /* A finalizer that runs between two tasks: the loop is being driven. */
      shelve(host, make_refusal);
      neap__task_break_deadlock(&host->root);
      break;
    }
  }
  host->driver = before;
  if (neap_op_active(op)) {
    neap__task_give_up(&host->root);
    neap_op_forget(op);
  }
}

/* Warns of what failed under the root and was never awaited. [-0, +0, m] */
static void warn_of_unheard(lua_State *L, neap__host *host) {
  while (neap__task_take_failure(L, &host->root, 0)) {
    lua_warning(L, "neap: a task failed that nobody awaited: ", 1);
    lua_warning(L, neap__error_text(L, -1), 0);
    lua_pop(L, 2);
  }
}

static int collect(lua_State *L) {
  neap__host *host = lua_touserdata(L, 1);
  neap_engine *engine = host->engine;
  if (!engine)
    return 0;
  warn_of_unheard(L, host);
  for (neap_link *link = host->root.children.next; link != &host->root.children;
       link = link->next)
    neap__task_warn_unbegun(NEAP__ITEM(link, neap__task, sibling));
  neap__task_forget_all(&host->root);
  neap_op_forget(&host->root.op);
  host->engine = NULL; /* for callbacks of luv's handles, which end now */
  if (running.host == host)
    running.L = NULL;
  atomic_fetch_add_explicit(&closed, 1, memory_order_release);
  neap__object_end(L);
  neap_engine_free(engine);
  neap__luv_end(L);
  neap__slots_close(L, host);
  return 0;
}

/* `done` of the root's operation: whoever drives the loop goes on. */
static void wake_driver(neap_op *op) {
  neap__task *root = op->data;
  neap_break(root->host->engine);
}

/* Makes a coroutine that lasts as long as the state. [-0, +0, m] */
static lua_State *new_thread(lua_State *L, const void *key) {
  lua_State *thread = lua_newthread(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
  return thread;
}

void neap__host_open(lua_State *L) {
  if (look_up(L)) {
    neap__host_of(L); /* opened again: the tasks that live go on */
    return;
  }
  neap__host *host = lua_newuserdatauv(L, sizeof *host, 0);
  memset(host, 0, sizeof *host);
  host->can_yield = true;
  host->root.host = host;
  host->root.state = NEAP__TASK_DONE; /* it is never resumed, nor ends */
  neap_op_init(&host->root.op, wake_driver, &host->root);
  neap__list_init(&host->root.children);
  neap__list_init(&host->root.waiters);
  neap__list_init(&host->root.line);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  host->scratch = new_thread(L, &host->scratch);
  host->teller = new_thread(L, &host->teller);
  host->shelf = new_thread(L, &host->shelf);
  neap__slots_open(L); /* host anchors */
  luaL_newmetatable(L, NEAP__TASK_META);
  lua_createtable(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2); /* host anchors meta kills */
  lua_pushnil(L);          /* deadlock */
  lua_pushnil(L);          /* value */
  lua_xmove(L, host->shelf, NEAP__SHELF_VALUE);
  host->driver = L;
  int status = neap_engine_new(NULL, &host->engine);
  if (status < 0)
    luaL_error(L, "neap cannot start: %s", neap_status_text(status));
  neap__host_push(L, host, NEAP__SHELF_HOST);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &host_key);
}
