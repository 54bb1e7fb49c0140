/* neap_lua_load, unload and swap: scripts that a host loads.
 * SPDX-License-Identifier: MIT */
#include "scripts.h"

/* What has come of a script that is loaded. */
static int outcome(lua_State *L, const char *text) {
  neap_lua_flow flow;
  int status = load(L, text, &flow);
  return status < 0 ? status : finish(L, flow);
}

static void assert_why(lua_State *L, const char *text) {
  assert_string_equal(text, neap_lua_why(L));
}

#define NODE "return require('neap').Node { name = 'n' }"

static void a_script_is_run_once_and_may_wait(void **state) {
  lua_State *L = *state;
  lua_pushinteger(L, 0);
  lua_setglobal(L, "count");
  neap_lua_flow flow;
  assert_int_equal(0,
                   load(L,
                        "#!/usr/bin/env neap\n"
                        "local neap = require 'neap'\n"
                        "_ENV.seen = ... neap.sleep(0.001)\n"
                        "getmetatable(_ENV).__index.count = count + 1\n" NODE,
                        &flow));
  assert_int_equal(NEAP_EAGAIN, neap_lua_loaded(L, flow));
  assert_int_equal(0, finish(L, flow));
  lua_getglobal(L, "count");
  assert_int_equal(1, lua_tointeger(L, -1));
  lua_getglobal(L, "seen"); /* the script's own */
  assert_true(lua_isnil(L, -1));
  lua_settop(L, 0);
}

static void what_is_no_flow_is_told(void **state) {
  lua_State *L = *state;
  assert_int_equal(NEAP_EINVAL, outcome(L, "return = 1"));
  assert_why(L, "test.lua:1: unexpected symbol near '='");
  assert_int_equal(NEAP_EINVAL, outcome(L, "\x1bLua"));
  assert_why(L, "test.lua: it is compiled; the text of a script expected");
  assert_int_equal(NEAP_EFAILED, outcome(L, "error 'no luck'"));
  assert_why(L, "test.lua:1: no luck");
  assert_int_equal(NEAP_EFAILED, outcome(L, "return 3"));
  assert_why(L, "test.lua returns a number; a flow or node expected");
  assert_int_equal(NEAP_EFAILED, outcome(L, "return require('neap').Flow()"));
  assert_non_null(strstr(neap_lua_why(L), "the flow Flow has no start"));
  assert_int_equal(NEAP_EFAILED,
                   outcome(L, "error(setmetatable({}, {__tostring = function() "
                              "error 'twice' end}))"));
  assert_why(L, "a table");
  /* An address would tell nothing, and another thing each time. */
  assert_int_equal(NEAP_EFAILED, outcome(L, "error {}"));
  assert_why(L, "a table");
  assert_int_equal(NEAP_EFAILED, outcome(L, "error(print)"));
  assert_why(L, "a function");
  assert_int_equal(NEAP_EFAILED, outcome(L, "error { message = 'no luck' }"));
  assert_why(L, "no luck");
  assert_int_equal(0, outcome(L, NODE));
  assert_why(L, "");
}

static void each_script_has_globals_of_its_own(void **state) {
  lua_State *L = *state;
  assert_int_equal(0, outcome(L, "x = 1 _G.y = 2 assert(x and y)\n" NODE));
  assert_int_equal(0, outcome(L, "assert(not x and not _G.y)\n" NODE));
}

static void what_is_wrong_is_refused(void **state) {
  lua_State *L = *state;
  neap_lua_flow flow = 0;
  assert_int_equal(NEAP_EINVAL, neap_lua_load(NULL, "n", "", 0, &flow));
  assert_int_equal(NEAP_EINVAL, neap_lua_load(L, NULL, "", 0, &flow));
  assert_int_equal(NEAP_EINVAL, neap_lua_load(L, "n", NULL, 0, &flow));
  assert_int_equal(NEAP_EINVAL, neap_lua_load(L, "n", "", 0, NULL));
  assert_int_equal(NEAP_EINVAL, neap_lua_swap(L, NULL, flow));
  assert_int_equal(NEAP_EINVAL, neap_lua_find(L, "n", NULL));
  assert_int_equal(NEAP_EINVAL, neap_lua_loaded(NULL, flow));
  for (int i = 0; i < 3; i++) {
    assert_int_equal(NEAP_ESTALE, neap_lua_loaded(L, flow));
    assert_int_equal(NEAP_ESTALE, neap_lua_unload(L, flow));
    assert_int_equal(NEAP_ESTALE, neap_lua_swap(L, "n", flow));
    flow = i == 0 ? 1 : UINT64_MAX;
  }
  assert_int_equal(NEAP_ESTALE, neap_lua_find(L, "n", &flow));
  lua_State *plain = luaL_newstate(); /* without neap */
  assert_int_equal(NEAP_EINVAL, load(plain, NODE, &flow));
  assert_int_equal(NEAP_EINVAL, neap_lua_loaded(plain, flow));
  assert_string_equal("", neap_lua_why(plain));
  lua_close(plain);
}

static void a_flow_of_another_state_is_stale(void **state) {
  lua_State *L = *state, *other;
  neap_lua_flow mine, theirs;
  assert_int_equal(0, neap_lua_new(NULL, &other));
  assert_int_equal(0, load(L, NODE, &mine));
  assert_int_equal(0, load(other, NODE, &theirs));
  assert_int_equal(NEAP_ESTALE, neap_lua_loaded(L, theirs));
  assert_int_equal(NEAP_ESTALE, neap_lua_unload(other, mine));
  lua_close(other);
}

static void a_name_passes_to_the_newest_flow(void **state) {
  lua_State *L = *state;
  neap_lua_flow first, second, found;
  assert_int_equal(0, load(L, NODE, &first));
  assert_int_equal(NEAP_EAGAIN, neap_lua_swap(L, "talk", first));
  assert_int_equal(0, finish(L, first));
  assert_int_equal(0, neap_lua_swap(L, "talk", first));
  assert_int_equal(0, neap_lua_swap(L, "talk", first));
  assert_int_equal(NEAP_EBUSY, neap_lua_swap(L, "walk", first));
  assert_int_equal(0, load(L, "error 'broken'", &second));
  assert_int_equal(NEAP_EFAILED, finish(L, second));
  assert_int_equal(NEAP_EFAILED, neap_lua_swap(L, "talk", second));
  assert_int_equal(0, neap_lua_unload(L, second));
  assert_int_equal(0, neap_lua_find(L, "talk", &found));
  assert_true(found == first);
  assert_int_equal(0, load(L, NODE, &second));
  assert_int_equal(0, finish(L, second));
  assert_int_equal(0, neap_lua_swap(L, "talk", second));
  assert_int_equal(NEAP_ESTALE, neap_lua_loaded(L, first));
  assert_int_equal(0, neap_lua_find(L, "talk", &found));
  assert_true(found == second);
  assert_int_equal(0, neap_lua_unload(L, second));
  assert_int_equal(NEAP_ESTALE, neap_lua_find(L, "talk", &found));
}

static void a_script_that_waits_is_ended_with_its_flow(void **state) {
  lua_State *L = *state;
  neap_lua_flow flow;
  assert_int_equal(0, load(L,
                           "local _ <close> = setmetatable({}, {__close = "
                           "function() getmetatable(_ENV).__index.closed = "
                           "true end})\n"
                           "require('neap').sleep(1000)",
                           &flow));
  neap_poll(neap_lua_engine(L), 0);
  assert_int_equal(0, neap_lua_unload(L, flow));
  assert_int_equal(NEAP_ESTALE, neap_lua_unload(L, flow));
  while (neap_pending(neap_lua_engine(L)) > 0)
    neap_poll(neap_lua_engine(L), NEAP_FOREVER);
  lua_getglobal(L, "closed");
  assert_true(lua_toboolean(L, -1));
  lua_pop(L, 1);
}

static int answer(neap_call *call) {
  return neap_set_number(neap_lua_call_results(call), "[1]", 42);
}

static void a_script_that_nobody_trusts_is_apart(void **state) {
  (void)state;
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  opts.profile = NEAP_UNTRUSTED;
  lua_State *L;
  assert_int_equal(0, neap_lua_new(&opts, &L));
  neap_node_ops ops = NEAP_NODE_OPS_INIT;
  ops.exec = answer;
  assert_int_equal(0, neap_lua_register(L, "answer", &ops, NULL));
  assert_int_equal(0, neap_lua_register_node(L, "guard", &ops, NULL));
  assert_int_equal(NEAP_EINVAL, outcome(L, "return = 1"));
  assert_why(L, "test.lua:1: unexpected symbol near '='");
  assert_int_equal(NEAP_EINVAL, outcome(L, "\x1bLua"));
  assert_int_equal(NEAP_EFAILED, outcome(L, "return 3"));
  assert_why(L, "test.lua returns a number; a flow or node expected");
  assert_int_equal(0, outcome(L, "#!/usr/bin/env neap\n"
                                 "x = 1 assert(not io and not debug) " NODE));
  assert_int_equal(0, outcome(L, "assert(not x and ... == 'test.lua') " NODE));
  neap_lua_flow flow;
  assert_int_equal(
      0, load(L,
              "local neap = require 'neap' neap.sleep(0.001)\n"
              "local node = neap.Node { name = 'n', post = function() "
              "return tostring(answer()) end }\n"
              "return neap.Flow { start = neap.native 'guard' >> node }",
              &flow));
  neap_token run;
  assert_int_equal(0, neap_lua_start(L, flow, 0, NULL, &run));
  neap_report report = next_report(L);
  assert_string_equal("", report.error);
  assert_string_equal("42.0", report.action);
  lua_close(L);
}

static void a_coroutine_of_the_host_may_load(void **state) {
  lua_State *L = *state, *co = lua_newthread(L);
  neap_lua_flow flow;
  assert_int_equal(0, load(co, NODE, &flow));
  assert_int_equal(0, lua_gettop(co));
  lua_settop(L, 0);
  lua_gc(L, LUA_GCCOLLECT);
  assert_int_equal(0, finish(L, flow));
}

static void a_thousand_reloads_take_no_memory(void **state) {
  lua_State *L = *state;
  int before = 0;
  for (int i = 0; i < 1200; i++) {
    neap_lua_flow flow;
    assert_int_equal(0,
                     load(L, "cache = {string.rep('x', 10000)}\n" NODE, &flow));
    assert_int_equal(0, finish(L, flow));
    assert_int_equal(0, neap_lua_swap(L, "talk", flow));
    if (i == 200)
      before = held(L);
  }
  /* Lua keeps records of calls for a while: some, not one for each reload. */
  assert_in_range(held(L), 1, before + 1000);
}

/* Loads, names, replaces and unloads; gives the first status that is none of
 * success. */
static int play(lua_State *L) {
  neap_lua_flow flow = 0;
  int status = 0;
  for (int i = 0; i < 2 && status == 0; i++) {
    status = load(L, NODE, &flow);
    if (status == 0)
      status = finish(L, flow);
    if (status == 0)
      status = neap_lua_swap(L, "talk", flow);
    neap_lua_why(L);
  }
  if (status == 0)
    status = load(L, "require('neap').sleep(1000)", &flow);
  return status == 0 ? neap_lua_unload(L, flow) : status;
}

static void memory_may_be_refused(void **state) {
  (void)state;
  sweep(play, false);
  sweep(play, true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_script_is_run_once_and_may_wait),
      TEST(what_is_no_flow_is_told),
      TEST(each_script_has_globals_of_its_own),
      TEST(what_is_wrong_is_refused),
      TEST(a_flow_of_another_state_is_stale),
      TEST(a_name_passes_to_the_newest_flow),
      TEST(a_script_that_waits_is_ended_with_its_flow),
      TEST(a_coroutine_of_the_host_may_load),
      TEST(a_thousand_reloads_take_no_memory),
      cmocka_unit_test(a_script_that_nobody_trusts_is_apart),
      cmocka_unit_test(memory_may_be_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
