/* neap_lua_open in a host that links libneap_lua: what it refuses, and a state
 * and an engine that run short of memory. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#include "neap_lua.h"
#include "short_memory.h"

/* Makes a state with the libraries of Lua, before any request is refused. */
static lua_State *make(memory *m) {
  lua_State *L = lua_newstate(allocate, m);
  assert_non_null(L);
  luaL_openlibs(L);
  m->requests = 0;
  return L;
}

static int open_with(lua_State *L, memory *m) {
  neap_engine_opts engine = NEAP_ENGINE_OPTS_INIT;
  engine.alloc.fn = allocate;
  engine.alloc.ud = m;
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  opts.engine = &engine;
  int top = lua_gettop(L);
  int status = neap_lua_open(L, &opts);
  assert_int_equal(top, lua_gettop(L));
  return status;
}

static void run_script(lua_State *L) {
  assert_int_equal(LUA_OK,
                   luaL_dostring(L, "package.path = ''\n"
                                    "package.cpath = ''\n"
                                    "local neap = require 'neap'\n"
                                    "neap.spawn(neap.sleep, 0):await()"));
}

static void require_finds_neap_in_the_library(void **state) {
  (void)state;
  memory m = {0};
  lua_State *L = make(&m);
  assert_null(neap_lua_engine(L));
  assert_int_equal(0, open_with(L, &m));
  assert_non_null(neap_lua_engine(L));
  run_script(L);
  lua_close(L);
  assert_int_equal(0, m.live);
}

static void a_state_is_opened_once(void **state) {
  (void)state;
  memory m = {0};
  lua_State *L = make(&m);
  assert_int_equal(0, neap_lua_open(L, NULL));
  assert_int_equal(NEAP_EBUSY, neap_lua_open(L, NULL));
  lua_close(L);
}

static void what_is_wrong_is_refused(void **state) {
  (void)state;
  memory m = {0};
  lua_State *L = make(&m);
  neap_lua_opts opts = {0};
  assert_int_equal(NEAP_EINVAL, neap_lua_open(NULL, NULL));
  assert_int_equal(NEAP_EINVAL, neap_lua_open(L, &opts));
  assert_null(neap_lua_engine(L));
  assert_int_equal(0, neap_lua_open(L, NULL));
  lua_close(L);
}

/* Refuses each request in turn; afterwards the state opens with memory. */
static void sweep(bool for_good) {
  long n = 0;
  int status;
  do {
    memory m = {.for_good = for_good};
    lua_State *L = make(&m);
    m.fail_at = ++n;
    status = open_with(L, &m);
    bool was_refused = m.requests >= n;
    m.fail_at = 0;
    if (status < 0) {
      assert_true(was_refused);
      assert_int_equal(NEAP_ENOMEM, status);
      assert_int_equal(0, open_with(L, &m));
    }
    run_script(L);
    lua_close(L);
    assert_int_equal(0, m.live);
    if (!was_refused)
      return;
  } while (n < 100000);
  fail_msg("there is no end of it");
}

static void memory_may_be_refused_once(void **state) {
  (void)state;
  sweep(false);
}

static void memory_may_be_refused_from_then_on(void **state) {
  (void)state;
  sweep(true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(require_finds_neap_in_the_library),
      cmocka_unit_test(a_state_is_opened_once),
      cmocka_unit_test(what_is_wrong_is_refused),
      cmocka_unit_test(memory_may_be_refused_once),
      cmocka_unit_test(memory_may_be_refused_from_then_on),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
