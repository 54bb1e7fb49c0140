/* Calls from a host into a Lua state, which raise nothing.
 * SPDX-License-Identifier: MIT */
#include "guard.h"

#include <lauxlib.h>

#include "neap_lua.h"
#include "task/error.h"

/* The registry's key of what neap_lua_why has to say: any error. */
static const char why_key;

void neapL_guard_set_why(lua_State *L) {
  lua_rawsetp(L, LUA_REGISTRYINDEX, &why_key);
}

/* What may raise: calls the function at 3 with the other arguments. */
static int call(lua_State *L) {
  lua_CFunction f = *(lua_CFunction *)lua_touserdata(L, 3);
  lua_settop(L, 2);
  /* The key is there from now on, so that a failure can be kept. */
  lua_pushboolean(L, 0);
  neapL_guard_set_why(L);
  return f(L);
}

/* Whether a value lies on the stack at an index. */
static bool is_on_stack(lua_State *L, int index) {
  int top = lua_gettop(L);
  return index > 0 ? index <= top : index < 0 && index >= -top;
}

static int refuse_index(lua_State *L) {
  lua_pushfstring(L, "no value lies on the stack at the index %d",
                  *(int *)lua_touserdata(L, 1));
  neapL_guard_set_why(L);
  return 0;
}

int neapL_guard_call(lua_State *L, lua_CFunction f, void *args, int index) {
  neapL_host *host = neapL_host_find(L);
  if (!host)
    return NEAP_EINVAL;
  if (!lua_checkstack(L, LUA_MINSTACK))
    return NEAP_ENOMEM;
  if (index != 0 && !is_on_stack(L, index)) {
    int status = neapL_guard_call(L, refuse_index, &index, 0);
    return status < 0 ? status : NEAP_EINVAL;
  }
  if (index != 0)
    index = lua_absindex(L, index);
  /* What a finalizer calls meanwhile must not drive the loop. */
  const char *before = host->outside;
  if (!host->current && !before)
    host->outside = "a finalizer";
  lua_pushcfunction(L, call);
  lua_pushlightuserdata(L, args);
  if (index != 0)
    lua_pushvalue(L, index);
  else
    lua_pushnil(L);
  lua_pushlightuserdata(L, &f);
  int status = lua_pcall(L, 3, 0, 0);
  host->outside = before;
  if (status == LUA_OK)
    return 0;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &why_key);
  bool is_kept = !lua_isnil(L, -1);
  lua_pop(L, 1);
  if (is_kept)
    neapL_guard_set_why(L); /* allocates nothing, for the key is there */
  else
    lua_pop(L, 1);
  return status == LUA_ERRMEM ? NEAP_ENOMEM : NEAP_EFAILED;
}

/* Runs below lua_pcall: makes what is kept a text. */
static int make_text(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &why_key);
  neapL_error_text(L, -1);
  neapL_guard_set_why(L);
  return 0;
}

const char *neap_lua_why(lua_State *L) {
  if (!L || !neapL_host_find(L) || !lua_checkstack(L, LUA_MINSTACK))
    return "";
  lua_rawgetp(L, LUA_REGISTRYINDEX, &why_key);
  int type = lua_type(L, -1);
  lua_pop(L, 1);
  if (type == LUA_TNIL || type == LUA_TBOOLEAN)
    return "";
  if (type != LUA_TSTRING) {
    lua_pushcfunction(L, make_text);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
      lua_pop(L, 1);
      return neap_status_text(NEAP_ENOMEM);
    }
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &why_key);
  const char *text = lua_tostring(L, -1);
  lua_pop(L, 1);
  return text;
}

void neapL_guard_push(lua_State *L, const char *module) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, module) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    lua_call(L, 1, 1);
  }
  lua_replace(L, -2);
}
