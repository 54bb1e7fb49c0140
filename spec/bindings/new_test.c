/* neap_lua_new: what it refuses, whose memory it uses, and that it survives
 * being refused any. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdlib.h>

#include "neap_lua.h"
#include "short_memory.h"

/* Makes a state whose memory, and that of its engine, comes from `m`. */
static int make(memory *m, lua_State **out) {
  neap_engine_opts engine = NEAP_ENGINE_OPTS_INIT;
  engine.alloc.fn = allocate;
  engine.alloc.ud = m;
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  opts.engine = &engine;
  return neap_lua_new(&opts, out);
}

static void run_script(lua_State *L) {
  const char *script = "local neap = require 'neap'\n"
                       "neap.spawn(neap.sleep, 0):await()\n"
                       "assert(io and os and string.rep and package)";
  if (luaL_dostring(L, script) != LUA_OK)
    fail_msg("%s", lua_tostring(L, -1));
}

static void a_new_state_has_the_libraries_and_neap(void **state) {
  (void)state;
  lua_State *L;
  assert_int_equal(0, neap_lua_new(NULL, &L));
  assert_non_null(neap_lua_engine(L));
  assert_int_equal(0, lua_gettop(L));
  run_script(L);
  assert_int_equal(NEAP_EBUSY, neap_lua_open(L, NULL));
  lua_close(L);
}

/* How many of the descriptors that a few states could need are open. */
static int count_descriptors(void) {
  int count = 0;
  for (int file = 0; file < 256; file++)
    count += fcntl(file, F_GETFD) >= 0;
  return count;
}

/* libuv opens two more with the first loop of a process, which it keeps. */
static void a_state_and_its_engine_have_four_descriptors(void **state) {
  (void)state;
  lua_State *first, *L;
  assert_int_equal(0, neap_lua_new(NULL, &first));
  int before = count_descriptors();
  assert_int_equal(0, neap_lua_new(NULL, &L));
  run_script(L);
  assert_int_equal(before + 4, count_descriptors());
  lua_close(L);
  assert_int_equal(before, count_descriptors());
  lua_close(first);
}

static void all_memory_comes_from_the_host(void **state) {
  (void)state;
  memory m = {0};
  lua_State *L;
  assert_int_equal(0, make(&m, &L));
  run_script(L);
  assert_true(m.live > 10000);
  lua_close(L);
  assert_int_equal(0, m.live);
}

static void done(neap_op *op) {
  (void)op;
}

/* An object of the engine that the host frees after the state. */
static void the_allocator_lasts_as_long_as_what_came_from_it(void **state) {
  (void)state;
  memory m = {0};
  lua_State *L;
  assert_int_equal(0, make(&m, &L));
  neap_op op;
  neap_op_init(&op, done, NULL);
  neap_engine *engine = neap_lua_engine(L);
  neap_fs_result *result = NULL;
  assert_int_equal(0, neap_fs_read(engine, &op, "/dev/null", 0, &result));
  while (neap_op_active(&op))
    neap_poll(engine, NEAP_FOREVER);
  lua_close(L);
  assert_true(m.live > 0);
  neap_fs_free(result);
  assert_int_equal(0, m.live);
}

static void what_is_wrong_is_refused(void **state) {
  (void)state;
  lua_State *L = NULL;
  neap_lua_opts opts = {0};
  neap_engine_opts engine = {0};
  assert_int_equal(NEAP_EINVAL, neap_lua_new(NULL, NULL));
  assert_int_equal(NEAP_EINVAL, neap_lua_new(&opts, &L));
  opts.size = sizeof opts;
  opts.engine = &engine;
  assert_int_equal(NEAP_EINVAL, neap_lua_new(&opts, &L));
  assert_null(L);
}

/* Refuses each request of a new state in turn, and those after it or not. */
static void sweep(bool for_good) {
  long n = 0;
  int status;
  do {
    memory m = {.fail_at = ++n, .for_good = for_good};
    lua_State *L = NULL;
    status = make(&m, &L);
    bool was_refused = m.requests >= n;
    m.fail_at = 0;
    if (status < 0) {
      assert_true(was_refused);
      assert_int_equal(NEAP_ENOMEM, status);
      assert_null(L);
    } else {
      run_script(L);
      lua_close(L);
    }
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
      cmocka_unit_test(a_new_state_has_the_libraries_and_neap),
      cmocka_unit_test(a_state_and_its_engine_have_four_descriptors),
      cmocka_unit_test(all_memory_comes_from_the_host),
      cmocka_unit_test(the_allocator_lasts_as_long_as_what_came_from_it),
      cmocka_unit_test(what_is_wrong_is_refused),
      cmocka_unit_test(memory_may_be_refused_once),
      cmocka_unit_test(memory_may_be_refused_from_then_on),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
