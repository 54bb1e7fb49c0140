/* Sockets: what happens when memory is missing, when they are given up, and
 * when the engine goes away. What they do when all is well is told by the specs
 * in Lua.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "waiter.h"

static int finish(neap_engine *engine, waiter *w, int started) {
  if (started < 0) {
    assert_false(neap_op_active(&w->op));
    return started;
  }
  while (w->calls == 0)
    neap_poll(engine, NEAP_FOREVER);
  assert_int_equal(1, w->calls);
  return w->status;
}

static uint16_t port_of(const neap_listener *listener) {
  char name[128];
  assert_int_equal(
      0, neap_net_name(neap_listener_fd(listener), false, name, sizeof name));
  return (uint16_t)strtoul(strrchr(name, ':') + 1, NULL, 10);
}

static int listen_somewhere(neap_engine *engine, neap_listener **listener) {
  neap_net_opts opts = NEAP_NET_OPTS_INIT;
  int detail;
  return neap_net_listen(engine, &opts, &detail, listener);
}

/* Connects to a listener of this program by that name. */
static int talk(neap_engine *engine, const char *host) {
  neap_listener *listener;
  neap_stream *ends[2] = {NULL, NULL};
  waiter w;
  int status = listen_somewhere(engine, &listener);
  if (status < 0)
    return status;
  neap_net_opts opts = NEAP_NET_OPTS_INIT;
  opts.host = host;
  opts.port = port_of(listener);
  prepare(&w);
  status = finish(engine, &w, neap_net_connect(engine, &w.op, &opts, &ends[0]));
  if (status == 0) {
    prepare(&w);
    neap_listener_wait(listener, &w.op);
    assert_int_equal(0, finish(engine, &w, 0));
    int detail;
    status = neap_listener_accept(listener, &detail, &ends[1]);
  }
  if (status == 0) {
    prepare(&w);
    status =
        finish(engine, &w, neap_stream_write(ends[0], &w.op, "x", 1, NULL));
  }
  neap_stream_close(ends[0]);
  neap_stream_close(ends[1]);
  neap_listener_close(listener);
  return status;
}

static int look_up(neap_engine *engine) {
  neap_addresses *addresses = NULL;
  waiter w;
  prepare(&w);
  int status = finish(engine, &w,
                      neap_net_lookup(engine, &w.op, "localhost", &addresses));
  char text[128];
  assert_int_equal(status == 0,
                   addresses &&
                       neap_addresses_get(addresses, 0, text, sizeof text));
  neap_addresses_free(addresses);
  return status;
}

static void survives_each_allocation_that_fails(void **state) {
  (void)state;
  bool failed = true;
  for (long n = 1; failed; n++) {
    failing_state memory;
    neap_engine *engine = new_engine(&memory, n);
    int status = engine ? 0 : NEAP_ENOMEM;
    if (status == 0)
      status = talk(engine, "127.0.0.1");
    if (status == 0)
      status = talk(engine, "localhost");
    if (status == 0)
      status = look_up(engine);
    assert_int_equal(memory.failed ? NEAP_ENOMEM : 0, status);
    neap_engine_free(engine);
    assert_int_equal(0, memory.live);
    failed = memory.failed;
  }
}

/* Begins all kinds of waits, lets `turns` pass, and ends the engine, or before
 * that cancels them. */
static void give_up(int turns, bool cancel) {
  failing_state memory;
  neap_engine *engine = new_engine(&memory, 0);
  neap_listener *listener, *other;
  assert_int_equal(0, listen_somewhere(engine, &listener));
  assert_int_equal(0, listen_somewhere(engine, &other));
  neap_net_opts opts = NEAP_NET_OPTS_INIT;
  opts.port = port_of(listener);
  waiter w[5];
  neap_stream *streams[2] = {NULL, NULL};
  neap_addresses *addresses = NULL;
  for (int i = 0; i < 5; i++)
    prepare(&w[i]);
  assert_int_equal(0, neap_net_connect(engine, &w[0].op, &opts, &streams[0]));
  opts.host = "localhost";
  assert_int_equal(0, neap_net_connect(engine, &w[1].op, &opts, &streams[1]));
  assert_int_equal(0,
                   neap_net_lookup(engine, &w[2].op, "localhost", &addresses));
  neap_listener_wait(listener, &w[3].op);
  neap_listener_wait(other, &w[4].op);
  for (int i = 0; i < turns; i++)
    neap_poll(engine, 1000000);
  for (int i = 0; cancel && i < 5; i++)
    neap_op_cancel(&w[i].op, NEAP_ECANCELED);
  for (int i = 0; cancel && i < 5; i++) {
    while (neap_op_active(&w[i].op))
      neap_poll(engine, NEAP_FOREVER);
    assert_int_equal(1, w[i].calls);
  }
  for (int i = 0; i < 2; i++) {
    /* Only who has ended well has a stream. */
    assert_int_equal(streams[i] != NULL, w[i].calls == 1 && w[i].status == 0);
    if (cancel)
      neap_stream_close(streams[i]);
  }
  neap_addresses_free(addresses);
  neap_engine_free(engine);
  assert_int_equal(0, memory.live);
}

static void can_be_given_up_at_any_time(void **state) {
  (void)state;
  give_up(0, false);
  int before = count_open_files();
  for (int turns = 0; turns < 8; turns++) {
    give_up(turns, false);
    give_up(turns, true);
  }
  assert_int_equal(before, count_open_files());
}

static void refuses_what_makes_no_sense(void **state) {
  (void)state;
  failing_state memory;
  neap_engine *engine = new_engine(&memory, 0);
  neap_net_opts opts = NEAP_NET_OPTS_INIT;
  neap_listener *listener;
  int detail;
  char name[128];
  opts.host = "localhost";
  assert_int_equal(NEAP_EINVAL,
                   neap_net_listen(engine, &opts, &detail, &listener));
  opts.path = "";
  assert_int_equal(NEAP_ESYS,
                   neap_net_listen(engine, &opts, &detail, &listener));
  neap_sys_describe(detail, name, sizeof name, NULL, 0);
  assert_string_equal("ENOENT", name);
  assert_int_equal(NEAP_ESYS, neap_net_name(0, true, name, sizeof name));
  neap_listener_close(NULL);
  neap_addresses_free(NULL);
  neap_engine_free(engine);
  assert_int_equal(0, memory.live);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(survives_each_allocation_that_fails),
      cmocka_unit_test(can_be_given_up_at_any_time),
      cmocka_unit_test(refuses_what_makes_no_sense),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
