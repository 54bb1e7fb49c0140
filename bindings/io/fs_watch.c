/* Watching files and directories from Lua.
 * SPDX-License-Identifier: MIT */
#include "fs_watch.h"

#include <lauxlib.h>

#include "fs_call.h"
#include "task/class.h"
#include "task/wait.h"

/* A userdata that holds a neap_watch. It is NULL before the watch is made, and
 * after it was collected. A watch that was closed is not NULL: it has ended. */
#define WATCH_META "neap.watch"

/* Returns the watch at 1, until something runs Lua. [-0, +0, v] */
static neap_watch *check_watch(lua_State *L) {
  return *(neap_watch **)neapL_class_open(L, 1, WATCH_META, "fs.watch");
}

/* watch(path, missing) -> watch */
static int new_watch(lua_State *L) {
  const char *path = neapL_fs_call_path(L, 1);
  bool missing = lua_toboolean(L, 2);
  neap_watch **held = neapL_class_new(L, WATCH_META, sizeof(*held), 0);
  int detail;
  neap_engine *engine = neapL_engine(L);
  int status = missing ? neap_watch_missing(engine, path, &detail, held)
                       : neap_watch_new(engine, path, &detail, held);
  if (status < 0)
    return neapL_fs_call_fail(L, "fs.watch", false, status, detail);
  return 1;
}

static const char *name_of_kind(neap_change_kind kind) {
  switch (kind) {
  case NEAP_CHANGE_CONTENT:
    return "change";
  case NEAP_CHANGE_NAME:
    return "rename";
  default:
    return "overflow";
  }
}

/* Takes the next change, and pushes its table. The table is made first, so that
 * a lack of memory loses no change. [-0, +(0|1), v] */
static bool push_change(lua_State *L) {
  lua_createtable(L, 0, 2);
  neap_change found;
  if (!neap_watch_take(check_watch(L), &found)) {
    lua_pop(L, 1);
    return false;
  }
  if (found.path) { /* valid until the next change is taken */
    lua_pushstring(L, found.path);
    lua_setfield(L, -2, "path");
  }
  lua_pushstring(L, name_of_kind(found.kind));
  lua_setfield(L, -2, "kind");
  return true;
}

static int next_change(lua_State *L);

/* There may be a change. Another task may have taken it, or the watch may have
 * ended. */
static int woken(lua_State *L, const neap_op *op) {
  if (op->status == 0)
    return next_change(L);
  lua_pushnil(L);
  return 1;
}

/* watch:next() -> change, nil once it has ended */
static int next_change(lua_State *L) {
  static const neapL_wait_then then = {.finish = woken};
  check_watch(L);
  lua_settop(L, 1);
  if (push_change(L))
    return 1;
  if (neap_watch_has_ended(check_watch(L))) {
    lua_pushnil(L);
    return 1;
  }
  neap_op *op = neapL_wait_begin(L, "a change of a file");
  return neapL_wait(L, op, neap_watch_wait(check_watch(L), op), &then);
}

/* The iterator of `changes`, whose watch is its second upvalue. */
static int iterate(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(2));
  return next_change(L);
}

/* watch:changes() -> iterator */
static int changes(lua_State *L) {
  check_watch(L);
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_pushcclosure(L, iterate, 2);
  return 1;
}

/* watch:close(), __close */
static int close(lua_State *L) {
  neap_watch *const *held = neapL_class_check(L, 1, WATCH_META);
  if (*held)
    neap_watch_close(*held);
  return 0;
}

static int collect(lua_State *L) {
  neap_watch_free(neapL_class_take(L, 1, WATCH_META));
  return 0;
}

void neapL_fs_watch_open(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"next", next_change}, {"changes", changes}, {"close", close},
      {"__close", close},    {"__gc", collect},    {NULL, NULL}};
  neapL_class_define(L, WATCH_META, methods, 0);
  lua_pop(L, 1);
  lua_pushcfunction(L, new_watch);
  lua_setfield(L, -2, "watch");
}
