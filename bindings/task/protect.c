/* A pcall and an xpcall that let a cancelled task end.
 * SPDX-License-Identifier: MIT
 *
 * They do what Lua's do, with two exceptions. A task that waits again after it
 * got its cancellation is ended by an error (see wait.c): that one passes. And
 * while a coroutine is being closed (see coroutine.c), calls that began before
 * that catch nothing: Lua's would not go on either.
 */
#include "protect.h"

#include <lauxlib.h>

#include "check.h"
#include "frame.h"
#include "task.h"

/* The registry's key of the xpcall that was there before, by address. */
static const char stock_key;

/* The stack index at which an xpcall, ours or Lua's, has its handler. */
enum { HANDLER = 2 };

void neapL_protect_let_pass(lua_State *L) {
  neapL_host_push(L, neapL_host_of(L), NEAPL_HOST_KILLS); /* error kills */
  lua_pushvalue(L, -2);
  lua_pushboolean(L, true);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

bool neapL_protect_must_pass(lua_State *L) {
  const neapL_host *host = neapL_host_find(L);
  if (!host) /* neap has ended */
    return false;
  const neapL_task *task = host->current;
  if (!task || !task->killed)
    return false;
  if (task->kills > NEAPL_PATIENCE)
    return true;
  neapL_host_push(L, host, NEAPL_HOST_KILLS);
  lua_pushvalue(L, -2);
  bool passes = lua_rawget(L, -2) != LUA_TNIL;
  lua_pop(L, 2);
  return passes;
}

/* What the end of a call needs to know: how many values below its `true` are no
 * results, and whether the coroutine was being closed already. */
enum { BELOW = 3, CLOSING = 4 };

static lua_KContext closing(lua_State *L) {
  const neapL_host *host = neapL_host_find(L);
  return host && host->closing == L ? CLOSING : 0;
}

/* The call has ended. Its results are above `true`. */
static int finish(lua_State *L, int status, lua_KContext call) {
  if (status == LUA_OK || status == LUA_YIELD)
    return lua_gettop(L) - (int)(call & BELOW);
  if (neapL_protect_must_pass(L) || (call & CLOSING) != closing(L))
    return lua_error(L);
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

static int protected_call(lua_State *L) {
  neapL_check_any(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  lua_KContext call = closing(L);
  int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, call, finish);
  return finish(L, status, call);
}

/* xpcall(f, handler, ...) */
static int protected_call_with(lua_State *L) {
  neapL_check_type(L, HANDLER, LUA_TFUNCTION);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2); /* f handler true f ... */
  lua_KContext call = HANDLER | closing(L);
  int status =
      lua_pcallk(L, lua_gettop(L) - 4, LUA_MULTRET, HANDLER, call, finish);
  return finish(L, status, call);
}

/* A message handler that changes nothing. */
static int keep(lua_State *L) {
  lua_settop(L, 1);
  return 1;
}

bool neapL_protect_drop_handlers(lua_State *L, lua_State *co) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &stock_key);
  lua_CFunction stock = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  bool found = false;
  neapL_frame frame;
  for (bool is = neapL_frame_first(co, &frame); is;
       is = neapL_frame_next(&frame)) {
    if (!lua_getinfo(co, "f", &frame.ar))
      continue;
    lua_CFunction f = lua_tocfunction(co, -1);
    lua_pop(co, 1);
    if (f != protected_call_with && (!f || f != stock))
      continue;
    lua_pushcfunction(co, keep);
    lua_setlocal(co, &frame.ar, HANDLER);
    found = true;
  }
  return found;
}

void neapL_protect_open(lua_State *L) {
  neapL_frame_open(L);
  lua_getglobal(L, "xpcall");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &stock_key);
  lua_register(L, "pcall", protected_call);
  lua_register(L, "xpcall", protected_call_with);
}
