/* What a sandboxed script has of its own: its globals and its modules.
 * SPDX-License-Identifier: MIT */
#include "script.h"

#include <lauxlib.h>
#include <string.h>

#include "chunk.h"
#include "globals.h"
#include "modules.h"
#include "output.h"
#include "task/error.h"

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
  neapL_globals_push_copy(L, -1, 3);
  int core = lua_gettop(L);
  lua_getfield(L, core - 1, "error_meta");
  lua_setfield(L, core, "error_meta");
  lua_pushboolean(L, true);
  lua_setfield(L, core, "sandboxed");
  neapL_globals_push_calm(L);
  lua_setfield(L, core, "calm");
  for (int i = 0; none[i]; i++) {
    lua_pushnil(L);
    lua_setfield(L, core, none[i]);
  }
  lua_getfield(L, core, "system");
  luaL_setfuncs(L, system, 0);
  neapL_globals_set_denied(L, "read_file", "a file outside of neap.fs");
  neapL_globals_set_denied(L, "write_file", "a file outside of neap.fs");
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

void neapL_script_push(lua_State *L) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  neapL_globals_push(L);
  int globals = lua_gettop(L);
  neapL_globals_push_own(L);
  int own = lua_gettop(L);
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
