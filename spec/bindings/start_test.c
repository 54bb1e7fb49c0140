/* neap_lua_start: runs of flows in Lua that a host has started, and values.
 * SPDX-License-Identifier: MIT */
#include <limits.h>
#include <pthread.h>

#include "scripts.h"

#define MS UINT64_C(1000000)

/* A flow of one node with this exec, and this post. */
#define NODE(exec, post)                                                       \
  "local neap = require 'neap'\n"                                              \
  "return neap.Flow { name = 'flow', start = neap.Node { name = 'node',\n"     \
  "exec = function(self, shared) " exec " end,\n"                              \
  "post = function(self, shared) " post " end } }"

static neap_token start(lua_State *L, neap_lua_flow flow,
                        const neap_start_opts *opts) {
  neap_token run = 0;
  assert_int_equal(0, neap_lua_start(L, flow, 0, opts, &run));
  return run;
}

static void a_run_works_on_the_host_s_table_and_is_reported(void **state) {
  lua_State *L = *state;
  neap_lua_flow flow =
      loaded(L, NODE("neap.sleep(0.001) shared.mood = shared.mood + 1",
                     "return 'well'"));
  lua_newtable(L);
  lua_pushinteger(L, 41);
  lua_setfield(L, 1, "mood");
  neap_start_opts opts = NEAP_START_OPTS_INIT;
  opts.data = &opts;
  neap_token run;
  assert_int_equal(0, neap_lua_start(L, flow, 1, &opts, &run));
  assert_int_equal(1, lua_gettop(L));
  neap_report report = next_report(L);
  assert_true(report.run == run);
  assert_ptr_equal(&opts, report.data);
  assert_int_equal(0, report.status);
  assert_string_equal("well", report.action);
  assert_string_equal("", report.code);
  assert_string_equal("", report.error);
  lua_getfield(L, 1, "mood");
  assert_int_equal(42, lua_tointeger(L, -1));
  lua_settop(L, 0);
  assert_int_equal(NEAP_ESTALE, neap_cancel(neap_lua_engine(L), run));
}

static void a_failure_is_reported_with_its_place(void **state) {
  lua_State *L = *state;
  neap_lua_flow flow = loaded(L, NODE("error('no luck', 0)", ""));
  start(L, flow, NULL);
  neap_report report = next_report(L);
  assert_int_equal(NEAP_EFAILED, report.status);
  assert_string_equal("user", report.code);
  assert_string_equal("no luck", report.error);
  assert_string_equal("flow > node", report.path);
  assert_string_equal("exec", report.phase);
  assert_int_equal(0, report.attempt);
  flow = loaded(L, "local neap = require 'neap'\n"
                   "return neap.Node { name = 'n', max_retries = 2,\n"
                   "exec = function() error(neap.error.new { code = 'mine', "
                   "message = 'again', status = -10 }, 0) end }");
  start(L, flow, NULL);
  report = next_report(L);
  assert_int_equal(NEAP_ESYS, report.status);
  assert_string_equal("mine", report.code);
  assert_int_equal(1, report.attempt);
}

static void what_ends_a_run_is_told_by_the_status(void **state) {
  lua_State *L = *state;
  neap_lua_flow sleeps = loaded(L, NODE("neap.sleep(1000)", ""));
  neap_start_opts opts = NEAP_START_OPTS_INIT;
  opts.timeout_ns = 1000000;
  start(L, sleeps, &opts);
  neap_report report = next_report(L);
  assert_int_equal(NEAP_ETIMEDOUT, report.status);
  assert_string_equal("timeout", report.code);
  opts.timeout_ns = 0;
  opts.max_steps = 1;
  start(L, sleeps, &opts);
  report = next_report(L);
  assert_int_equal(NEAP_EMAXSTEPS, report.status);
  neap_lua_flow hungry = loaded(L, NODE("local t = ('x'):rep(1 << 62)", ""));
  start(L, hungry, NULL);
  assert_int_equal(NEAP_EFAILED, next_report(L).status);
  neap_token run = start(L, sleeps, NULL);
  neap_poll(neap_lua_engine(L), 0);
  assert_int_equal(0, neap_cancel(neap_lua_engine(L), run));
  assert_int_equal(0, neap_cancel(neap_lua_engine(L), run));
  report = next_report(L);
  assert_true(report.run == run);
  assert_int_equal(NEAP_ECANCELED, report.status);
  assert_string_equal("cancelled", report.code);
}

static void a_run_may_be_cancelled_at_once(void **state) {
  lua_State *L = *state;
  neap_lua_flow flow = loaded(L, NODE("neap.sleep(1000)", ""));
  assert_int_equal(0, neap_cancel(neap_lua_engine(L), start(L, flow, NULL)));
  assert_int_equal(NEAP_ECANCELED, next_report(L).status);
}

typedef struct canceller {
  neap_engine *engine;
  neap_token run;
} canceller;

static void *cancel(void *ud) {
  canceller *c = ud;
  neap_cancel(c->engine, c->run);
  return NULL;
}

static void another_thread_may_cancel(void **state) {
  lua_State *L = *state;
  neap_lua_flow flow = loaded(L, NODE("neap.sleep(1000)", ""));
  canceller c = {neap_lua_engine(L), start(L, flow, NULL)};
  pthread_t thread;
  assert_int_equal(0, pthread_create(&thread, NULL, cancel, &c));
  assert_int_equal(NEAP_ECANCELED, next_report(L).status);
  pthread_join(thread, NULL);
}

static void a_run_waits_for_its_script(void **state) {
  lua_State *L = *state;
  neap_lua_flow flow, broken;
  assert_int_equal(0, load(L,
                           "require('neap').sleep(0.01)\n" NODE(
                               "shared.n = 1", "return 'late'"),
                           &flow));
  start(L, flow, NULL);
  assert_string_equal("late", next_report(L).action);
  assert_int_equal(
      0, load(L, "require('neap').sleep(0.01) error 'broken'", &broken));
  start(L, broken, NULL);
  neap_report report = next_report(L);
  assert_int_equal(NEAP_EFAILED, report.status);
  assert_string_equal("test.lua:1: broken", report.error);
  neap_token run;
  assert_int_equal(NEAP_EFAILED, neap_lua_start(L, broken, 0, NULL, &run));
  assert_int_equal(0, load(L, "require('neap').sleep(1000)", &flow));
  start(L, flow, NULL);
  neap_poll(neap_lua_engine(L), 0);
  assert_int_equal(0, neap_lua_unload(L, flow));
  assert_true(next_report(L).status < 0);
}

static void runs_in_flight_end_on_the_former_flow(void **state) {
  lua_State *L = *state;
  neap_lua_flow former =
      loaded(L, NODE("neap.sleep(0.005)", "collectgarbage() return 'former'"));
  assert_int_equal(0, neap_lua_swap(L, "talk", former));
  neap_token first, second;
  assert_int_equal(0, neap_lua_start_named(L, "talk", 0, NULL, &first));
  neap_poll(neap_lua_engine(L), 0);
  neap_lua_flow newer = loaded(L, NODE("neap.sleep(0.005)", "return 'newer'"));
  assert_int_equal(0, neap_lua_swap(L, "talk", newer));
  assert_int_equal(0, neap_lua_start_named(L, "talk", 0, NULL, &second));
  neap_token stale;
  assert_int_equal(NEAP_ESTALE, neap_lua_start(L, former, 0, NULL, &stale));
  neap_report report = next_report(L);
  assert_true(report.run == first);
  assert_string_equal("former", report.action);
  report = next_report(L);
  assert_true(report.run == second);
  assert_string_equal("newer", report.action);
}

static void what_is_wrong_is_refused(void **state) {
  lua_State *L = *state, *other;
  neap_lua_flow flow = loaded(L, NODE("", ""));
  neap_token run;
  assert_int_equal(NEAP_EINVAL, neap_lua_start(NULL, flow, 0, NULL, &run));
  assert_int_equal(NEAP_EINVAL, neap_lua_start(L, flow, 0, NULL, NULL));
  assert_int_equal(NEAP_EINVAL, neap_lua_start_named(L, NULL, 0, NULL, &run));
  assert_int_equal(NEAP_ESTALE, neap_lua_start(L, flow + 1, 0, NULL, &run));
  assert_int_equal(NEAP_ESTALE, neap_lua_start_named(L, "no", 0, NULL, &run));
  neap_start_opts opts = {0};
  assert_int_equal(NEAP_EINVAL, neap_lua_start(L, flow, 0, &opts, &run));
  opts.size = sizeof opts;
  assert_int_equal(0, neap_lua_new(NULL, &other));
  lua_newtable(other);
  assert_int_equal(0, neap_lua_value_new(other, 1, &opts.params));
  assert_int_equal(NEAP_EFAILED, neap_lua_start(L, flow, 0, &opts, &run));
  assert_string_equal("the params are no value of this Lua state",
                      neap_lua_why(L));
  assert_int_equal(NEAP_EINVAL, neap_lua_value_push(L, opts.params));
  lua_close(other);
  opts.params = (neap_value){.self = &opts};
  assert_int_equal(NEAP_EFAILED, neap_lua_start(L, flow, 0, &opts, &run));
  assert_string_equal("the params are no table", neap_lua_why(L));
  neap_report report = NEAP_REPORT_INIT;
  assert_int_equal(NEAP_EAGAIN, neap_next_report(neap_lua_engine(L), &report));
}

static void a_wrong_index_of_the_shared_store_is_refused(void **state) {
  lua_State *L = *state;
  neap_lua_flow flow = loaded(L, NODE("", ""));
  neap_token run;
  neap_value value = {0};
  lua_settop(L, 0);
  lua_pushinteger(L, 3);
  lua_pushnil(L);
  lua_newtable(L);
  static const struct {
    int index;
    const char *why;
  } wrong[] = {
      {4, "no value lies on the stack at the index 4"},
      {1000000, "no value lies on the stack at the index 1000000"},
      {-4, "no value lies on the stack at the index -4"},
      {INT_MIN, "no value lies on the stack at the index -2147483648"},
      {LUA_REGISTRYINDEX, NULL},
      {lua_upvalueindex(1), NULL},
      {lua_upvalueindex(255), NULL},
      {1, "the shared store is a table, got a number"},
      {2, "the shared store is a table, got a nil"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    int index = wrong[i].index;
    assert_int_equal(NEAP_EINVAL, neap_lua_start(L, flow, index, NULL, &run));
    if (wrong[i].why)
      assert_string_equal(wrong[i].why, neap_lua_why(L));
    assert_true(strlen(neap_lua_why(L)) > 0);
    if (index != 1 && index != 2)
      assert_int_equal(NEAP_EINVAL, neap_lua_value_new(L, index, &value));
    assert_null(value.self);
    assert_int_equal(3, lua_gettop(L));
  }
  assert_int_equal(0, neap_lua_start(L, flow, -1, NULL, &run));
  assert_int_equal(0, neap_lua_start(L, flow, 3, NULL, &run));
  assert_string_equal("", neap_lua_why(L));
  for (int i = 0; i < 2; i++)
    assert_int_equal(0, next_report(L).status);
}

static void values_are_read_and_set_by_path(void **state) {
  lua_State *L = *state;
  neap_value v;
  double number;
  int64_t integer;
  const char *text;
  size_t size;
  bool boolean;
  assert_false(luaL_dostring(
      L, "return setmetatable({ npc = { mood = 1.5, bag = { 'a', { "
         "name = 'rope' } } }, ok = true, n = 7 }, { __index = "
         "function(_, k) if k == 'bad' then error 'no' end return k "
         "end })"));
  assert_int_equal(0, neap_lua_value_new(L, -1, &v));
  lua_settop(L, 0);
  lua_gc(L, LUA_GCCOLLECT);
  assert_int_equal(0, neap_get_number(v, "npc.mood", &number));
  assert_true(number == 1.5);
  assert_int_equal(0, neap_get_integer(v, "n", &integer));
  assert_int_equal(7, integer);
  assert_int_equal(0, neap_get_bool(v, "ok", &boolean));
  assert_int_equal(0, neap_get_string(v, "npc.bag[2].name", &text, &size));
  assert_string_equal("rope", text);
  assert_int_equal(0, neap_get_string(v, "made", &text, &size));
  lua_gc(L, LUA_GCCOLLECT);
  assert_string_equal("made", text);
  assert_int_equal(NEAP_ETYPE, neap_get_string(v, "bad", &text, &size));
  assert_int_equal(NEAP_ETYPE, neap_get_number(v, "npc", &number));
  assert_int_equal(NEAP_ENOVALUE, neap_get_number(v, "npc.x.y", &number));
  assert_int_equal(0, neap_get_json(v, "npc.bag", &text, &size));
  assert_string_equal("[\"a\",{\"name\":\"rope\"}]", text);
  assert_int_equal(0, neap_set_number(v, "npc.new.deep[1]", 2));
  assert_int_equal(0, neap_get_json(v, "npc.new", &text, &size));
  assert_string_equal("{\"deep\":[2.0]}", text);
  assert_int_equal(NEAP_ETYPE, neap_set_bool(v, "npc.mood.x", true));
  assert_int_equal(0, neap_set_json(v, "npc.bag", "[1,2]", 5));
  assert_int_equal(0, neap_get_integer(v, "npc.bag[2]", &integer));
  assert_int_equal(2, integer);
  assert_int_equal(NEAP_EINVAL, neap_set_json(v, "npc.bag", "[1,", 3));
  assert_int_equal(0, neap_set_nil(v, "npc.bag"));
  assert_int_equal(NEAP_ENOVALUE, neap_get_integer(v, "npc.bag", &integer));
  assert_int_equal(0, neap_lua_value_push(L, v));
  assert_true(lua_istable(L, -1));
  lua_settop(L, 0);
  neap_lua_value_free(&v);
  neap_lua_value_free(&v);
  assert_null(v.self);
}

static void shared_and_params_may_be_values(void **state) {
  lua_State *L = *state;
  neap_lua_flow flow =
      loaded(L, NODE("shared.sum = shared.a + self.params.b", ""));
  neap_start_opts opts = NEAP_START_OPTS_INIT;
  assert_false(luaL_dostring(L, "return { a = 1 }, { b = 2 }"));
  assert_int_equal(0, neap_lua_value_new(L, 1, &opts.shared));
  assert_int_equal(0, neap_lua_value_new(L, 2, &opts.params));
  lua_settop(L, 0);
  start(L, flow, &opts);
  assert_string_equal("", next_report(L).error);
  double sum;
  assert_int_equal(0, neap_get_number(opts.shared, "sum", &sum));
  assert_true(sum == 3);
}

static void many_runs_take_no_memory(void **state) {
  lua_State *L = *state;
  neap_lua_flow flow = loaded(L, NODE("neap.sleep(0)", "return 'x'"));
  int before = 0;
  for (int round = 0; round < 12; round++) {
    for (int i = 0; i < 100; i++)
      start(L, flow, NULL);
    for (int i = 0; i < 100; i++)
      assert_string_equal("x", next_report(L).action);
    if (round == 1)
      before = held(L);
  }
  assert_in_range(held(L), 1, before);
}

static void a_state_may_be_closed_while_runs_wait(void **state) {
  lua_State *L = *state;
  neap_lua_flow flow = loaded(L, NODE("neap.sleep(1000)", ""));
  start(L, flow, NULL);
  neap_poll(neap_lua_engine(L), 0);
  neap_cancel(neap_lua_engine(L), start(L, flow, NULL));
  load(L, "require('neap').sleep(1000)", &flow);
  start(L, flow, NULL);
}

static int play(lua_State *L) {
  neap_lua_flow flow = 0;
  neap_token run;
  neap_start_opts opts = NEAP_START_OPTS_INIT;
  int status = load(L, NODE("neap.sleep(0)", "return 'well'"), &flow);
  if (status < 0)
    return status;
  status = neap_lua_start(L, flow, 0, NULL, &run);
  int started = status == 0;
  lua_settop(L, 0);
  if (status == 0 && (status = finish(L, flow)) == 0) {
    opts.timeout_ns = 1000000000;
    status = neap_lua_start(L, flow, 0, &opts, &run);
    started += status == 0;
    if (status == 0)
      neap_cancel(neap_lua_engine(L), run); /* 0 or ENOMEM */
  }
  for (int i = 0; i < started; i++) {
    neap_report report = next_report(L);
    if (report.status < 0 && report.status != NEAP_ECANCELED && status == 0)
      status = report.status;
  }
  neap_lua_unload(L, flow);
  return status;
}

static void memory_may_be_refused(void **state) {
  (void)state;
  sweep(play, false);
  sweep(play, true);
}

/* A run that is cancelled while its request waits for an answer that never
 * comes. */
static int play_http(lua_State *L) {
  neap_lua_flow flow = 0;
  neap_token run = 0;
  int status =
      load(L,
           "local http, net = require 'neap.http', require 'neap.net'\n" NODE(
               "local l <close> = net.listen('127.0.0.1:0')\n"
               "neap.spawn(function()\n"
               "  local client <close> = l:accept()\n"
               "  client:receive()\n"
               "  shared.asked = true\n"
               "  neap.sleep(1000)\n"
               "end)\n"
               "http.get('http://' .. l.address .. '/')",
               ""),
           &flow);
  if (status < 0)
    return status;
  neap_engine *engine = neap_lua_engine(L);
  lua_newtable(L);
  status = neap_lua_start(L, flow, 1, NULL, &run);
  neap_report report = NEAP_REPORT_INIT;
  while (status == 0 && neap_next_report(engine, &report) == NEAP_EAGAIN) {
    lua_getfield(L, 1, "asked");
    if (lua_toboolean(L, -1))
      neap_cancel(engine, run); /* 0 or ENOMEM */
    lua_settop(L, 1);
    neap_poll(engine, MS);
  }
  lua_settop(L, 0);
  neap_lua_unload(L, flow);
  return report.status == NEAP_ECANCELED ? status : report.status + status;
}

static void so_it_may_for_a_request_that_is_cancelled(void **state) {
  (void)state;
  sweep_some(play_http, false, 13); /* each takes milliseconds */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_run_works_on_the_host_s_table_and_is_reported),
      TEST(a_failure_is_reported_with_its_place),
      TEST(what_ends_a_run_is_told_by_the_status),
      TEST(a_run_may_be_cancelled_at_once),
      TEST(another_thread_may_cancel),
      TEST(a_run_waits_for_its_script),
      TEST(runs_in_flight_end_on_the_former_flow),
      TEST(what_is_wrong_is_refused),
      TEST(a_wrong_index_of_the_shared_store_is_refused),
      TEST(values_are_read_and_set_by_path),
      TEST(shared_and_params_may_be_values),
      TEST(many_runs_take_no_memory),
      TEST(a_state_may_be_closed_while_runs_wait),
      cmocka_unit_test(memory_may_be_refused),
      cmocka_unit_test(so_it_may_for_a_request_that_is_cancelled),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
