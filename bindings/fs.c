/* Files for Lua: neap.fs.
 * SPDX-License-Identifier: MIT */
#include "fs.h"

#include <stdbool.h>
#include <string.h>

#include <lauxlib.h>

#include "error.h"
#include "neap.h"
#include "wait.h"

/* What holds a result until Lua has it: a userdata, so that the collector
 * frees it whatever is raised. */
#define RESULT_META "neap.fs.result"

/* Where the arguments and the result stand while a function waits. */
enum { PATH_SLOT = 1, DATA_SLOT, RESULT_SLOT };

static void release(neap_fs_result **held) {
  neap_fs_free(*held);
  *held = NULL;
}

static int result_gc(lua_State *L) {
  release(luaL_checkudata(L, 1, RESULT_META));
  return 0;
}

/* Drops all arguments beyond the second and pushes an empty holder.
 * [-?, +1, m] */
static neap_fs_result **push_result(lua_State *L) {
  lua_settop(L, DATA_SLOT);
  neap_fs_result **held = lua_newuserdatauv(L, sizeof(*held), 0);
  *held = NULL;
  luaL_setmetatable(L, RESULT_META);
  return held;
}

/* The holder, while a function waits and after. [-0, +0, -] */
static neap_fs_result **held_result(lua_State *L) {
  return lua_touserdata(L, RESULT_SLOT);
}

/* Returns the path at PATH_SLOT. [-0, +0, v] */
static const char *check_path(lua_State *L) {
  size_t size;
  const char *path = luaL_checklstring(L, PATH_SLOT, &size);
  luaL_argcheck(L, strlen(path) == size, PATH_SLOT,
                "path contains a zero byte");
  return path;
}

/* Whether trying again is of no use: what is in the way stays there. */
static bool is_final(int status, const char *name) {
  static const char *const names[] = {
      "ENOENT", "EACCES", "EPERM", "EISDIR", "ENOTDIR",   "ENAMETOOLONG",
      "ELOOP",  "EINVAL", "EROFS", "EEXIST", "ENOTEMPTY",
  };
  if (status != NEAP_ESYS)
    return status == NEAP_ETOOBIG;
  for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
    if (strcmp(names[i], name) == 0)
      return true;
  return false;
}

/* Raises an error about the path. [-0, +0, v] */
static int fail(lua_State *L, const char *what, int status, int detail) {
  const char *path = lua_tostring(L, PATH_SLOT);
  char name[32], text[128];
  neap_sys_describe(detail, name, sizeof(name), text, sizeof(text));
  bool refused = status == NEAP_ESYS && detail != 0;
  neap__error_push(L, "fs", "%s %s: %s", what, *path ? path : "\"\"",
                   refused ? text : neap_status_text(status));
  lua_pushvalue(L, PATH_SLOT);
  lua_setfield(L, -2, "path");
  if (refused) {
    lua_pushstring(L, name);
    lua_setfield(L, -2, "errno");
  }
  if (is_final(status, name)) {
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "retryable");
  }
  return lua_error(L);
}

/* Waits for an operation, if it has been started, and goes on with `k`. */
static int wait_for(lua_State *L, const char *what, int started,
                    lua_KFunction k) {
  if (started < 0)
    return fail(L, what, started, 0);
  return neap__wait(L, k);
}

/* Ends the wait; raises an error unless there is a result. [-0, +0, v] */
static void end_wait(lua_State *L, const char *what) {
  neap_op *op = neap__wait_end(L);
  if (op->status < 0)
    fail(L, what, op->status, op->detail);
}

static const char *name_of_type(neap_file_type type) {
  switch (type) {
  case NEAP_FILE_REGULAR:
    return "file";
  case NEAP_FILE_DIRECTORY:
    return "directory";
  case NEAP_FILE_LINK:
    return "link";
  default:
    return "other";
  }
}

/* Returns the option max_size of the table at `arg`, 0 when there is none.
 * [-0, +0, v] */
static uint64_t check_max_size(lua_State *L, int arg) {
  if (lua_isnoneornil(L, arg))
    return 0;
  luaL_checktype(L, arg, LUA_TTABLE);
  lua_Integer max_size = 0;
  for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1)) {
    lua_pushvalue(L, -2); /* key value key */
    const char *name = luaL_tolstring(L, -1, NULL);
    if (strcmp(name, "max_size") != 0) {
      lua_pushfstring(L, "unknown option '%s'; did you mean 'max_size'?", name);
      luaL_argerror(L, arg, lua_tostring(L, -1));
    }
    lua_pop(L, 2);
    int is_integer;
    max_size = lua_tointegerx(L, -1, &is_integer);
    luaL_argcheck(L, is_integer && max_size > 0, arg,
                  "max_size is a positive number of bytes");
  }
  return (uint64_t)max_size;
}

static int end_read(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  end_wait(L, "fs.read");
  size_t size;
  const char *bytes = neap_fs_bytes(*held_result(L), &size);
  lua_pushlstring(L, bytes, size);
  release(held_result(L));
  return 1;
}

static int read_file(lua_State *L) {
  const char *path = check_path(L);
  uint64_t max_size = check_max_size(L, 2);
  neap_fs_result **held = push_result(L);
  neap_op *op = neap__wait_begin(L, "fs.read");
  int started = neap_fs_read(neap__engine(L), op, path, max_size, held);
  return wait_for(L, "fs.read", started, end_read);
}

static int end_write(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  end_wait(L, "fs.write");
  release(held_result(L));
  return 0;
}

static int end_append(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  end_wait(L, "fs.append");
  release(held_result(L));
  return 0;
}

static int begin_write(lua_State *L, const char *what, bool append,
                       lua_KFunction k) {
  const char *path = check_path(L);
  size_t size;
  const char *data = luaL_checklstring(L, DATA_SLOT, &size);
  neap_fs_result **held = push_result(L);
  neap_op *op = neap__wait_begin(L, what);
  int started =
      neap_fs_write(neap__engine(L), op, path, data, size, append, held);
  return wait_for(L, what, started, k);
}

static int write_file(lua_State *L) {
  return begin_write(L, "fs.write", false, end_write);
}

static int append_file(lua_State *L) {
  return begin_write(L, "fs.append", true, end_append);
}

static int end_list(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  end_wait(L, "fs.list");
  lua_newtable(L);
  neap_file_entry found;
  for (size_t i = 0; neap_fs_entry(*held_result(L), i, &found); i++) {
    lua_createtable(L, 0, 2); /* list entry */
    lua_pushstring(L, found.name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, name_of_type(found.type));
    lua_setfield(L, -2, "type");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  release(held_result(L));
  return 1;
}

static int list_directory(lua_State *L) {
  const char *path = check_path(L);
  neap_fs_result **held = push_result(L);
  neap_op *op = neap__wait_begin(L, "fs.list");
  int started = neap_fs_list(neap__engine(L), op, path, held);
  return wait_for(L, "fs.list", started, end_list);
}

static int end_stat(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  end_wait(L, "fs.stat");
  neap_file_stat found;
  neap_fs_get_stat(*held_result(L), &found);
  lua_createtable(L, 0, 4);
  lua_pushstring(L, name_of_type(found.type));
  lua_setfield(L, -2, "type");
  lua_pushinteger(L, (lua_Integer)found.size);
  lua_setfield(L, -2, "size");
  lua_pushnumber(L, found.mtime);
  lua_setfield(L, -2, "mtime");
  lua_pushinteger(L, (lua_Integer)found.mode);
  lua_setfield(L, -2, "mode");
  release(held_result(L));
  return 1;
}

static int stat_path(lua_State *L) {
  const char *path = check_path(L);
  neap_fs_result **held = push_result(L);
  neap_op *op = neap__wait_begin(L, "fs.stat");
  int started = neap_fs_stat(neap__engine(L), op, path, held);
  return wait_for(L, "fs.stat", started, end_stat);
}

int neap__fs_open(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"read", read_file},      {"write", write_file}, {"append", append_file},
      {"list", list_directory}, {"stat", stat_path},   {NULL, NULL}};
  luaL_newmetatable(L, RESULT_META);
  lua_pushcfunction(L, result_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
