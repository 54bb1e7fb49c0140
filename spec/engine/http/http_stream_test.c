/* Bodies that come and go piece by piece.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "http_call.h"

/* What a streamed body gave until its end. */
typedef struct outcome {
  size_t size;
  char begin[64];
  int status;
} outcome;

/* Waits until there is something to read. */
static void wait_to_read(neap_engine *engine, call *c) {
  c->done = 0;
  assert_int_equal(0, neap_http_read(engine, &c->op, c->response));
  drive(engine, c);
  assert_int_equal(0, c->op.status);
}

static outcome read_all(neap_engine *engine, call *c) {
  outcome o = {0};
  const char *bytes;
  size_t size;
  while ((o.status = neap_http_peek(c->response, &bytes, &size)) ==
             NEAP_EAGAIN ||
         size > 0) {
    if (size == 0) {
      wait_to_read(engine, c);
      continue;
    }
    for (size_t i = 0; i < size && o.size + i < sizeof o.begin - 1; i++)
      o.begin[o.size + i] = bytes[i];
    o.size += size;
    neap_http_take(c->response, size);
  }
  return o;
}

/* Gets a path up to its head. */
static void stream(neap_engine *engine, call *c, const char *path) {
  prepare(c, path);
  c->opts.stream = true;
  expect(engine, c, 0);
}

static void a_streamed_response_begins_with_its_head(void **state) {
  call c;
  stream(*state, &c, "/stall");
  assert_int_equal(200, neap_http_status(c.response));
  assert_string_equal("100", header(&c, "content-length"));
  wait_to_read(*state, &c);
  size_t size;
  assert_memory_equal("short", neap_http_body(c.response, &size), 5);
  assert_int_equal(5, size);
  neap_http_free(c.response);
}

static void a_streamed_body_ends(void **state) {
  call c;
  static const char *const paths[] = {"/hello", "/trailers", "/interim",
                                      "/once"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    stream(*state, &c, paths[i]);
    outcome o = read_all(*state, &c);
    assert_int_equal(0, o.status);
    assert_string_equal("hello", o.begin);
    neap_http_free(c.response);
  }
  stream(*state, &c, "/status/204");
  assert_int_equal(0, read_all(*state, &c).size);
  neap_http_free(c.response);
}

static void a_streamed_body_is_decoded(void **state) {
  call c;
  stream(*state, &c, "/gzip");
  assert_string_equal("high tide", read_all(*state, &c).begin);
  neap_http_free(c.response);
}

/* However much comes of a few bytes, it is decoded as it is read. */
static void a_streamed_body_that_grows_is_held_up(void **state) {
  call c;
  stream(*state, &c, "/bomb");
  wait_to_read(*state, &c);
  for (int i = 0; i < 20; i++)
    neap_poll(*state, MS(1));
  size_t size;
  neap_http_body(c.response, &size);
  assert_in_range(size, 1, 1024 * 1024);
  assert_true(memory.peak < 2 * 1024 * 1024);
  outcome o = read_all(*state, &c);
  assert_int_equal(0, o.status);
  assert_int_equal(64 * 1024 * 1024, o.size);
  assert_true(memory.peak < 2 * 1024 * 1024);
  neap_http_free(c.response);
}

static void a_body_that_grows_too_large_fails(void **state) {
  call c;
  for (int streamed = 0; streamed < 2; streamed++) {
    prepare(&c, "/bomb");
    c.opts.stream = streamed;
    c.opts.max_body = 1000000;
    expect(*state, &c, streamed ? 0 : NEAP_ETOOBIG);
    if (streamed) {
      outcome o = read_all(*state, &c);
      assert_int_equal(NEAP_ETOOBIG, o.status);
      assert_true(o.size <= 1000000);
    }
    assert_error(&c, "the body is larger than 1000000 bytes", false);
    neap_http_free(c.response);
  }
  assert_true(memory.peak < 4 * 1024 * 1024);
}

static void a_streamed_response_is_the_last_of_its_redirects(void **state) {
  call c;
  prepare(&c, "/to/302/hello");
  c.opts.stream = true;
  c.opts.max_redirects = 3;
  expect(*state, &c, 0);
  assert_string_equal("hello", read_all(*state, &c).begin);
  neap_http_free(c.response);
  stream(*state, &c, "/to/302/hello");
  assert_int_equal(302, neap_http_status(c.response));
  assert_int_equal(4096, read_all(*state, &c).size);
  neap_http_free(c.response);
}

static void a_response_that_was_not_streamed_can_be_read(void **state) {
  call c;
  get(*state, &c, "/hello", 0);
  wait_to_read(*state, &c);
  assert_string_equal("hello", read_all(*state, &c).begin);
  assert_int_equal(0, read_all(*state, &c).size);
  neap_http_free(c.response);
}

static void
a_body_that_breaks_gives_its_bytes_and_then_the_error(void **state) {
  call c;
  stream(*state, &c, "/short");
  outcome o = read_all(*state, &c);
  assert_string_equal("short", o.begin);
  assert_int_equal(NEAP_EHTTP, o.status);
  assert_error(&c, "the connection ended before the answer was complete", true);
  assert_int_equal(NEAP_EHTTP, read_all(*state, &c).status);
  neap_http_free(c.response);
}

static void a_request_that_fails_before_its_head_fails(void **state) {
  call c;
  prepare(&c, "/reset");
  c.opts.stream = true;
  expect(*state, &c, NEAP_EHTTP);
  neap_http_free(c.response);
}

static void time_limits_hold_for_streamed_bodies(void **state) {
  call c;
  prepare(&c, "/stall");
  c.opts.stream = true;
  c.opts.idle_timeout_ns = MS(500); /* a busy machine is late with the head */
  expect(*state, &c, 0);
  outcome o = read_all(*state, &c);
  assert_string_equal("short", o.begin);
  assert_int_equal(NEAP_ETIMEDOUT, o.status);
  assert_error(&c, "idle timeout of 0.500 s", true);
  neap_http_free(c.response);
  prepare(&c, "/stall");
  c.opts.stream = true;
  c.opts.timeout_ns = MS(500);
  expect(*state, &c, 0);
  assert_int_equal(NEAP_ETIMEDOUT, read_all(*state, &c).status);
  assert_error(&c, "total timeout of 0.500 s", true);
  neap_http_free(c.response);
}

static void a_streamed_body_is_limited_when_asked_to_be(void **state) {
  call c;
  prepare(&c, "/bytes/100000");
  c.opts.stream = true;
  c.opts.max_body = 50000;
  expect(*state, &c, 0);
  outcome o = read_all(*state, &c);
  assert_true(o.size <= 50000);
  assert_int_equal(NEAP_ETOOBIG, o.status);
  neap_http_free(c.response);
}

/* More than what sockets and the engine take in together. */
enum { PLENTY = 64 * 1024 * 1024 };

static void what_nobody_takes_holds_up_the_server(void **state) {
  call c;
  size_t size;
  prepare(&c, "/bytes/67108864");
  c.opts.stream = true;
  c.opts.idle_timeout_ns = MS(500);
  expect(*state, &c, 0);
  /* Another operation has the engine polled: as long as twice the idle time. */
  call other;
  for (int i = 0; i < 7; i++) {
    get(*state, &other, "/drip", 0);
    neap_http_free(other.response);
  }
  neap_http_body(c.response, &size);
  assert_true(size > 0 && size < 1024 * 1024);
  outcome o = read_all(*state, &c);
  assert_int_equal(0, o.status);
  assert_int_equal(PLENTY, o.size);
  neap_http_free(c.response);
}

static void only_one_reads_at_a_time(void **state) {
  call c, second;
  stream(*state, &c, "/stall");
  wait_to_read(*state, &c);
  neap_http_take(c.response, 5);
  prepare(&second, "/");
  c.done = 0;
  assert_int_equal(0, neap_http_read(*state, &c.op, c.response));
  assert_int_equal(NEAP_EBUSY, neap_http_read(*state, &second.op, c.response));
  neap_op_cancel(&c.op, NEAP_ECANCELED);
  drive(*state, &c);
  assert_int_equal(NEAP_ECANCELED, c.op.status);
  c.done = 0;
  assert_int_equal(0, neap_http_read(*state, &c.op, c.response));
  neap_http_free(c.response);
  drive(*state, &c);
  assert_int_equal(NEAP_ECLOSED, c.op.status);
}

/* Waits until so many connections are open. */
static void expect_open(neap_engine *engine, int count) {
  uint64_t end = neap_now(engine) + PATIENCE;
  while (server_open(the_server) != count && neap_now(engine) < end)
    neap_poll(engine, MS(1));
  assert_int_equal(count, server_open(the_server));
}

static void freeing_a_streamed_response_closes_its_connection(void **state) {
  call c;
  expect_open(*state, 0);
  stream(*state, &c, "/stall");
  assert_int_equal(1, server_open(the_server));
  neap_http_free(c.response);
  expect_open(*state, 0);
}

static void a_streamed_response_outlives_its_engine(void **state) {
  (void)state;
  call c;
  const char *bytes;
  size_t size;
  neap_engine *engine = make_engine(0);
  stream(engine, &c, "/stall");
  wait_to_read(engine, &c);
  neap_http_take(c.response, 5);
  c.done = 0;
  assert_int_equal(0, neap_http_read(engine, &c.op, c.response));
  neap_engine_free(engine);
  assert_int_equal(0, c.done);
  assert_int_equal(NEAP_ECLOSED, neap_http_peek(c.response, &bytes, &size));
  neap_http_free(c.response);
  assert_int_equal(0, memory.live);
}

/* A request with an upload of this size. */
static neap_http_upload *prepare_upload(neap_engine *engine, call *c,
                                        const char *path, uint64_t size) {
  neap_http_upload *upload;
  assert_int_equal(0, neap_http_upload_new(engine, size, &upload));
  prepare(c, path);
  c->opts.upload = upload;
  return upload;
}

static void begin(neap_engine *engine, call *c) {
  assert_int_equal(0, neap_http_send(engine, &c->op, &c->opts, &c->response));
}

/* Writes what there is room for at once. */
static void write_text(neap_engine *engine, neap_http_upload *upload,
                       const char *text) {
  neap_op unused;
  bool written;
  neap_op_init(&unused, on_done, NULL);
  assert_int_equal(0, neap_http_upload_write(engine, &unused, upload, text,
                                             strlen(text), &written));
  assert_true(written);
}

/* Polls for some time while a request goes on. */
static void poll_for(neap_engine *engine, uint64_t ns) {
  for (uint64_t end = neap_now(engine) + ns; neap_now(engine) < end;)
    neap_poll(engine, MS(1));
}

static void an_upload_and_a_jar_outlive_their_engine(void **state) {
  (void)state;
  static const char cookie[] = "127.0.0.1\tFALSE\t/\tFALSE\t0\ttide\thigh\n";
  for (int sent = 0; sent < 2; sent++) {
    call c;
    const char *text;
    neap_engine *engine = make_engine(0);
    neap_http_upload *upload =
        prepare_upload(engine, &c, "/echo", NEAP_HTTP_SIZE_UNKNOWN);
    neap_http_jar *jar;
    assert_int_equal(0, neap_http_jar_new(engine, &jar));
    assert_int_equal(0, neap_http_jar_add(jar, cookie));
    c.opts.jar = jar;
    if (sent) {
      begin(engine, &c);
      poll_for(engine, MS(20));
    }
    write_text(engine, upload, "high");
    neap_engine_free(engine);
    assert_int_equal(0, c.done);
    assert_int_equal(sent ? NEAP_ECLOSED : 0, neap_http_upload_end(upload));
    neap_http_upload_free(upload);
    assert_int_equal(0, neap_http_jar_add(jar, cookie));
    assert_int_equal(0, neap_http_jar_text(jar, &text));
    assert_non_null(strstr(text, "tide\thigh"));
    assert_int_equal(0, neap_http_jar_clear(jar));
    neap_http_jar_free(jar);
    assert_int_equal(0, memory.live);
  }
}

static void an_upload_is_sent_with_its_size_or_in_chunks(void **state) {
  call c;
  neap_http_upload *upload = prepare_upload(*state, &c, "/echo", 9);
  write_text(*state, upload, "high");
  begin(*state, &c);
  poll_for(*state, MS(20));
  write_text(*state, upload, " tide");
  assert_int_equal(0, neap_http_upload_end(upload));
  neap_http_upload_free(upload);
  drive(*state, &c);
  assert_int_equal(0, c.op.status);
  assert_true(echoed(&c, "Content-Length: 9\r\n"));
  assert_true(echoed(&c, "\r\n\r\nhigh tide"));
  neap_http_free(c.response);

  upload = prepare_upload(*state, &c, "/echo", NEAP_HTTP_SIZE_UNKNOWN);
  c.opts.method = "PUT";
  begin(*state, &c);
  poll_for(*state, MS(20));
  write_text(*state, upload, "high");
  poll_for(*state, MS(20));
  write_text(*state, upload, " tide");
  assert_int_equal(0, neap_http_upload_end(upload));
  drive(*state, &c);
  assert_int_equal(0, c.op.status);
  assert_true(echoed(&c, "PUT /echo"));
  assert_true(echoed(&c, "4\r\nhigh\r\n5\r\n tide\r\n0\r\n\r\n"));
  assert_int_equal(NEAP_ECLOSED, neap_http_upload_end(upload));
  neap_http_upload_free(upload);
  neap_http_free(c.response);
}

static void
an_upload_that_is_not_written_whole_fails_its_request(void **state) {
  call c;
  neap_http_upload *upload =
      prepare_upload(*state, &c, "/echo", NEAP_HTTP_SIZE_UNKNOWN);
  write_text(*state, upload, "high");
  begin(*state, &c);
  poll_for(*state, MS(20));
  neap_http_upload_free(upload);
  drive(*state, &c);
  assert_int_equal(NEAP_EHTTP, c.op.status);
  assert_error(&c, "the request's body ended early", false);
  neap_http_free(c.response);
}

static void the_size_of_an_upload_is_kept(void **state) {
  neap_http_upload *upload;
  neap_op op;
  bool written;
  neap_op_init(&op, on_done, NULL);
  assert_int_equal(0, neap_http_upload_new(*state, 3, &upload));
  assert_int_equal(NEAP_EINVAL, neap_http_upload_write(*state, &op, upload,
                                                       "tide", 4, &written));
  assert_int_equal(NEAP_EINVAL, neap_http_upload_end(upload));
  write_text(*state, upload, "ebb");
  assert_int_equal(0, neap_http_upload_end(upload));
  assert_int_equal(NEAP_ECLOSED, neap_http_upload_write(*state, &op, upload,
                                                        "x", 1, &written));
  neap_http_upload_free(upload);
}

static void who_writes_is_held_up(void **state) {
  enum { SIZE = 8 * 1024 * 1024, PIECE = 64 * 1024 };
  call c, writer;
  static char piece[PIECE];
  bool written = true;
  neap_http_upload *upload =
      prepare_upload(*state, &c, "/deaf", NEAP_HTTP_SIZE_UNKNOWN);
  prepare(&writer, "/");
  begin(*state, &c);
  size_t total = 0;
  for (; total < SIZE && !neap_op_active(&writer.op); total += PIECE) {
    assert_int_equal(0, neap_http_upload_write(*state, &writer.op, upload,
                                               piece, PIECE, &written));
    if (!written)
      poll_for(*state, MS(20));
  }
  assert_true(neap_op_active(&writer.op) && total < SIZE);
  assert_int_equal(NEAP_EBUSY, neap_http_upload_write(*state, &c.op, upload,
                                                      "x", 1, &written));
  writer.done = 0;
  neap_op_cancel(&c.op, NEAP_ECANCELED);
  drive(*state, &c);
  drive(*state, &writer);
  assert_int_equal(NEAP_ECLOSED, writer.op.status);
  neap_http_upload_free(upload);
}

static void an_early_refusal_is_the_answer(void **state) {
  call c, writer;
  static char piece[1024 * 1024];
  bool written;
  neap_http_upload *upload =
      prepare_upload(*state, &c, "/early/413", sizeof piece * UINT64_C(100));
  prepare(&writer, "/");
  begin(*state, &c);
  assert_int_equal(0, neap_http_upload_write(*state, &writer.op, upload, piece,
                                             sizeof piece, &written));
  drive(*state, &c);
  assert_int_equal(0, c.op.status);
  assert_int_equal(413, neap_http_status(c.response));
  assert_body(&c, "early");
  neap_http_upload_free(upload);
  neap_op_forget(&writer.op);
  neap_http_free(c.response);
}

static void a_redirect_of_an_upload_needs_no_body_or_fails(void **state) {
  call c;
  neap_http_upload *upload = prepare_upload(*state, &c, "/to/303/echo", 4);
  c.opts.max_redirects = 1;
  write_text(*state, upload, "tide");
  assert_int_equal(0, neap_http_upload_end(upload));
  expect(*state, &c, 0);
  assert_true(echoed(&c, "GET /echo"));
  neap_http_upload_free(upload);
  neap_http_free(c.response);

  upload = prepare_upload(*state, &c, "/to/307/echo", 4);
  c.opts.max_redirects = 1;
  write_text(*state, upload, "tide");
  assert_int_equal(0, neap_http_upload_end(upload));
  expect(*state, &c, NEAP_EHTTP);
  assert_error(&c,
               "a redirect asks for the body again, which can be sent only "
               "once",
               false);
  neap_http_upload_free(upload);
  neap_http_free(c.response);
}

static void an_upload_is_for_one_request(void **state) {
  call c;
  neap_http_upload *upload = prepare_upload(*state, &c, "/echo", 4);
  write_text(*state, upload, "tide");
  assert_int_equal(0, neap_http_upload_end(upload));
  c.opts.body = "x";
  c.opts.body_size = 1;
  assert_int_equal(NEAP_EINVAL,
                   neap_http_send(*state, &c.op, &c.opts, &c.response));
  c.opts.body = NULL;
  expect(*state, &c, 0);
  neap_http_free(c.response);
  assert_int_equal(NEAP_EINVAL,
                   neap_http_send(*state, &c.op, &c.opts, &c.response));
  assert_string_equal("the upload has been sent before", neap_http_why(*state));
  neap_http_upload_free(upload);
}

/* Sends a small upload to /echo and reads the answer as a stream, while the
 * allocation `fail_at` fails; returns whether one did. */
static bool exchange_with_failure(long fail_at) {
  neap_engine *engine = make_engine(fail_at);
  if (!engine)
    return true;
  call c;
  prepare(&c, "/echo");
  c.opts.stream = true;
  bool written = true;
  int status =
      neap_http_upload_new(engine, NEAP_HTTP_SIZE_UNKNOWN, &c.opts.upload);
  if (status == 0)
    status = neap_http_send(engine, &c.op, &c.opts, &c.response);
  if (status == 0) {
    neap_op writer;
    neap_op_init(&writer, on_done, NULL);
    status = neap_http_upload_write(engine, &writer, c.opts.upload, "tide", 4,
                                    &written);
    if (status == 0)
      status = neap_http_upload_end(c.opts.upload);
    if (status < 0)
      neap_op_forget(&c.op);
  }
  if (status == 0) {
    drive(engine, &c);
    status = c.op.status;
    if (status == 0)
      status = read_all(engine, &c).status;
    neap_http_free(c.response);
  }
  neap_http_upload_free(c.opts.upload);
  bool failed = memory.failed;
  assert_int_equal(failed ? NEAP_ENOMEM : 0, status);
  neap_engine_free(engine);
  assert_int_equal(0, memory.live);
  return failed;
}

static void each_allocation_may_fail(void **state) {
  (void)state;
  assert_true(fail_each(exchange_with_failure) >= 10);
}

#define TEST(name)                                                             \
  cmocka_unit_test_setup_teardown(name, open_engine, close_engine)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_streamed_response_begins_with_its_head),
      TEST(a_streamed_body_ends),
      TEST(a_streamed_body_is_decoded),
      TEST(a_streamed_body_that_grows_is_held_up),
      TEST(a_body_that_grows_too_large_fails),
      TEST(a_streamed_response_is_the_last_of_its_redirects),
      TEST(a_response_that_was_not_streamed_can_be_read),
      TEST(a_body_that_breaks_gives_its_bytes_and_then_the_error),
      TEST(a_request_that_fails_before_its_head_fails),
      TEST(time_limits_hold_for_streamed_bodies),
      TEST(a_streamed_body_is_limited_when_asked_to_be),
      TEST(what_nobody_takes_holds_up_the_server),
      TEST(only_one_reads_at_a_time),
      TEST(freeing_a_streamed_response_closes_its_connection),
      cmocka_unit_test(a_streamed_response_outlives_its_engine),
      cmocka_unit_test(an_upload_and_a_jar_outlive_their_engine),
      TEST(an_upload_is_sent_with_its_size_or_in_chunks),
      TEST(an_upload_that_is_not_written_whole_fails_its_request),
      TEST(the_size_of_an_upload_is_kept),
      TEST(who_writes_is_held_up),
      TEST(an_early_refusal_is_the_answer),
      TEST(a_redirect_of_an_upload_needs_no_body_or_fails),
      TEST(an_upload_is_for_one_request),
      cmocka_unit_test(each_allocation_may_fail),
  };
  the_server = server_start();
  if (!the_server)
    return EXIT_FAILURE;
  int failures = cmocka_run_group_tests_name("http_stream", tests, NULL, NULL);
  server_stop(the_server);
  return failures;
}
