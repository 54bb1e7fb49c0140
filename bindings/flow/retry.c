/* Retries in Lua code: when to try again, and the events of that.
 * SPDX-License-Identifier: MIT */
#include "retry.h"

#include <lauxlib.h>

#include "base/units.h"
#include "events.h"
#include "task/check.h"

/* Returns the option `key`, a number, of the table at index 1. [-0, +0, v] */
static double number(lua_State *L, const char *key, double otherwise) {
  lua_getfield(L, 1, key);
  double value = neapL_opt_number(L, -1, otherwise);
  lua_pop(L, 1);
  return value;
}

/* Runs below lua_pcall: returns `retryable` and `retry_after` of an error. */
static int read_fields(lua_State *L) {
  lua_getfield(L, 1, "retryable");
  lua_getfield(L, 1, "retry_after");
  return 2;
}

neap_failure neapL_retry_failure(lua_State *L, int index) {
  neap_failure failure = {0};
  if (!lua_istable(L, index))
    return failure;
  int top = lua_gettop(L);
  index = lua_absindex(L, index);
  lua_pushcfunction(L, read_fields);
  lua_pushvalue(L, index);
  if (lua_pcall(L, 1, 2, 0) == LUA_OK) {
    failure.final = lua_isboolean(L, -2) && !lua_toboolean(L, -2);
    failure.retry_after_ns = neap__ns_of_seconds(lua_tonumber(L, -1));
  }
  lua_settop(L, top);
  return failure;
}

/* Reads the options for retries from the table at index 1. [-0, +0, v] */
static neap_node_opts read_policy(lua_State *L) {
  neapL_check_type(L, 1, LUA_TTABLE);
  neap_node_opts opts = NEAP_NODE_OPTS_INIT;
  opts.max_attempts = (uint32_t)number(L, "max_retries", 1);
  opts.wait_ns = neap__ns_of_seconds(number(L, "wait", 0));
  opts.backoff = number(L, "backoff", 1);
  opts.max_wait_ns = neap__ns_of_seconds(number(L, "max_wait", 0));
  opts.max_retry_after_ns =
      neap__ns_of_seconds(number(L, "max_retry_after", 0));
  opts.jitter = number(L, "jitter", 0);
  return opts;
}

/* retry_delay(opts, attempt, random, retry_after) -> seconds. `opts` has wait,
 * backoff, max_wait and jitter, as a node has; `attempt` counts from 0. */
static int retry_delay(lua_State *L) {
  neap_node_opts opts = read_policy(L);
  lua_Integer attempt = neapL_check_integer(L, 2);
  uint64_t ns =
      neap_retry_delay(&opts, (uint32_t)attempt, neapL_check_number(L, 3),
                       neap__ns_of_seconds(neapL_opt_number(L, 4, 0)));
  lua_pushnumber(L, neap__seconds_of_ns(ns));
  return 1;
}

/* next_attempt(opts, attempt, random, error) -> the seconds to wait after an
 * attempt that has raised the error; nil when no other follows. `opts` has
 * max_retries and max_retry_after, too. */
static int next_attempt(lua_State *L) {
  neap_node_opts opts = read_policy(L);
  uint32_t attempt = (uint32_t)neapL_check_integer(L, 2);
  double random = neapL_check_number(L, 3);
  lua_settop(L, 4);
  neap_failure failure = neapL_retry_failure(L, 4);
  if (!neap_may_retry(&opts, attempt, &failure))
    return 0;
  uint64_t ns =
      neap_retry_delay(&opts, attempt, random, failure.retry_after_ns);
  lua_pushnumber(L, neap__seconds_of_ns(ns));
  return 1;
}

/* tell_retry(what, attempt, failure, delay): reports to the observers of the
 * run that `attempt`, counted from 0, has failed, and that the next follows in
 * `delay` seconds. */
static int tell_retry(lua_State *L) {
  const char *what = neapL_check_string(L, 1);
  lua_Integer attempt = neapL_check_integer(L, 2);
  neapL_check_any(L, 3);
  neapL_events_retry(L, neapL_task_current(L), what, (uint32_t)attempt,
                     neap__ns_of_seconds(neapL_check_number(L, 4)), 3);
  return 0;
}

void neapL_retry_open(lua_State *L) {
  lua_pushcfunction(L, retry_delay);
  lua_setfield(L, -2, "retry_delay");
  lua_pushcfunction(L, next_attempt);
  lua_setfield(L, -2, "next_attempt");
  lua_pushcfunction(L, tell_retry);
  lua_setfield(L, -2, "tell_retry");
}
