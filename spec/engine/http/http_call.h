/* What the tests of HTTP share: requests to the server of server.h.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SPEC_HTTP_CALL_H
#define NEAP_SPEC_HTTP_CALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "neap.h"
#include "server.h"

#define MS(n) ((uint64_t)(n)*1000000)

/* Longer than anything here takes, but when it hangs. */
#define PATIENCE MS(20000)

static server *the_server;
static failing_state memory;

/* One request and what became of it. */
typedef struct call {
  neap_op op;
  neap_http_response *response;
  int done; /* how often */
  char url[512];
  neap_http_opts opts;
} call;

static inline void on_done(neap_op *op) {
  ((call *)op->data)->done++;
}

/* Prepares a request for a path of the server. */
static inline void prepare(call *c, const char *path) {
  *c = (call){.opts = NEAP_HTTP_OPTS_INIT};
  neap_op_init(&c->op, on_done, c);
  snprintf(c->url, sizeof c->url, "http://127.0.0.1:%d%s",
           server_port(the_server), path);
  c->opts.url = c->url;
}

static inline void drive(neap_engine *engine, call *c) {
  uint64_t end = neap_now(engine) + PATIENCE;
  while (!c->done && neap_now(engine) < end)
    neap_poll(engine, MS(100));
  assert_int_equal(1, c->done);
}

static inline neap_engine *make_engine(long fail_at) {
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.alloc = failing_alloc(&memory, fail_at);
  opts.http_library = NEAP_TEST_HTTP_LIBRARY;
  neap_engine *engine = NULL;
  int status = neap_engine_new(&opts, &engine);
  assert_int_equal(memory.failed ? NEAP_ENOMEM : 0, status);
  return engine;
}

static inline int open_engine(void **state) {
  *state = make_engine(0);
  return 0;
}

static inline int close_engine(void **state) {
  neap_engine_free(*state);
  assert_int_equal(0, memory.live);
  return 0;
}

/* Sends what has been prepared, waits, and expects this status. */
static inline void expect(neap_engine *engine, call *c, int status) {
  assert_int_equal(0, neap_http_send(engine, &c->op, &c->opts, &c->response));
  drive(engine, c);
  if (status != c->op.status)
    print_error("%s\n", neap_http_error(c->response, NULL));
  assert_int_equal(status, c->op.status);
  assert_non_null(c->response);
}

static inline void get(neap_engine *engine, call *c, const char *path,
                       int status) {
  prepare(c, path);
  expect(engine, c, status);
}

static inline void assert_body(const call *c, const char *expected) {
  size_t size;
  const char *body = neap_http_body(c->response, &size);
  assert_int_equal(strlen(expected), size);
  assert_memory_equal(expected, body, size);
}

/* Whether the body, a request that /echo gave back, has this text. */
static inline bool echoed(const call *c, const char *text) {
  size_t size;
  const char *body = neap_http_body(c->response, &size);
  return memmem(body, size, text, strlen(text)) != NULL;
}

static inline const char *header(const call *c, const char *name) {
  neap_http_header h;
  for (size_t i = 0; neap_http_get_header(c->response, i, &h); i++) {
    if (strcmp(h.name, name) == 0)
      return h.value;
  }
  return NULL;
}

/* The whole sentence of a failure: the URL, then this. */
static inline void assert_error(const call *c, const char *sentence,
                                bool transient) {
  char expected[1024];
  bool is_transient;
  const char *error = neap_http_error(c->response, &is_transient);
  snprintf(expected, sizeof expected, "%s: %s", neap_http_url(c->response),
           sentence);
  assert_string_equal(expected, error);
  assert_int_equal(transient, is_transient);
}

#endif
