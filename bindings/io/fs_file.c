/* Open files for Lua.
 * SPDX-License-Identifier: MIT */
#include "fs_file.h"

#include <lauxlib.h>

#include "fs_call.h"
#include "fs_stat.h"
#include "task/check.h"
#include "task/class.h"
#include "task/error.h"
#include "task/wait.h"

/* A handle: a userdata that holds a neap_file, NULL when it has been shut. Its
 * user value is the path. */
#define FILE_META "neap.file"

static neap_file **check_handle(lua_State *L) {
  void *file = luaL_testudata(L, 1, FILE_META);
  if (!file)
    neapL_check_type_fail(L, 1, FILE_META);
  return file;
}

/* Raises unless the first argument is a handle of an open file. [-0, +0, v] */
static void check_open(lua_State *L, const char *what) {
  const neap_file *file = *check_handle(L);
  neapL_host_of(L); /* raises when neap has ended */
  if (file && neap_file_is_open(file))
    return;
  lua_getiuservalue(L, 1, 1);
  lua_pushfstring(L, "%s %s", what, lua_tostring(L, -1));
  neapL_class_closed(L, FILE_META, lua_tostring(L, -1));
}

/* Returns the file of the handle, which has just been checked. [-0, +0, -] */
static neap_file *handle_of(lua_State *L) {
  return *(neap_file **)lua_touserdata(L, NEAPL_FS_PATH);
}

/* The stack of open and temp: path or prefix, mode, the handle. */
enum { HANDLE = 3 };

static void close_again(lua_State *L) {
  neap_file **held = lua_touserdata(L, HANDLE);
  neap_file_free(*held);
  *held = NULL;
}

static int end_open(lua_State *L, const neap_op *op, const char *what) {
  neap_file *const *held = lua_touserdata(L, HANDLE);
  if (op->status < 0)
    return neapL_fs_call_fail(L, what, false, op->status, op->detail);
  if (!*held) /* freed by the collector, while the state is being closed */
    return neapL_class_closed(L, FILE_META, what);
  lua_pushstring(L, neap_file_path(*held));
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, HANDLE, 1);
  return 2;
}

static int opened(lua_State *L, const neap_op *op) {
  if (op->status == NEAP_EINVAL)
    return neapL_check_fail(L, 2, "no such mode");
  return end_open(L, op, "fs.open");
}

static int made(lua_State *L, const neap_op *op) {
  return end_open(L, op, "fs.tempfile");
}

static neap_file **push_handle(lua_State *L) {
  lua_settop(L, HANDLE - 1);
  return neapL_class_new(L, FILE_META, sizeof(neap_file *), 1);
}

/* open(path, mode) -> handle, path */
static int open_file(lua_State *L) {
  static const neapL_wait_then then = {opened, close_again};
  const char *path = neapL_fs_call_path(L, 1);
  const char *mode = neapL_check_string(L, 2);
  neap_file **held = push_handle(L);
  neap_op *op = neapL_wait_begin(L, "fs.open");
  int started = neap_file_open(neapL_engine(L), op, path, mode, held);
  return neapL_wait(L, op, started, &then);
}

/* temp(prefix) -> handle, path */
static int make_file(lua_State *L) {
  static const neapL_wait_then then = {made, close_again};
  const char *prefix = neapL_fs_call_path(L, 1);
  neap_file **held = push_handle(L);
  neap_op *op = neapL_wait_begin(L, "fs.tempfile");
  int started = neap_file_temp(neapL_engine(L), op, prefix, held);
  return neapL_wait(L, op, started, &then);
}

static int start_read(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_file_read(handle_of(L), op, result);
}

static int push_piece(lua_State *L, neap_fs_result *result) {
  size_t size;
  const char *bytes = neap_fs_bytes(result, &size);
  if (size == 0)
    lua_pushnil(L);
  else
    lua_pushlstring(L, bytes, size);
  return 1;
}

static void put_back(lua_State *L, neap_fs_result **result) {
  neap_file *file = handle_of(L);
  if (!file)
    return; /* it was shut meanwhile: the bytes are lost */
  neap_file_put_back(file, *result);
  *result = NULL;
}

static void check_data(lua_State *L) {
  neapL_check_string(L, NEAPL_FS_DATA);
}

static int start_write(lua_State *L, neap_op *op, neap_fs_result **result) {
  size_t size;
  const char *data = lua_tolstring(L, NEAPL_FS_DATA, &size);
  return neap_file_write(handle_of(L), op, data, size, result);
}

/* Replaces the name of `whence` by its number. */
static void check_seek(lua_State *L) {
  static const char *const names[] = {"set", "cur", "end", NULL};
  static const neap_seek values[] = {NEAP_SEEK_SET, NEAP_SEEK_CUR,
                                     NEAP_SEEK_END};
  int found = neapL_check_option(L, NEAPL_FS_DATA, NULL, names);
  neapL_check_that(L, neapL_check_integer(L, NEAPL_FS_MORE) != LUA_MININTEGER,
                   NEAPL_FS_MORE, "offset out of range");
  lua_pushinteger(L, values[found]);
  lua_replace(L, NEAPL_FS_DATA);
}

static int start_seek(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_file_seek(handle_of(L), op,
                        (neap_seek)lua_tointeger(L, NEAPL_FS_DATA),
                        lua_tointeger(L, NEAPL_FS_MORE), result);
}

static int push_offset(lua_State *L, neap_fs_result *result) {
  lua_pushinteger(L, (lua_Integer)neap_fs_offset(result));
  return 1;
}

static int start_sync(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_file_sync(handle_of(L), op, result);
}

static int start_stat(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_file_fstat(handle_of(L), op, result);
}

static void check_size(lua_State *L) {
  neapL_check_that(L, neapL_check_integer(L, NEAPL_FS_DATA) >= 0, NEAPL_FS_DATA,
                   "size is 0 or more");
}

static int start_truncate(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_file_truncate(handle_of(L), op,
                            (uint64_t)lua_tointeger(L, NEAPL_FS_DATA), result);
}

static int start_close(lua_State *L, neap_op *op, neap_fs_result **result) {
  return neap_file_close(handle_of(L), op, result);
}

/* back(handle, size) -> boolean */
static int back(lua_State *L) {
  lua_Integer size = neapL_check_integer(L, 2);
  neap_file *file = *check_handle(L);
  neapL_host_of(L); /* raises when neap has ended */
  lua_pushboolean(L, file && size >= 0 && neap_file_back(file, (uint64_t)size));
  return 1;
}

/* shut(handle), __gc and __close */
static int shut(lua_State *L) {
  neap_file_free(neapL_class_take(L, 1, FILE_META));
  return 0;
}

/* is_open(handle) -> boolean */
static int is_open(lua_State *L) {
  const neap_file *file = *check_handle(L);
  lua_pushboolean(L, file && neap_file_is_open(file));
  return 1;
}

static const neapL_fs_call calls[] = {
    {"read", "file:read", .look = check_open, .start = start_read,
     .finish = push_piece, .discard = put_back},
    {"write", "file:write", .look = check_open, .check = check_data,
     .start = start_write},
    {"seek", "file:seek", .look = check_open, .check = check_seek,
     .start = start_seek, .finish = push_offset},
    {"sync", "file:sync", .look = check_open, .start = start_sync},
    {"stat", "file:stat", .look = check_open, .start = start_stat,
     .finish = neapL_fs_stat_push},
    {"truncate", "file:truncate", .look = check_open, .check = check_size,
     .start = start_truncate},
    {"close", "file:close", .look = check_open, .start = start_close},
    {NULL},
};

void neapL_fs_file_open(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"open", open_file}, {"temp", make_file},  {"back", back},
      {"shut", shut},      {"is_open", is_open}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", shut}, {NULL, NULL}};
  neapL_class_define(L, FILE_META, metamethods, 0);
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  neapL_fs_call_register(L, calls);
  lua_setfield(L, -2, "file");
}
