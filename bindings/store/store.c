/* Stores from Lua: what lua/neap/durable/ keeps runs in.
 * SPDX-License-Identifier: MIT */
#include "store.h"

#include <lauxlib.h>
#include <string.h>

#include "calls.h"
#include "fields.h"
#include "task/check.h"
#include "task/class.h"
#include "task/error.h"
#include "task/wait.h"
#include "words.h"

/* A userdata that holds a neap_store, and one that holds the result of a call
 * until Lua has it. */
#define STORE_META  "neap.store"
#define RESULT_META "neap.store.result"

static int collect_result(lua_State *L) {
  neap_store_result_free(neapL_class_take(L, 1, RESULT_META));
  return 0;
}

/* Pushes an empty holder at NEAPL_CALL_RESULT. [-?, +1, m] */
static neap_store_result **push_result(lua_State *L) {
  lua_settop(L, NEAPL_CALL_RESULT - 1);
  return neapL_class_new(L, RESULT_META, sizeof(neap_store_result *), 0);
}

/* Raises the error of a call that has failed. [-0, +0, v] */
static int fail(lua_State *L, const char *what, int status,
                const neap_store_result *result) {
  const char *why = neap_store_why(result);
  if (*why == '\0')
    why = neap_status_text(status);
  neapL_error_push(L, neapL_words_code(status), "%s: %s", what, why);
  lua_pushboolean(L, status == NEAP_ESTORE);
  lua_setfield(L, -2, "retryable");
  return lua_error(L);
}

/* ---- Calling ------------------------------------------------------------- */

static const neapL_call *this_call(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

static int finish(lua_State *L, const neap_op *op) {
  const neapL_call *c = this_call(L);
  neap_store_result **held = lua_touserdata(L, NEAPL_CALL_RESULT);
  if (op->status < 0)
    return fail(L, c->what, op->status, *held);
  int count = 0;
  if (c->answer) {
    neapL_class_given(L, NEAPL_CALL_RESULT, RESULT_META, c->what);
    count = c->answer(L, *held);
  }
  neap_store_result_free(*held);
  *held = NULL;
  return count;
}

static int start(lua_State *L) {
  static const neapL_wait_then then = {.finish = finish};
  const neapL_call *c = this_call(L);
  neapL_class_given(L, NEAPL_CALL_STORE, STORE_META, c->what);
  lua_settop(L, NEAPL_CALL_LAST);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (c->prepare)
    c->prepare(L);
  neap_store_result **result = push_result(L);
  neap_op *op = neapL_wait_begin(L, c->what);
  neap_store **store =
      neapL_class_given(L, NEAPL_CALL_STORE, STORE_META, c->what);
  return neapL_wait(L, op, c->start(L, op, *store, result), &then);
}

/* ---- Opening and closing ------------------------------------------------- */

static int collect(lua_State *L) {
  neap_store_free(neapL_class_take(L, 1, STORE_META));
  return 0;
}

/* store:durability() -> "none", "process" or "disk" */
static int durability(lua_State *L) {
  neap_store **store = neapL_class_given(L, 1, STORE_META, NULL);
  lua_pushstring(L, neap_store_durability(*store));
  return 1;
}

/* The stack of open: the options, the store, what is opened in words, and the
 * store beside which it is. */
enum { OPTS = 1, MADE, WHAT, BESIDE };

static int opened(lua_State *L, const neap_op *op) {
  neap_store_result **held = lua_touserdata(L, NEAPL_CALL_RESULT);
  if (op->status < 0) {
    neap_store_free(neapL_class_take(L, MADE, STORE_META));
    return fail(L, lua_tostring(L, WHAT), op->status, *held);
  }
  lua_settop(L, MADE);
  return 1;
}

/* open(opts) -> store */
static int open(lua_State *L) {
  static const neapL_wait_then then = {.finish = opened};
  neapL_check_type(L, OPTS, LUA_TTABLE);
  lua_settop(L, OPTS);
  neap_store **made = neapL_class_new(L, STORE_META, sizeof(neap_store *), 0);
  neap_store_opts opts = NEAP_STORE_OPTS_INIT;
  opts.kind = neapL_fields_text(L, OPTS, "kind");
  opts.path = neapL_fields_text(L, OPTS, "path");
  opts.sync = neapL_fields_text(L, OPTS, "sync");
  opts.read_only = neapL_fields_flag(L, OPTS, "read_only");
  lua_pushfstring(L, "store %s", opts.path ? opts.path : opts.kind);
  lua_getfield(L, OPTS, "beside");
  neap_store_result **result = push_result(L);
  neap_op *op = neapL_wait_begin(L, "store.open");
  if (!lua_isnil(L, BESIDE)) {
    neap_store **beside =
        neapL_class_given(L, BESIDE, STORE_META, "store.open");
    opts.beside = *beside;
  }
  neap_engine *engine = neapL_engine(L);
  return neapL_wait(L, op, neap_store_open(engine, op, &opts, made, result),
                    &then);
}

int neapL_store_open(lua_State *L) {
  static const luaL_Reg results[] = {{"__gc", collect_result}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"close", collect},
                                       {"durability", durability},
                                       {"__close", collect},
                                       {"__gc", collect},
                                       {NULL, NULL}};
  neapL_class_define(L, RESULT_META, results, 0);
  lua_pop(L, 1);
  neapL_class_define(L, STORE_META, functions, 0);
  lua_getfield(L, -1, "__index");
  for (const neapL_call *c = neapL_calls; c->name; c++) {
    lua_pushlightuserdata(L, (void *)c);
    lua_pushcclosure(L, start, 1);
    lua_setfield(L, -2, c->name);
  }
  lua_pop(L, 2);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, open);
  lua_setfield(L, -2, "open");
  return 1;
}
