/* HTTP in a restricted engine: whom a request and its redirects reach, and
 * which files it reads. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../http/http_call.h"
#include "resolver.h"

static int port;

static neap_engine *restricted(const char *const *list) {
  neap_grants grants = NEAP_GRANTS_INIT;
  grants.list = list;
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.alloc = failing_alloc(&memory, 0);
  opts.grants = &grants;
  opts.http_library = NEAP_TEST_HTTP_LIBRARY;
  neap_engine *engine;
  assert_int_equal(0, neap_engine_new(&opts, &engine));
  return engine;
}

static void set_url(call *c, const char *host, const char *path) {
  prepare(c, "");
  snprintf(c->url, sizeof c->url, "http://%s:%d%s", host, port, path);
  c->opts.max_redirects = 5;
}

/* Sends what has been prepared. Returns the status, and what was wrong. */
static int send_it(neap_engine *engine, call *c, char why[1024]) {
  int started = neap_http_send(engine, &c->op, &c->opts, &c->response);
  if (started < 0) {
    snprintf(why, 1024, "%s", neap_http_why(engine));
    return started;
  }
  drive(engine, c);
  snprintf(why, 1024, "%s", neap_http_error(c->response, NULL));
  neap_http_free(c->response);
  return c->op.status;
}

typedef struct attempt {
  const char *host, *path;
  int status;
  const char *why; /* a part of the sentence */
} attempt;

static const attempt attempts[] = {
    {"127.0.0.1", "/hello", 0, ""},
    {"2130706433", "/hello", 0, ""},
    {"0x7f.1", "/hello", 0, ""},
    {"loop.test", "/hello", 0, ""},
    {"LOOP.test", "/hello", 0, ""},
    {"loop.test", "/to/302/hello", 0, ""},
    {"loop.test", "/to/307http://loop.test:PORT/hello", 0, ""},
    {"user:key@loop.test", "/hello", 0, ""},

    {"localhost", "/hello", NEAP_EPERM, "net=localhost:PORT would allow"},
    {"evil.test", "/hello", NEAP_EPERM, "net=evil.test:PORT would allow"},
    {"loop.test@evil.test", "/", NEAP_EPERM, "net=evil.test:PORT would"},
    {"evil.test#@loop.test", "/", NEAP_EPERM, "net=evil.test:80 would allow"},
    {"127.0.0.2", "/hello", NEAP_EPERM, "net=127.0.0.2:PORT would allow"},
    {"127.2", "/hello", NEAP_EPERM, "net=127.0.0.2:PORT would allow"},
    {"0", "/hello", NEAP_EPERM, "net=0.0.0.0:PORT would allow"},
    {"[::1]", "/hello", NEAP_EPERM, "net=[::1]:PORT would allow"},
    {"[::ffff:127.0.0.2]", "/hello", NEAP_EPERM, "net=127.0.0.2:PORT would"},
    {"private.test", "/hello", NEAP_EPERM,
     "private.test leads to 10.1.2.3, a private address; net=10.1.2.3:PORT"},
    {"bad.test", "/hello", NEAP_EPERM, "would allow that as well"},
    {"loop6.test", "/hello", NEAP_EPERM, "leads to ::1, a loopback address"},

    {"loop.test", "/away/302/hello", NEAP_EPERM, "net=localhost:PORT would"},
    {"loop.test", "/to/302http://evil.test/x", NEAP_EPERM,
     "net=evil.test:80 would allow"},
    {"loop.test", "/to/302https://evil.test/x", NEAP_EPERM,
     "net=evil.test:443 would allow"},
    {"loop.test", "/to/302//evil.test/x", NEAP_EPERM, "net=evil.test:80"},
    {"loop.test", "/to/302http://127.0.0.1:1/", NEAP_EPERM,
     "net=127.0.0.1:1 would allow"},
    {"loop.test", "/to/302http://169.254.169.254/latest/", NEAP_EPERM,
     "net=169.254.169.254:80 would allow"},
    {"loop.test", "/to/302http://private.test/", NEAP_EPERM,
     "private.test leads to 10.1.2.3"},
    {"loop.test", "/to/302http://2852039166/", NEAP_EPERM,
     "net=169.254.169.254:80 would allow"},
    {"loop.test", "/to/302/to/302http://[::ffff:10.0.0.1]/", NEAP_EPERM,
     "net=10.0.0.1:80 would allow"},
    {"loop.test", "/to/302file:///etc/passwd", NEAP_EHTTP, "no http or https"},
};

/* Puts the port of the server for PORT. */
static void put_port(const char *text, char *out, size_t size) {
  const char *at = strstr(text, "PORT");
  if (at)
    snprintf(out, size, "%.*s%d%s", (int)(at - text), text, port, at + 4);
  else
    snprintf(out, size, "%s", text);
}

static void test_only_granted_hosts(void **state) {
  (void)state;
  char grant[64], path[256], part[256], why[1024];
  snprintf(grant, sizeof grant, "net=127.0.0.1:%d", port);
  const char *const list[] = {grant,
                              "net=loop.test",
                              "net=loop6.test",
                              "net=private.test",
                              "net=bad.test",
                              NULL};
  neap_engine *engine = restricted(list);
  int failures = 0;
  for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
    const attempt *a = &attempts[i];
    call c;
    put_port(a->path, path, sizeof path);
    put_port(a->why, part, sizeof part);
    set_url(&c, a->host, path);
    int status = send_it(engine, &c, why);
    if (status == a->status && strstr(why, part))
      continue;
    print_error("%s%s: %s, '%s' instead of '%s'\n", a->host, a->path,
                neap_status_name(status), why, part);
    failures++;
  }
  neap_engine_free(engine);
  assert_int_equal(0, failures);
  assert_int_equal(0, memory.live);
}

static void test_a_name_is_looked_up_once(void **state) {
  (void)state;
  char grant[64], why[1024];
  snprintf(grant, sizeof grant, "net=127.0.0.1:%d", port);
  const char *const list[] = {grant, "net=rebind.test", NULL};
  call c;
  lookups = 1; /* the next is the second one */
  rebound = "127.0.0.1";
  neap_engine *engine = restricted(list);
  set_url(&c, "rebind.test", "/hello");
  assert_int_equal(0, send_it(engine, &c, why));
  assert_int_equal(2, lookups);
  neap_engine_free(engine);

  rebound = "10.0.0.1";
  engine = restricted(list);
  set_url(&c, "rebind.test", "/hello");
  assert_int_equal(NEAP_EPERM, send_it(engine, &c, why));
  assert_int_equal(3, lookups);
  set_url(&c, "other.test", "/hello");
  assert_int_equal(NEAP_EPERM, send_it(engine, &c, why));
  assert_int_equal(3, lookups);
  neap_engine_free(engine);
}

static void test_proxies(void **state) {
  (void)state;
  char grant[64], why[1024], proxy[64];
  snprintf(grant, sizeof grant, "net=127.0.0.1:%d", port);
  const char *const list[] = {grant, "net=good.test", NULL};
  neap_engine *engine = restricted(list);
  call c;
  /* That of the environment is not used: the request goes to the server. */
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("all_proxy", "http://127.0.0.1:1", 1);
  set_url(&c, "127.0.0.1", "/hello");
  assert_int_equal(0, send_it(engine, &c, why));
  unsetenv("http_proxy");
  unsetenv("all_proxy");
  /* The server takes any request, also one for a proxy: `/` is unknown. */
  snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", port);
  set_url(&c, "good.test", "/hello");
  c.opts.proxy = proxy;
  int status = send_it(engine, &c, why);
  assert_int_not_equal(NEAP_EPERM, status);
  set_url(&c, "evil.test", "/hello");
  c.opts.proxy = proxy;
  assert_int_equal(NEAP_EPERM, send_it(engine, &c, why));
  static const char *const refused[] = {
      "http://127.0.0.1:1",
      "http://evil.test",
      "socks5h://localhost:1080",
      "https://good.test:1@evil.test",
  };
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    set_url(&c, "good.test", "/hello");
    c.opts.proxy = refused[i];
    assert_int_equal(NEAP_EPERM, send_it(engine, &c, why));
    assert_memory_equal("proxy: not granted; net=", why, 24);
  }
  set_url(&c, "good.test", "/hello");
  c.opts.proxy = "socks5://127.0.0.1";
  assert_int_equal(NEAP_EPERM, send_it(engine, &c, why));
  set_url(&c, "good.test", "/hello");
  c.opts.proxy = "gopher://127.0.0.1";
  assert_int_not_equal(0, send_it(engine, &c, why));
  neap_engine_free(engine);
}

static void test_files_of_the_options(void **state) {
  (void)state;
  char grant[64], why[1024];
  snprintf(grant, sizeof grant, "net=127.0.0.1:%d", port);
  const char *const list[] = {grant, "files=/etc/ssl:ro", NULL};
  neap_engine *engine = restricted(list);
  call c;
  set_url(&c, "127.0.0.1", "/hello");
  c.opts.ca_file = "/etc/ssl/certs/ca-certificates.crt";
  assert_int_equal(0, send_it(engine, &c, why));
  set_url(&c, "127.0.0.1", "/hello");
  c.opts.ca_file = "certs/ca-certificates.crt";
  assert_int_equal(0, send_it(engine, &c, why));
  set_url(&c, "127.0.0.1", "/hello");
  c.opts.ca_file = "/etc/passwd";
  assert_int_equal(NEAP_EPERM, send_it(engine, &c, why));
  assert_string_equal("ca_file: not granted; files=/etc would allow it", why);
  set_url(&c, "127.0.0.1", "/hello");
  c.opts.cert_file = "/etc/passwd";
  assert_int_equal(NEAP_EPERM, send_it(engine, &c, why));
  assert_string_equal("cert_file: not granted; files=/etc would allow it", why);
  set_url(&c, "127.0.0.1", "/hello");
  c.opts.cert_file = "/etc/ssl/certs/ca-certificates.crt";
  c.opts.key_file = "/etc/ssl/../passwd";
  assert_int_equal(NEAP_EPERM, send_it(engine, &c, why));
  assert_string_equal("key_file: not granted; it leads out of /etc/ssl", why);
  set_url(&c, "127.0.0.1", "/hello");
  c.opts.ca_file = "missing";
  assert_int_equal(NEAP_EINVAL, send_it(engine, &c, why));
  assert_string_equal("ca_file: no such file or directory", why);
  set_url(&c, "127.0.0.1", "/hello");
  c.opts.key_file = "/etc/passwd";
  assert_int_equal(NEAP_EINVAL, send_it(engine, &c, why));
  neap_engine_free(engine);
}

static void test_local_sockets(void **state) {
  (void)state;
  char base[] = "/tmp/neap-grants-XXXXXX", path[64], other[64], grant[96],
       why[1024];
  assert_non_null(mkdtemp(base));
  snprintf(path, sizeof path, "%s/s", base);
  snprintf(other, sizeof other, "%s/other", base);
  snprintf(grant, sizeof grant, "unix=%s", path);
  const char *const list[] = {grant, NULL};
  neap_engine *engine = restricted(list);
  call c;
  set_url(&c, "any.test", "/");
  c.opts.unix_socket = other;
  assert_int_equal(NEAP_EPERM, send_it(engine, &c, why));
  assert_memory_equal("unix_socket: not granted; unix=/tmp/", why, 36);
  set_url(&c, "any.test", "/");
  c.opts.unix_socket = path;
  assert_int_equal(NEAP_EHTTP, send_it(engine, &c, why));
  assert_non_null(strstr(why, "unix_socket: no such file or directory"));
  /* Somebody listens there, and answers nothing. */
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(0, bind(fd, (struct sockaddr *)&name, sizeof name));
  assert_int_equal(0, listen(fd, 4));
  set_url(&c, "any.test", "/");
  c.opts.unix_socket = path;
  c.opts.timeout_ns = MS(100);
  assert_int_equal(NEAP_ETIMEDOUT, send_it(engine, &c, why));
  int taken = accept(fd, NULL, NULL);
  char bytes[16] = "";
  assert_int_equal(14, recv(taken, bytes, 14, 0));
  assert_string_equal("GET / HTTP/1.1", bytes);
  close(taken);
  /* A link in its place leads nowhere. */
  assert_int_equal(0, rename(path, other));
  assert_int_equal(0, symlink("other", path));
  set_url(&c, "any.test", "/");
  c.opts.unix_socket = path;
  assert_int_equal(NEAP_EHTTP, send_it(engine, &c, why));
  close(fd);
  neap_engine_free(engine);
  neap_fs_remove_now(NULL, base, true, NULL);
  assert_int_equal(0, memory.live);
}

/* libcurl takes milliseconds to load. */
static void test_nothing_is_loaded_for_what_is_refused(void **state) {
  (void)state;
  static const char *const list[] = {"net=loop.test", NULL};
  neap_grants grants = NEAP_GRANTS_INIT;
  grants.list = list;
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.grants = &grants;
  opts.http_library = "/no/such/library.so";
  neap_engine *engine;
  assert_int_equal(0, neap_engine_new(&opts, &engine));
  static const struct {
    const char *url;
    int status;
  } urls[] = {
      {"http://evil.test", NEAP_EPERM},
      {"http://evil.test:80/x", NEAP_EPERM},
      {"https://EVIL.test?x", NEAP_EPERM},
      {"http://localhost#@loop.test", NEAP_EPERM},
      {"http://loop.test/", NEAP_ENOLIB},
      {"http://LOOP.test.:99/", NEAP_ENOLIB},
      /* libcurl reads these in ways of its own. */
      {"http://127.0.0.1/", NEAP_ENOLIB},
      {"http://0x7f.0x1/", NEAP_ENOLIB},
      {"http://evil.test@loop.test/", NEAP_ENOLIB},
      {"http://evil.test:x@loop.test/", NEAP_ENOLIB},
      {"http://evil.test:1@loop.test/", NEAP_ENOLIB},
      {"http://evil.test:99999/", NEAP_ENOLIB},
      {"http://evil%2etest/", NEAP_ENOLIB},
      {"http://evil.test\\@loop.test/", NEAP_ENOLIB},
      {"ftp://evil.test/", NEAP_ENOLIB},
      {"http://", NEAP_ENOLIB},
  };
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    call c = {.opts = NEAP_HTTP_OPTS_INIT};
    neap_op_init(&c.op, on_done, &c);
    c.opts.url = urls[i].url;
    assert_int_equal(urls[i].status,
                     neap_http_send(engine, &c.op, &c.opts, &c.response));
    if (urls[i].status == NEAP_EPERM)
      assert_non_null(strstr(neap_http_why(engine), " would allow it"));
    c.opts.size = 8;
    assert_int_equal(NEAP_EINVAL,
                     neap_http_send(engine, &c.op, &c.opts, &c.response));
  }
  neap_engine_free(engine);
}

static int start_server(void **state) {
  (void)state;
  the_server = server_start();
  if (!the_server)
    return -1;
  port = server_port(the_server);
  return 0;
}

static int stop_server(void **state) {
  (void)state;
  server_stop(the_server);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_only_granted_hosts),
      cmocka_unit_test(test_a_name_is_looked_up_once),
      cmocka_unit_test(test_proxies),
      cmocka_unit_test(test_files_of_the_options),
      cmocka_unit_test(test_local_sockets),
      cmocka_unit_test(test_nothing_is_loaded_for_what_is_refused),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
