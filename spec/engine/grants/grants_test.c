/* Grants as text, and what an engine says of them.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "waiter.h"

/* What neap_grants_check says of one grant. */
static int check(const char *grant, char why[256]) {
  const char *const list[] = {grant, NULL};
  neap_grants grants = NEAP_GRANTS_INIT;
  grants.list = list;
  return neap_grants_check(&grants, why, 256);
}

static void test_grants_are_texts(void **state) {
  (void)state;
  static const char *const good[] = {
      "files=/",
      "files=/tmp",
      "files=/tmp:ro",
      "files=.",
      "net=example.org",
      "net=example.org:443",
      "net=example.org.",
      "net=127.0.0.1:80",
      "net=::1",
      "net=[::1]:80",
      "net-listen=::1",
      "net-listen=127.0.0.1:8080",
      "unix=/tmp/x.sock",
      "unix=x.sock",
      "process",
      "clock",
      "input",
      "env=HOME",
      "llm=cheap",
  };
  char why[256];
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    if (check(good[i], why) < 0)
      fail_msg("%s", why);
  static const char *const bad[] = {
      "",           "files",         "files=",         "file=/tmp",
      "net=",       "net=:80",       "net=a:0",        "net=a:65536",
      "net=a:x",    "net=a:",        "net=*",          "net=http://a/",
      "net=a b",    "net-listen=a",  "unix=/tmp/",     "unix=..",
      "process=ls", "env",           "env=A=B",        "clock=1",
      "input=",     "net=user@host", "net-listen=a:1", "PROCESS",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    if (check(bad[i], why) != NEAP_EINVAL)
      fail_msg("'%s' is taken for a grant", bad[i]);
    assert_string_not_equal("", why);
  }
}

static void test_a_folder_has_to_be_there(void **state) {
  (void)state;
  char why[256];
  assert_int_equal(NEAP_ESYS, check("files=/no/such", why));
  assert_string_equal("the grant 'files=/no/such': no such file or directory",
                      why);
  assert_int_equal(NEAP_ESYS, check("files=/dev/null", why));
  assert_int_equal(NEAP_ESYS, check("unix=/no/such/socket", why));
}

static void test_what_is_read_only_lies_in_nothing_else(void **state) {
  (void)state;
  char why[256];
  const char *const list[] = {"files=/usr/lib:ro", "files=/usr", NULL};
  neap_grants grants = NEAP_GRANTS_INIT;
  grants.list = list;
  assert_int_equal(NEAP_EINVAL, neap_grants_check(&grants, why, sizeof why));
  assert_string_equal("the grant 'files=/usr/lib:ro': it is in /usr, which may "
                      "be written to",
                      why);
  const char *const other[] = {"files=/usr:ro", "files=/usr/lib", NULL};
  grants.list = other;
  assert_int_equal(0, neap_grants_check(&grants, why, sizeof why));
  assert_string_equal("", why);
}

static neap_engine *restricted(const char *const *list) {
  neap_grants grants = NEAP_GRANTS_INIT;
  grants.list = list;
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.grants = &grants;
  neap_engine *engine;
  assert_int_equal(0, neap_engine_new(&opts, &engine));
  return engine;
}

static void test_an_engine_knows_its_grants(void **state) {
  (void)state;
  setenv("NEAP_TEST_SEEN", "yes", 1);
  setenv("NEAP_TEST_HIDDEN", "no", 1);
  const char *const list[] = {"env=NEAP_TEST_SEEN", "clock", "files=/tmp:ro",
                              NULL};
  neap_engine *engine = restricted(list);
  assert_true(neap_is_restricted(engine));
  assert_true(neap_is_granted(engine, "clock"));
  assert_true(neap_is_granted(engine, "files=/tmp:ro"));
  assert_false(neap_is_granted(engine, "process"));
  assert_false(neap_is_granted(engine, "files=/tmp"));
  assert_string_equal("yes", neap_getenv(engine, "NEAP_TEST_SEEN"));
  assert_null(neap_getenv(engine, "NEAP_TEST_HIDDEN"));
  assert_string_equal("/tmp", neap_first_folder(engine));
  neap_engine_free(engine);

  assert_int_equal(0, neap_engine_new(NULL, &engine));
  assert_false(neap_is_restricted(engine));
  assert_true(neap_is_granted(engine, "process"));
  assert_string_equal("no", neap_getenv(engine, "NEAP_TEST_HIDDEN"));
  assert_null(neap_first_folder(engine));
  neap_engine_free(engine);
}

static void test_no_grants_allow_nothing(void **state) {
  (void)state;
  neap_engine *engine = restricted(NULL);
  waiter w;
  prepare(&w);
  int started = neap_fs_read(engine, &w.op, "/etc/passwd", 0, &w.result);
  assert_int_equal(NEAP_EPERM, finish(engine, &w, started));
  assert_string_equal("not granted; files=/etc would allow it",
                      neap_refusal_text(engine, w.detail));
  assert_string_equal("not granted", neap_refusal_text(engine, 99));
  neap_engine_free(engine);
}

static void test_options_of_no_size_are_refused(void **state) {
  (void)state;
  neap_grants grants = {0};
  char why[256];
  assert_int_equal(NEAP_EINVAL, neap_grants_check(&grants, why, sizeof why));
  assert_int_equal(NEAP_EINVAL, neap_grants_check(NULL, why, sizeof why));
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.grants = &grants;
  neap_engine *engine;
  assert_int_equal(NEAP_EINVAL, neap_engine_new(&opts, &engine));
}

static void test_memory_may_run_short(void **state) {
  (void)state;
  const char *const list[] = {"files=/tmp",     "unix=/tmp/x", "net=a:1",
                              "env=HOME",       "process",     "net=b:2",
                              "net-listen=::1", NULL};
  neap_grants grants = NEAP_GRANTS_INIT;
  grants.list = list;
  int before = count_open_files();
  int status = NEAP_ENOMEM;
  for (long n = 1; status == NEAP_ENOMEM; n++) {
    failing_state memory;
    neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
    opts.alloc = failing_alloc(&memory, n);
    opts.grants = &grants;
    neap_engine *engine;
    status = neap_engine_new(&opts, &engine);
    if (status == 0)
      neap_engine_free(engine);
    assert_int_equal(0, memory.live);
    assert_int_equal(before, count_open_files());
    assert_true(n < 200);
  }
  assert_int_equal(0, status);
}

static neap_engine *bounded(const char *folder, uint32_t open,
                            uint32_t temporary) {
  char grant[64];
  snprintf(grant, sizeof grant, "files=%s", folder);
  const char *const list[] = {grant, "net-listen=127.0.0.1", "net=127.0.0.1",
                              NULL};
  neap_grants grants = NEAP_GRANTS_INIT;
  grants.list = list;
  grants.max_descriptors = open;
  grants.max_temporary = temporary;
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.grants = &grants;
  neap_engine *engine;
  assert_int_equal(0, neap_engine_new(&opts, &engine));
  return engine;
}

enum { FEW = 6 };

/* Opens more files at once than there may be, and closes what is open. */
static int open_many(neap_engine *engine, int wanted) {
  neap_file *files[2 * FEW] = {NULL};
  waiter w[2 * FEW];
  int opened = 0;
  for (int i = 0; i < wanted; i++) {
    prepare(&w[i]);
    assert_int_equal(0,
                     neap_file_open(engine, &w[i].op, "file", "w", &files[i]));
  }
  for (int i = 0; i < wanted; i++) {
    int status = finish(engine, &w[i], 0);
    opened += status == 0;
    if (status < 0) {
      assert_int_equal(NEAP_EPERM, status);
      assert_string_equal("not granted; no more than 6 may be open at a time",
                          neap_refusal_text(engine, w[i].detail));
    }
  }
  for (int i = 0; i < wanted; i++)
    neap_file_free(files[i]);
  return opened;
}

static void test_what_is_open_is_bounded(void **state) {
  (void)state;
  char folder[] = "/tmp/neap-grants-XXXXXX";
  assert_non_null(mkdtemp(folder));
  neap_engine *engine = bounded(folder, FEW, 0);
  assert_int_equal(FEW, open_many(engine, 2 * FEW));
  assert_int_equal(FEW, open_many(engine, FEW));
  neap_stream *ends[FEW];
  neap_watch *watch;
  int detail;
  assert_int_equal(0, neap_stream_pair(engine, ends));
  assert_int_equal(0, neap_stream_pair(engine, ends + 2));
  assert_int_equal(0, neap_watch_new(engine, ".", &detail, &watch));
  neap_stream *others[2];
  assert_int_equal(NEAP_EPERM, neap_stream_pair(engine, others));
  neap_net_opts opts = NEAP_NET_OPTS_INIT;
  neap_listener *listener, *other;
  assert_int_equal(0, neap_net_listen(engine, &opts, &detail, &listener));
  assert_int_equal(NEAP_EPERM, neap_net_listen(engine, &opts, &detail, &other));
  waiter w;
  prepare(&w);
  neap_stream *stream;
  int started = neap_net_connect(engine, &w.op, &opts, &stream);
  assert_int_equal(NEAP_EPERM, finish(engine, &w, started));
  neap_watch *second;
  assert_int_equal(NEAP_EPERM, neap_watch_new(engine, ".", &detail, &second));
  neap_watch_close(watch);
  assert_int_equal(0, neap_watch_new(engine, ".", &detail, &second));
  neap_watch_free(watch);
  neap_watch_free(second);
  neap_listener_close(listener);
  for (int i = 0; i < 4; i++)
    neap_stream_close(ends[i]);
  assert_int_equal(FEW, open_many(engine, FEW));
  neap_engine_free(engine);
  neap_fs_remove_now(NULL, folder, true, NULL);
}

static int make_temporary(neap_engine *engine, bool dir, neap_file **file,
                          char path[64]) {
  waiter w;
  prepare(&w);
  int started = dir ? neap_fs_tempdir(engine, &w.op, "t-", &w.result)
                    : neap_file_temp(engine, &w.op, "t-", file);
  if (started < 0)
    return started;
  while (w.calls == 0)
    neap_poll(engine, NEAP_FOREVER);
  size_t size;
  if (dir && w.status == 0)
    snprintf(path, 64, "%s", neap_fs_bytes(w.result, &size));
  neap_fs_free(w.result);
  return w.status;
}

static void test_what_is_temporary_is_bounded(void **state) {
  (void)state;
  char folder[] = "/tmp/neap-grants-XXXXXX", path[64], other[64];
  assert_non_null(mkdtemp(folder));
  neap_engine *engine = bounded(folder, 0, 3);
  neap_file *file, *second;
  for (int i = 0; i < 4; i++) {
    assert_int_equal(0, make_temporary(engine, false, &file, path));
    assert_int_equal(0, make_temporary(engine, true, NULL, path));
    assert_int_equal(0, make_temporary(engine, true, NULL, other));
    assert_int_equal(NEAP_EPERM, make_temporary(engine, true, NULL, other));
    assert_int_equal(NEAP_EPERM, make_temporary(engine, false, &second, other));
    neap_file_free(file);
    assert_int_equal(0, make_temporary(engine, false, &second, other));
    neap_file_free(second);
    neap_fs_remove_now(engine, path, false, NULL);
    char removed[128]; /* by another way */
    snprintf(removed, sizeof removed, "%s/%s", folder, other);
    assert_int_equal(0, rmdir(removed));
  }
  neap_engine_free(engine);
  assert_int_equal(0, rmdir(folder));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_grants_are_texts),
      cmocka_unit_test(test_a_folder_has_to_be_there),
      cmocka_unit_test(test_what_is_read_only_lies_in_nothing_else),
      cmocka_unit_test(test_an_engine_knows_its_grants),
      cmocka_unit_test(test_no_grants_allow_nothing),
      cmocka_unit_test(test_options_of_no_size_are_refused),
      cmocka_unit_test(test_memory_may_run_short),
      cmocka_unit_test(test_what_is_open_is_bounded),
      cmocka_unit_test(test_what_is_temporary_is_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
