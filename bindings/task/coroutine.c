/* The functions of Lua's `coroutine`, for coroutines that may wait.
 * SPDX-License-Identifier: MIT
 *
 * A function that waits yields out of the coroutine that called it. If that is
 * one of the user's, the resume in this file finds that the task waits, and
 * yields in turn, up to the task's coroutine. When the wait is over, it resumes
 * the user's coroutine again. During the wait that coroutine has the status
 * "normal", like one that has resumed another, so that it cannot be resumed or
 * closed. In all else the functions do what Lua's do.
 */
#include "coroutine.h"

#include <lauxlib.h>

#include "budget.h"
#include "check.h"
#include "error.h"
#include "protect.h"
#include "task.h"

/* How often a coroutine may yield while it is being closed. */
enum { MAX_YIELDS = 100 };

/* The error that ends a coroutine that is being closed: this address. */
static const char end_token;

/* What a coroutine yields to wait for the engine: this address. */
static const char wait_token;

static int relayed(lua_State *L, int status, lua_KContext wrapped);

int neapL_coroutine_suspend(lua_State *L, lua_KContext context,
                            lua_KFunction k) {
  lua_pushlightuserdata(L, (void *)&wait_token);
  return lua_yieldk(L, 1, context, k);
}

int neapL_coroutine_cut(lua_State *L, lua_KFunction k) {
  neapL_host_of(L)->budget.is_cut = true;
  return neapL_coroutine_suspend(L, 0, k);
}

void neapL_coroutine_mark(neapL_host *host, lua_State *co) {
  if (host->budget.bare != co)
    return; /* it has relayed that */
  host->budget.bare = NULL;
  lua_pushlightuserdata(co, (void *)&wait_token); /* its hook had room */
}

bool neapL_coroutine_is_suspended(lua_State *co) {
  return lua_status(co) == LUA_YIELD && lua_touserdata(co, -1) == &wait_token;
}

/* Raises in a coroutine that is being closed. No call that began before catches
 * it. */
static void raise_end(lua_State *co, lua_Debug *ar) {
  (void)ar;
  neapL_budget_rearm(neapL_host_of(co), co);
  lua_pushlightuserdata(co, (void *)&end_token);
  lua_error(co);
}

/* Ends a coroutine that yielded inside of xpcall by raising an error in it.
 * lua_resetthread of Lua 5.4.4 cuts the stack where the message handler lies,
 * but leaves the handler set. An error in a <close> variable would then call
 * whatever lies there. The handlers have been removed, so none is called for
 * the error raised here. Returns whether the coroutine can be closed now. */
static bool unwind(lua_State *L, lua_State *co) {
  if (neapL_coroutine_is_suspended(co))
    return false; /* it waits for the engine */
  neapL_host *host = neapL_host_of(L);
  lua_State *running = host->running, *closing = host->closing;
  int results;
  neapL_host_run(host, co);
  host->closing = co;
  int status = LUA_YIELD;
  for (int i = 0; i < MAX_YIELDS && status == LUA_YIELD; i++) {
    lua_settop(co, 0);
    lua_sethook(co, raise_end, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
    status = lua_resume(co, L, 0, &results);
  }
  neapL_budget_rearm(host, co);
  neapL_host_run(host, running);
  host->closing = closing;
  return status != LUA_YIELD;
}

bool neapL_coroutine_end(lua_State *L, lua_State *co) {
  bool in_xpcall =
      lua_status(co) == LUA_YIELD && neapL_protect_drop_handlers(L, co);
  neapL_host *host = neapL_host_find(L);
  if (!host) /* neap has ended */
    return !in_xpcall && lua_resetthread(co) != LUA_OK;
  bool could_yield = host->can_yield;
  lua_State *blocked = host->blocked;
  host->can_yield = false;
  host->blocked = L;
  neapL_armed armed;
  neapL_budget_arm(host, &armed, co);
  bool failed = false;
  if (!in_xpcall || unwind(L, co)) {
    failed = lua_resetthread(co) != LUA_OK;
    if (failed && lua_touserdata(co, -1) == &end_token) {
      lua_pop(co, 1);
      failed = false;
    }
  } /* else its <close> variables are not called */
  neapL_budget_disarm(host, &armed);
  host->can_yield = could_yield;
  host->blocked = blocked;
  return failed;
}

/* Raises the error on top as coroutine.wrap does: it closes the coroutine, and
 * adds the position of the caller to a message. [-1, +0, v] */
static int propagate(lua_State *L, lua_State *co) {
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD && neapL_coroutine_end(L, co)) {
    lua_xmove(co, L, 1);
    lua_replace(L, -2);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int give_error(lua_State *L, lua_State *co, bool wrapped) {
  if (wrapped)
    return propagate(L, co);
  if (neapL_protect_must_pass(L)) {
    if (neapL_coroutine_end(L, co))
      lua_pop(co, 1); /* else `co` would call it next */
    return lua_error(L);
  }
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

/* Resumes `co` with `count` arguments. The host knows meanwhile which coroutine
 * runs. */
static int enter(lua_State *L, lua_State *co, int count, int *results) {
  neapL_host *host = neapL_host_find(L);
  if (!host) /* neap has ended: nothing can wait any more */
    return lua_resume(co, L, count, results);
  bool could_yield = host->can_yield;
  if (could_yield && host->current && !lua_isyieldable(L)) {
    host->can_yield = false;
    host->blocked = L;
  }
  lua_State *running = host->running;
  neapL_host_run(host, co);
  int status = neapL_budget_resume(host, co, L, count, results);
  neapL_host_run(host, running);
  host->can_yield = could_yield;
  neapL_coroutine_mark(host, co);
  return status;
}

/* Resumes `co`, which is at index 1 and has `count` arguments on its stack. */
static int resume(lua_State *L, lua_State *co, int count, bool wrapped) {
  int results;
  int status = enter(L, co, count, &results);
  if (neapL_coroutine_is_suspended(co))
    return neapL_coroutine_suspend(L, wrapped, relayed);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return give_error(L, co, wrapped);
  }
  if (!lua_checkstack(L, results + 1)) {
    lua_pop(co, results);
    lua_pushliteral(L, "too many results to resume");
    return give_error(L, co, wrapped);
  }
  if (!wrapped)
    lua_pushboolean(L, 1);
  lua_xmove(co, L, results);
  return results + !wrapped;
}

static int relayed(lua_State *L, int status, lua_KContext wrapped) {
  (void)status;
  lua_State *co = lua_tothread(L, 1);
  lua_pop(co, 1); /* the token */
  return resume(L, co, 0, wrapped);
}

/* Passes the arguments above the coroutine at index 1 to it. */
static int start(lua_State *L, lua_State *co, bool wrapped) {
  int count = lua_gettop(L) - 1;
  if (!lua_checkstack(co, count)) {
    lua_pushliteral(L, "too many arguments to resume");
    return give_error(L, co, wrapped);
  }
  if (neapL_coroutine_is_suspended(co)) {
    lua_pushliteral(L, "cannot resume non-suspended coroutine");
    return give_error(L, co, wrapped);
  }
  if (lua_status(co) == LUA_OK && lua_gettop(co) == 0) {
    lua_pushliteral(L, "cannot resume dead coroutine");
    return give_error(L, co, wrapped);
  }
  lua_xmove(L, co, count);
  return resume(L, co, count, wrapped);
}

static int wrapped_call(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  return start(L, lua_tothread(L, 1), true);
}

static int co_wrap(lua_State *L) {
  neapL_check_type(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, wrapped_call, 1);
  return 1;
}

/* Returns the status of a coroutine, as coroutine.status does. */
static const char *status_of(lua_State *L, lua_State *co) {
  lua_Debug ar;
  if (co == L)
    return "running";
  if (neapL_coroutine_is_suspended(co))
    return "normal";
  if (lua_status(co) == LUA_YIELD)
    return "suspended";
  if (lua_status(co) != LUA_OK)
    return "dead";
  if (lua_getstack(co, 0, &ar))
    return "normal";
  return lua_gettop(co) == 0 ? "dead" : "suspended";
}

static lua_State *check_coroutine(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  if (!co)
    neapL_check_type_fail(L, 1, "coroutine");
  return co;
}

static int co_resume(lua_State *L) {
  return start(L, check_coroutine(L), false);
}

static int co_status(lua_State *L) {
  lua_pushstring(L, status_of(L, check_coroutine(L)));
  return 1;
}

static int co_close(lua_State *L) {
  lua_State *co = check_coroutine(L);
  const char *status = status_of(L, co);
  if (*status == 'r' || *status == 'n')
    return luaL_error(L, "cannot close a %s coroutine", status);
  bool well = !neapL_coroutine_end(L, co);
  lua_pushboolean(L, well);
  if (well)
    return 1;
  lua_xmove(co, L, 1);
  return 2;
}

/* As Lua's, but raises in a coroutine of neap's, from which the user must not
 * yield. */
static int co_yield (lua_State *L) {
  const neapL_host *host = neapL_host_find(L);
  if (host && host->current && host->current->L == L)
    return neapL_error_raise(L, "yield",
                             "coroutine.yield outside a coroutine of the "
                             "script");
  return lua_yield(L, lua_gettop(L));
}

/* As Lua's, but notes that the user's code now has the coroutine of the task.
 */
static int co_running(lua_State *L) {
  const neapL_host *host = neapL_host_find(L);
  if (host && host->current && host->current->L == L)
    host->current->exposed = true;
  lua_pushboolean(L, lua_pushthread(L));
  return 2;
}

void neapL_coroutine_open(lua_State *L) {
  lua_getglobal(L, "coroutine");
  static const luaL_Reg functions[] = {
      {"resume", co_resume}, {"wrap", co_wrap},       {"close", co_close},
      {"status", co_status}, {"running", co_running}, {"yield", co_yield },
      {NULL, NULL}};
  if (lua_istable(L, -1))
    luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
  neapL_host_of(L)->wrapped = wrapped_call;
}
