/* Lua states in which code that nobody trusts runs.
 * SPDX-License-Identifier: MIT */
#include "sandbox.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "chunk.h"
#include "coroutines.h"
#include "modules.h"
#include "output.h"
#include "tables.h"
#include "task/check.h"
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

/* Sets in the table on top a function that refuses. [-0, +0, m] */
static void set_denied(lua_State *L, const char *name, const char *what) {
  lua_pushstring(L, what);
  lua_pushcclosure(L, denied, 1);
  lua_setfield(L, -2, name);
}

/* Pushes a copy of a table: tables in it that have no metatable are copied as
 * well, down to `depth`. [-0, +1, v] */
static void push_copy(lua_State *L, int index, int depth) {
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
      push_copy(L, -2, depth - 1);
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

/* Closes the metatable on top, and pops it: scripts neither see nor change it.
 * [-1, +0, m] */
static void close_metatable(lua_State *L) {
  lua_pushboolean(L, false);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}

/* Closes all metatables that are registered by a name, or are those of an
 * object that is registered, as neap.json.null is. [-0, +0, v] */
static void close_registered(lua_State *L) {
  for (lua_pushnil(L); lua_next(L, LUA_REGISTRYINDEX); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING)
      continue;
    if (lua_isuserdata(L, -1) && lua_getmetatable(L, -1))
      close_metatable(L);
    if (!lua_istable(L, -1))
      continue;
    lua_pushliteral(L, "__name");
    lua_rawget(L, -2);
    bool is_meta = lua_rawequal(L, -1, -3);
    lua_pop(L, 1);
    if (is_meta) {
      lua_pushvalue(L, -1);
      close_metatable(L);
    }
  }
}

/* Removes all fields of the table at an index. [-0, +0, -] */
static void empty(lua_State *L, int index) {
  index = lua_absindex(L, index);
  for (lua_pushnil(L); lua_next(L, index);) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, index); /* fields may be cleared during a traversal */
  }
}

/* Leaves of the modules that Lua knows neap.core alone, and the libraries of
 * the template, for the names of functions in messages. [-0, +0, v] */
static void forget_modules(lua_State *L, int template) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  int loaded = lua_gettop(L);
  lua_getfield(L, loaded, "neap.core");
  empty(L, loaded);
  lua_setfield(L, loaded, "neap.core");
  push_copy(L, template, 1);
  lua_setfield(L, loaded, LUA_GNAME);
  for (int i = 0; libraries[i]; i++) {
    lua_getfield(L, template, libraries[i]);
    lua_setfield(L, loaded, libraries[i]);
  }
  lua_newtable(L);
  lua_setfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushglobaltable(L);
  empty(L, -1);
  lua_settop(L, template);
}

void neapL_sandbox_open(lua_State *L, const neap_lua_opts *opts) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  int top = lua_gettop(L);
  uint64_t mask = 0;
  if (getrandom(&mask, sizeof mask, 0) < 0)
    luaL_error(L, "the system has no random numbers");
  neapL_text_open(L, mask);
  neapL_output_open(L, opts);
  neapL_host *host = neapL_host_of(L);
  neapL_error_read_raw(L);
  host->is_sandbox = true;
  host->max_tasks = opts->max_tasks ? opts->max_tasks : 10000;
  host->epoch = neap_now(host->engine);
  lua_newtable(L);
  int template = lua_gettop(L);
  fill_template(L, opts);
  close_registered(L);
  forget_modules(L, template);
  /* The methods of strings: a table that no script has. */
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_getfield(L, template, "string");
  push_copy(L, -1, 0);
  lua_setfield(L, template + 2, "__index");
  lua_settop(L, template + 2);
  close_metatable(L);
  lua_settop(L, template);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &template_key);
  /* The modules of the host, which no script can reach: what they say of
   * errors and of options holds for all scripts. */
  neapL_sandbox_push_script(L);
  static const char *const modules[] = {"neap.error", "neap.base.options",
                                        NULL};
  for (int i = 0; modules[i]; i++) {
    lua_pushvalue(L, -1);
    lua_pushstring(L, modules[i]);
    lua_call(L, 1, 0);
  }
  lua_setglobal(L, "require");
  lua_settop(L, top);
}

bool neapL_sandbox_is(lua_State *L) {
  bool is = lua_rawgetp(L, LUA_REGISTRYINDEX, &template_key) == LUA_TTABLE;
  lua_pop(L, 1);
  return is;
}

/* Pushes a copy of the template with itself as _G. [-0, +1, v] */
static void push_globals(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &template_key);
  push_copy(L, -1, 1);
  lua_replace(L, -2);
  push_math(L);
  lua_setfield(L, -2, "math");
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, LUA_GNAME);
}

static int do_nothing(lua_State *L) {
  (void)L;
  return 0;
}

/* The registry's key, by address, of how many sets of modules there are. */
static const char sets_key;

/* Pushes the neap.core of a script. [-0, +1, v] */
static void push_core(lua_State *L) {
  static const luaL_Reg hooks[] = {
      {"on_leave", do_nothing}, {"on_complaint", do_nothing}, {NULL, NULL}};
  static const luaL_Reg system[] = {
      {"write", neapL_output_write}, {"say", neapL_output_say}, {NULL, NULL}};
  static const char *const none[] = {"luv", "testing", NULL};
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, "neap.core");
  push_copy(L, -1, 3);
  int core = lua_gettop(L);
  lua_getfield(L, core - 1, "error_meta");
  lua_setfield(L, core, "error_meta");
  lua_pushboolean(L, true);
  lua_setfield(L, core, "sandboxed");
  lua_pushlightuserdata(L, (void *)&calm_key);
  lua_setfield(L, core, "calm");
  for (int i = 0; none[i]; i++) {
    lua_pushnil(L);
    lua_setfield(L, core, none[i]);
  }
  lua_getfield(L, core, "system");
  luaL_setfuncs(L, system, 0);
  set_denied(L, "read_file", "a file outside of neap.fs");
  set_denied(L, "write_file", "a file outside of neap.fs");
  lua_pop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &sets_key);
  lua_Integer sets = lua_tointeger(L, -1);
  lua_pushvalue(L, core);
  if (sets > 0)
    luaL_setfuncs(L, hooks, 0);
  if (sets > 1) { /* only the first script can say what its models have taken */
    lua_pushcfunction(L, do_nothing);
    lua_setfield(L, -2, "on_describe");
  }
  lua_pushinteger(L, sets + 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &sets_key);
  lua_settop(L, core);
  lua_replace(L, core - 2);
  lua_settop(L, core - 2);
}

static const struct neapL_lua_module *find_module(const char *name) {
  const struct neapL_lua_module *module = neapL_lua_modules;
  while (module->name && strcmp(module->name, name) != 0)
    module++;
  return module->name ? module : NULL;
}

/* require(name) of neap's own modules. Upvalues: those that have been loaded,
 * their globals. */
static int require_own(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  lua_pushvalue(L, 1);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
    return 1;
  const struct neapL_lua_module *module = find_module(name);
  if (!module)
    return luaL_error(L, "module '%s' not found", name);
  lua_pushfstring(L, "=%s", name);
  if (luaL_loadbufferx(L, module->code, module->size, lua_tostring(L, -1),
                       "b") != LUA_OK)
    return lua_error(L);
  lua_pushvalue(L, lua_upvalueindex(2));
  if (!lua_setupvalue(L, -2, 1))
    lua_pop(L, 1);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, -2);
  lua_rawset(L, lua_upvalueindex(1));
  return 1;
}

/* The modules of neap that scripts may require. */
static bool is_public(const char *name) {
  static const char *const names[] = {
      "neap",         "neap.cbor",   "neap.draw",
      "neap.error",   "neap.fs",     "neap.http",
      "neap.input",   "neap.json",   "neap.limiter",
      "neap.llm",     "neap.mcp",    "neap.net",
      "neap.process", "neap.secret", "neap.stream",
      "neap.summary", NULL};
  for (int i = 0; names[i]; i++)
    if (strcmp(names[i], name) == 0)
      return true;
  return false;
}

/* The upvalues of a script's require. */
enum { LOADED = 1, OWN, GLOBALS };

/* Keeps what a module has returned, on top, as its value. */
static int keep(lua_State *L) {
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushboolean(L, true);
  }
  lua_pushvalue(L, 1);
  lua_pushvalue(L, -2);
  lua_rawset(L, lua_upvalueindex(LOADED));
  return 1;
}

static int required(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return keep(L);
}

/* The text of a module has been read: it and its path are on top. */
static int found(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  size_t size;
  const char *text = lua_tolstring(L, -2, &size);
  const char *path = lua_tostring(L, -1);
  if (!text)
    return luaL_error(L, "module '%s' not found: %s", lua_tostring(L, 1), path);
  lua_pushfstring(L, "@%s", path);
  if (neapL_chunk_push(L, text, size, lua_tostring(L, -1),
                       lua_upvalueindex(GLOBALS)) != LUA_OK)
    return lua_error(L);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, -4); /* the path */
  lua_callk(L, 2, 1, 0, required);
  return keep(L);
}

/* require(name) of a script: a public module of neap, or one of its own, from
 * the first folder that it was granted. */
static int require_public(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  lua_pushvalue(L, 1);
  if (lua_rawget(L, lua_upvalueindex(LOADED)) != LUA_TNIL)
    return 1;
  lua_pushvalue(L, lua_upvalueindex(OWN));
  if (is_public(name)) {
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return keep(L);
  }
  if (strcmp(name, "neap.core") == 0 || strncmp(name, "neap.", 5) == 0)
    return neapL_error_raise(L, "denied",
                             "require: the module '%s' is not for sandboxed "
                             "scripts",
                             name);
  lua_pushliteral(L, "neap.sandbox.own");
  lua_call(L, 1, 1);
  lua_pushvalue(L, 1);
  lua_callk(L, 1, 2, 0, found);
  return found(L, LUA_OK, 0);
}

void neapL_sandbox_push_script(lua_State *L) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  push_globals(L);
  int globals = lua_gettop(L);
  push_globals(L); /* of neap's modules */
  int own = lua_gettop(L);
  static const luaL_Reg open[] = {{"getmetatable", own_getmetatable},
                                  {"setmetatable", own_setmetatable},
                                  {NULL, NULL}};
  luaL_setfuncs(L, open, 0);
  lua_newtable(L); /* globals own loaded */
  push_core(L);
  lua_setfield(L, -2, "neap.core");
  lua_pushvalue(L, own);
  lua_pushcclosure(L, require_own, 2); /* globals own require */
  lua_pushvalue(L, -1);
  lua_setfield(L, own, "require");
  lua_pushvalue(L, own);
  lua_pushcclosure(L, neapL_chunk_load, 1);
  lua_setfield(L, own, "load");
  lua_newtable(L);
  lua_pushvalue(L, own + 1);
  lua_pushvalue(L, globals);
  lua_pushcclosure(L, require_public, 3);
  lua_setfield(L, globals, "require");
  lua_pushvalue(L, globals);
  lua_pushcclosure(L, neapL_chunk_load, 1);
  lua_setfield(L, globals, "load");
  lua_replace(L, own);
}
