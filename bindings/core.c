/* neap.core: what of neap is written in C, for lua/neap to build on.
 * SPDX-License-Identifier: MIT */
#include <lauxlib.h>
#include <unistd.h>

#include "channel.h"
#include "check.h"
#include "coroutine.h"
#include "drive.h"
#include "dump.h"
#include "error.h"
#include "event.h"
#include "fs.h"
#include "http.h"
#include "json.h"
#include "luv.h"
#include "neap_lua.h"
#include "net.h"
#include "open.h"
#include "params.h"
#include "plan.h"
#include "process.h"
#include "protect.h"
#include "retry.h"
#include "semaphore.h"
#include "spawn.h"
#include "stream.h"
#include "task_error.h"
#include "testing.h"
#include "trace.h"
#include "units.h"
#include "wait.h"

/* now() -> seconds */
static int now(lua_State *L) {
  lua_pushnumber(L, neap__seconds_of_ns(neap_now(neap__engine(L))));
  return 1;
}

static int slept_quietly(lua_State *L, const neap_op *op) {
  (void)op; /* cannot fail */
  neap__host_of(L)->idle--;
  return 0;
}

static void wake_early(lua_State *L) {
  neap__host_of(L)->idle--;
}

/* sleep(seconds, quiet): a quiet sleep is nothing that could wake anyone, so it
 * hides no deadlock. */
static int sleep_for(lua_State *L) {
  double seconds = neap__check_number(L, 1);
  if (!(seconds >= 0))
    neap__check_type_fail(L, 1, "number of seconds from 0");
  neap_op *op = neap__wait_begin(L, "sleep");
  neap_engine *engine = neap__engine(L);
  neap_sleep_until(engine, op, neap__deadline(engine, seconds));
  if (!lua_toboolean(L, 2))
    return neap__wait(L, op, 0, NULL);
  static const neap__wait_then then = {slept_quietly, wake_early};
  neap__host_of(L)->idle++;
  return neap__wait(L, op, 0, &then);
}

/* dump() -> text */
static int dump(lua_State *L) {
  neap__task_dump(L);
  return 1;
}

/* tasks() -> list of tables */
static int tasks(lua_State *L) {
  neap__task_list(L);
  return 1;
}

/* live() -> { tasks = n, operations = n } */
static int live(lua_State *L) {
  const neap__host *host = neap__host_of(L);
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, (lua_Integer)host->live);
  lua_setfield(L, -2, "tasks");
  lua_pushinteger(L, (lua_Integer)neap_pending(host->engine));
  lua_setfield(L, -2, "operations");
  return 1;
}

/* in_task() -> whether a task runs; is_cancelled() -> whether it has been */
static int in_task(lua_State *L) {
  lua_pushboolean(L, neap__host_of(L)->current != NULL);
  return 1;
}

static int is_cancelled(lua_State *L) {
  lua_pushboolean(L, neap__task_current(L)->cancel_status != 0);
  return 1;
}

/* may_wait(what, shielded): raises where `what` could not wait; although it was
 * cancelled, where that is `shielded` */
static int may_wait(lua_State *L) {
  const char *what = neap__check_string(L, 1);
  if (lua_toboolean(L, 2))
    neap__wait_shielded(L, what);
  else
    neap__wait_begin(L, what);
  return 0;
}

/* suppress(error, other): warns of `other`, which is dropped for `error` */
static int suppress(lua_State *L) {
  lua_settop(L, 2);
  neap__task_suppress(L, 1);
  return 0;
}

/* isatty(fd) -> boolean */
static int is_terminal(lua_State *L) {
  lua_pushboolean(L, isatty((int)neap__check_integer(L, 1)));
  return 1;
}

/* on_leave(f): f(error, origin) makes the object for errors that leave a run */
static int on_leave(lua_State *L) {
  neap__check_type(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, NEAP__ERROR_WRAP);
  return 0;
}

/* on_complaint(f): f(options, function) says what is wrong with options */
static int on_complaint(lua_State *L) {
  neap__check_type(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, NEAP__CHECK_COMPLAINT);
  return 0;
}

neap_engine *neap_lua_engine(lua_State *L) {
  const neap__host *host = neap__host_find(L);
  return host ? host->engine : NULL;
}

int luaopen_neap_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"now", now},
                                       {"sleep", sleep_for},
                                       {"dump", dump},
                                       {"live", live},
                                       {"in_task", in_task},
                                       {"is_cancelled", is_cancelled},
                                       {"may_wait", may_wait},
                                       {"suppress", suppress},
                                       {"isatty", is_terminal},
                                       {"on_leave", on_leave},
                                       {"on_complaint", on_complaint},
                                       {"tasks", tasks},
                                       {NULL, NULL}};
  luaL_checkversion(L);
  neap__error_open(L);
  neap__open(L, &neap__drive_runs);
  neap__coroutine_open(L);
  neap__protect_open(L);
  luaL_newlib(L, functions);
  neap__spawn_open(L);
  neap__semaphore_open(L);
  neap__channel_open(L);
  neap__event_open(L);
  neap__plan_open(L);
  lua_setfield(L, -2, "plan");
  neap__params_open(L);
  neap__retry_open(L);
  neap__trace_open(L);
  neap__json_open(L);
  lua_setfield(L, -2, "json");
  neap__fs_open(L);
  lua_setfield(L, -2, "fs");
  neap__net_open_lua(L);
  lua_setfield(L, -2, "net");
  neap__stream_open_lua(L);
  lua_setfield(L, -2, "stream");
  neap__process_open_lua(L);
  lua_setfield(L, -2, "process");
  neap__luv_open(L);
  lua_setfield(L, -2, "luv");
  neap__testing_open(L);
  lua_setfield(L, -2, "testing");
  neap__http_open_lua(L);
  lua_setfield(L, -2, "http");
  luaL_getmetatable(L, NEAP__ERROR_META);
  lua_setfield(L, -2, "error_meta");
  lua_pushliteral(L, NEAP_VERSION);
  lua_setfield(L, -2, "version");
  return 1;
}
