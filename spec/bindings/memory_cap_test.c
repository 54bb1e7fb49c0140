/* A cap of memory: the run that grows most is ended, and no other one.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "neap_lua.h"
#include "short_memory.h"

#define MS UINT64_C(1000000)
#define MB ((size_t)1 << 20)

static lua_State *make(size_t cap, memory *m) {
  neap_engine_opts engine = NEAP_ENGINE_OPTS_INIT;
  engine.clock = NEAP_CLOCK_VIRTUAL;
  engine.alloc = (neap_alloc){.fn = allocate, .ud = m};
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  opts.engine = &engine;
  opts.memory_cap = cap;
  opts.compute_limit_ns = NEAP_FOREVER;
  lua_State *L;
  assert_int_equal(0, neap_lua_new(&opts, &L));
  return L;
}

static void run(lua_State *L, const char *script) {
  if (luaL_dostring(L, script) != LUA_OK)
    fail_msg("%s", luaL_tolstring(L, -1, NULL));
}

static neap_lua_memory usage(lua_State *L) {
  neap_lua_memory u = NEAP_LUA_MEMORY_INIT;
  assert_int_equal(0, neap_lua_usage(L, &u));
  return u;
}

static lua_Integer number(lua_State *L, const char *name) {
  lua_getglobal(L, name);
  lua_Integer n = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return n;
}

/* A hundred flows that wait and allocate a little, until `stop` is set. */
static lua_State *make_with_bystanders(memory *m) {
  lua_State *L = make(4 * MB, m);
  run(L, "neap = require 'neap'\n"
         "done, stop, kept = 0, false, {}\n"
         "local Tick = neap.Node:extend { name = 'Tick' }\n"
         "function Tick:exec(shared)\n"
         "  neap.sleep(0.005)\n"
         "  local t = {}\n"
         "  for i = 1, 20 do t[i] = { i } end\n"
         "  shared.n = shared.n + 1\n"
         "end\n"
         "function Tick:post() return stop and 'stop' or 'on' end\n"
         "local tick = Tick()\n"
         "tick:to(tick, 'on')\n"
         "for i = 1, 100 do neap.spawn(function()\n"
         "  neap.Flow { start = tick }:run { n = 0 }\n"
         "  done = done + 1\n"
         "end) end\n");
  return L;
}

/* Drives the state until nothing is left. All of the hundred have gone on to
 * their end, and what was given to `greedy` has ended with the code "memory".
 */
static void expect_greedy_alone(lua_State *L, memory *m, uint64_t budget_ns) {
  neap_engine *engine = neap_lua_engine(L);
  while (neap_pending(engine) > 0) {
    if (budget_ns > 0)
      assert_true(neap_slice(engine, budget_ns, NULL) >= 0);
    else
      assert_true(neap_poll(engine, NEAP_FOREVER) >= 0);
  }
  lua_getglobal(L, "code");
  assert_string_equal("memory", luaL_tolstring(L, -1, NULL));
  lua_pop(L, 2);
  assert_int_equal(100, number(L, "done"));
  assert_in_range(usage(L).peak, 4 * MB - 65536, 4 * MB + 320 * 1024);
  lua_close(L);
  assert_int_equal(0, m->live);
}

/* A task that runs `hog` ends, and the one that awaits it goes on. */
static void expect_hog_alone(const char *hog, uint64_t budget_ns) {
  memory m = {0};
  lua_State *L = make_with_bystanders(&m);
  lua_pushstring(L, hog);
  lua_setglobal(L, "hog");
  run(L, "neap.spawn(function()\n"
         "  neap.sleep(0.1)\n"
         "  local task = neap.spawn(assert(load(hog)))\n"
         "  local ok, err = pcall(task.await, task)\n"
         "  code = type(err) == 'table' and err.code or tostring(err)\n"
         "  neap.sleep(0.1)\n"
         "  stop = true\n"
         "end)");
  expect_greedy_alone(L, &m, budget_ns);
}

static void expect_hog(const char *hog) {
  expect_hog_alone(hog, MS);
  expect_hog_alone(hog, 0);
}

static void a_table_that_grows_ends_its_run(void **state) {
  (void)state;
  expect_hog("local t = {} while true do t[#t + 1] = {} end");
}

static void a_string_that_grows(void **state) {
  (void)state;
  expect_hog("local s = '' while true do s = s .. ('x'):rep(1000) end");
}

static void no_pcall_catches_it(void **state) {
  (void)state;
  expect_hog("local t = {}\n"
             "while true do pcall(function()\n"
             "  while true do t[#t + 1] = {} end\n"
             "end) end");
}

static void slow_growth_is_ended_in_its_wait(void **state) {
  (void)state;
  expect_hog("local t = {}\n"
             "while true do\n"
             "  for i = 1, 200 do t[#t + 1] = {} end\n"
             "  require 'neap'.sleep(0.001)\n"
             "end");
}

static void deep_recursion(void **state) {
  (void)state;
  expect_hog("local function f(n) return 1 + f(n .. 'x') end return f('x')");
}

static void many_tasks_of_one(void **state) {
  (void)state;
  expect_hog("local neap = require 'neap'\n"
             "local list = {}\n"
             "while true do\n"
             "  list[#list + 1] = neap.spawn(neap.sleep, 1000)\n"
             "end");
}

static void branches_count_as_their_run(void **state) {
  (void)state;
  expect_hog("local neap = require 'neap'\n"
             "local function grow()\n"
             "  local t = {}\n"
             "  while true do\n"
             "    for i = 1, 10 do t[#t + 1] = {} end\n"
             "    neap.sleep(0.001)\n"
             "  end\n"
             "end\n"
             "local branches = {}\n"
             "for i = 1, 50 do branches[i] = neap.Node { exec = grow } end\n"
             "neap.parallel(branches):run {}");
}

/* A run of which no task uses much, but all together do, ends as a whole. */
static void expect_bomb_alone(const char *bomb, uint64_t budget_ns) {
  memory m = {0};
  lua_State *L = make_with_bystanders(&m);
  lua_pushstring(L, bomb);
  lua_setglobal(L, "bomb");
  run(L, "local task = neap.spawn(assert(load(bomb)))\n"
         "neap.spawn(function()\n"
         "  local ok, err = pcall(task.await, task)\n"
         "  code = type(err) == 'table' and err.code or tostring(err)\n"
         "  neap.sleep(0.1)\n"
         "  stop = true\n"
         "end)");
  expect_greedy_alone(L, &m, budget_ns);
}

static void expect_bomb(const char *bomb) {
  expect_bomb_alone(bomb, MS);
  expect_bomb_alone(bomb, 0);
}

static void tasks_that_spawn_tasks(void **state) {
  (void)state;
  expect_bomb("local neap = require 'neap'\n"
              "local function f()\n"
              "  neap.spawn(f) neap.spawn(f) neap.sleep(100)\n"
              "end\n"
              "f()");
}

static void tasks_that_spawn_and_catch_all(void **state) {
  (void)state;
  expect_bomb("local neap = require 'neap'\n"
              "local function f()\n"
              "  while true do\n"
              "    pcall(neap.spawn, f) pcall(neap.spawn, f)\n"
              "    pcall(neap.sleep, 0)\n"
              "  end\n"
              "end\n"
              "f()");
}

static void a_chain_of_tasks_that_try_again(void **state) {
  (void)state;
  expect_bomb("local neap = require 'neap'\n"
              "local function f()\n"
              "  while true do\n"
              "    pcall(function() neap.spawn(f):await() end)\n"
              "  end\n"
              "end\n"
              "f()");
}

static void detached_tasks_belong_to_the_run_that_spawned_them(void **state) {
  (void)state;
  expect_bomb("local neap = require 'neap'\n"
              "local function f()\n"
              "  while true do\n"
              "    pcall(neap.spawn_detached, f)\n"
              "    neap.sleep(0)\n"
              "  end\n"
              "end\n"
              "f()");
}

static void tasks_that_clean_up_by_spawning(void **state) {
  (void)state;
  expect_bomb("local neap = require 'neap'\n"
              "local f\n"
              "local guard = setmetatable({}, { __close = function()\n"
              "  for i = 1, 100 do pcall(neap.shield, 1, f) end\n"
              "end })\n"
              "function f()\n"
              "  local _ <close> = guard\n"
              "  while true do\n"
              "    pcall(neap.spawn_detached, f) pcall(neap.spawn, f)\n"
              "    pcall(neap.sleep, 0)\n"
              "  end\n"
              "end\n"
              "f()");
}

/* What Lua collects while a run asks for memory may be another's garbage. */
static void garbage_is_held_against_whoever_made_it(void **state) {
  (void)state;
  memory m = {0};
  lua_State *L = make_with_bystanders(&m);
  run(L, "busy = neap.spawn(function()\n"
         "  while not stop do\n"
         "    local t = {}\n"
         "    for i = 1, 400 do t[i] = { i, {} } end\n"
         "    neap.sleep(0.001)\n"
         "  end\n"
         "  is_well = 1\n"
         "end)\n"
         "local task = neap.spawn(function()\n"
         "  local t = {}\n"
         "  while true do t[#t + 1] = {} neap.sleep(0.00001) end\n"
         "end)\n"
         "neap.spawn(function()\n"
         "  local ok, err = pcall(task.await, task)\n"
         "  code = type(err) == 'table' and err.code or tostring(err)\n"
         "  stop = true\n"
         "  busy:await()\n"
         "end)");
  while (number(L, "is_well") == 0 && neap_pending(neap_lua_engine(L)) > 0)
    neap_slice(neap_lua_engine(L), MS, NULL);
  assert_int_equal(1, number(L, "is_well"));
  expect_greedy_alone(L, &m, MS);
}

static void one_request_that_is_too_large_is_an_ordinary_error(void **state) {
  (void)state;
  memory m = {0};
  lua_State *L = make(4 * MB, &m);
  run(L, "neap = require 'neap'\n"
         "task = neap.spawn(function()\n"
         "  local ok, err = pcall(string.rep, 'x', 1 << 30)\n"
         "  result = err\n"
         "end)");
  neap_slice(neap_lua_engine(L), 100 * MS, NULL);
  lua_getglobal(L, "result");
  assert_string_equal("not enough memory", lua_tostring(L, -1));
  lua_close(L);
  assert_int_equal(0, m.live);
}

static void what_globals_keep_makes_a_state_full(void **state) {
  (void)state;
  memory m = {0};
  lua_State *L = make(2 * MB, &m);
  run(L, "neap = require 'neap'\n"
         "kept, n = {}, 0\n"
         "local function run()\n"
         "  for i = 1, 100 do kept[#kept + 1] = { i } end\n"
         "  n = n + 1\n"
         "end\n"
         "function start() neap.spawn_detached(run) end\n");
  assert_false(usage(L).full);
  for (int i = 0; i < 1000 && !usage(L).full; i++) {
    if (luaL_dostring(L, "start()") != LUA_OK)
      lua_pop(L, 1);
    while (neap_pending(neap_lua_engine(L)) > 0)
      neap_slice(neap_lua_engine(L), 100 * MS, NULL);
  }
  assert_true(usage(L).full);
  assert_true(number(L, "n") > 50);
  run(L, "kept = nil collectgarbage()");
  assert_false(usage(L).full);
  lua_close(L);
  assert_int_equal(0, m.live);
}

static lua_Integer reported;

static int report(lua_State *L) {
  reported = lua_tointeger(L, 1);
  return 0;
}

static void finalizers_have_the_reserve_at_the_end(void **state) {
  (void)state;
  memory m = {0};
  lua_State *L = make(2 * MB, &m);
  lua_register(L, "report", report);
  run(L, "neap = require 'neap'\n"
         "local t = {}\n"
         "keep = setmetatable({}, { __gc = function()\n"
         "  for i = 1, 1000 do t[i] = { i } end\n"
         "  report(#t)\n"
         "end })\n"
         "kept = {}\n"
         "neap.spawn_detached(function()\n"
         "  while true do kept[#kept + 1] = { kept } end\n"
         "end)");
  while (neap_pending(neap_lua_engine(L)) > 0)
    neap_poll(neap_lua_engine(L), 0);
  size_t used = usage(L).used;
  assert_true(used + 32768 > 2 * MB);
  reported = 0;
  lua_close(L);
  assert_int_equal(1000, reported);
  assert_int_equal(0, m.live);
}

static void count_warning(void *ud, const char *message, int to_continue) {
  (void)message;
  *(int *)ud += !to_continue;
}

/* A finalizer that is refused memory leaves open what it should close. And a
 * hog that goes on when it is refused keeps another one from ending. */
static void finalizers_are_not_refused_at_the_cap(void **state) {
  (void)state;
  memory m = {0};
  lua_State *L = make(4 * MB, &m);
  int warnings = 0;
  lua_setwarnf(L, count_warning, &warnings);
  run(L, "neap = require 'neap'\n"
         "finalized = 0\n"
         "local closing = { __gc = function()\n"
         "  local t = {}\n"
         "  for i = 1, 20 do t[i] = { i } end\n"
         "  finalized = finalized + 1\n"
         "end }\n"
         "local function grow()\n"
         "  local t = {}\n"
         "  while true do\n"
         "    t[#t + 1] = {}\n"
         "    setmetatable({}, closing)\n"
         "  end\n"
         "end\n"
         "local function hog() while true do pcall(grow) end end\n"
         "for i = 1, 3 do neap.spawn(function()\n"
         "  local task = neap.spawn(hog)\n"
         "  pcall(task.await, task)\n"
         "end) end");
  while (neap_pending(neap_lua_engine(L)) > 0)
    neap_slice(neap_lua_engine(L), MS, NULL);
  assert_true(number(L, "finalized") > 1000);
  assert_int_equal(0, warnings);
  lua_close(L);
  assert_int_equal(0, m.live);
}

static void usage_is_told(void **state) {
  (void)state;
  lua_State *L;
  neap_lua_memory u = {0};
  assert_int_equal(0, neap_lua_new(NULL, &L));
  assert_int_equal(NEAP_EINVAL, neap_lua_usage(L, &u));
  assert_int_equal(NEAP_EINVAL, neap_lua_usage(NULL, &u));
  u = usage(L);
  assert_true(u.used > 0 && u.peak >= u.used && u.cap == 0 && !u.full);
  lua_close(L);
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  opts.memory_cap = 1000;
  assert_int_equal(NEAP_ENOMEM, neap_lua_new(&opts, &L));
  L = luaL_newstate();
  assert_int_equal(NEAP_EINVAL, neap_lua_open(L, &opts));
  assert_int_equal(NEAP_EINVAL, neap_lua_usage(L, &u));
  lua_close(L);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_table_that_grows_ends_its_run),
      cmocka_unit_test(a_string_that_grows),
      cmocka_unit_test(no_pcall_catches_it),
      cmocka_unit_test(slow_growth_is_ended_in_its_wait),
      cmocka_unit_test(deep_recursion),
      cmocka_unit_test(many_tasks_of_one),
      cmocka_unit_test(branches_count_as_their_run),
      cmocka_unit_test(tasks_that_spawn_tasks),
      cmocka_unit_test(tasks_that_spawn_and_catch_all),
      cmocka_unit_test(a_chain_of_tasks_that_try_again),
      cmocka_unit_test(detached_tasks_belong_to_the_run_that_spawned_them),
      cmocka_unit_test(tasks_that_clean_up_by_spawning),
      cmocka_unit_test(garbage_is_held_against_whoever_made_it),
      cmocka_unit_test(one_request_that_is_too_large_is_an_ordinary_error),
      cmocka_unit_test(what_globals_keep_makes_a_state_full),
      cmocka_unit_test(finalizers_have_the_reserve_at_the_end),
      cmocka_unit_test(finalizers_are_not_refused_at_the_cap),
      cmocka_unit_test(usage_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
