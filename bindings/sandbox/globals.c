/* The globals of sandboxed scripts.
 * SPDX-License-Identifier: MIT */
#include "globals.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>
#include <sys/random.h>

#include "coroutines.h"
#include "output.h"
#include "tables.h"
#include "task/error.h"
#include "task/wait.h"
#include "text.h"

/* The registry's key, by address, of the globals that each script gets a copy
 * of. */
static const char template_key;

/* The libraries that are copied, in the template and in LUA_LOADED_TABLE. */
static const char *const libraries[] = {"string",    "table", "utf8", "math",
                                        "coroutine", "os",    NULL};

/* The functions and values without a library that are taken as they are. */
static const char *const kept[] = {
    "assert", "error",  "getmetatable", "ipairs",   "next",   "pairs",
    "pcall",  "xpcall", "rawequal",     "rawget",   "rawlen", "rawset",
    "select", "type",   "tonumber",     "_VERSION", NULL};

/* The key of a metatable, a light userdata with this address, which says that
 * its finalizer calls no code of a script. Scripts never get it. */
static const char calm_key;

/* getmetatable and setmetatable of neap's own modules, which see closed
 * metatables, and close those that they set. */
static int own_getmetatable(lua_State *L) {
  luaL_checkany(L, 1);
  if (!lua_getmetatable(L, 1))
    lua_pushnil(L);
  return 1;
}

/* Sets the metatable at 2 without the finalizer that is on top: a script may
 * have put it there, or have replaced what it calls. [-1, +0, m] */
static void set_without_finalizer(lua_State *L) {
  lua_pushliteral(L, "__gc");
  lua_pushnil(L);
  lua_rawset(L, 2);
  lua_pushvalue(L, 2);
  lua_setmetatable(L, 1);
  lua_pushliteral(L, "__gc");
  lua_insert(L, -2);
  lua_rawset(L, 2);
}

static int own_setmetatable(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  /* A script may have handed the table over, as one of another class. */
  if (lua_getmetatable(L, 1) && !lua_rawequal(L, -1, 2))
    return luaL_error(L, "the table has a metatable already");
  lua_settop(L, 2);
  if (lua_istable(L, 2)) {
    lua_pushliteral(L, "__metatable");
    if (lua_rawget(L, 2) == LUA_TNIL) {
      lua_pushliteral(L, "__metatable");
      lua_pushboolean(L, false);
      lua_rawset(L, 2);
    }
    bool is_calm = lua_rawgetp(L, 2, &calm_key) != LUA_TNIL;
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, 2) != LUA_TNIL && !is_calm) {
      set_without_finalizer(L);
      lua_settop(L, 1);
      return 1;
    }
    lua_settop(L, 2);
  }
  lua_setmetatable(L, 1);
  return 1;
}

/* setmetatable(table, metatable): as Lua's, without finalizers. These would run
 * amid other code, where nothing limits them. A __gc that is added later does
 * nothing in Lua 5.4. */
static int set_metatable(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int type = lua_type(L, 2);
  if (type != LUA_TNIL && type != LUA_TTABLE)
    return luaL_typeerror(L, 2, "nil or table");
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
    return luaL_error(L, "cannot change a protected metatable");
  lua_settop(L, 2);
  if (type == LUA_TTABLE) {
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, 2) != LUA_TNIL)
      return neapL_error_raise(L, "denied",
                               "setmetatable: a sandboxed script has no "
                               "finalizers (__gc); use __close");
    lua_settop(L, 2);
  }
  lua_setmetatable(L, 1);
  return 1;
}

/* collectgarbage "count" */
static int count_garbage(lua_State *L) {
  const char *what = luaL_optstring(L, 1, "collect");
  if (strcmp(what, "count") != 0)
    return neapL_error_raise(L, "denied",
                             "collectgarbage: a sandboxed script can ask for "
                             "\"count\" only");
  lua_pushnumber(L, (lua_Number)lua_gc(L, LUA_GCCOUNT) +
                        (lua_Number)lua_gc(L, LUA_GCCOUNTB) / 1024);
  return 1;
}

/* randomseed([x [, y]]): as Lua's, but without arguments it takes chance from
 * the system, where Lua's would return the time and an address. Upvalue: Lua's.
 */
static int seed(lua_State *L) {
  if (lua_isnone(L, 1)) {
    lua_Integer numbers[2] = {0, 0};
    if (getrandom(numbers, sizeof numbers, 0) < 0)
      return luaL_error(L, "randomseed: the system has no random numbers");
    lua_pushinteger(L, numbers[0]);
    lua_pushinteger(L, numbers[1]);
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* What is there in place of what the script was not granted. Upvalue: what it
 * is. */
static int denied(lua_State *L) {
  return neapL_error_raise(L, "denied", "%s: the script was not granted that",
                           lua_tostring(L, lua_upvalueindex(1)));
}

void neapL_globals_set_denied(lua_State *L, const char *name,
                              const char *what) {
  lua_pushstring(L, what);
  lua_pushcclosure(L, denied, 1);
  lua_setfield(L, -2, name);
}

void neapL_globals_push_copy(lua_State *L, int index, int depth) {
  luaL_checkstack(L, 6, NULL);
  index = lua_absindex(L, index);
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, index);) { /* copy key value */
    bool is_plain = lua_istable(L, -1);
    if (is_plain && lua_getmetatable(L, -1)) {
      lua_pop(L, 1);
      is_plain = false;
    }
    lua_pushvalue(L, -2);
    if (is_plain && depth > 0)
      neapL_globals_push_copy(L, -2, depth - 1);
    else
      lua_pushvalue(L, -2);
    lua_rawset(L, -5);
    lua_pop(L, 1);
  }
}

/* Makes the library `math` with a generator of its own, which chance has
 * seeded. [-0, +1, v] */
static void push_math(lua_State *L) {
  lua_pushcfunction(L, luaopen_math);
  lua_call(L, 0, 1);
  lua_getfield(L, -1, "randomseed");
  lua_pushcclosure(L, seed, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "randomseed");
  lua_call(L, 0, 0);
}

/* Fills the template on top. [-0, +0, v] */
static void fill_template(lua_State *L, const neap_lua_opts *opts) {
  int template = lua_gettop(L);
  lua_pushglobaltable(L);
  int globals = lua_gettop(L);
  for (int i = 0; kept[i]; i++) {
    lua_getfield(L, globals, kept[i]);
    lua_setfield(L, template, kept[i]);
  }
  static const luaL_Reg own[] = {
      {"setmetatable", set_metatable},   {"tostring", neapL_text_tostring},
      {"collectgarbage", count_garbage}, {"print", neapL_output_print},
      {"warn", neapL_output_warn},       {NULL, NULL}};
  lua_pushvalue(L, template);
  luaL_setfuncs(L, own, 0);
  neapL_text_bound_tonumber(L);
  lua_pop(L, 1);
  for (int i = 0; libraries[i]; i++) {
    lua_getfield(L, globals, libraries[i]);
    lua_setfield(L, template, libraries[i]);
  }
  lua_getfield(L, template, "string");
  neapL_text_bound_string(L);
  lua_getfield(L, template, "utf8");
  neapL_text_bound_utf8(L);
  lua_getfield(L, template, "table");
  neapL_tables_bound(L);
  lua_getfield(L, template, "coroutine");
  neapL_coroutines_bound(L,
                         opts->max_coroutines ? opts->max_coroutines : 10000);
  lua_createtable(L, 0, 4);
  int os = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, "neap.core");
  lua_getfield(L, -1, "now");
  lua_setfield(L, os, "clock");
  lua_settop(L, os);
  lua_getfield(L, globals, "os");
  static const char *const clock[] = {"time", "date", "difftime", NULL};
  bool has_clock = neap_is_granted(neapL_engine(L), "clock");
  for (int i = 0; clock[i]; i++) {
    if (has_clock) {
      lua_getfield(L, -1, clock[i]);
      lua_setfield(L, os, clock[i]);
      continue;
    }
    lua_pushfstring(L, "os.%s", clock[i]);
    lua_pushcclosure(L, denied, 1);
    lua_setfield(L, os, clock[i]);
  }
  lua_pushvalue(L, os);
  if (has_clock)
    neapL_text_bound_date(L);
  lua_setfield(L, template, "os");
  lua_settop(L, template);
}

void neapL_globals_open(lua_State *L, const neap_lua_opts *opts) {
  lua_newtable(L);
  fill_template(L, opts);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &template_key);
}

bool neapL_globals_push_template(lua_State *L) {
  return lua_rawgetp(L, LUA_REGISTRYINDEX, &template_key) == LUA_TTABLE;
}

void neapL_globals_name(lua_State *L) {
  neapL_globals_push_template(L);
  neapL_globals_push_copy(L, -1, 1);
  lua_setfield(L, -3, LUA_GNAME);
  for (int i = 0; libraries[i]; i++) {
    lua_getfield(L, -1, libraries[i]);
    lua_setfield(L, -3, libraries[i]);
  }
  lua_pop(L, 1);
}

void neapL_globals_push(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &template_key);
  neapL_globals_push_copy(L, -1, 1);
  lua_replace(L, -2);
  push_math(L);
  lua_setfield(L, -2, "math");
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, LUA_GNAME);
}

void neapL_globals_push_own(lua_State *L) {
  static const luaL_Reg open[] = {{"getmetatable", own_getmetatable},
                                  {"setmetatable", own_setmetatable},
                                  {NULL, NULL}};
  neapL_globals_push(L);
  luaL_setfuncs(L, open, 0);
}

void neapL_globals_push_calm(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&calm_key);
}
