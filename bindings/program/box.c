/* A sandbox beneath the state of the executable: for `neap run --untrusted`.
 * SPDX-License-Identifier: MIT
 *
 * Two Lua states run on one thread: the executable's own, whose task drives the
 * other in slices, and that of the script. Only texts and numbers pass between
 * them. */
#include "box.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "base/units.h"
#include "neap_lua.h"
#include "sandbox/chunk.h"
#include "sandbox/script.h"
#include "task/check.h"
#include "task/class.h"
#include "task/deadlock.h"
#include "task/error.h"
#include "task/task_life.h"
#include "task/wait.h"

#define BOX_META "neap.box"

enum { MAX_GRANTS = 256 };

typedef struct box {
  lua_State *inner; /* *owned*; NULL: it has been closed */
  lua_State *outer; /* while a slice runs: what called it */
  neapL_task *task; /* of the script; its object is at 1 of `inner` */
  int print;        /* the function, in the registry of the outer state */
  neap_op *op;      /* of the outer task that waits; NULL: none does */
  bool wanted;      /* a slice is */
} box;

/* What the script prints goes to the function of the outer state. An error of
 * that would have to pass the frames of the inner state, so it is dropped. */
static void print(void *ud, int fd, const char *text, size_t size) {
  box *b = ud;
  lua_State *L = b->outer;
  if (!L || !lua_checkstack(L, 4))
    return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->print);
  lua_pushinteger(L, fd);
  lua_pushlstring(L, text, size);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK)
    lua_pop(L, 1);
}

/* The warnings of the inner state are said as they are, each on its line. */
static void warn(void *ud, const char *message, int to_continue) {
  print(ud, 2, message, strlen(message));
  if (!to_continue)
    print(ud, 2, "\n", 1);
}

/* The engine of the script wants a slice. This is called in the thread of both,
 * from the loop of the outer engine or from within a slice. */
static void want_slice(void *ud) {
  box *b = ud;
  b->wanted = true;
  if (b->op)
    neap_op_settle(b->op, 0);
}

/* Reads the list at the field `grants` of the options at 1. The strings stay
 * as long as the table. */
static void read_grants(lua_State *L, const char **list) {
  lua_getfield(L, 1, "grants");
  lua_Integer count = luaL_len(L, -1);
  if (count >= MAX_GRANTS)
    luaL_error(L, "more than %d grants", MAX_GRANTS - 1);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_geti(L, -1, i);
    list[i - 1] = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  list[count] = NULL;
  lua_pop(L, 1);
}

/* Returns a number among the options at 1; 0 when it is not there. */
static uint64_t number_of(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  lua_Integer value = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return value < 0 ? 0 : (uint64_t)value;
}

int neapL_box(lua_State *L) {
  neapL_check_type(L, 1, LUA_TTABLE);
  neapL_check_type(L, 2, LUA_TFUNCTION);
  const char *list[MAX_GRANTS];
  char why[256];
  read_grants(L, list);
  neap_grants grants = NEAP_GRANTS_INIT;
  grants.list = list;
  int status = neap_grants_check(&grants, why, sizeof why);
  if (status < 0) {
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
  }
  neap_engine_opts engine = NEAP_ENGINE_OPTS_INIT;
  engine.grants = &grants;
  engine.loop = neap_uv_loop(neapL_engine(L));
  engine.wakeup = want_slice;
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  opts.engine = &engine;
  opts.profile = NEAP_UNTRUSTED;
  opts.print = print;
  opts.memory_cap = number_of(L, "memory");
  opts.compute_limit_ns = number_of(L, "compute");
  opts.max_output = number_of(L, "output");
  box *b = neapL_class_new(L, BOX_META, sizeof *b, 0);
  lua_pushvalue(L, 2);
  b->print = luaL_ref(L, LUA_REGISTRYINDEX);
  opts.print_ud = engine.wakeup_ud = b;
  status = neap_lua_new(&opts, &b->inner);
  if (status < 0)
    return luaL_error(L, "the sandbox cannot start: %s",
                      neap_status_text(status));
  lua_setwarnf(b->inner, warn, b);
  return 1;
}

/* The arguments of box:start, for the inner state. */
typedef struct starting {
  lua_State *outer;
  neapL_task *task;
} starting;

/* Pushes a string of the outer state. [-0, +1, m] */
static const char *push_string(lua_State *I, lua_State *L, int index,
                               size_t *size) {
  const char *text = lua_tolstring(L, index, size);
  return lua_pushlstring(I, text, *size);
}

/* Runs in the inner state, below lua_pcall: makes the task of the script. */
static int start_inside(lua_State *I) {
  starting *s = lua_touserdata(I, 1);
  lua_State *L = s->outer;
  size_t size, name_size;
  lua_settop(I, 0);
  neapL_script_push(I); /* globals require */
  lua_pushvalue(I, 2);
  lua_pushliteral(I, "neap.cli.inside");
  lua_call(I, 1, 1);
  const char *text = lua_tolstring(L, 2, &size); /* stays there */
  const char *name = push_string(I, L, 3, &name_size);
  int chunk = lua_gettop(I) + 1;
  lua_pushfstring(I, "@%s", name);
  neapL_chunk_push(I, text, size, lua_tostring(I, -1), 1);
  lua_replace(I, chunk); /* the function, or a message */
  lua_insert(I, 4);
  lua_settop(I, 4); /* globals require inside chunk */
  int count = lua_gettop(L);
  luaL_checkstack(I, count, "too many arguments");
  lua_createtable(I, count - 4, 1);
  push_string(I, L, 3, &size);
  lua_rawseti(I, -2, 0);
  for (int i = 5; i <= count; i++) {
    push_string(I, L, i, &size);
    lua_rawseti(I, -2, i - 4);
  }
  lua_setfield(I, 1, "arg");
  for (int i = 3; i <= count; i++)
    push_string(I, L, i, &size); /* the name, the options, the arguments */
  neapL_host *host = neapL_host_of(I);
  s->task = neapL_task_spawn(I, host->root, count - 1, NEAPL_TASK_ORIGIN);
  host->script = s->task;
  return 1;
}

/* Returns the box at 1, which is open. */
static box *check_box(lua_State *L) {
  return neapL_class_open(L, 1, BOX_META, NULL);
}

/* box:start(text, name, options, ...) */
static int start(lua_State *L) {
  box *b = check_box(L);
  for (int i = 2; i <= lua_gettop(L) || i <= 4; i++)
    neapL_check_string(L, i);
  starting s = {.outer = L};
  lua_State *I = b->inner;
  b->outer = L;
  lua_settop(I, 0);
  lua_pushcfunction(I, start_inside);
  lua_pushlightuserdata(I, &s);
  int status = lua_pcall(I, 1, 1, 0);
  b->outer = NULL;
  if (status != LUA_OK) {
    lua_pushfstring(L, "the sandbox cannot start: %s",
                    lua_type(I, -1) == LUA_TSTRING ? lua_tostring(I, -1)
                                                   : "an error");
    return lua_error(L);
  }
  b->task = s.task;
  return 0;
}

/* box:slice(seconds) -> whether the script has ended */
static int slice(lua_State *L) {
  box *b = check_box(L);
  double budget = neapL_check_number(L, 2);
  if (!b->task)
    return luaL_error(L, "the box has no script");
  neapL_host *inner = b->task->host;
  neapL_host *outer = neapL_host_of(L);
  if (!neapL_task_has_ended(b->task) && neapL_deadlock_is_here(inner)) {
    if (!b->task->waiting || b->task->stuck)
      return neapL_error_raise(L, "deadlock", "the script waits for ever");
    neapL_deadlock_tell(b->task);
  }
  neap_slice_info info = NEAP_SLICE_INFO_INIT;
  b->outer = L;
  b->wanted = false;
  neap_slice(inner->engine, neap__ns_of_seconds(budget), &info);
  b->outer = NULL;
  neapL_host_run(outer, L);
  b->wanted = b->wanted || info.more || neapL_deadlock_is_here(inner);
  lua_pushboolean(L, neapL_task_has_ended(b->task));
  return 1;
}

static int waited(lua_State *L, const neap_op *op) {
  (void)op;
  box *b = lua_touserdata(L, 1);
  b->op = NULL;
  return 0;
}

static void give_up(lua_State *L) {
  waited(L, NULL);
}

/* box:wait() */
static int wait(lua_State *L) {
  static const neapL_wait_then then = {waited, give_up};
  check_box(L);
  lua_settop(L, 1);
  neap_op *op = neapL_wait_begin(L, "the script in the sandbox");
  box *b = check_box(L);
  if (b->wanted)
    return neapL_wait(L, op, 1, &then);
  b->op = op;
  return neapL_wait(L, op, neap_owe(neapL_engine(L), op), &then);
}

/* box:cancel() */
static int cancel(lua_State *L) {
  box *b = check_box(L);
  if (b->task)
    neapL_task_cancel_all(b->task->host->root);
  return 0;
}

/* Copies a string field of the table on top of the inner state, without a
 * metamethod. Pushes nil where it is none. [-0, +1, v] */
static void copy_field(lua_State *L, lua_State *I, const char *name) {
  if (!lua_istable(I, -1)) {
    lua_pushnil(L);
    return;
  }
  lua_pushstring(I, name);
  lua_rawget(I, -2);
  size_t size;
  const char *text =
      lua_type(I, -1) == LUA_TSTRING ? lua_tolstring(I, -1, &size) : NULL;
  if (text)
    lua_pushlstring(L, text, size);
  else
    lua_pushnil(L);
  lua_pop(I, 1);
}

/* box:result() -> text; or nil, message, code */
static int result(lua_State *L) {
  box *b = check_box(L);
  lua_State *I = b->inner;
  if (!b->task || !neapL_task_has_ended(b->task) || !lua_checkstack(I, 4))
    return luaL_error(L, "the script has not ended");
  int top = lua_gettop(I);
  lua_getiuservalue(I, 1, NEAPL_TASK_RESULT);
  if (b->task->state == NEAPL_TASK_DONE) {
    size_t size;
    if (lua_istable(I, -1))
      lua_rawgeti(I, -1, 1);
    const char *text =
        lua_type(I, -1) == LUA_TSTRING ? lua_tolstring(I, -1, &size) : NULL;
    if (text)
      lua_pushlstring(L, text, size);
    else
      lua_pushnil(L);
    lua_settop(I, top);
    return 1;
  }
  lua_pushnil(L);
  if (lua_type(I, -1) == LUA_TSTRING)
    lua_pushstring(L, lua_tostring(I, -1));
  else
    copy_field(L, I, "message");
  copy_field(L, I, "code");
  lua_settop(I, top);
  return 3;
}

/* box:close(), and its __gc */
static int close_box(lua_State *L) {
  box *b = neapL_class_check(L, 1, BOX_META);
  lua_State *inner = b->inner;
  if (!inner || b->outer)
    return 0;
  b->inner = NULL;
  b->task = NULL;
  lua_close(inner);
  neapL_host *outer = neapL_host_find(L);
  if (outer && outer->current)
    neapL_host_run(outer, outer->running);
  luaL_unref(L, LUA_REGISTRYINDEX, b->print);
  return 0;
}

void neapL_box_open(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"start", start},    {"slice", slice},       {"wait", wait},
      {"cancel", cancel},  {"result", result},     {"close", close_box},
      {"__gc", close_box}, {"__close", close_box}, {NULL, NULL}};
  neapL_class_define(L, BOX_META, functions, 0);
  lua_pop(L, 1);
}
