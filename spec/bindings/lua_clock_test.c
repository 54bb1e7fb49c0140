/* Scripts on the clock of a host, which pauses them and has them go on.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "neap_lua.h"

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

static int open_state(void **state) {
  neap_engine_opts engine = NEAP_ENGINE_OPTS_INIT;
  engine.clock = NEAP_CLOCK_HOST;
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  opts.engine = &engine;
  lua_State *L;
  assert_int_equal(0, neap_lua_new(&opts, &L));
  *state = L;
  return 0;
}

static int close_state(void **state) {
  lua_close(*state);
  return 0;
}

static void run(lua_State *L, const char *text) {
  if (luaL_dostring(L, text) != LUA_OK) {
    fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
    fail();
  }
}

/* Does all that can be done now. */
static void finish(neap_engine *engine) {
  neap_slice_info info = NEAP_SLICE_INFO_INIT;
  do
    assert_true(neap_slice(engine, 10 * MS, &info) >= 0);
  while (info.more);
}

/* Lets `ns` pass for the scripts, in frames of 60 a second. */
static void play(lua_State *L, uint64_t ns) {
  neap_engine *engine = neap_lua_engine(L);
  uint64_t end = neap_now(engine) + ns;
  while (neap_now(engine) < end) {
    uint64_t left = end - neap_now(engine), frame = S / 60;
    assert_int_equal(0,
                     neap_clock_advance(engine, left < frame ? left : frame));
    finish(engine);
  }
}

static const char *global(lua_State *L, const char *name) {
  lua_getglobal(L, name);
  const char *text = luaL_tolstring(L, -1, NULL);
  lua_settop(L, 0); /* it is anchored in the globals */
  return text;
}

static void sleeps_limits_and_retries_follow_it(void **state) {
  lua_State *L = *state;
  run(L, "neap = require 'neap'\n"
         "slept, limited, tried = 'no', 'no', 0\n"
         "neap.spawn(function()\n"
         "  neap.sleep(10)\n"
         "  slept = 'yes'\n"
         "end)\n"
         "neap.spawn(function()\n"
         "  local ok, err = pcall(neap.timeout, 3, neap.sleep, 100)\n"
         "  limited = err.code\n"
         "end)\n"
         "local node = neap.Node { name = 'n', max_retries = 3, wait = 5 }\n"
         "function node:exec()\n"
         "  tried = tried + 1\n"
         "  error 'again'\n"
         "end\n"
         "neap.spawn(function() pcall(node.run, node, {}) end)\n");
  neap_engine *engine = neap_lua_engine(L);
  for (int i = 0; i < 100; i++) /* a pause: frames in which no time passes */
    finish(engine);
  assert_string_equal("1", global(L, "tried"));
  play(L, 2999 * MS);
  assert_string_equal("no", global(L, "limited"));
  play(L, MS);
  assert_string_equal("timeout", global(L, "limited"));
  play(L, 2 * S);
  assert_string_equal("2", global(L, "tried"));
  assert_string_equal("no", global(L, "slept"));
  play(L, 5 * S);
  assert_string_equal("3", global(L, "tried"));
  assert_string_equal("yes", global(L, "slept"));
  run(L, "assert(neap.now() == 10)");
  assert_int_equal(0, neap_pending(engine));
}

/* A call that drives the loop itself would wait for a time that cannot come. */
static void a_wait_that_only_the_host_could_end_is_a_deadlock(void **state) {
  lua_State *L = *state;
  run(L, "neap = require 'neap'\n"
         "local ok, err = pcall(neap.sleep, 1)\n"
         "assert(not ok and err.code == 'deadlock', err)\n"
         "ok, err = pcall(neap.timeout, 1, neap.sleep, 2)\n"
         "assert(not ok and err.code == 'deadlock', err)\n"
         "assert(#require('neap.fs').read '/proc/self/stat' > 0)");
}

#define TEST(name)                                                             \
  cmocka_unit_test_setup_teardown(name, open_state, close_state)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(sleeps_limits_and_retries_follow_it),
      TEST(a_wait_that_only_the_host_could_end_is_a_deadlock),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
