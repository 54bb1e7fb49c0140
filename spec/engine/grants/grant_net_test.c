/* The network in a restricted engine: whom it connects to, however the address
 * is spelled, wrapped or looked up. Neither names nor connections leave the
 * test: it stands in for the resolver and for connect.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "resolver.h"
#include "waiter.h"

/* Where connections were tried, one behind the other. */
static char connected[256];

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */
EXPORTED int connect(int fd, const struct sockaddr *address, socklen_t size) {
  char digits[64], one[96];
  (void)fd;
  if (address->sa_family == AF_UNIX) {
    struct stat found;
    const struct sockaddr_un *local = (const struct sockaddr_un *)address;
    snprintf(one, sizeof one, " %s",
             stat(local->sun_path, &found) == 0 && S_ISSOCK(found.st_mode)
                 ? "socket"
                 : "nothing");
  } else {
    char port[8];
    getnameinfo(address, size, digits, sizeof digits, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(one, sizeof one, " %s/%s", digits, port);
  }
  strncat(connected, one, sizeof connected - strlen(connected) - 1);
  errno = ECONNREFUSED;
  return -1;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

static neap_engine *restricted(const char *const *list) {
  neap_grants grants = NEAP_GRANTS_INIT;
  grants.list = list;
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.grants = &grants;
  neap_engine *engine;
  assert_int_equal(0, neap_engine_new(&opts, &engine));
  return engine;
}

/* Tries to connect. Returns the status, and *detail. */
static int try_connect(neap_engine *engine, const neap_net_opts *opts,
                       int *detail) {
  neap_stream *stream = NULL;
  waiter w;
  connected[0] = '\0';
  prepare(&w);
  int started = neap_net_connect(engine, &w.op, opts, &stream);
  int status = finish(engine, &w, started);
  *detail = w.detail;
  return status;
}

typedef struct attempt {
  const char *host;
  uint16_t port;
  const char *connected; /* "": it is refused */
} attempt;

static const attempt attempts[] = {
    {"good.test", 80, " 93.184.216.34/80"},
    {"GOOD.Test", 80, " 93.184.216.34/80"},
    {"good.test.", 80, " 93.184.216.34/80"},
    {"good6.test", 443, " 2606:2800:220:1::1/443"},
    {"ported.test", 443, " 93.184.216.34/443"},
    {"mixed.test", 80, " 93.184.216.34/80"},
    {"8.8.8.8", 53, " 8.8.8.8/53"},
    {"134744072", 53, " 8.8.8.8/53"},
    {"0x08080808", 53, " 8.8.8.8/53"},
    {"::ffff:8.8.8.8", 53, " ::ffff:8.8.8.8/53"},
    {"private.test", 80, " 10.1.2.3/80"}, /* the address is granted as well */
    {"10.1.2.3", 80, " 10.1.2.3/80"},
    {"2606:4700::1111", 1, " 2606:4700::1111/1"},

    /* not granted */
    {"ported.test", 80, ""},
    {"other.test", 80, ""},
    {"test", 80, ""},
    {"good.test.other.test", 80, ""},
    {"xgood.test", 80, ""},
    {"good.tes", 80, ""},
    {"good.test:80", 80, ""},
    {"good.test ", 80, ""},
    {"good.test%00", 80, ""},
    {"good.test..", 80, ""},
    {"", 80, ""},
    {"*", 80, ""},
    {"localhost", 80, ""},
    {"localhost.", 80, ""},
    {"8.8.8.8", 80, ""},
    {"8.8.4.4", 53, ""},
    {"93.184.216.34", 80, ""}, /* what good.test leads to */
    {"10.1.2.3", 81, ""},
    {"127.0.0.1", 80, ""},
    {"127.0.0.2", 80, ""},
    {"127.1", 80, ""},
    {"2130706433", 80, ""},
    {"0x7f.1", 80, ""},
    {"0x7f000001", 80, ""},
    {"0177.0.0.1", 80, ""},
    {"017700000001", 80, ""},
    {"0", 80, ""},
    {"0.0.0.0", 80, ""},
    {"::1", 80, ""},
    {"::", 80, ""},
    {"0:0:0:0:0:0:0:1", 80, ""},
    {"::ffff:127.0.0.1", 80, ""},
    {"::ffff:7f00:1", 80, ""},
    {"169.254.169.254", 80, ""},
    {"2852039166", 80, ""}, /* the same */
    {"fd00:ec2::254", 80, ""},
    {"fe80::1%lo", 80, ""},

    /* granted, but they lead to addresses that are not public */
    {"loop.test", 80, ""},
    {"loop6.test", 80, ""},
    {"private.test", 443, ""},
    {"bad.test", 80, ""},
};

/* Addresses that a granted name may lead to, and those that it may not. */
static const char *const public[] = {
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.0.1",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.0.1",
    "192.169.0.1",
    "198.17.0.1",
    "198.20.0.1",
    "223.255.255.255",
    "2606:4700::1",
    "2a00:1450::1",
    "2002:5db8:d822::1",
    "64:ff9b::5db8:d822",
    "::ffff:1.1.1.1",
    "2600::5efe:101:101",
};
static const char *const special[] = {
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.1.2.3",
    "240.0.0.1",
    "255.255.255.255",
    /* of IPv6 */
    "::",
    "::1",
    "::2",
    "::127.0.0.1",
    "::10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::5db8:d822",
    "100::1",
    "2001::1",
    "2001:0:5db8:d822::1",
    "2001:2::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:a9fe:a9fe::",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2606:4700::5efe:7f00:1",
    "2606:4700::200:5efe:7f00:1",
};

static void test_only_granted_hosts(void **state) {
  (void)state;
  const char *const list[] = {
      "net=good.test",    "net=good6.test",      "net=ported.test:443",
      "net=mixed.test",   "net=loop.test",       "net=loop6.test",
      "net=private.test", "net=bad.test",        "net=8.8.8.8:53",
      "net=10.1.2.3:80",  "net=2606:4700::1111", NULL};
  neap_engine *engine = restricted(list);
  int failures = 0;
  for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
    const attempt *a = &attempts[i];
    neap_net_opts opts = NEAP_NET_OPTS_INIT;
    opts.host = a->host;
    opts.port = a->port;
    int detail;
    int status = try_connect(engine, &opts, &detail);
    int expected = *a->connected ? NEAP_ESYS : NEAP_EPERM;
    if (status != expected || strcmp(connected, a->connected) != 0) {
      print_error("'%s' port %d: %s, and connected to '%s' instead of '%s'\n",
                  a->host, a->port, neap_status_name(status), connected,
                  a->connected);
      failures++;
    }
  }
  neap_engine_free(engine);
  assert_int_equal(0, failures);
}

/* Returns what is tried when a granted name leads to this address. */
static const char *lead_to(const char *digits) {
  char host[96], grant[128];
  snprintf(host, sizeof host, "at-%s.test", digits);
  for (char *c = host; *c; c++)
    if (*c == ':')
      *c = '-';
  snprintf(grant, sizeof grant, "net=%s", host);
  const char *const list[] = {grant, NULL};
  neap_engine *engine = restricted(list);
  neap_net_opts opts = NEAP_NET_OPTS_INIT;
  opts.host = host;
  opts.port = 80;
  int detail;
  int status = try_connect(engine, &opts, &detail);
  assert_int_equal(*connected ? NEAP_ESYS : NEAP_EPERM, status);
  if (status == NEAP_EPERM &&
      !strstr(neap_refusal_text(engine, detail), "would allow that as well"))
    fail_msg("%s", neap_refusal_text(engine, detail));
  neap_engine_free(engine);
  return connected;
}

static void test_addresses_that_are_not_public(void **state) {
  (void)state;
  int failures = 0;
  for (size_t i = 0; i < sizeof public / sizeof *public; i++) {
    if (*lead_to(public[i]))
      continue;
    print_error("%s is refused\n", public[i]);
    failures++;
  }
  for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
    if (!*lead_to(special[i]))
      continue;
    print_error("%s is not refused\n", special[i]);
    failures++;
  }
  assert_int_equal(0, failures);
}

static void test_a_name_is_looked_up_once(void **state) {
  (void)state;
  const char *const list[] = {"net=rebind.test", NULL};
  neap_engine *engine = restricted(list);
  neap_net_opts opts = NEAP_NET_OPTS_INIT;
  opts.host = "rebind.test";
  opts.port = 80;
  int detail;
  rebound = "127.0.0.1";
  lookups = 0;
  assert_int_equal(NEAP_ESYS, try_connect(engine, &opts, &detail));
  assert_string_equal(" 93.184.216.34/80", connected);
  assert_int_equal(1, lookups);
  assert_int_equal(NEAP_EPERM, try_connect(engine, &opts, &detail));
  assert_string_equal("", connected);
  assert_string_equal(
      "not granted; rebind.test leads to 127.0.0.1, a loopback address; "
      "net=127.0.0.1:80 would allow that as well",
      neap_refusal_text(engine, detail));
  neap_engine_free(engine);
}

static void test_what_is_not_granted_is_not_looked_up(void **state) {
  (void)state;
  const char *const list[] = {"net=good.test:443", NULL};
  neap_engine *engine = restricted(list);
  neap_addresses *found = NULL;
  waiter w;
  lookups = 0;
  prepare(&w);
  int started = neap_net_lookup(engine, &w.op, "secret.other.test", &found);
  assert_int_equal(NEAP_EPERM, finish(engine, &w, started));
  assert_string_equal("not granted; net=secret.other.test would allow it",
                      neap_refusal_text(engine, w.detail));
  neap_net_opts opts = NEAP_NET_OPTS_INIT;
  opts.host = "good.test";
  opts.port = 80;
  int detail;
  assert_int_equal(NEAP_EPERM, try_connect(engine, &opts, &detail));
  assert_string_equal("not granted; net=good.test:80 would allow it",
                      neap_refusal_text(engine, detail));
  assert_int_equal(0, lookups);
  prepare(&w);
  started = neap_net_lookup(engine, &w.op, "good.test", &found);
  assert_int_equal(0, finish(engine, &w, started));
  assert_int_equal(1, lookups);
  neap_addresses_free(found);
  neap_engine_free(engine);
}

static int try_listen(neap_engine *engine, const char *host, uint16_t port,
                      const char *path) {
  neap_net_opts opts = NEAP_NET_OPTS_INIT;
  opts.host = host;
  opts.port = port;
  opts.path = path;
  neap_listener *listener = NULL;
  int detail;
  int status = neap_net_listen(engine, &opts, &detail, &listener);
  if (status == NEAP_EPERM)
    assert_true(strlen(neap_refusal_text(engine, detail)) > 13);
  neap_listener_close(listener);
  neap_poll(engine, 0);
  return status;
}

static void test_listening(void **state) {
  (void)state;
  const char *const list[] = {"net-listen=127.0.0.1", "net-listen=[::1]:48761",
                              "net=127.0.0.2", NULL};
  neap_engine *engine = restricted(list);
  assert_int_equal(0, try_listen(engine, "127.0.0.1", 0, NULL));
  assert_int_equal(0, try_listen(engine, NULL, 0, NULL));
  assert_int_equal(NEAP_EPERM, try_listen(engine, "0.0.0.0", 0, NULL));
  assert_int_equal(NEAP_EPERM, try_listen(engine, "127.0.0.2", 0, NULL));
  assert_int_equal(NEAP_EPERM, try_listen(engine, "::1", 0, NULL));
  assert_int_equal(NEAP_EPERM, try_listen(engine, "::", 48761, NULL));
  assert_int_equal(NEAP_EPERM, try_listen(engine, NULL, 0, "/tmp/x.sock"));
  assert_int_equal(NEAP_EINVAL, try_listen(engine, "localhost", 0, NULL));
  neap_engine_free(engine);
}

static int make_socket(const char *path) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(0, bind(fd, (struct sockaddr *)&name, sizeof name));
  assert_int_equal(0, listen(fd, 1));
  return fd;
}

static void test_local_sockets(void **state) {
  (void)state;
  char base[] = "/tmp/neap-grants-XXXXXX", path[64], grant[96], other[64];
  assert_non_null(mkdtemp(base));
  snprintf(path, sizeof path, "%s/s", base);
  snprintf(other, sizeof other, "%s/other", base);
  snprintf(grant, sizeof grant, "unix=%s", path);
  const char *const list[] = {grant, NULL};
  neap_engine *engine = restricted(list);
  neap_net_opts opts = NEAP_NET_OPTS_INIT;
  int detail, fd = make_socket(path);
  opts.path = path;
  assert_int_equal(NEAP_ESYS, try_connect(engine, &opts, &detail));
  assert_string_equal(" socket", connected);
  int second = make_socket(other);
  opts.path = other;
  assert_int_equal(NEAP_EPERM, try_connect(engine, &opts, &detail));
  assert_string_equal("", connected);
  /* A link in its place leads nowhere. */
  close(fd);
  unlink(path);
  assert_int_equal(0, symlink("other", path));
  opts.path = path;
  assert_int_equal(NEAP_ESYS, try_connect(engine, &opts, &detail));
  assert_string_equal("", connected);
  unlink(path);
  assert_int_equal(0, try_listen(engine, NULL, 0, path));
  assert_int_equal(NEAP_EPERM, try_listen(engine, NULL, 0, other));
  close(second);
  neap_engine_free(engine);
  neap_fs_remove_now(NULL, base, true, NULL);
}

/* Programs and variables. */
static int try_spawn(neap_engine *engine, const neap_process_opts *opts,
                     char out[64], neap_process_failure *failure) {
  neap_process *process;
  neap_stream *streams[3];
  int status = neap_process_spawn(engine, opts, &process, streams, failure);
  if (status < 0)
    return status;
  waiter w;
  prepare(&w);
  neap_stream_read(streams[1], &w.op);
  finish(engine, &w, 0);
  const char *bytes;
  size_t size = 0;
  if (neap_stream_peek(streams[1], &bytes, &size) == 0)
    snprintf(out, 64, "%.*s", (int)size, bytes);
  for (int i = 0; i < 3; i++)
    neap_stream_close(streams[i]);
  neap_process_free(process);
  return 0;
}

static void test_programs(void **state) {
  (void)state;
  setenv("NEAP_TEST_SEEN", "yes", 1);
  setenv("NEAP_TEST_HIDDEN", "no", 1);
  const char *const argv[] = {
      "/bin/sh", "-c", "echo $NEAP_TEST_SEEN$NEAP_TEST_HIDDEN $(pwd)", NULL};
  neap_process_opts opts = NEAP_PROCESS_OPTS_INIT;
  opts.argv = argv;
  opts.stdio[0] = NEAP_STDIO_NULL;
  opts.stdio[2] = NEAP_STDIO_NULL;
  neap_process_failure failure = {0};
  char out[64] = "";
  neap_engine *engine = restricted(NULL);
  assert_int_equal(NEAP_EPERM, try_spawn(engine, &opts, out, &failure));
  assert_string_equal("not granted; process would allow it",
                      neap_refusal_text(engine, failure.detail));
  neap_engine_free(engine);

  const char *const list[] = {"process", "env=NEAP_TEST_SEEN", "files=/usr:ro",
                              NULL};
  engine = restricted(list);
  assert_int_equal(0, try_spawn(engine, &opts, out, &failure));
  assert_string_equal("yes /usr\n", out);
  opts.cwd = "/tmp";
  assert_int_equal(NEAP_EPERM, try_spawn(engine, &opts, out, &failure));
  assert_int_equal(NEAP_PROCESS_CWD, failure.part);
  assert_string_equal("not granted; files=/ would allow it",
                      neap_refusal_text(engine, failure.detail));
  opts.cwd = "lib";
  assert_int_equal(0, try_spawn(engine, &opts, out, &failure));
  opts.cwd = NULL;
  opts.stdio[2] = NEAP_STDIO_FILE;
  opts.paths[2] = "log";
  assert_int_equal(NEAP_EPERM, try_spawn(engine, &opts, out, &failure));
  assert_int_equal(NEAP_PROCESS_STDERR, failure.part);
  opts.stdio[2] = NEAP_STDIO_NULL;
  opts.stdio[0] = NEAP_STDIO_INHERIT;
  assert_int_equal(NEAP_EPERM, try_spawn(engine, &opts, out, &failure));
  assert_int_equal(NEAP_PROCESS_STDIN, failure.part);
  assert_string_equal("not granted; input would allow it",
                      neap_refusal_text(engine, failure.detail));
  opts.stdio[0] = NEAP_STDIO_FILE;
  opts.paths[0] = "/etc/passwd";
  assert_int_equal(NEAP_EPERM, try_spawn(engine, &opts, out, &failure));
  neap_engine_free(engine);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_only_granted_hosts),
      cmocka_unit_test(test_addresses_that_are_not_public),
      cmocka_unit_test(test_a_name_is_looked_up_once),
      cmocka_unit_test(test_what_is_not_granted_is_not_looked_up),
      cmocka_unit_test(test_listening),
      cmocka_unit_test(test_local_sockets),
      cmocka_unit_test(test_programs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
