/* HTTP, against a server on the loopback interface.
 * SPDX-License-Identifier: MIT
 *
 * Long, because every test needs the same fixture and the server's ways to
 * misbehave.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "http_call.h"

static void a_response_has_status_headers_and_body(void **state) {
  call c;
  neap_http_header h;
  bool transient = true;
  get(*state, &c, "/hello", 0);
  assert_int_equal(200, neap_http_status(c.response));
  assert_body(&c, "hello");
  assert_string_equal(c.url, neap_http_url(c.response));
  assert_string_equal("", neap_http_error(c.response, &transient));
  assert_false(transient);
  static const char *const expected[][2] = {{"content-length", "5"},
                                            {"x-greeting", "high tide"},
                                            {"set-cookie", "a=1"},
                                            {"set-cookie", "b=2"}};
  for (size_t i = 0; i < 4; i++) {
    assert_true(neap_http_get_header(c.response, i, &h));
    assert_string_equal(expected[i][0], h.name);
    assert_string_equal(expected[i][1], h.value);
  }
  assert_false(neap_http_get_header(c.response, 4, &h));
  neap_http_free(c.response);
}

static void a_status_of_failure_is_a_response(void **state) {
  call c;
  get(*state, &c, "/status/503", 0);
  assert_int_equal(503, neap_http_status(c.response));
  assert_body(&c, "");
  neap_http_free(c.response);
}

static void interim_responses_are_passed_over(void **state) {
  call c;
  get(*state, &c, "/interim", 0);
  assert_int_equal(200, neap_http_status(c.response));
  assert_null(header(&c, "x-early"));
  assert_string_equal("high tide", header(&c, "x-greeting"));
  assert_body(&c, "hello");
  neap_http_free(c.response);
}

static void trailers_are_no_headers(void **state) {
  call c;
  get(*state, &c, "/trailers", 0);
  assert_body(&c, "hello");
  assert_string_equal("chunked", header(&c, "transfer-encoding"));
  assert_null(header(&c, "x-late"));
  neap_http_free(c.response);
}

static void folded_headers_are_joined(void **state) {
  call c;
  get(*state, &c, "/folded", 0);
  assert_string_equal("one two", header(&c, "x-folded"));
  neap_http_free(c.response);
}

static void a_request_is_sent_as_given(void **state) {
  call c;
  const neap_http_header headers[] = {{"X-One", "1"}, {"X-Empty", ""}};
  prepare(&c, "/echo?tide=high");
  c.opts.method = "PUT";
  c.opts.headers = headers;
  c.opts.header_count = 2;
  c.opts.body = "a\0b";
  c.opts.body_size = 3;
  expect(*state, &c, 0);
  assert_true(echoed(&c, "PUT /echo?tide=high HTTP/1.1\r\n"));
  assert_true(echoed(&c, "\r\nX-One: 1\r\n"));
  assert_true(echoed(&c, "\r\nX-Empty:\r\n"));
  assert_true(echoed(&c, "\r\nUser-Agent: neap/" NEAP_VERSION "\r\n"));
  assert_true(echoed(&c, "\r\nContent-Length: 3\r\n"));
  assert_false(echoed(&c, "\r\nExpect:"));
  assert_false(echoed(&c, "\r\nContent-Type:"));
  size_t size;
  const char *body = neap_http_body(c.response, &size);
  assert_memory_equal("\r\n\r\na\0b", body + size - 7, 7);
  neap_http_free(c.response);
}

static void a_body_makes_it_a_post(void **state) {
  call c;
  prepare(&c, "/echo");
  c.opts.body = "x";
  c.opts.body_size = 1;
  expect(*state, &c, 0);
  assert_true(echoed(&c, "POST /echo HTTP/1.1\r\n"));
  neap_http_free(c.response);
}

static void a_post_without_a_body_says_so(void **state) {
  call c;
  prepare(&c, "/echo");
  c.opts.method = "POST";
  expect(*state, &c, 0);
  assert_true(echoed(&c, "\r\nContent-Length: 0\r\n"));
  neap_http_free(c.response);
}

static void head_has_headers_only(void **state) {
  call c;
  prepare(&c, "/status/204");
  c.opts.method = "HEAD";
  expect(*state, &c, 0);
  assert_int_equal(204, neap_http_status(c.response));
  neap_http_free(c.response);
}

static void a_user_agent_can_be_replaced(void **state) {
  call c;
  const neap_http_header h = {"user-agent", "buoy"};
  prepare(&c, "/echo");
  c.opts.headers = &h;
  c.opts.header_count = 1;
  expect(*state, &c, 0);
  assert_true(echoed(&c, "\r\nuser-agent: buoy\r\n"));
  assert_false(echoed(&c, "neap/"));
  neap_http_free(c.response);
}

static void user_and_password_go_into_a_header(void **state) {
  call c;
  prepare(&c, "");
  snprintf(c.url, sizeof c.url, "http://moon:t%%40de@127.0.0.1:%d/echo",
           server_port(the_server));
  expect(*state, &c, 0);
  /* base64 of "moon:t@de" */
  assert_true(echoed(&c, "\r\nAuthorization: Basic bW9vbjp0QGRl\r\n"));
  assert_null(strstr(neap_http_url(c.response), "moon"));
  neap_http_free(c.response);
}

/* Expects a refusal with this sentence, and that nothing was started. */
static void assert_refused(neap_engine *engine, const neap_http_opts *opts,
                           const char *why) {
  neap_op op;
  neap_http_response *response;
  neap_op_init(&op, on_done, NULL);
  assert_int_equal(NEAP_EINVAL, neap_http_send(engine, &op, opts, &response));
  assert_string_equal(why, neap_http_why(engine));
  assert_false(neap_op_active(&op));
  assert_int_equal(0, neap_pending(engine));
}

static void urls_are_normalised(void **state) {
  static const char *const urls[][2] = {
      {"http://127.0.0.1:%d/hello", "http://127.0.0.1:%d/hello"},
      {"HTTP://127.0.0.1:%d/hello", "http://127.0.0.1:%d/hello"},
      {"http://127.1:%d/hello", "http://127.0.0.1:%d/hello"},
      {"http://0x7f.0.0.1:%d/hello", "http://127.0.0.1:%d/hello"},
      {"http://127.0.0.1:0%d/hello", "http://127.0.0.1:%d/hello"},
      {"http://127.0.0.1:%d/x/../hello", "http://127.0.0.1:%d/hello"},
      {"http://127.0.0.1:%d/./hello?a=/../b", NULL},
      {"http://me:secret@127.0.0.1:%d/hello", "http://127.0.0.1:%d/hello"},
      {"http://127.0.0.1:%d/hello?q=%%20#part", NULL},
      {"http://localhost:%d/hello", "http://localhost:%d/hello"},
  };
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    call c;
    char expected[256];
    prepare(&c, "");
    snprintf(c.url, sizeof c.url, urls[i][0], server_port(the_server));
    expect(*state, &c, 0);
    assert_body(&c, "hello");
    if (urls[i][1]) {
      snprintf(expected, sizeof expected, urls[i][1], server_port(the_server));
      assert_string_equal(expected, neap_http_url(c.response));
    }
    neap_http_free(c.response);
  }
}

static void what_a_handle_was_told_is_forgotten(void **state) {
  call c;
  prepare(&c, "");
  snprintf(c.url, sizeof c.url, "http://me:secret@127.0.0.1:%d/echo",
           server_port(the_server));
  c.opts.headers = &(neap_http_header){"X-Depth", "3"};
  c.opts.header_count = 1;
  c.opts.body = "tide";
  c.opts.body_size = 4;
  expect(*state, &c, 0);
  assert_true(echoed(&c, "Authorization: Basic"));
  neap_http_free(c.response);
  get(*state, &c, "/echo", 0);
  assert_true(echoed(&c, "GET /echo"));
  assert_false(echoed(&c, "Authorization"));
  assert_false(echoed(&c, "X-Depth"));
  assert_false(echoed(&c, "tide"));
  neap_http_free(c.response);
}

static void malformed_urls_are_refused(void **state) {
  static const char *const cases[][2] = {
      {NULL, "the url is missing"},
      {"", "the url is missing"},
      {"127.0.0.1/x", "the url does not begin with http:// or https://"},
      {"ftp://127.0.0.1/x", "the scheme of the url is neither http nor https"},
      {"file:///etc/passwd", "the scheme of the url is neither http nor https"},
      {"http://127.0.0.1/a b", "the url has a blank or a control character"},
      {"http://127.0.0.1/a\r\nX: y",
       "the url has a blank or a control character"},
      {"http://127.0.0.1:99999/", "the url is malformed"},
      {"http://", "the url is malformed"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    neap_http_opts opts = NEAP_HTTP_OPTS_INIT;
    opts.url = cases[i][0];
    assert_refused(*state, &opts, cases[i][1]);
  }
}

static void malformed_headers_are_refused(void **state) {
  static const struct {
    neap_http_header header;
    const char *why;
  } cases[] = {
      {{"", "x"}, "the name of a header is not an HTTP token"},
      {{NULL, "x"}, "the name of a header is not an HTTP token"},
      {{"X Y", "x"}, "the name of a header is not an HTTP token"},
      {{"X\r\nY", "x"}, "the name of a header is not an HTTP token"},
      {{"X:", "x"}, "the name of a header is not an HTTP token"},
      {{"X", "a\r\nY: b"},
       "the value of the header 'X' has a control character"},
      {{"X", "a\n"}, "the value of the header 'X' has a control character"},
      {{"X", NULL}, "the value of the header 'X' has a control character"},
      {{"Content-length", "5"},
       "the header 'Content-length' follows from the body and is not for you "
       "to set"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    neap_http_opts opts = NEAP_HTTP_OPTS_INIT;
    opts.url = "http://127.0.0.1/";
    opts.headers = &cases[i].header;
    opts.header_count = 1;
    assert_refused(*state, &opts, cases[i].why);
  }
}

static void malformed_methods_are_refused(void **state) {
  neap_http_opts opts = NEAP_HTTP_OPTS_INIT;
  opts.url = "http://127.0.0.1/";
  opts.method = "GET / HTTP/1.1\r\nX:";
  assert_refused(*state, &opts, "the method is not an HTTP token");
  opts.method = "";
  assert_refused(*state, &opts, "the method is not an HTTP token");
  opts.method = "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG";
  assert_refused(*state, &opts, "the method is too long");
  opts.method = "HEAD";
  opts.body = "x";
  opts.body_size = 1;
  assert_refused(*state, &opts, "a HEAD request has no body");
}

static void a_refusal_is_forgotten_by_the_next_request(void **state) {
  neap_http_opts opts = NEAP_HTTP_OPTS_INIT;
  assert_refused(*state, &opts, "the url is missing");
  call c;
  get(*state, &c, "/hello", 0);
  assert_string_equal("", neap_http_why(*state));
  neap_http_free(c.response);
}

static void redirects_are_not_followed_unless_asked_for(void **state) {
  call c;
  get(*state, &c, "/to/302/hello", 0);
  assert_int_equal(302, neap_http_status(c.response));
  assert_string_equal("/hello", header(&c, "location"));
  neap_http_free(c.response);
}

static void redirects_lead_to_the_last_response(void **state) {
  call c;
  prepare(&c, "/to/301/to/302/hello");
  c.opts.max_redirects = 2;
  c.opts.max_body = 5; /* of the last body, not of those that came with 30x */
  expect(*state, &c, 0);
  assert_int_equal(200, neap_http_status(c.response));
  assert_body(&c, "hello");
  assert_null(header(&c, "location"));
  char url[64];
  snprintf(url, sizeof url, "http://127.0.0.1:%d/hello",
           server_port(the_server));
  assert_string_equal(url, neap_http_url(c.response));
  neap_http_free(c.response);
}

static void redirects_are_limited(void **state) {
  call c;
  prepare(&c, "/loop");
  c.opts.max_redirects = 3;
  expect(*state, &c, NEAP_EHTTP);
  assert_error(&c, "more than 3 redirects", false);
  neap_http_free(c.response);
}

static void redirects_stay_with_http(void **state) {
  call c;
  prepare(&c, "/ftp");
  c.opts.max_redirects = 3;
  expect(*state, &c, NEAP_EHTTP);
  assert_error(&c, "a redirect to what is no http or https URL", false);
  neap_http_free(c.response);
}

static void redirects_change_the_method_as_they_should(void **state) {
  static const struct {
    const char *method, *path, *sent;
    bool body;
  } cases[] = {
      {"POST", "/to/301/echo", "GET", false},
      {"POST", "/to/302/echo", "GET", false},
      {"POST", "/to/303/echo", "GET", false},
      {"POST", "/to/307/echo", "POST", true},
      {"POST", "/to/308/echo", "POST", true},
      {"PUT", "/to/302/echo", "PUT", true},
      {"PUT", "/to/303/echo", "GET", false},
      {"DELETE", "/to/303/echo", "GET", false},
      {"DELETE", "/to/307/echo", "DELETE", true},
  };
  const neap_http_header type = {"Content-Type", "text/tide"};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    call c;
    char line[64];
    prepare(&c, cases[i].path);
    c.opts.method = cases[i].method;
    c.opts.headers = &type;
    c.opts.header_count = 1;
    c.opts.body = "ebb";
    c.opts.body_size = 3;
    c.opts.max_redirects = 1;
    expect(*state, &c, 0);
    snprintf(line, sizeof line, "%s /echo HTTP/1.1\r\n", cases[i].sent);
    assert_true(echoed(&c, line));
    assert_int_equal(cases[i].body, echoed(&c, "\r\n\r\nebb"));
    assert_int_equal(cases[i].body, echoed(&c, "Content-Type: text/tide"));
    neap_http_free(c.response);
  }
}

static void credentials_stay_with_their_origin(void **state) {
  static const neap_http_header headers[] = {{"Authorization", "Bearer s"},
                                             {"Cookie", "s=1"},
                                             {"X-Api-Key", "s"},
                                             {"Accept", "text/tide"}};
  static const char *const paths[] = {"/to/307/echo", "/away/307/echo"};
  for (int away = 0; away < 2; away++) {
    call c;
    prepare(&c, paths[away]);
    c.opts.headers = headers;
    c.opts.header_count = 4;
    c.opts.max_redirects = 1;
    expect(*state, &c, 0);
    assert_int_equal(!away, echoed(&c, "\r\nAuthorization: Bearer s\r\n"));
    assert_int_equal(!away, echoed(&c, "\r\nCookie: s=1\r\n"));
    assert_int_equal(!away, echoed(&c, "\r\nX-Api-Key: s\r\n"));
    assert_true(echoed(&c, "\r\nAccept: text/tide\r\n"));
    neap_http_free(c.response);

    prepare(&c, "");
    snprintf(c.url, sizeof c.url, "http://u:p@127.0.0.1:%d%s",
             server_port(the_server), paths[away]);
    c.opts.max_redirects = 1;
    expect(*state, &c, 0);
    assert_int_equal(!away, echoed(&c, "\r\nAuthorization: Basic "));
    neap_http_free(c.response);
  }
}

static void a_body_may_be_as_large_as_allowed(void **state) {
  call c;
  size_t size;
  prepare(&c, "/bytes/100000");
  c.opts.max_body = 100000;
  expect(*state, &c, 0);
  neap_http_body(c.response, &size);
  assert_int_equal(100000, size);
  neap_http_free(c.response);
}

static void a_larger_body_fails(void **state) {
  call c;
  prepare(&c, "/bytes/100000");
  c.opts.max_body = 99999;
  expect(*state, &c, NEAP_ETOOBIG);
  assert_error(&c, "the body is larger than 99999 bytes", false);
  neap_http_free(c.response);
}

static void heads_are_limited(void **state) {
  static const struct {
    const char *path;
    int status;
  } cases[] = {
      {"/headers/1000", 0},
      {"/headers/1100", NEAP_EHTTP},
      {"/headers/100000", NEAP_EHTTP},
      {"/line/60000", 0},
      {"/line/300000", NEAP_EHTTP},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    call c;
    get(*state, &c, cases[i].path, cases[i].status);
    if (cases[i].status < 0)
      assert_error(&c, "the headers are malformed or too many", false);
    neap_http_free(c.response);
  }
}

static void each_timeout_says_which_it_was(void **state) {
  call c;
  uint64_t start = neap_now(*state);
  prepare(&c, "/hang");
  c.opts.timeout_ns = MS(60);
  expect(*state, &c, NEAP_ETIMEDOUT);
  assert_error(&c, "total timeout of 0.060 s", true);
  assert_true(neap_now(*state) - start >= MS(60));
  neap_http_free(c.response);

  start = neap_now(*state);
  prepare(&c, "/stall");
  c.opts.timeout_ns = PATIENCE;
  c.opts.idle_timeout_ns = MS(60);
  expect(*state, &c, NEAP_ETIMEDOUT);
  assert_error(&c, "idle timeout of 0.060 s", true);
  assert_true(neap_now(*state) - start >= MS(60));
  neap_http_free(c.response);

  prepare(&c, "/hang");
  c.opts.idle_timeout_ns = MS(60);
  expect(*state, &c, NEAP_ETIMEDOUT);
  assert_error(&c, "idle timeout of 0.060 s", true);
  neap_http_free(c.response);
}

/* The system completes a connection that nobody accepts, but not TLS on it. */
static void the_connect_timeout_covers_tls(void **state) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(0, bind(fd, (struct sockaddr *)&address, size));
  assert_int_equal(0, listen(fd, 1));
  assert_int_equal(0, getsockname(fd, (struct sockaddr *)&address, &size));
  call c;
  prepare(&c, "");
  snprintf(c.url, sizeof c.url, "https://127.0.0.1:%d/",
           ntohs(address.sin_port));
  c.opts.connect_timeout_ns = MS(60);
  c.opts.timeout_ns = PATIENCE;
  c.opts.idle_timeout_ns = MS(10); /* which begins after connecting */
  expect(*state, &c, NEAP_ETIMEDOUT);
  assert_error(&c, "connect timeout of 0.060 s", true);
  neap_http_free(c.response);
  close(fd);
}

static void moving_bytes_are_not_idle(void **state) {
  call c;
  prepare(&c, "/drip"); /* 150 ms, but never 100 ms without a byte */
  c.opts.idle_timeout_ns = MS(100);
  expect(*state, &c, 0);
  assert_body(&c, "ddddd");
  neap_http_free(c.response);
}

static void the_total_timeout_covers_redirects(void **state) {
  call c;
  prepare(&c, "/loop");
  c.opts.timeout_ns = MS(50);
  c.opts.max_redirects = UINT32_MAX;
  expect(*state, &c, NEAP_ETIMEDOUT);
  assert_error(&c, "total timeout of 0.050 s", true);
  neap_http_free(c.response);
}

static void a_broken_answer_is_a_failure(void **state) {
  static const struct {
    const char *path, *sentence;
    bool transient;
  } cases[] = {
      {"/nothing", "the server closed the connection without an answer", true},
      {"/garbage", "the answer is not HTTP", false},
      {"/short", "the connection ended before the answer was complete", true},
      {"/chunk", "the connection ended before the answer was complete", true},
      {"/reset", "the connection broke", true},
      {"/nul", "the answer is not HTTP", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    call c;
    get(*state, &c, cases[i].path, NEAP_EHTTP);
    assert_error(&c, cases[i].sentence, cases[i].transient);
    neap_http_free(c.response);
  }
}

static void a_refused_connection_is_transient(void **state) {
  call c;
  server *other = server_start();
  assert_non_null(other);
  prepare(&c, "");
  snprintf(c.url, sizeof c.url, "http://127.0.0.1:%d/x", server_port(other));
  server_stop(other);
  expect(*state, &c, NEAP_EHTTP);
  assert_error(&c, "connection refused", true);
  assert_int_equal(0, neap_http_status(c.response));
  neap_http_free(c.response);
}

static void what_answers_without_tls_cannot_be_trusted(void **state) {
  call c;
  prepare(&c, "");
  snprintf(c.url, sizeof c.url, "https://127.0.0.1:%d/garbage",
           server_port(the_server));
  c.opts.timeout_ns = MS(5000);
  expect(*state, &c, NEAP_EHTTP);
  assert_non_null(strstr(neap_http_error(c.response, NULL), ": TLS: "));
  neap_http_free(c.response);
}

static void errors_keep_secrets(void **state) {
  call c;
  prepare(&c, "");
  snprintf(c.url, sizeof c.url,
           "http://moon:secret1@127.0.0.1:%d/nothing?"
           "key=secret2#secret3",
           server_port(the_server));
  expect(*state, &c, NEAP_EHTTP);
  const char *error = neap_http_error(c.response, NULL);
  assert_null(strstr(error, "secret"));
  assert_non_null(strstr(error, "/nothing: "));
  neap_http_free(c.response);
}

static void a_missing_library_is_told(void **state) {
  (void)state;
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.http_library = "/nonexistent/libneap_http.so";
  neap_engine *engine;
  call c;
  prepare(&c, "/hello");
  assert_int_equal(0, neap_engine_new(&opts, &engine));
  assert_int_equal(NEAP_ENOLIB,
                   neap_http_send(engine, &c.op, &c.opts, &c.response));
  assert_non_null(strstr(neap_http_why(engine), opts.http_library));
  assert_false(neap_op_active(&c.op));
  neap_engine_free(engine);
}

/* Polls until the server has this many connections open, or has had them. */
static void wait_for(neap_engine *engine, int (*count)(server *), int wanted) {
  uint64_t end = neap_now(engine) + PATIENCE;
  while (count(the_server) != wanted && neap_now(engine) < end)
    neap_poll(engine, MS(1));
  assert_int_equal(wanted, count(the_server));
}

static void cancelling_drops_the_connection_at_once(void **state) {
  call c;
  prepare(&c, "/stall");
  assert_int_equal(0, neap_http_send(*state, &c.op, &c.opts, &c.response));
  uint64_t soon = neap_now(*state) + MS(30);
  while (neap_now(*state) < soon)
    neap_poll(*state, MS(5));
  neap_op_cancel(&c.op, NEAP_ECANCELED);
  assert_int_equal(0, c.done);
  drive(*state, &c);
  assert_int_equal(NEAP_ECANCELED, c.op.status);
  assert_null(c.response);
  wait_for(*state, server_open, 0);
}

static void forgetting_never_calls_back(void **state) {
  call c;
  prepare(&c, "/hello");
  assert_int_equal(0, neap_http_send(*state, &c.op, &c.opts, &c.response));
  neap_op_forget(&c.op);
  assert_int_equal(0, neap_pending(*state));
  neap_poll(*state, MS(10));
  assert_int_equal(0, c.done);
}

static void an_engine_can_be_freed_with_requests_under_way(void **state) {
  (void)state;
  static const char *const paths[] = {"/hang", "/stall", "/hello", "/drip"};
  call calls[4];
  neap_engine *engine = make_engine(0);
  for (int i = 0; i < 4; i++) {
    prepare(&calls[i], paths[i]);
    assert_int_equal(0, neap_http_send(engine, &calls[i].op, &calls[i].opts,
                                       &calls[i].response));
  }
  while (!calls[2].done)
    neap_poll(engine, MS(100));
  neap_engine_free(engine);
  assert_int_equal(0, calls[0].done + calls[1].done);
  assert_body(&calls[2], "hello");
  neap_http_free(calls[2].response); /* it outlives the engine */
  assert_int_equal(0, memory.live);
}

/* The name that is looked up here, and is not found before this test says so.
 */
#define SLOW_NAME "slow.invalid"

static sem_t slow_name_asked, slow_name_answered;

/* Takes the place of the C library's getaddrinfo, in libcurl as well. */
__attribute__((visibility("default"))) int
look_up(const char *name, const char *service, const struct addrinfo *hints,
        struct addrinfo **result) __asm__("getaddrinfo");

int look_up(const char *name, const char *service, const struct addrinfo *hints,
            struct addrinfo **result) {
  if (name && strcmp(name, SLOW_NAME) == 0) {
    sem_post(&slow_name_asked);
    while (sem_wait(&slow_name_answered) != 0)
      continue;
    return EAI_NONAME;
  }
  int (*real)(const char *, const char *, const struct addrinfo *,
              struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
  return real(name, service, hints, result);
}

static void an_engine_can_be_freed_while_a_name_is_resolved(void **state) {
  (void)state;
  call c;
  neap_engine *engine = make_engine(0);
  prepare(&c, "");
  snprintf(c.url, sizeof c.url, "http://" SLOW_NAME "/");
  sem_init(&slow_name_asked, 0, 0);
  sem_init(&slow_name_answered, 0, 0);
  assert_int_equal(0, neap_http_send(engine, &c.op, &c.opts, &c.response));
  uint64_t end = neap_now(engine) + PATIENCE;
  while (sem_trywait(&slow_name_asked) != 0 && neap_now(engine) < end)
    neap_poll(engine, MS(1));
  assert_true(neap_now(engine) < end);
  /* libcurl waits for its thread; whoever polls no more hears of nothing. */
  sem_post(&slow_name_answered);
  neap_engine_free(engine);
  assert_int_equal(0, c.done);
  assert_int_equal(0, memory.live);
}

/* With a server of its own: it counts a connection when it accepts it, which
 * for one that an earlier test has dropped may be while this one counts. */
static void connections_are_reused(void **state) {
  server *other = server_start();
  assert_non_null(other);
  for (int i = 0; i < 5; i++) {
    call c;
    prepare(&c, "");
    snprintf(c.url, sizeof c.url, "http://127.0.0.1:%d/hello",
             server_port(other));
    expect(*state, &c, 0);
    assert_body(&c, "hello");
    neap_http_free(c.response);
  }
  assert_int_equal(1, server_accepted(other));
  server_stop(other);
}

/* uv_run calls timers and then waits for I/O. A request on a warm connection is
 * sent by a timer, and often enough the answer is there before libcurl lets go:
 * it must not wait for what others wait for. */
static void an_answer_that_is_there_at_once_is_delivered(void **state) {
  call hanging, c;
  prepare(&hanging, "/hang");
  assert_int_equal(
      0, neap_http_send(*state, &hanging.op, &hanging.opts, &hanging.response));
  uint64_t start = neap_now(*state);
  for (int i = 0; i < 200; i++) {
    prepare(&c, "/hello");
    assert_int_equal(0, neap_http_send(*state, &c.op, &c.opts, &c.response));
    while (!c.done)
      neap_poll(*state, PATIENCE);
    assert_int_equal(0, c.op.status);
    neap_http_free(c.response);
    assert_in_range(neap_now(*state) - start, 0, PATIENCE / 2);
  }
  neap_op_forget(&hanging.op);
}

static void a_connection_that_was_closed_is_replaced(void **state) {
  for (int i = 0; i < 3; i++) {
    call c;
    get(*state, &c, i == 1 ? "/once" : "/hello", 0);
    assert_body(&c, "hello");
    neap_http_free(c.response);
  }
}

/* libcurl is not told of a connection that the other side closes while nobody
 * uses it; the loop must not spin on it either. */
static void a_closed_connection_that_is_kept_costs_nothing(void **state) {
  call c, sleeper;
  server *other = server_start();
  assert_non_null(other);
  prepare(&c, "");
  snprintf(c.url, sizeof c.url, "http://127.0.0.1:%d/hello",
           server_port(other));
  expect(*state, &c, 0);
  neap_http_free(c.response);
  server_stop(other);
  prepare(&sleeper, "");
  neap_sleep_until(*state, &sleeper.op, neap_now(*state) + MS(50));
  int polls = 0;
  while (!sleeper.done) {
    neap_poll(*state, NEAP_FOREVER);
    polls++;
  }
  assert_in_range(polls, 1, 10);
}

static void two_hundred_requests_run_at_once(void **state) {
  enum { COUNT = 200 };
  static call calls[COUNT];
  for (int i = 0; i < COUNT; i++) {
    char path[32];
    snprintf(path, sizeof path, "/bytes/%d", i * 100);
    prepare(&calls[i], path);
    assert_int_equal(0, neap_http_send(*state, &calls[i].op, &calls[i].opts,
                                       &calls[i].response));
  }
  assert_int_equal(COUNT, neap_pending(*state));
  for (int i = 0; i < COUNT; i++) {
    size_t size;
    drive(*state, &calls[i]);
    assert_int_equal(0, calls[i].op.status);
    neap_http_body(calls[i].response, &size);
    assert_int_equal(i * 100, size);
    neap_http_free(calls[i].response);
  }
  assert_int_equal(0, neap_pending(*state));
}

static const char one_cookie[] = "127.0.0.1\tFALSE\t/\tFALSE\t0\ttide\tlow\n";

static void a_jar_is_sent_and_filled(void **state) {
  call c;
  const char *text;
  prepare(&c, "/echo");
  assert_int_equal(0, neap_http_jar_new(*state, &c.opts.jar));
  assert_int_equal(NEAP_EINVAL, neap_http_jar_add(c.opts.jar, "ALL"));
  assert_int_equal(0, neap_http_jar_add(c.opts.jar, one_cookie));
  expect(*state, &c, 0);
  assert_true(echoed(&c, "\r\nCookie: tide=low\r\n"));
  neap_http_free(c.response);
  assert_int_equal(0, neap_http_jar_clear(c.opts.jar));
  assert_int_equal(0, neap_http_jar_text(c.opts.jar, &text));
  assert_string_equal("", text);
  neap_http_jar *jar = c.opts.jar;
  prepare(&c, "/hello");
  c.opts.jar = jar;
  expect(*state, &c, 0);
  neap_http_free(c.response);
  assert_int_equal(0, neap_http_jar_text(jar, &text));
  assert_non_null(strstr(text, "\ta\t1\n"));
  neap_http_jar_free(jar);
}

/* The owner may let go of a jar, and the engine end, with requests on it. */
static void a_jar_lasts_as_long_as_its_requests(void **state) {
  (void)state;
  call c;
  neap_engine *engine = make_engine(0);
  prepare(&c, "/hang");
  assert_int_equal(0, neap_http_jar_new(engine, &c.opts.jar));
  assert_int_equal(0, neap_http_send(engine, &c.op, &c.opts, &c.response));
  neap_http_jar_free(c.opts.jar);
  neap_poll(engine, MS(1));
  neap_engine_free(engine);
  assert_int_equal(0, memory.live);
}

/* Makes one request with a redirect, a body, headers and a jar in an engine of
 * which allocation `fail_at` fails; returns whether one did. */
static bool request_with_failure(long fail_at) {
  neap_engine *engine = make_engine(fail_at);
  if (!engine) {
    assert_int_equal(0, memory.live);
    return true;
  }
  call c;
  const neap_http_header h = {"X-Tide", "high"};
  prepare(&c, "/to/307/bytes/50000");
  c.opts.headers = &h;
  c.opts.header_count = 1;
  c.opts.body = "x";
  c.opts.body_size = 1;
  c.opts.max_redirects = 1;
  c.opts.idle_timeout_ns = MS(5000);
  c.opts.proxy = "";
  c.opts.cert_file = c.opts.key_file = c.opts.key_password = "none";
  int status = neap_http_jar_new(engine, &c.opts.jar);
  if (status == 0)
    status = neap_http_jar_add(c.opts.jar, one_cookie);
  if (status == 0)
    status = neap_http_send(engine, &c.op, &c.opts, &c.response);
  if (status == 0) {
    drive(engine, &c);
    status = c.op.status;
    assert_non_null(c.response);
    neap_http_free(c.response);
  }
  const char *text;
  if (status == 0)
    status = neap_http_jar_text(c.opts.jar, &text);
  if (status == 0)
    assert_string_equal(one_cookie, text);
  neap_http_jar_free(c.opts.jar);
  bool failed = memory.failed;
  assert_int_equal(failed ? NEAP_ENOMEM : 0, status);
  neap_engine_free(engine);
  assert_int_equal(0, memory.live);
  return failed;
}

static void each_allocation_may_fail(void **state) {
  (void)state;
  assert_true(fail_each(request_with_failure) >= 10);
}

#define TEST(name)                                                             \
  cmocka_unit_test_setup_teardown(name, open_engine, close_engine)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_response_has_status_headers_and_body),
      TEST(a_status_of_failure_is_a_response),
      TEST(interim_responses_are_passed_over),
      TEST(trailers_are_no_headers),
      TEST(folded_headers_are_joined),
      TEST(a_request_is_sent_as_given),
      TEST(a_body_makes_it_a_post),
      TEST(a_post_without_a_body_says_so),
      TEST(head_has_headers_only),
      TEST(a_user_agent_can_be_replaced),
      TEST(user_and_password_go_into_a_header),
      TEST(urls_are_normalised),
      TEST(what_a_handle_was_told_is_forgotten),
      TEST(malformed_urls_are_refused),
      TEST(malformed_headers_are_refused),
      TEST(malformed_methods_are_refused),
      TEST(a_refusal_is_forgotten_by_the_next_request),
      TEST(redirects_are_not_followed_unless_asked_for),
      TEST(redirects_lead_to_the_last_response),
      TEST(redirects_are_limited),
      TEST(redirects_stay_with_http),
      TEST(redirects_change_the_method_as_they_should),
      TEST(credentials_stay_with_their_origin),
      TEST(a_body_may_be_as_large_as_allowed),
      TEST(a_larger_body_fails),
      TEST(heads_are_limited),
      TEST(each_timeout_says_which_it_was),
      TEST(the_connect_timeout_covers_tls),
      TEST(moving_bytes_are_not_idle),
      TEST(the_total_timeout_covers_redirects),
      TEST(a_broken_answer_is_a_failure),
      TEST(a_refused_connection_is_transient),
      TEST(what_answers_without_tls_cannot_be_trusted),
      TEST(errors_keep_secrets),
      cmocka_unit_test(a_missing_library_is_told),
      TEST(cancelling_drops_the_connection_at_once),
      TEST(forgetting_never_calls_back),
      cmocka_unit_test(an_engine_can_be_freed_with_requests_under_way),
      cmocka_unit_test(an_engine_can_be_freed_while_a_name_is_resolved),
      TEST(connections_are_reused),
      TEST(an_answer_that_is_there_at_once_is_delivered),
      TEST(a_connection_that_was_closed_is_replaced),
      TEST(a_closed_connection_that_is_kept_costs_nothing),
      TEST(two_hundred_requests_run_at_once),
      TEST(a_jar_is_sent_and_filled),
      cmocka_unit_test(a_jar_lasts_as_long_as_its_requests),
      cmocka_unit_test(each_allocation_may_fail),
  };
  the_server = server_start();
  if (!the_server)
    return EXIT_FAILURE;
  int failures = cmocka_run_group_tests_name("http", tests, NULL, NULL);
  server_stop(the_server);
  return failures;
}
