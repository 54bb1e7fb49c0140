/* neap.core: the part of neap that is written in C.
 * SPDX-License-Identifier: MIT */
#include "core.h"

#include <lauxlib.h>
#include <unistd.h>

#include "base/units.h"
#include "cbor/cbor.h"
#include "flow/drive.h"
#include "flow/emit.h"
#include "flow/keep.h"
#include "flow/native.h"
#include "flow/params.h"
#include "flow/plan.h"
#include "flow/retry.h"
#include "flow/spawn.h"
#include "http/http.h"
#include "io/fs.h"
#include "io/luv.h"
#include "io/net.h"
#include "io/process.h"
#include "io/stream.h"
#include "json/json.h"
#include "neap_lua.h"
#include "open.h"
#include "serve/serve.h"
#include "store/store.h"
#include "sync/channel.h"
#include "sync/event.h"
#include "sync/semaphore.h"
#include "system.h"
#include "task/check.h"
#include "task/coroutine.h"
#include "task/dump.h"
#include "task/error.h"
#include "task/protect.h"
#include "task/task_error.h"
#include "task/testing.h"
#include "task/trace.h"
#include "task/wait.h"
#include "vector/nearest.h"
#include "vector/vector.h"

/* now() -> seconds */
static int now(lua_State *L) {
  const neapL_host *host = neapL_host_of(L);
  lua_pushnumber(L, neap__seconds_of_ns(neap_now(host->engine) - host->epoch));
  return 1;
}

static int slept_quietly(lua_State *L, const neap_op *op) {
  (void)op; /* cannot fail */
  neapL_host_of(L)->idle--;
  return 0;
}

static void wake_early(lua_State *L) {
  neapL_host_of(L)->idle--;
}

/* sleep(seconds, quiet): a quiet sleep does not count as something that could
 * wake a task, so it hides no deadlock. */
static int sleep_for(lua_State *L) {
  double seconds = neapL_check_number(L, 1);
  if (!(seconds >= 0))
    neapL_check_type_fail(L, 1, "number of seconds from 0");
  neap_op *op = neapL_wait_begin(L, "sleep");
  neap_engine *engine = neapL_engine(L);
  neap_sleep_until(engine, op, neapL_deadline(engine, seconds));
  if (!lua_toboolean(L, 2))
    return neapL_wait(L, op, 0, NULL);
  static const neapL_wait_then then = {slept_quietly, wake_early};
  neapL_host_of(L)->idle++;
  return neapL_wait(L, op, 0, &then);
}

/* dump() -> text */
static int dump(lua_State *L) {
  neapL_task_dump(L);
  return 1;
}

/* tasks() -> list of tables */
static int tasks(lua_State *L) {
  neapL_task_list(L);
  return 1;
}

/* live() -> { tasks = n, operations = n }, without what others do on the loop
 */
static int live(lua_State *L) {
  const neapL_host *host = neapL_host_of(L);
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, (lua_Integer)host->live);
  lua_setfield(L, -2, "tasks");
  size_t guests = neap_uv_alive(host->engine);
  lua_pushinteger(L, (lua_Integer)(neap_pending(host->engine) - guests));
  lua_setfield(L, -2, "operations");
  return 1;
}

/* in_task() -> whether a task runs; is_cancelled() -> whether the current task
 * has been cancelled */
static int in_task(lua_State *L) {
  lua_pushboolean(L, neapL_host_of(L)->current != NULL);
  return 1;
}

static int is_cancelled(lua_State *L) {
  lua_pushboolean(L, neapL_task_current(L)->cancel_status != 0);
  return 1;
}

/* may_wait(what, shielded): raises where `what` could not wait. With `shielded`
 * it may wait although the task has been cancelled. */
static int may_wait(lua_State *L) {
  const char *what = neapL_check_string(L, 1);
  if (lua_toboolean(L, 2))
    neapL_wait_shielded(L, what);
  else
    neapL_wait_begin(L, what);
  return 0;
}

/* suppress(error, other): warns of `other`, which is suppressed by `error` */
static int suppress(lua_State *L) {
  lua_settop(L, 2);
  neapL_task_suppress(L, 1);
  return 0;
}

/* getenv(name) -> the variable of the environment, if it may be seen */
static int get_variable(lua_State *L) {
  lua_pushstring(L, neap_getenv(neapL_engine(L), neapL_check_string(L, 1)));
  return 1;
}

/* is_granted(grant) -> boolean */
static int is_granted(lua_State *L) {
  const char *grant = neapL_check_string(L, 1);
  lua_pushboolean(L, neap_is_granted(neapL_engine(L), grant));
  return 1;
}

/* first_folder() -> the folder in which relative paths begin; nil if the engine
 * is not restricted, and false if it is, and has none */
static int first_folder(lua_State *L) {
  const neap_engine *engine = neapL_engine(L);
  const char *folder = neap_first_folder(engine);
  if (folder)
    lua_pushstring(L, folder);
  else if (neap_is_restricted(engine))
    lua_pushboolean(L, false);
  else
    lua_pushnil(L);
  return 1;
}

/* text(value) -> its text for a message, in which no address stands */
static int text(lua_State *L) {
  neapL_check_any(L, 1);
  neapL_error_text(L, 1);
  return 1;
}

/* isatty(fd) -> boolean */
static int is_terminal(lua_State *L) {
  lua_pushboolean(L, isatty((int)neapL_check_integer(L, 1)));
  return 1;
}

/* on_leave(f): sets the function f(error, origin) that makes the object for an
 * error that leaves a run */
static int on_leave(lua_State *L) {
  neapL_check_type(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, NEAPL_ERROR_WRAP);
  return 0;
}

/* on_complaint(f): sets the function f(options, function) that says what is
 * wrong with options */
static int on_complaint(lua_State *L) {
  neapL_check_type(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, NEAPL_CHECK_COMPLAINT);
  return 0;
}

/* on_describe(f): sets the function f(task) that gives what neap.dump says of a
 * task besides, and a table of that for neap.tasks; or nothing */
static int on_describe(lua_State *L) {
  neapL_check_type(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, NEAPL_DUMP_DESCRIBE);
  return 0;
}

neap_engine *neap_lua_engine(lua_State *L) {
  const neapL_host *host = neapL_host_find(L);
  return host ? host->engine : NULL;
}

int luaopen_neap_core(lua_State *L) {
  int status = neapL_core_open(L, NULL);
  if (status < 0)
    return luaL_error(L, "neap cannot start: %s", neap_status_text(status));
  return 1;
}

int neapL_core_open(lua_State *L, const neap_lua_opts *opts) {
  static const luaL_Reg functions[] = {{"now", now},
                                       {"sleep", sleep_for},
                                       {"dump", dump},
                                       {"live", live},
                                       {"in_task", in_task},
                                       {"is_cancelled", is_cancelled},
                                       {"may_wait", may_wait},
                                       {"suppress", suppress},
                                       {"text", text},
                                       {"isatty", is_terminal},
                                       {"getenv", get_variable},
                                       {"is_granted", is_granted},
                                       {"first_folder", first_folder},
                                       {"on_leave", on_leave},
                                       {"on_complaint", on_complaint},
                                       {"on_describe", on_describe},
                                       {"tasks", tasks},
                                       {NULL, NULL}};
  /* Each of these pushes the value of its field. */
  static const luaL_Reg modules[] = {
      {"plan", neapL_plan_open},       {"json", neapL_json_open},
      {"cbor", neapL_cbor_open},       {"fs", neapL_fs_open},
      {"net", neapL_net_open},         {"stream", neapL_stream_open},
      {"process", neapL_process_open}, {"luv", neapL_luv_open},
      {"testing", neapL_testing_open}, {"http", neapL_http_open},
      {"serve", neapL_serve_open},     {"store", neapL_store_open},
      {"system", neapL_system_open},   {NULL, NULL}};
  luaL_checkversion(L);
  neapL_error_open(L);
  int status = neapL_open(L, &neapL_drive_runs, opts);
  if (status < 0)
    return status;
  neapL_coroutine_open(L);
  neapL_protect_open(L);
  luaL_newlib(L, functions);
  neapL_spawn_open(L);
  neapL_semaphore_open(L);
  neapL_channel_open(L);
  neapL_event_open(L);
  neapL_vector_open(L);
  neapL_nearest_open(L);
  neapL_params_open(L);
  neapL_retry_open(L);
  neapL_emit_open(L);
  neapL_keep_open(L);
  neapL_native_open(L);
  neapL_trace_open(L);
  for (const luaL_Reg *module = modules; module->name; module++) {
    module->func(L);
    lua_setfield(L, -2, module->name);
  }
  luaL_getmetatable(L, NEAPL_ERROR_META);
  lua_setfield(L, -2, "error_meta");
  lua_pushliteral(L, NEAP_VERSION);
  lua_setfield(L, -2, "version");
  return 0;
}
