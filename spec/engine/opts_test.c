/* The structs of options: of any version, and none that is wrong.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "neap.h"

/* Passes a struct of options, of the right contents but for its size and what
 * is behind it, to the function that takes it. */
typedef int (*taker)(neap_engine *engine, const void *opts);

/* A struct of a version that has more fields. */
typedef struct later {
  union {
    size_t size;
    neap_engine_opts engine;
    neap_node_opts node;
    neap_run_opts run;
    neap_net_opts net;
    neap_process_opts process;
    neap_http_opts http;
  } known;
  char unknown[64];
} later;

static int make_engine(neap_engine *engine, const void *opts) {
  (void)engine;
  neap_engine *other;
  int status = neap_engine_new(opts, &other);
  if (status == 0)
    neap_engine_free(other);
  return status;
}

static int add_node(neap_engine *engine, const void *opts) {
  (void)engine;
  neap_flow *flow;
  neap_node *node;
  assert_int_equal(0, neap_flow_new(NULL, &flow));
  int status = neap_flow_add(flow, opts, &node);
  neap_flow_free(flow);
  return status;
}

static int make_run(neap_engine *engine, const void *opts) {
  (void)engine;
  neap_flow *flow;
  neap_node *node;
  neap_run *run;
  neap_node_opts of_node = NEAP_NODE_OPTS_INIT;
  assert_int_equal(0, neap_flow_new(NULL, &flow));
  assert_int_equal(0, neap_flow_add(flow, &of_node, &node));
  assert_int_equal(0, neap_flow_seal(flow));
  int status = neap_run_new(flow, node, opts, &run);
  if (status == 0)
    neap_run_free(run);
  neap_flow_free(flow);
  return status;
}

static void ignore(neap_op *op) {
  (void)op;
}

static int connect_to(neap_engine *engine, const void *opts) {
  neap_op op;
  neap_stream *stream;
  neap_op_init(&op, ignore, NULL);
  int status = neap_net_connect(engine, &op, opts, &stream);
  neap_op_forget(&op);
  return status;
}

static int listen_at(neap_engine *engine, const void *opts) {
  int detail;
  neap_listener *listener;
  int status = neap_net_listen(engine, opts, &detail, &listener);
  if (status == 0)
    neap_listener_close(listener);
  return status;
}

static int spawn(neap_engine *engine, const void *opts) {
  neap_process *process;
  neap_stream *streams[3];
  neap_process_failure failure;
  int status = neap_process_spawn(engine, opts, &process, streams, &failure);
  if (status < 0)
    return status;
  neap_process_free(process);
  for (int i = 0; i < 3; i++)
    neap_stream_close(streams[i]);
  return 0;
}

static int send_request(neap_engine *engine, const void *opts) {
  neap_op op;
  neap_http_response *response;
  neap_op_init(&op, ignore, NULL);
  int status = neap_http_send(engine, &op, opts, &response);
  neap_op_forget(&op);
  return status;
}

/* Passes options of each size from 0 to beyond those of this version. The size
 * at which the last known field ends is that of the first version. */
static void check(taker take, later *opts, size_t size, size_t first) {
  neap_engine_opts engine_opts = NEAP_ENGINE_OPTS_INIT;
  neap_engine *engine;
  engine_opts.http_library = NEAP_TEST_HTTP_LIBRARY;
  assert_int_equal(0, neap_engine_new(&engine_opts, &engine));
  for (size_t s = 0; s < first; s++) {
    opts->known.size = s;
    assert_int_equal(NEAP_EINVAL, take(engine, opts));
  }
  opts->known.size = size;
  assert_int_equal(0, take(engine, opts));
  opts->known.size = size + 16;
  assert_int_equal(0, take(engine, opts));
  ((char *)opts)[size + 15] = 1;
  assert_int_equal(NEAP_EINVAL, take(engine, opts));
  ((char *)opts)[size + 15] = 0;
  assert_int_equal(0, take(engine, opts));
  opts->known.size = SIZE_MAX;
  assert_int_equal(NEAP_EINVAL, take(engine, opts));
  neap_engine_free(engine);
}

#define SIZE_WITH(type, field)                                                 \
  (offsetof(type, field) + sizeof(((type *)0)->field))

static void of_engines(void **state) {
  (void)state;
  later opts = {0};
  check(make_engine, &opts, sizeof(neap_engine_opts),
        SIZE_WITH(neap_engine_opts, http_library));
}

static void of_nodes(void **state) {
  (void)state;
  later opts = {0};
  check(add_node, &opts, sizeof(neap_node_opts),
        SIZE_WITH(neap_node_opts, max_retry_after_ns));
  opts.known.size = 0;
  neap_node_opts node = {.max_attempts = 3};
  assert_false(neap_may_retry(&node, 0, NULL));
  node.size = sizeof node;
  assert_true(neap_may_retry(&node, 0, NULL));
}

static void of_runs(void **state) {
  (void)state;
  later opts = {0};
  check(make_run, &opts, sizeof(neap_run_opts), SIZE_WITH(neap_run_opts, data));
}

static void of_connections(void **state) {
  (void)state;
  later opts = {0};
  check(connect_to, &opts, sizeof(neap_net_opts),
        SIZE_WITH(neap_net_opts, backlog));
  check(listen_at, &opts, sizeof(neap_net_opts),
        SIZE_WITH(neap_net_opts, backlog));
}

static void of_programs(void **state) {
  (void)state;
  static const char *const argv[] = {"true", NULL};
  later opts = {0};
  opts.known.process.argv = argv;
  check(spawn, &opts, sizeof(neap_process_opts),
        SIZE_WITH(neap_process_opts, same_group));
}

static void of_requests(void **state) {
  (void)state;
  later opts = {0};
  opts.known.http.url = "http://127.0.0.1:1/";
  check(send_request, &opts, sizeof(neap_http_opts),
        SIZE_WITH(neap_http_opts, max_idle_ns));
}

/* NULL stands for the defaults of an engine only. */
static void that_are_missing(void **state) {
  (void)state;
  neap_engine *engine;
  assert_int_equal(0, make_engine(NULL, NULL));
  assert_int_equal(0, neap_engine_new(NULL, &engine));
  static const taker takers[] = {add_node, make_run, connect_to, listen_at,
                                 spawn};
  for (size_t i = 0; i < sizeof takers / sizeof *takers; i++)
    assert_int_equal(NEAP_EINVAL, takers[i](engine, NULL));
  neap_engine_free(engine);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(of_engines),       cmocka_unit_test(of_nodes),
      cmocka_unit_test(of_runs),          cmocka_unit_test(of_connections),
      cmocka_unit_test(of_programs),      cmocka_unit_test(of_requests),
      cmocka_unit_test(that_are_missing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
