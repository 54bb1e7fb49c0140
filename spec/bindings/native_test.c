/* Functions and nodes in C that scripts use, and flows in Lua as nodes in C.
 * SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "scripts.h"

/* What the functions below have been told. */
typedef struct notes {
  int calls, cancels, drops, results;
  neap_token token; /* of the last phase that goes on */
} notes;

static notes n; /* of the test that runs; it lasts until the state is closed */

static void count_drop(void *self) {
  ((notes *)self)->drops++;
}

static void count_cancel(neap_call *call) {
  ((notes *)neap_call_self(call))->cancels++;
}

static void drop_result(void *result) {
  ((notes *)result)->results--;
}

/* Adds the first two arguments. */
static int add(neap_call *call) {
  ((notes *)neap_call_self(call))->calls++;
  double a, b;
  if (neap_get_number(neap_call_params(call), "[1]", &a) < 0 ||
      neap_get_number(neap_call_params(call), "[2]", &b) < 0)
    return neap_call_fail(call, NEAP_ETYPE, "sum", "two numbers expected");
  return neap_set_number(neap_lua_call_results(call), "[1]", a + b);
}

/* Goes on until somebody completes it. */
static int linger(neap_call *call) {
  n.calls++;
  int status = neap_later(call, &n.token);
  return status < 0 ? status : NEAP_LATER;
}

/* Gives its arguments back, in the other order. */
static int reverse(neap_call *call, int status) {
  lua_State *L = neap_lua_call_state(call);
  int count = 0;
  neap_get_integer(neap_call_params(call), "n", &(int64_t){0});
  while (!lua_isnone(L, count + 1) && !lua_istable(L, count + 1))
    count++;
  for (int i = count; i >= 1; i--)
    lua_pushvalue(L, i);
  if (status == 0)
    status = neap_lua_call_return(call, count);
  return status;
}

static neap_node_ops ops_of(int (*exec)(neap_call *)) {
  neap_node_ops ops = NEAP_NODE_OPS_INIT;
  ops.exec = exec;
  ops.cancel = count_cancel;
  ops.drop = count_drop;
  return ops;
}

static neap_report run(lua_State *L, const char *text) {
  neap_lua_flow flow = loaded(L, text);
  neap_token token;
  assert_int_equal(0, neap_lua_start(L, flow, 0, NULL, &token));
  neap_report report = next_report(L);
  neap_lua_unload(L, flow);
  return report;
}

/* Runs a node with this exec, whose action is what exec gives. */
#define NODE(exec)                                                             \
  "local neap = require 'neap'\n"                                              \
  "return neap.Node { name = 'node', exec = function(self, shared) " exec      \
  " end, post = function(_, _, _, result) return result end }"

static void a_function_may_return_at_once(void **state) {
  lua_State *L = *state;
  n = (notes){0};
  neap_node_ops ops = ops_of(add);
  assert_int_equal(0, neap_lua_register(L, "sum", &ops, &n));
  assert_string_equal("5.0",
                      run(L, NODE("return tostring((sum(2, 3)))")).action);
  neap_report report = run(L, NODE("return sum('a')"));
  assert_int_equal(NEAP_ETYPE, report.status);
  assert_string_equal("sum", report.code);
  assert_string_equal("sum: two numbers expected", report.error);
  assert_string_equal(
      "sum", run(L, NODE("local ok, e = pcall(sum) return e.code")).action);
  assert_int_equal(3, n.calls);
  assert_int_equal(0, neap_lua_register(L, "sum", &ops, &n));
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCCOLLECT);
  assert_int_equal(1, n.drops);
}

static void *complete(void *ud) {
  void **args = ud;
  usleep(2000);
  neap_complete(args[0], ((notes *)args[1])->token, 0);
  return NULL;
}

static void a_function_may_be_completed_by_a_thread(void **state) {
  lua_State *L = *state;
  n = (notes){0};
  neap_node_ops ops = ops_of(linger);
  ops.resume = reverse;
  assert_int_equal(0, neap_lua_register(L, "say", &ops, &n));
  neap_lua_flow flow =
      loaded(L, NODE("return table.concat({ say('a', 'b', 'c') }, '-')"));
  neap_token token;
  assert_int_equal(0, neap_lua_start(L, flow, 0, NULL, &token));
  neap_poll(neap_lua_engine(L), 0);
  assert_int_equal(1, n.calls);
  pthread_t thread;
  void *args[] = {neap_lua_engine(L), &n};
  assert_int_equal(0, pthread_create(&thread, NULL, complete, args));
  neap_report report = NEAP_REPORT_INIT;
  while (neap_next_report(neap_lua_engine(L), &report) == NEAP_EAGAIN)
    neap_poll(neap_lua_engine(L), 10000000);
  pthread_join(thread, NULL);
  assert_string_equal("c-b-a", report.action);
  assert_int_equal(NEAP_ESTALE, neap_complete(neap_lua_engine(L), n.token, 0));
  assert_int_equal(0, n.cancels);
}

static void a_function_is_cancelled_with_its_task(void **state) {
  lua_State *L = *state;
  n = (notes){0};
  neap_node_ops ops = ops_of(linger);
  assert_int_equal(0, neap_lua_register(L, "wait", &ops, &n));
  assert_string_equal("timeout",
                      run(L, NODE("return select(2, pcall("
                                  "neap.timeout, 0.001, wait)).code"))
                          .action);
  assert_int_equal(1, n.cancels);
  assert_int_equal(NEAP_ESTALE, neap_complete(neap_lua_engine(L), n.token, 0));
  neap_lua_flow flow = loaded(L, NODE("wait()"));
  neap_token token;
  assert_int_equal(0, neap_lua_start(L, flow, 0, NULL, &token));
  neap_poll(neap_lua_engine(L), 0);
  assert_int_equal(0, neap_cancel(neap_lua_engine(L), token));
  assert_int_equal(NEAP_ECANCELED, next_report(L).status);
  assert_int_equal(2, n.cancels);
}

static void a_function_waits_where_lua_can_be_suspended(void **state) {
  lua_State *L = *state;
  n = (notes){0};
  neap_node_ops ops = ops_of(linger);
  assert_int_equal(0, neap_lua_register(L, "wait", &ops, &n));
  assert_string_equal(
      "unyieldable",
      run(L, NODE("return select(2, pcall(table.sort, { 1, 2 }, wait)).code"))
          .action);
  assert_int_equal(0, n.calls);
}

/* ---- Nodes ---- */

/* Fails so many times as the param `failures` says, then sets shared.guarded.
 */
static int guard(neap_call *call) {
  n.calls++;
  double failures = 0;
  neap_get_number(neap_call_params(call), "failures", &failures);
  n.results++;
  neap_call_set_result(call, &n, drop_result);
  if (neap_call_attempt(call) < failures)
    return neap_call_fail(call, NEAP_EFAILED, "alarm", "halt!");
  return neap_set_bool(neap_call_shared(call), "guarded", true);
}

static int decide(neap_call *call) {
  return neap_call_set_action(call, "pass", 4);
}

static neap_node_ops guard_ops(void) {
  neap_node_ops ops = ops_of(guard);
  ops.post = decide;
  return ops;
}

/* A flow whose node `guard` has these options. */
#define GUARDED(opts)                                                          \
  "local neap = require 'neap'\n"                                              \
  "local guard = neap.native('guard', " opts ")\n"                             \
  "local inside = neap.Node { name = 'in', post = function(_, shared)\n"       \
  "  return tostring(shared.guarded) end }\n"                                  \
  "return neap.Flow { name = 'gate', start = guard, guard - 'pass' >> inside " \
  "}"

static void a_node_in_c_is_a_node_of_a_flow_in_lua(void **state) {
  lua_State *L = *state;
  n = (notes){0};
  neap_node_ops ops = guard_ops();
  assert_int_equal(0, neap_lua_register_node(L, "guard", &ops, &n));
  assert_string_equal("true", run(L, GUARDED("{}")).action);
  assert_int_equal(1, n.calls);
  assert_int_equal(0, n.results);
  assert_string_equal("true",
                      run(L, GUARDED("{ max_retries = 3, wait = 0.001, params "
                                     "= { failures = 2 } }"))
                          .action);
  assert_int_equal(4, n.calls);
  assert_int_equal(0, n.results);
  neap_report report =
      run(L, GUARDED("{ name = 'watch', params = { failures = 1 } }"));
  assert_int_equal(NEAP_EFAILED, report.status);
  assert_string_equal("alarm", report.code);
  assert_string_equal("halt!", report.error);
  assert_string_equal("gate > watch", report.path);
  assert_string_equal("exec", report.phase);
  assert_int_equal(0, n.results);
}

static void a_node_in_c_has_a_time_limit(void **state) {
  lua_State *L = *state;
  n = (notes){0};
  neap_node_ops ops = ops_of(linger);
  assert_int_equal(0, neap_lua_register_node(L, "guard", &ops, &n));
  neap_report report = run(L, GUARDED("{ timeout = 0.001, max_retries = 2 }"));
  assert_int_equal(NEAP_ETIMEDOUT, report.status);
  assert_int_equal(2, n.calls);
  assert_int_equal(2, n.cancels);
  ops = guard_ops();
  assert_int_equal(0, neap_lua_register_node(L, "guard", &ops, &n));
  assert_string_equal("true", run(L, GUARDED("{ timeout = 10 }")).action);
}

static int mend(neap_call *call) {
  const char *code, *text;
  neap_call_failure(call, &code, &text);
  neap_set_string(neap_call_shared(call), "code", code, strlen(code));
  return 0;
}

static void a_node_in_c_has_a_fallback_and_prep(void **state) {
  lua_State *L = *state;
  n = (notes){0};
  neap_node_ops ops = guard_ops();
  ops.fallback = mend;
  ops.prep = mend;
  assert_int_equal(0, neap_lua_register_node(L, "guard", &ops, &n));
  assert_string_equal("nil",
                      run(L, GUARDED("{ params = { failures = 9 } }")).action);
  assert_int_equal(0, n.results);
}

static void nodes_in_c_run_side_by_side(void **state) {
  lua_State *L = *state;
  n = (notes){0};
  neap_node_ops ops = guard_ops();
  assert_int_equal(0, neap_lua_register_node(L, "guard", &ops, &n));
  assert_string_equal(
      "pass", run(L, "local neap = require 'neap'\n"
                     "local function guard() return neap.native('guard', { "
                     "timeout = 5 }) end\n"
                     "return neap.Parallel { name = 'p', guard(), guard(), "
                     "guard(), post = function(_, _, _, list) return list[3] "
                     "end }")
                  .action);
  assert_string_equal(
      "pass", run(L, "local neap = require 'neap'\n"
                     "return neap.BatchFlow { name = 'b', start = "
                     "neap.native 'guard', prep = function() return { { "
                     "failures = 0 }, {} } end, post = function() return "
                     "'pass' end }")
                  .action);
  assert_int_equal(5, n.calls);
  lua_gc(L, LUA_GCCOLLECT);
  assert_int_equal(0, n.results);
}

static void what_is_no_node_is_refused(void **state) {
  lua_State *L = *state;
  n = (notes){0};
  neap_node_ops none = NEAP_NODE_OPS_INIT, ops = guard_ops();
  none.drop = count_drop;
  assert_int_equal(NEAP_EFAILED, neap_lua_register(L, "x", &none, &n));
  assert_string_equal("x: the functions of a node expected, with exec",
                      neap_lua_why(L));
  assert_int_equal(NEAP_EINVAL, neap_lua_register(L, NULL, &ops, &n));
  assert_int_equal(NEAP_EINVAL, neap_lua_register(L, "x", NULL, &n));
  assert_int_equal(NEAP_EINVAL, neap_lua_register_node(NULL, "x", &ops, &n));
  assert_int_equal(0, n.drops);
  neap_lua_flow flow;
  assert_int_equal(0, load(L, GUARDED("{}"), &flow));
  assert_int_equal(NEAP_EFAILED, finish(L, flow));
  assert_string_equal(
      "test.lua:2: native: the program has registered no node 'guard'",
      neap_lua_why(L));
  assert_int_equal(0, neap_lua_register_node(L, "guard", &ops, &n));
  assert_int_equal(0, load(L, GUARDED("{ exec = print }"), &flow));
  assert_int_equal(NEAP_EFAILED, finish(L, flow));
  assert_string_equal("test.lua:2: native: 'exec' cannot be set: guard is in C",
                      neap_lua_why(L));
  assert_null(neap_lua_call_state(NULL));
}

/* ---- Flows in Lua as nodes of flows in C ---- */

static neap_flow *gate(lua_State *L, const char *name, neap_lua_flow lua,
                       uint64_t timeout_ns) {
  neap_flow *flow;
  neap_node *root, *node, *after;
  neap_node_opts opts = NEAP_NODE_OPTS_INIT;
  neap_node_ops ops = ops_of(guard);
  opts.kind = NEAP_FLOW;
  opts.name = "gate";
  assert_int_equal(0, neap_flow_new(NULL, &flow));
  assert_int_equal(0, neap_flow_add(flow, &opts, &root));
  opts.kind = NEAP_NODE;
  opts.name = "talk";
  opts.max_attempts = 2;
  opts.timeout_ns = timeout_ns;
  assert_int_equal(0, neap_lua_add_node(L, flow, &opts, name, lua, &node));
  opts.name = "guard";
  opts.timeout_ns = 0;
  assert_int_equal(0, neap_flow_add_ops(flow, &opts, &ops, &n, &after));
  assert_int_equal(0, neap_flow_wire(flow, node, "friend", 6, true, after));
  assert_int_equal(0, neap_flow_start(flow, root, node));
  assert_int_equal(0, neap_flow_seal(flow));
  return flow;
}

static void a_flow_in_lua_is_a_node_of_a_flow_in_c(void **state) {
  lua_State *L = *state;
  neap_lua_flow lua = loaded(
      L, "local neap = require 'neap'\n"
         "return neap.Node { name = 'greet', exec = function(_, shared)\n"
         "  neap.sleep(0.001) shared.n = (shared.n or 0) + 1\n"
         "  if shared.n == 1 then error('shy', 0) end end,\n"
         "post = function() return 'friend' end }");
  assert_int_equal(0, neap_lua_swap(L, "talk", lua));
  neap_flow *flow = gate(L, "talk", 0, 0);
  neap_start_opts opts = NEAP_START_OPTS_INIT;
  lua_newtable(L);
  assert_int_equal(0, neap_lua_value_new(L, 1, &opts.shared));
  lua_settop(L, 0);
  neap_token run;
  assert_int_equal(0, neap_start(neap_lua_engine(L), flow, &opts, &run));
  neap_report report = next_report(L);
  assert_string_equal("", report.error);
  assert_int_equal(0, report.status);
  bool guarded = false;
  assert_int_equal(0, neap_get_bool(opts.shared, "guarded", &guarded));
  assert_true(guarded);
  /* The newest flow of the name counts. */
  lua = loaded(L, NODE("error('bad day', 0)"));
  assert_int_equal(0, neap_lua_swap(L, "talk", lua));
  assert_int_equal(0, neap_start(neap_lua_engine(L), flow, &opts, &run));
  report = next_report(L);
  assert_int_equal(NEAP_EFAILED, report.status);
  assert_string_equal("user", report.code);
  assert_string_equal("gate > talk", report.path);
  assert_string_equal("node: bad day", report.error);
  assert_int_equal(1, report.attempt);
  assert_int_equal(0, neap_lua_unload(L, lua));
  assert_int_equal(0, neap_start(neap_lua_engine(L), flow, &opts, &run));
  assert_int_equal(NEAP_ESTALE, next_report(L).status);
  neap_flow_free(flow);
}

static void a_flow_in_lua_is_given_up_in_time(void **state) {
  lua_State *L = *state;
  neap_lua_flow lua = loaded(L, NODE("neap.sleep(1000)"));
  neap_flow *flow = gate(L, NULL, lua, 1000000);
  neap_token run;
  assert_int_equal(0, neap_start(neap_lua_engine(L), flow, NULL, &run));
  assert_int_equal(NEAP_ETIMEDOUT, next_report(L).status);
  neap_flow_free(flow);
  flow = gate(L, NULL, lua, 0);
  assert_int_equal(0, neap_start(neap_lua_engine(L), flow, NULL, &run));
  neap_poll(neap_lua_engine(L), 0);
  assert_int_equal(0, neap_cancel(neap_lua_engine(L), run));
  assert_int_equal(NEAP_ECANCELED, next_report(L).status);
  while (neap_pending(neap_lua_engine(L)) > 0)
    neap_poll(neap_lua_engine(L), NEAP_FOREVER);
  /* One is left when the state is closed; its flow outlives that. */
  assert_int_equal(0, neap_start(neap_lua_engine(L), flow, NULL, &run));
  neap_poll(neap_lua_engine(L), 0);
  lua_State *other;
  assert_int_equal(0, neap_lua_new(NULL, &other));
  assert_int_equal(0, neap_start(neap_lua_engine(other), flow, NULL, &run));
  assert_int_equal(NEAP_EINVAL, next_report(other).status);
  lua_close(other);
  lua_State *third;
  assert_int_equal(0, neap_lua_new(NULL, &third));
  neap_flow *last = gate(third, "none", 0, 0);
  lua_close(third);
  neap_flow_free(last);
  neap_flow_free(flow);
}

static void a_state_may_be_closed_while_c_works(void **state) {
  lua_State *L = *state;
  n = (notes){0};
  neap_node_ops ops = ops_of(linger);
  neap_token token;
  assert_int_equal(0, neap_lua_register_node(L, "guard", &ops, &n));
  assert_int_equal(0, neap_lua_register(L, "wait", &ops, &n));
  assert_int_equal(
      0, neap_lua_start(L, loaded(L, GUARDED("{}")), 0, NULL, &token));
  assert_int_equal(
      0, neap_lua_start(L, loaded(L, NODE("wait()")), 0, NULL, &token));
  neap_poll(neap_lua_engine(L), 0);
  assert_int_equal(2, n.calls);
  lua_close(L);
  assert_int_equal(2, n.cancels);
  assert_int_equal(2, n.drops);
  assert_int_equal(0, neap_lua_new(NULL, &L));
  *state = L;
}

/* ---- Memory ---- */

static int play(lua_State *L) {
  neap_node_ops node = guard_ops(), sum = ops_of(add);
  neap_lua_flow flow = 0;
  neap_token token;
  int status = neap_lua_register_node(L, "guard", &node, &n);
  if (status == 0)
    status = neap_lua_register(L, "sum", &sum, &n);
  if (status == 0)
    status =
        load(L,
             "local neap = require 'neap' assert(sum(1, 2) == 3)\n" GUARDED(
                 "{ params = { failures = 1 }, max_retries = 2, timeout = "
                 "10 }"),
             &flow);
  if (status == 0)
    status = finish(L, flow);
  if (status == 0)
    status = neap_lua_start(L, flow, 0, NULL, &token);
  if (status == 0)
    status = next_report(L).status;
  neap_lua_unload(L, flow);
  return status;
}

static int register_one(lua_State *L) {
  neap_node_ops ops = NEAP_NODE_OPS_INIT;
  ops.exec = add;
  ops.drop = count_drop;
  int status = neap_lua_register(L, "fresh", &ops, &n);
  n.results += status == 0;
  return status;
}

/* What has not been registered is the host's still. */
static void nothing_is_dropped_that_was_not_registered(void **state) {
  (void)state;
  n = (notes){0};
  sweep(register_one, false);
  sweep(register_one, true);
  assert_int_equal(n.results, n.drops);
}

/* A run in C, whose only node is a flow in Lua. Its outcome, also when it
 * fails, is copied into memory of the state's. */
static int play_node(lua_State *L, const char *script) {
  neap_lua_flow lua;
  neap_flow *flow;
  neap_node *root, *node;
  neap_token token;
  neap_node_opts opts = NEAP_NODE_OPTS_INIT;
  int status = load(L, script, &lua);
  if (status == 0)
    status = finish(L, lua);
  if (status < 0)
    return status;
  assert_int_equal(0, neap_flow_new(NULL, &flow));
  opts.kind = NEAP_FLOW;
  assert_int_equal(0, neap_flow_add(flow, &opts, &root));
  opts.kind = NEAP_NODE;
  opts.name = "talk";
  status = neap_lua_add_node(L, flow, &opts, NULL, lua, &node);
  if (status == 0) {
    assert_int_equal(0, neap_flow_start(flow, root, node));
    assert_int_equal(0, neap_flow_seal(flow));
    status = neap_start(neap_lua_engine(L), flow, NULL, &token);
  }
  if (status == 0)
    status = next_report(L).status;
  neap_flow_free(flow);
  neap_lua_unload(L, lua);
  return status;
}

static int play_node_well(lua_State *L) {
  return play_node(L,
                   "local neap = require 'neap' return neap.Flow {\n"
                   "  start = neap.Node { post = function() return 'a' end } "
                   "}");
}

static int play_node_that_fails(lua_State *L) {
  int status = play_node(L, "local neap = require 'neap' return neap.Flow {\n"
                            "  start = neap.Node { exec = error } }");
  return status == NEAP_EFAILED ? 0 : status;
}

static void memory_of_a_node_may_be_refused(void **state) {
  (void)state;
  sweep(play_node_well, false);
  sweep(play_node_well, true);
  sweep(play_node_that_fails, false);
}

/* The node has its memory from the state, which may be closed before. */
static void a_flow_with_such_a_node_outlives_the_state(void **state) {
  (void)state;
  memory m = {0};
  lua_State *L;
  neap_flow *flow;
  neap_node *node;
  neap_node_opts opts = NEAP_NODE_OPTS_INIT;
  neap_engine_opts engine = NEAP_ENGINE_OPTS_INIT;
  neap_lua_opts lua = NEAP_LUA_OPTS_INIT;
  engine.alloc = (neap_alloc){.fn = allocate, .ud = &m};
  lua.engine = &engine;
  assert_int_equal(0, neap_lua_new(&lua, &L));
  assert_int_equal(0, neap_flow_new(NULL, &flow));
  opts.name = "talk";
  size_t before = m.live;
  assert_int_equal(0, neap_lua_add_node(L, flow, &opts, "x", 0, &node));
  assert_true(m.live > before);
  lua_close(L);
  assert_true(m.live > 0);
  neap_flow_free(flow);
  assert_int_equal(0, m.live);
}

static void memory_may_be_refused(void **state) {
  (void)state;
  sweep(play, false);
  sweep(play, true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_function_may_return_at_once),
      TEST(a_function_may_be_completed_by_a_thread),
      TEST(a_function_is_cancelled_with_its_task),
      TEST(a_function_waits_where_lua_can_be_suspended),
      TEST(a_node_in_c_is_a_node_of_a_flow_in_lua),
      TEST(a_node_in_c_has_a_time_limit),
      TEST(a_node_in_c_has_a_fallback_and_prep),
      TEST(nodes_in_c_run_side_by_side),
      TEST(what_is_no_node_is_refused),
      TEST(a_flow_in_lua_is_a_node_of_a_flow_in_c),
      TEST(a_flow_in_lua_is_given_up_in_time),
      TEST(a_state_may_be_closed_while_c_works),
      cmocka_unit_test(memory_may_be_refused),
      cmocka_unit_test(memory_of_a_node_may_be_refused),
      cmocka_unit_test(a_flow_with_such_a_node_outlives_the_state),
      cmocka_unit_test(nothing_is_dropped_that_was_not_registered),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
