/* Files for Lua: whole files, and names.
 * SPDX-License-Identifier: MIT */
#include "fs.h"

#include <string.h>

#include <lauxlib.h>

#include "fs_call.h"
#include "fs_file.h"
#include "fs_stat.h"
#include "fs_watch.h"
#include "task/check.h"
#include "task/wait.h"

static const char *path_of(lua_State *L) {
  return lua_tostring(L, NEAPL_FS_PATH);
}

/* The second path. */
static const char *other_of(lua_State *L) {
  return lua_tostring(L, NEAPL_FS_DATA);
}

static int push_bytes(lua_State *L, neap_fs_result *result) {
  size_t size;
  const char *bytes = neap_fs_bytes(result, &size);
  lua_pushlstring(L, bytes, size);
  return 1;
}

/* Returns the option max_size of the table at NEAPL_FS_DATA, 0 when there is
 * none. [-0, +0, v] */
static uint64_t max_size_of(lua_State *L) {
  int arg = NEAPL_FS_DATA;
  if (lua_isnoneornil(L, arg))
    return 0;
  lua_Integer max_size = 0;
  bool well = lua_istable(L, arg);
  for (lua_pushnil(L); well && lua_next(L, arg); lua_pop(L, 1)) {
    well = lua_type(L, -2) == LUA_TSTRING &&
           strcmp(lua_tostring(L, -2), "max_size") == 0 &&
           lua_type(L, -1) == LUA_TNUMBER;
    max_size = well ? lua_tointeger(L, -1) : 0;
    well = max_size > 0;
  }
  if (!well)
    neapL_check_options_fail(L, arg, "fs.read");
  return (uint64_t)max_size;
}

/* Replaces the options by the number. */
static void check_read(lua_State *L) {
  uint64_t max_size = max_size_of(L);
  lua_settop(L, NEAPL_FS_PATH);
  lua_pushinteger(L, (lua_Integer)max_size);
}

static int start_read(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_fs_read(neapL_engine(L), op, path_of(L),
                      (uint64_t)lua_tointeger(L, NEAPL_FS_DATA), result);
}

static void check_data(lua_State *L) {
  neapL_check_string(L, NEAPL_FS_DATA);
}

static int write_data(lua_State *L, neap_op *op, bool append,
                      neap_fs_result **result) {
  size_t size;
  const char *data = lua_tolstring(L, NEAPL_FS_DATA, &size);
  return neap_fs_write(neapL_engine(L), op, path_of(L), data, size, append,
                       result);
}

static int start_write(lua_State *L, neap_op *op, neap_fs_result **result) {
  return write_data(L, op, false, result);
}

static int start_append(lua_State *L, neap_op *op, neap_fs_result **result) {
  return write_data(L, op, true, result);
}

/* replace(path, data): fs.write with `atomic` */
static int start_replace(lua_State *L, neap_op *op, neap_fs_result **result) {
  size_t size;
  const char *data = lua_tolstring(L, NEAPL_FS_DATA, &size);
  return neap_fs_replace(neapL_engine(L), op, path_of(L), data, size, result);
}

static int start_list(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_fs_list(neapL_engine(L), op, path_of(L), result);
}

static int push_list(lua_State *L, neap_fs_result *result) {
  lua_newtable(L);
  neap_file_entry found;
  for (size_t i = 0; neap_fs_entry(result, i, &found); i++) {
    lua_createtable(L, 0, 2); /* list entry */
    lua_pushstring(L, found.name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, neapL_fs_stat_type(found.type));
    lua_setfield(L, -2, "type");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int start_stat(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_fs_stat(neapL_engine(L), op, path_of(L), result);
}

static int start_lstat(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_fs_lstat(neapL_engine(L), op, path_of(L), result);
}

static int push_true(lua_State *L, neap_fs_result *result) {
  (void)result;
  lua_pushboolean(L, true);
  return 1;
}

/* If there is nothing of that name, that is no error: fs.exists returns false.
 */
static bool push_false(lua_State *L, const neap_op *op) {
  char name[32];
  neap_sys_describe(op->detail, name, sizeof(name), NULL, 0);
  if (op->status != NEAP_ESYS ||
      (strcmp(name, "ENOENT") != 0 && strcmp(name, "ENOTDIR") != 0))
    return false;
  lua_pushboolean(L, false);
  return true;
}

/* Checks the permission bits at `arg`, which may be missing. [-0, +0, v] */
static void check_bits(lua_State *L, int arg) {
  lua_Integer mode = neapL_opt_integer(L, arg, 0);
  if (mode < 0 || mode > 07777)
    neapL_check_type_fail(L, arg,
                          "permission bits from 0 to 4095 (octal 7777)");
}

/* mkdir(path, parents, mode) */
static void check_mkdir(lua_State *L) {
  check_bits(L, NEAPL_FS_MORE);
}

static int start_mkdir(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_fs_mkdir(neapL_engine(L), op, path_of(L),
                       (uint32_t)lua_tointeger(L, NEAPL_FS_MORE),
                       lua_toboolean(L, NEAPL_FS_DATA), result);
}

/* remove(path, recursive) */
static int start_remove(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_fs_remove(neapL_engine(L), op, path_of(L),
                        lua_toboolean(L, NEAPL_FS_DATA), result);
}

static int start_rename(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_fs_rename(neapL_engine(L), op, path_of(L), other_of(L), result);
}

static int start_copy(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_fs_copy(neapL_engine(L), op, path_of(L), other_of(L), result);
}

static int start_link(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_fs_link(neapL_engine(L), op, path_of(L), other_of(L), result);
}

static int start_symlink(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_fs_symlink(neapL_engine(L), op, path_of(L), other_of(L), result);
}

static int start_readlink(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_fs_readlink(neapL_engine(L), op, path_of(L), result);
}

static int start_realpath(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_fs_realpath(neapL_engine(L), op, path_of(L), result);
}

static void check_chmod(lua_State *L) {
  neapL_check_integer(L, NEAPL_FS_DATA);
  check_bits(L, NEAPL_FS_DATA);
}

static int start_chmod(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_fs_chmod(neapL_engine(L), op, path_of(L),
                       (uint32_t)lua_tointeger(L, NEAPL_FS_DATA), result);
}

/* tempdir(prefix) -> path */
static int start_tempdir(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_fs_tempdir(neapL_engine(L), op, path_of(L), result);
}

/* Nothing will get the path: removes the directory. */
static void remove_tempdir(lua_State *L, neap_fs_result **result) {
  size_t size;
  neap_fs_remove_now(neapL_engine(L), neap_fs_bytes(*result, &size), false,
                     NULL);
}

/* remove_now(path): removes it with all that is in it, without waiting. Returns
 * what was in the way, as text; nil when all is removed. */
static int remove_now(lua_State *L) {
  const char *path = neapL_fs_call_path(L, 1);
  char name[32], text[128];
  int detail;
  if (neapL_host_was_forked(L)) /* what is temporary is the parent's */
    return 0;
  neap_engine *engine = neapL_engine(L);
  int status = neap_fs_remove_now(engine, path, true, &detail);
  if (status == 0)
    return 0;
  if (status == NEAP_EPERM) {
    lua_pushstring(L, neap_status_text(status));
    return 1;
  }
  neap_sys_describe(detail, name, sizeof(name), text, sizeof(text));
  if (strcmp(name, "ENOENT") == 0)
    return 0;
  lua_pushstring(L, text);
  return 1;
}

static const neapL_fs_call calls[] = {
    {"read", "fs.read", .check = check_read, .start = start_read,
     .finish = push_bytes},
    {"write", "fs.write", .check = check_data, .start = start_write},
    {"replace", "fs.write", .check = check_data, .start = start_replace},
    {"append", "fs.append", .check = check_data, .start = start_append},
    {"list", "fs.list", .start = start_list, .finish = push_list},
    {"stat", "fs.stat", .start = start_stat, .finish = neapL_fs_stat_push},
    {"lstat", "fs.lstat", .start = start_lstat, .finish = neapL_fs_stat_push},
    {"exists", "fs.exists", .start = start_stat, .finish = push_true,
     .failed = push_false},
    {"mkdir", "fs.mkdir", .check = check_mkdir, .start = start_mkdir},
    {"remove", "fs.remove", .start = start_remove},
    {"rename", "fs.rename", .second_path = true, .start = start_rename},
    {"copy", "fs.copy", .second_path = true, .start = start_copy},
    {"link", "fs.link", .second_path = true, .start = start_link},
    {"symlink", "fs.symlink", .second_path = true, .start = start_symlink},
    {"readlink", "fs.readlink", .start = start_readlink, .finish = push_bytes},
    {"realpath", "fs.realpath", .start = start_realpath, .finish = push_bytes},
    {"chmod", "fs.chmod", .check = check_chmod, .start = start_chmod},
    {"tempdir", "fs.tempdir", .start = start_tempdir, .finish = push_bytes,
     .discard = remove_tempdir},
    {NULL},
};

int neapL_fs_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"remove_now", remove_now},
                                       {NULL, NULL}};
  neapL_fs_call_open(L);
  luaL_newlib(L, functions);
  neapL_fs_call_register(L, calls);
  neapL_fs_file_open(L);
  neapL_fs_watch_open(L);
  return 1;
}
