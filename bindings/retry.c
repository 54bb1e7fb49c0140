/* How long to wait before something is tried again, for what retries in Lua.
 * SPDX-License-Identifier: MIT */
#include "retry.h"

#include <lauxlib.h>

#include "drive.h"

/* Returns the number at `key` of the options. [-0, +0, v] */
static double number(lua_State *L, const char *key, double otherwise) {
  lua_getfield(L, 1, key);
  double value = luaL_optnumber(L, -1, otherwise);
  lua_pop(L, 1);
  return value;
}

/* Seconds to ns; what does not fit is "never". */
static uint64_t nanoseconds(double seconds) {
  double ns = seconds * 1e9;
  if (!(ns > 0))
    return 0;
  return ns < 0x1p63 ? (uint64_t)ns : UINT64_C(1) << 63;
}

/* retry_delay(opts, attempt, random, retry_after) -> seconds. `opts` has wait,
 * backoff, max_wait and jitter as a node has; `attempt` counts from 0. */
static int retry_delay(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_Integer attempt = luaL_checkinteger(L, 2);
  neap_node_opts opts = NEAP_NODE_OPTS_INIT;
  opts.wait_ns = nanoseconds(number(L, "wait", 0));
  opts.backoff = number(L, "backoff", 1);
  opts.max_wait_ns = nanoseconds(number(L, "max_wait", 0));
  opts.jitter = number(L, "jitter", 0);
  uint64_t ns =
      neap_retry_delay(&opts, (uint32_t)attempt, luaL_checknumber(L, 3),
                       nanoseconds(luaL_optnumber(L, 4, 0)));
  lua_pushnumber(L, (double)ns / 1e9);
  return 1;
}

/* tell_retry(what, attempt, failure, delay): tells those who watch the run that
 * `attempt`, from 0, failed and that the next follows in `delay` seconds. */
static int tell_retry(lua_State *L) {
  const char *what = luaL_checkstring(L, 1);
  lua_Integer attempt = luaL_checkinteger(L, 2);
  luaL_checkany(L, 3);
  neap__report_retry(L, neap__task_current(L), what, (uint32_t)attempt,
                     nanoseconds(luaL_checknumber(L, 4)), 3);
  return 0;
}

void neap__retry_open(lua_State *L) {
  lua_pushcfunction(L, retry_delay);
  lua_setfield(L, -2, "retry_delay");
  lua_pushcfunction(L, tell_retry);
  lua_setfield(L, -2, "tell_retry");
}
