/* A Lua state of a host that runs short of memory, from its first request to
 * its end: it is made, loads neap, runs it and is closed, or fails, but never
 * breaks and never leaks. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "short_memory.h"

/* What a host does: everything but the result of `require` is gone again. */
static const char script[] =
    "local neap = require 'neap'\n"
    "local a = neap.Node { name = 'a', max_retries = 2, exec = function(self)\n"
    "  neap.sleep(0)\n"
    "  if self.cur_retry < 1 then error('again') end\n"
    "end }\n"
    "local line = neap.channel(1)\n"
    "local results = neap.gather {\n"
    "  function() line:send(1) line:close() end,\n"
    "  function() return line:receive() end,\n"
    "  function() return neap.Flow { name = 'f', start = a }:run() end,\n"
    "  function() return (neap.race { function() neap.sleep(0) return 2 end "
    "})\n"
    "  end,\n"
    "  function() return (pcall(neap.fs.read, '/none')) end,\n"
    "}\n"
    "assert(results[2] == 1 and results[4] == 2 and results[5] == false)\n"
    "neap.spawn_detached(function() neap.sleep(60) end)\n";

/* Runs below lua_pcall, for opening the libraries may fail as well. */
static int run(lua_State *L) {
  luaL_openlibs(L);
  if (luaL_dostring(L, script) != LUA_OK)
    lua_error(L);
  return 0;
}

static int call(lua_State *L) {
  if (!lua_checkstack(L, 1))
    return LUA_ERRMEM;
  lua_pushcfunction(L, run);
  return lua_pcall(L, 0, 0, 0);
}

/* Lets a state live with request `n` refused. Returns how many there were. */
static long live(long n, bool for_good, bool is_closed_without) {
  memory m = {.fail_at = n, .for_good = for_good};
  lua_State *L = lua_newstate(allocate, &m);
  if (L) {
    int status = call(L);
    if (n == 0 || m.requests < n)
      assert_int_equal(LUA_OK, status);
    if (!is_closed_without)
      m.fail_at = 0;
    lua_settop(L, 0);
    if (!for_good && !is_closed_without && call(L) != LUA_OK)
      fail_msg("request %ld was refused, and with memory again: %s", n,
               lua_tostring(L, -1));
    lua_close(L);
  }
  if (m.live != 0)
    fail_msg("request %ld was refused: %zu bytes are left", n, m.live);
  return m.requests;
}

/* So many of the requests are refused at most, spread over all of them: each
 * takes a state of its own. */
enum { TRIES = 300 };

static void sweep(bool for_good, bool is_closed_without) {
  memory m = {0};
  lua_State *L = lua_newstate(allocate, &m);
  assert_non_null(L);
  assert_int_equal(LUA_OK, call(L));
  long all = m.requests;
  lua_close(L);
  assert_int_equal(0, m.live);
  long step = all / TRIES + 1;
  /* The first are those of the state itself. */
  for (long n = 1; n <= all; n += n < 50 ? 1 : step)
    live(n, for_good, is_closed_without);
}

static void a_state_may_be_refused_memory_once(void **state) {
  (void)state;
  sweep(false, false);
}

static void a_state_may_be_refused_memory_from_then_on(void **state) {
  (void)state;
  sweep(true, false);
}

static void a_state_may_be_closed_without_memory(void **state) {
  (void)state;
  sweep(true, true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_state_may_be_refused_memory_once),
      cmocka_unit_test(a_state_may_be_refused_memory_from_then_on),
      cmocka_unit_test(a_state_may_be_closed_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
