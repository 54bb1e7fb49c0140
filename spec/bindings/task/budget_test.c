/* Slices that run Lua: each ends when its budget is over, wherever the code is,
 * and code that never waits is ended. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "neap_lua.h"
#include "patience.h"

/* A millisecond of a machine that nothing slows down. */
#define MS (patience() * UINT64_C(1000000))

/* What every script begins with. */
static const char prelude[] = "neap = require 'neap'\n"
                              "function spin(seconds)\n"
                              "  local till = os.clock() + seconds * patience\n"
                              "  while os.clock() < till do end\n"
                              "end\n";

/* All is to be the same with a signal that states are lent. */
static int lent_signal;

static lua_State *make(uint64_t limit_ns) {
  lua_State *L;
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  opts.compute_limit_ns = limit_ns;
  opts.preempt_signal = lent_signal;
  assert_int_equal(0, neap_lua_new(&opts, &L));
  lua_pushinteger(L, (lua_Integer)patience());
  lua_setglobal(L, "patience");
  assert_int_equal(LUA_OK, luaL_dostring(L, prelude));
  return L;
}

static void run(lua_State *L, const char *script) {
  if (luaL_dostring(L, script) != LUA_OK)
    fail_msg("%s", luaL_tolstring(L, -1, NULL));
}

/* What slices did until nothing was pending. */
typedef struct tally {
  int slices, preempted, overran;
  uint64_t longest; /* ns */
  char in_the_way[64];
} tally;

static tally drive(lua_State *L, uint64_t budget_ns) {
  tally t = {0};
  neap_engine *engine = neap_lua_engine(L);
  while (neap_pending(engine) > 0) {
    neap_slice_info info = NEAP_SLICE_INFO_INIT;
    assert_true(neap_slice(engine, budget_ns, &info) >= 0);
    if (info.used_ns > t.longest)
      t.longest = info.used_ns;
    t.preempted += info.preempted;
    if (info.overran) {
      t.overran++;
      if (strcmp(info.in_the_way, "done") != 0) /* another program's turn */
        snprintf(t.in_the_way, sizeof t.in_the_way, "%s", info.in_the_way);
    }
    if (++t.slices > 100000)
      fail_msg("there is no end of it");
  }
  return t;
}

static void assert_global(lua_State *L, const char *expected,
                          const char *name) {
  lua_getglobal(L, name);
  assert_string_equal(expected, luaL_tolstring(L, -1, NULL));
  lua_pop(L, 2);
}

/* Spawns a function that computes for 20 ms by `script`, as many slices do; it
 * sets `result`. */
static void expect_cuts(const char *script, const char *result) {
  lua_State *L = make(NEAP_FOREVER);
  run(L, script);
  tally t = drive(L, MS);
  assert_global(L, result, "result");
  if (t.preempted < 10)
    fail_msg("only %d slices were preempted", t.preempted);
  lua_close(L);
}

static void a_loop_is_cut_short(void **state) {
  (void)state;
  expect_cuts("neap.spawn(function() spin(0.02) result = 1 end)", "1");
}

static void so_is_code_below_pcall(void **state) {
  (void)state;
  expect_cuts(
      "neap.spawn(function()\n"
      "  result = select(2, pcall(function()\n"
      "    return select(2, xpcall(function() spin(0.02) return 7 end,\n"
      "      print))\n"
      "  end))\n"
      "end)",
      "7");
}

static void so_is_a_coroutine_of_the_user(void **state) {
  (void)state;
  expect_cuts(
      "neap.spawn(function()\n"
      "  local inner = coroutine.wrap(function(a)\n"
      "    spin(0.01)\n"
      "    local b = coroutine.yield(a + 1)\n"
      "    spin(0.01)\n"
      "    return a + b\n"
      "  end)\n"
      "  local co = coroutine.create(function() return inner(1), inner(10) "
      "end)\n"
      "  local ok, x, y = coroutine.resume(co)\n"
      "  result = ('%s %s %s %s'):format(ok, x, y, coroutine.status(co))\n"
      "end)",
      "true 2 11 dead");
}

static void so_is_a_metamethod(void **state) {
  (void)state;
  expect_cuts("local t = setmetatable({}, { __index = function()\n"
              "  spin(0.02) return 5 end })\n"
              "neap.spawn(function() result = t.x + 1 end)",
              "6");
}

static void so_is_the_closing_of_a_variable(void **state) {
  (void)state;
  expect_cuts("neap.spawn(function()\n"
              "  do local x <close> = setmetatable({}, { __close = function()\n"
              "    spin(0.02) result = 'closed' end }) end\n"
              "end)",
              "closed");
}

static void so_is_a_flow_whose_nodes_have_no_methods(void **state) {
  (void)state;
  lua_State *L = make(5 * MS);
  run(L, "local a, b = neap.Node { name = 'a' }, neap.Node { name = 'b' }\n"
         "a:to(b) b:to(a)\n"
         "neap.spawn(function()\n"
         "  local ok, err = pcall(function()\n"
         "    neap.Flow { start = a }:run()\n"
         "  end)\n"
         "  result = err.code\n"
         "end)");
  tally t = drive(L, MS);
  assert_global(L, "compute", "result");
  assert_true(t.preempted >= 3);
  lua_close(L);
}

static void what_calls_back_is_cut_short_when_it_returns(void **state) {
  (void)state;
  lua_State *L = make(NEAP_FOREVER);
  run(L, "neap.spawn(function()\n"
         "  local list = { 3, 1, 2 }\n"
         "  table.sort(list, function(a, b) spin(0.002) return a < b end)\n"
         "  spin(0.003)\n"
         "  result = table.concat(list)\n"
         "end)");
  tally t = drive(L, MS);
  assert_global(L, "123", "result");
  assert_true(t.overran >= 1);
  assert_string_equal("table.sort", t.in_the_way);
  assert_true(t.preempted >= 2);
  lua_close(L);
}

static void no_other_task_runs_meanwhile(void **state) {
  (void)state;
  lua_State *L = make(NEAP_FOREVER);
  run(L, "seen = {}\n"
         "for i = 1, 3 do neap.spawn(function()\n"
         "  seen[#seen + 1] = i\n"
         "  spin(0.005)\n"
         "  seen[#seen + 1] = i\n"
         "end) end\n");
  tally t = drive(L, MS);
  run(L, "result = table.concat(seen)");
  assert_global(L, "112233", "result");
  assert_true(t.preempted >= 9);
  lua_close(L);
}

/* Runs a script whose task would never end, and expects its code. */
static void expect_end(const char *script) {
  lua_State *L = make(5 * MS);
  run(L, script);
  tally t = drive(L, MS);
  run(L, "local ok, err = pcall(task.await, task)\n"
         "result = not ok and (type(err) == 'table' and err.code or err)");
  assert_global(L, "compute", "result");
  if (t.slices > 60)
    fail_msg("%d slices", t.slices);
  lua_close(L);
}

static void code_that_never_waits_is_ended(void **state) {
  (void)state;
  expect_end("task = neap.spawn(function() while true do end end)");
}

static void no_pcall_catches_that(void **state) {
  (void)state;
  expect_end("task = neap.spawn(function()\n"
             "  while true do pcall(function() while true do end end) end\n"
             "end)");
}

static void no_message_handler_does(void **state) {
  (void)state;
  expect_end("task = neap.spawn(function()\n"
             "  local function forever() while true do end end\n"
             "  while true do xpcall(function()\n"
             "    xpcall(forever, forever)\n"
             "  end, forever) end\n"
             "end)");
}

static void no_coroutine_does(void **state) {
  (void)state;
  expect_end("task = neap.spawn(function()\n"
             "  while true do\n"
             "    coroutine.resume(coroutine.create(function()\n"
             "      pcall(coroutine.wrap(function() while true do end end))\n"
             "    end))\n"
             "  end\n"
             "end)");
}

static void nor_a_comparator(void **state) {
  (void)state;
  expect_end("task = neap.spawn(function()\n"
             "  while true do\n"
             "    pcall(table.sort, { 1, 2, 3 }, function() while true do end "
             "end)\n"
             "  end\n"
             "end)");
}

static void nor_the_closing_of_a_variable(void **state) {
  (void)state;
  expect_end("task = neap.spawn(function()\n"
             "  local function forever() while true do end end\n"
             "  local meta = { __close = forever }\n"
             "  local function deep(n)\n"
             "    local x <close> = setmetatable({}, meta)\n"
             "    if n > 0 then deep(n - 1) end\n"
             "    forever()\n"
             "  end\n"
             "  deep(20)\n"
             "end)");
}

static void nor_the_closing_of_a_variable_that_makes_another(void **state) {
  (void)state;
  expect_end("task = neap.spawn(function()\n"
             "  local meta = {}\n"
             "  local function f()\n"
             "    local x <close> = setmetatable({}, meta)\n"
             "    while true do end\n"
             "  end\n"
             "  meta.__close = f\n"
             "  f()\n"
             "end)");
}

static void nor_an_observer(void **state) {
  (void)state;
  expect_end("local n = neap.Node { name = 'n', exec = function() end }\n"
             "task = neap.spawn(neap.Flow { start = n }, {}, {\n"
             "  on_event = function() while true do end end })");
}

static void deep_code_is_ended_soon(void **state) {
  (void)state;
  expect_end("task = neap.spawn(function()\n"
             "  local function deep(n)\n"
             "    if n == 0 then while true do end end\n"
             "    return (deep(n - 1))\n"
             "  end\n"
             "  xpcall(deep, print, 150000)\n"
             "end)");
}

static void a_variable_is_closed_before(void **state) {
  (void)state;
  lua_State *L = make(5 * MS);
  run(L, "neap.spawn_detached(function()\n"
         "  local x <close> = setmetatable({}, { __close = function(_, err)\n"
         "    neap.shield(1, neap.sleep, 0.001)\n"
         "    result = err.code\n"
         "  end })\n"
         "  while true do end\n"
         "end)");
  drive(L, MS);
  assert_global(L, "compute", "result");
  lua_close(L);
}

static void the_run_ends_and_is_not_tried_again(void **state) {
  (void)state;
  lua_State *L = make(5 * MS);
  run(L, "count = 0\n"
         "local n = neap.BatchNode { name = 'n', max_retries = 5,\n"
         "  concurrency = 2, on_item_error = 'collect',\n"
         "  prep = function() return { 1, 2 } end,\n"
         "  exec = function(_, item)\n"
         "    count = count + 1\n"
         "    if item == 1 then neap.sleep(1) end\n"
         "    while true do end\n"
         "  end }\n"
         "neap.spawn(function()\n"
         "  local ok, err = pcall(neap.Flow { start = n }.run,\n"
         "    neap.Flow { start = n })\n"
         "  result = ('%s %s %d'):format(ok, err.code, count)\n"
         "end)");
  drive(L, MS);
  assert_global(L, "false compute 2", "result");
  lua_close(L);
}

static void a_time_limit_acts_where_code_computes(void **state) {
  (void)state;
  lua_State *L = make(NEAP_FOREVER);
  run(L, "neap.spawn(function()\n"
         "  local ok, err = pcall(neap.timeout, 0.01 * patience, function()\n"
         "    while true do end\n"
         "  end)\n"
         "  result = err.code\n"
         "end)");
  drive(L, MS);
  assert_global(L, "timeout", "result");
  lua_close(L);
}

/* The hook that a host has set. */
static int lines;

static void count_line(lua_State *L, lua_Debug *ar) {
  (void)L;
  lines += ar->event == LUA_HOOKLINE;
}

static int set_line_hook(lua_State *L) {
  lua_sethook(L, count_line, LUA_MASKLINE, 0);
  return 0;
}

static void a_hook_that_was_there_goes_on_being_called(void **state) {
  (void)state;
  lua_State *L = make(NEAP_FOREVER);
  lua_register(L, "set_line_hook", set_line_hook);
  run(L, "neap.spawn(function()\n"
         "  set_line_hook()\n"
         "  neap.sleep(0)\n"
         "  for i = 1, 100000 do\n"
         "    local x = i\n"
         "  end\n"
         "  local hook, mask = debug.gethook()\n"
         "  result = mask\n"
         "end)");
  lines = 0;
  tally t = drive(L, MS);
  assert_true(t.preempted >= 1);
  assert_in_range(lines, 200000, 200100);
  lua_close(L);
}

/* Starts a run of a flow that calls `exec`, with this limit, and returns the
 * code with which it ends. */
static const char *code_of_run(lua_State *L, const char *exec,
                               uint64_t limit_ns) {
  static char text[512], code[32];
  snprintf(text, sizeof text,
           "local neap = require 'neap'\n"
           "return neap.Node { exec = function() %s end }",
           exec);
  neap_lua_flow flow;
  assert_int_equal(0, neap_lua_load(L, "n.lua", text, strlen(text), &flow));
  neap_start_opts opts = NEAP_START_OPTS_INIT;
  opts.compute_limit_ns = limit_ns;
  neap_token run;
  assert_int_equal(0, neap_lua_start(L, flow, 0, &opts, &run));
  drive(L, MS);
  neap_report report = NEAP_REPORT_INIT;
  assert_int_equal(0, neap_next_report(neap_lua_engine(L), &report));
  snprintf(code, sizeof code, "%s", report.code);
  return code;
}

static void a_run_can_have_a_limit_of_its_own(void **state) {
  (void)state;
  lua_State *L = make(NEAP_FOREVER);
  assert_string_equal("", code_of_run(L, "spin(0.02)", 0));
  assert_string_equal("compute", code_of_run(L, "spin(5)", 4 * MS));
  assert_string_equal(
      "compute",
      code_of_run(L, "neap.spawn(function() spin(5) end):await()", 4 * MS));
  assert_string_equal("compute",
                      code_of_run(L,
                                  "neap.Flow { start = neap.BatchNode {\n"
                                  "prep = function() return { 1 } end,\n"
                                  "exec = function() spin(5) end } }:run()",
                                  4 * MS));
  lua_close(L);
  L = make(4 * MS);
  assert_string_equal("compute", code_of_run(L, "spin(5)", 0));
  assert_string_equal("", code_of_run(L, "spin(0.02)", 500 * MS));
  assert_string_equal("", code_of_run(L, "spin(0.02)", NEAP_FOREVER));
  assert_string_equal("compute", code_of_run(L, "spin(5)", 8 * MS));
  lua_close(L);
}

/* What a script finds as its hook when it has computed for 2 ms in a slice. */
static void expect_hook(lua_State *L, const char *expected) {
  run(L, "neap.spawn(function()\n"
         "  spin(0.002) result = tostring(debug.gethook())\n"
         "end)");
  drive(L, 100 * MS);
  assert_global(L, expected, "result");
}

static void a_signal_that_is_lent_does_without_a_hook(void **state) {
  (void)state;
  lua_State *L = make(NEAP_FOREVER);
  expect_hook(L, lent_signal ? "nil" : "external hook");
  lua_close(L);
}

static void a_signal_that_is_blocked_does_not(void **state) {
  (void)state;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGRTMIN + 1);
  assert_int_equal(0, pthread_sigmask(SIG_BLOCK, &signals, NULL));
  lua_State *L = make(NEAP_FOREVER);
  expect_hook(L, "external hook");
  lua_close(L);
  expect_cuts("neap.spawn(function() spin(0.02) result = 1 end)", "1");
  assert_int_equal(0, pthread_sigmask(SIG_UNBLOCK, &signals, NULL));
}

static void *drive_elsewhere(void *ud) {
  tally *t = malloc(sizeof *t);
  if (t)
    *t = drive(ud, MS);
  return t;
}

static void it_comes_to_the_thread_of_the_slice(void **state) {
  (void)state;
  lua_State *L = make(NEAP_FOREVER);
  for (int i = 0; i < 3; i++) {
    run(L, "neap.spawn(function() spin(0.02) end)");
    tally *t = NULL;
    pthread_t thread;
    assert_int_equal(0, pthread_create(&thread, NULL, drive_elsewhere, L));
    pthread_join(thread, (void **)&t);
    assert_non_null(t);
    assert_true(t->preempted >= 10);
    free(t);
    expect_hook(L, lent_signal ? "nil" : "external hook");
  }
  lua_close(L);
}

static bool has_handler(int number) {
  struct sigaction action;
  assert_int_equal(0, sigaction(number, NULL, &action));
  return (action.sa_flags & SA_SIGINFO) || action.sa_handler != SIG_DFL;
}

static void ignore(int number) {
  (void)number;
}

static void a_signal_is_given_back(void **state) {
  (void)state;
  int number = SIGRTMIN + 2;
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  opts.preempt_signal = number;
  lua_State *first, *second;
  assert_int_equal(0, neap_lua_new(&opts, &first));
  assert_true(has_handler(number));
  assert_int_equal(0, neap_lua_new(&opts, &second));
  lua_close(first);
  assert_true(has_handler(number));
  assert_int_equal(0, raise(number)); /* nothing comes of it */
  lua_close(second);
  assert_false(has_handler(number));

  struct sigaction other = {.sa_handler = ignore};
  assert_int_equal(0, sigaction(number, &other, NULL));
  assert_int_equal(NEAP_EBUSY, neap_lua_new(&opts, &first));
  other.sa_handler = SIG_DFL;
  assert_int_equal(0, sigaction(number, &other, NULL));
  const int wrong[] = {-1, SIGUSR1, SIGRTMIN - 1, SIGRTMAX + 1};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    opts.preempt_signal = wrong[i];
    assert_int_equal(NEAP_EINVAL, neap_lua_new(&opts, &first));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_loop_is_cut_short),
      cmocka_unit_test(so_is_code_below_pcall),
      cmocka_unit_test(so_is_a_coroutine_of_the_user),
      cmocka_unit_test(so_is_a_metamethod),
      cmocka_unit_test(so_is_the_closing_of_a_variable),
      cmocka_unit_test(so_is_a_flow_whose_nodes_have_no_methods),
      cmocka_unit_test(what_calls_back_is_cut_short_when_it_returns),
      cmocka_unit_test(no_other_task_runs_meanwhile),
      cmocka_unit_test(code_that_never_waits_is_ended),
      cmocka_unit_test(no_pcall_catches_that),
      cmocka_unit_test(no_message_handler_does),
      cmocka_unit_test(no_coroutine_does),
      cmocka_unit_test(nor_a_comparator),
      cmocka_unit_test(nor_the_closing_of_a_variable),
      cmocka_unit_test(nor_the_closing_of_a_variable_that_makes_another),
      cmocka_unit_test(nor_an_observer),
      cmocka_unit_test(deep_code_is_ended_soon),
      cmocka_unit_test(a_variable_is_closed_before),
      cmocka_unit_test(a_run_can_have_a_limit_of_its_own),
      cmocka_unit_test(the_run_ends_and_is_not_tried_again),
      cmocka_unit_test(a_time_limit_acts_where_code_computes),
      cmocka_unit_test(a_hook_that_was_there_goes_on_being_called),
      cmocka_unit_test(a_signal_that_is_lent_does_without_a_hook),
      cmocka_unit_test(it_comes_to_the_thread_of_the_slice),
  };
  const struct CMUnitTest signals[] = {
      cmocka_unit_test(a_signal_that_is_blocked_does_not),
      cmocka_unit_test(a_signal_is_given_back),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  lent_signal = SIGRTMIN + 1;
  failed += cmocka_run_group_tests(tests, NULL, NULL);
  return failed + cmocka_run_group_tests(signals, NULL, NULL);
}
