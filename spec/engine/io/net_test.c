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
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "waiter.h"

/* What the next calls of accept4 fail with; 0 ends the list. */
static const int *accept_errors;

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags) {
  int (*original)(int, struct sockaddr *, socklen_t *, int);
  if (accept_errors && *accept_errors != 0) {
    errno = *accept_errors++;
    return -1;
  }
  *(void **)&original = dlsym(RTLD_NEXT, "accept4");
  return original(fd, address, size, flags);
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
  neap_engine_free(engine);
  /* What is left can be asked and freed, in any order. */
  waiter late;
  prepare(&late);
  int detail;
  neap_stream *none = NULL;
  assert_int_equal(-1, neap_listener_fd(listener));
  assert_int_equal(NEAP_ECLOSED, neap_listener_wait(listener, &late.op));
  assert_int_equal(NEAP_ECLOSED,
                   neap_listener_accept(listener, &detail, &none));
  assert_null(none);
  char name[64];
  if (addresses)
    assert_true(neap_addresses_get(addresses, 0, name, sizeof name));
  neap_addresses_free(addresses);
  neap_listener_close(other);
  for (int i = 0; i < 2 && !cancel; i++)
    neap_stream_close(streams[i]);
  neap_listener_close(listener);
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

static int accept_from(neap_engine *engine, neap_listener *listener,
                       int *detail, neap_stream **end) {
  int status;
  do {
    waiter w;
    prepare(&w);
    neap_listener_wait(listener, &w.op);
    assert_int_equal(0, finish(engine, &w, 0));
    status = neap_listener_accept(listener, detail, end);
  } while (status == NEAP_EAGAIN);
  return status;
}

/* What has happened to one connection is no reason not to accept the next. */
static void accepts_the_next_when_one_has_failed(void **state) {
  (void)state;
  static const int of_one[] = {ECONNABORTED, EPROTO,      ENETDOWN,    EINTR,
                               EPERM,        ENOPROTOOPT, EHOSTDOWN,   ENONET,
                               EHOSTUNREACH, EOPNOTSUPP,  ENETUNREACH, 0};
  static const int of_all[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, 0};
  failing_state memory;
  neap_engine *engine = new_engine(&memory, 0);
  neap_listener *listener;
  neap_stream *ends[2];
  waiter w;
  int detail;
  assert_int_equal(0, listen_somewhere(engine, &listener));
  neap_net_opts opts = NEAP_NET_OPTS_INIT;
  opts.port = port_of(listener);
  prepare(&w);
  assert_int_equal(
      0, finish(engine, &w, neap_net_connect(engine, &w.op, &opts, &ends[0])));
  accept_errors = of_all;
  for (int i = 0; of_all[i] != 0; i++) {
    char name[32];
    assert_int_equal(NEAP_ESYS,
                     accept_from(engine, listener, &detail, &ends[1]));
    neap_sys_describe(detail, name, sizeof name, NULL, 0);
    assert_string_equal(strerrorname_np(of_all[i]), name);
  }
  accept_errors = of_one;
  assert_int_equal(0, accept_from(engine, listener, &detail, &ends[1]));
  accept_errors = NULL;
  neap_stream_close(ends[0]);
  neap_stream_close(ends[1]);
  neap_listener_close(listener);
  neap_engine_free(engine);
  assert_int_equal(0, memory.live);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(survives_each_allocation_that_fails),
      cmocka_unit_test(can_be_given_up_at_any_time),
      cmocka_unit_test(refuses_what_makes_no_sense),
      cmocka_unit_test(accepts_the_next_when_one_has_failed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
