/* How the functions of neap.fs wait for an operation and return its result.
 * SPDX-License-Identifier: MIT */
#include "fs_call.h"

#include <string.h>

#include <lauxlib.h>

#include "task/check.h"
#include "task/class.h"
#include "task/refusal.h"
#include "task/wait.h"

/* A holder of a result until Lua has it: a userdata, so that the collector
 * frees the result whatever is raised. It stands above the arguments. */
#define RESULT_META "neap.fs.result"

enum { RESULT = NEAPL_FS_MORE + 1 };

static int result_gc(lua_State *L) {
  neap_fs_free(neapL_class_take(L, 1, RESULT_META));
  return 0;
}

/* Pushes an empty holder, after dropping all arguments beyond NEAPL_FS_MORE.
 * [-?, +1, m] */
static neap_fs_result **push_result(lua_State *L) {
  lua_settop(L, NEAPL_FS_MORE);
  return neapL_class_new(L, RESULT_META, sizeof(neap_fs_result *), 0);
}

const char *neapL_fs_call_path(lua_State *L, int arg) {
  size_t size;
  const char *path = neapL_check_lstring(L, arg, &size);
  neapL_check_that(L, strlen(path) == size, arg, "path contains a zero byte");
  return path;
}

/* True when another attempt is of no use: what is in the way stays there. */
static bool is_final(int status, int detail) {
  static const char *const names[] = {
      "ENOENT", "EACCES", "EPERM", "EISDIR", "ENOTDIR",
      "ELOOP",  "EINVAL", "EROFS", "EEXIST", "ENOTEMPTY",
      "EBADF",  "ESPIPE", "EXDEV", "EFBIG",  "ENAMETOOLONG",
  };
  char name[32];
  if (status != NEAP_ESYS)
    return status == NEAP_ETOOBIG;
  neap_sys_describe(detail, name, sizeof(name), NULL, 0);
  for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
    if (strcmp(names[i], name) == 0)
      return true;
  return false;
}

/* Pushes the first argument if it is a path, or the path of the handle.
 * [-0, +1, -] */
static const char *push_path(lua_State *L) {
  if (lua_isuserdata(L, NEAPL_FS_PATH))
    lua_getiuservalue(L, NEAPL_FS_PATH, 1);
  else
    lua_pushvalue(L, NEAPL_FS_PATH);
  return lua_tostring(L, -1);
}

int neapL_fs_call_fail(lua_State *L, const char *what, bool second_path,
                       int status, int detail) {
  const char *path = push_path(L);
  const char *to = second_path ? lua_tostring(L, NEAPL_FS_DATA) : "";
  int path_index = lua_gettop(L);
  lua_pushfstring(L, "%s %s%s%s", what, *path ? path : "\"\"",
                  second_path ? " to " : "", second_path && !*to ? "\"\"" : to);
  neapL_refusal_push_status(L, "fs", lua_tostring(L, -1), status, detail);
  lua_pushvalue(L, path_index);
  lua_setfield(L, -2, "path");
  if (second_path) {
    lua_pushvalue(L, NEAPL_FS_DATA);
    lua_setfield(L, -2, "to");
  }
  if (is_final(status, detail)) {
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "retryable");
  }
  return lua_error(L);
}

static const neapL_fs_call *this_call(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

static void discard(lua_State *L) {
  const neapL_fs_call *call = this_call(L);
  neap_fs_result **held = lua_touserdata(L, RESULT);
  if (*held && call->discard)
    call->discard(L, held);
}

static int finish(lua_State *L, const neap_op *op) {
  const neapL_fs_call *call = this_call(L);
  neap_fs_result **held = lua_touserdata(L, RESULT);
  if (op->status < 0) {
    if (call->failed && call->failed(L, op))
      return 1;
    return neapL_fs_call_fail(L, call->what, call->second_path, op->status,
                              op->detail);
  }
  int count = 0;
  if (call->finish) {
    /* While the state is being closed, the collector has freed the result; a
     * finalizer that drives the loop may come here nevertheless. */
    neapL_class_given(L, RESULT, RESULT_META, call->what);
    count = call->finish(L, *held);
  }
  neap_fs_free(*held);
  *held = NULL;
  return count;
}

static int start(lua_State *L) {
  static const neapL_wait_then then = {finish, discard};
  const neapL_fs_call *call = this_call(L);
  if (call->look)
    call->look(L, call->what);
  else
    neapL_fs_call_path(L, NEAPL_FS_PATH);
  if (call->second_path)
    neapL_fs_call_path(L, NEAPL_FS_DATA);
  if (call->check)
    call->check(L);
  neap_fs_result **held = push_result(L);
  neap_op *op = neapL_wait_begin(L, call->what);
  if (call->look)
    call->look(L, call->what); /* a finalizer may have closed it */
  return neapL_wait(L, op, call->start(L, op, held), &then);
}

void neapL_fs_call_register(lua_State *L, const neapL_fs_call *calls) {
  for (; calls->name; calls++) {
    lua_pushlightuserdata(L, (void *)calls);
    lua_pushcclosure(L, start, 1);
    lua_setfield(L, -2, calls->name);
  }
}

void neapL_fs_call_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"__gc", result_gc}, {NULL, NULL}};
  neapL_class_define(L, RESULT_META, functions, 0);
  lua_pop(L, 1);
}
