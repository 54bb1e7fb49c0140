/* What a host does wrong is a status, and changes nothing.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "neap.h"

typedef struct fixture {
  neap_engine *engine;
  neap_op op;
  int count; /* calls of `done` */
  int status;
} fixture;

static void done(neap_op *op) {
  fixture *f = op->data;
  f->count++;
  f->status = op->status;
}

static int set_up(void **state) {
  static fixture f;
  f = (fixture){0};
  neap_op_init(&f.op, done, &f);
  assert_int_equal(0, neap_engine_new(NULL, &f.engine));
  *state = &f;
  return 0;
}

static int tear_down(void **state) {
  fixture *f = *state;
  assert_int_equal(0, neap_pending(f->engine));
  neap_engine_free(f->engine);
  return 0;
}

/* Every function that starts an operation, with all else as it should be. */
static void all_refuse(neap_engine *e, neap_op *op) {
  neap_fs_result *fs = NULL;
  neap_file *file = NULL;
  neap_stream *stream = NULL;
  neap_addresses *found = NULL;
  neap_http_response *response = NULL;
  neap_http_opts http = NEAP_HTTP_OPTS_INIT;
  neap_net_opts net = NEAP_NET_OPTS_INIT;
  http.url = "http://127.0.0.1:1/";
  const char *path = "/tmp";
  const int statuses[] = {
      neap_op_hold(e, op),
      neap_sleep_until(e, op, 1),
      neap_turn(e, op, false),
      neap_wait_idle(e, op),
      neap_uv_wait(e, op),
      neap_fs_read(e, op, path, 0, &fs),
      neap_fs_write(e, op, path, "", 0, true, &fs),
      neap_fs_stat(e, op, path, &fs),
      neap_fs_lstat(e, op, path, &fs),
      neap_fs_list(e, op, path, &fs),
      neap_fs_mkdir(e, op, path, 0, true, &fs),
      neap_fs_remove(e, op, "/no/such/file", false, &fs),
      neap_fs_rename(e, op, "/no/such/file", path, &fs),
      neap_fs_copy(e, op, "/no/such/file", path, &fs),
      neap_fs_link(e, op, "/no/such/file", path, &fs),
      neap_fs_symlink(e, op, path, path, &fs),
      neap_fs_readlink(e, op, path, &fs),
      neap_fs_realpath(e, op, path, &fs),
      neap_fs_chmod(e, op, "/no/such/file", 0600, &fs),
      neap_fs_replace(e, op, "/no/such/file", "", 0, &fs),
      neap_fs_tempdir(e, op, "/no/such/folder/", &fs),
      neap_file_open(e, op, path, "r", &file),
      neap_file_temp(e, op, "/no/such/folder/", &file),
      neap_net_connect(e, op, &net, &stream),
      neap_net_lookup(e, op, "127.0.0.1", &found),
      neap_http_send(e, op, &http, &response),
  };
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (statuses[i] != NEAP_EINVAL)
      fail_msg("start %zu returned %s", i, neap_status_name(statuses[i]));
  assert_null(fs);
  assert_null(file);
  assert_null(stream);
  assert_null(found);
  assert_null(response);
}

static void an_operation_that_is_active_is_not_started(void **state) {
  fixture *f = *state;
  assert_int_equal(0, neap_op_hold(f->engine, &f->op));
  all_refuse(f->engine, &f->op);
  assert_int_equal(0, neap_pending(f->engine));
  neap_op_settle(&f->op, NEAP_ETIMEDOUT);
  all_refuse(f->engine, &f->op); /* it is ready now */
  assert_int_equal(1, neap_poll(f->engine, 0));
  assert_int_equal(1, f->count);
  assert_int_equal(NEAP_ETIMEDOUT, f->status);
  assert_int_equal(0, neap_sleep_until(f->engine, &f->op, 1));
  all_refuse(f->engine, &f->op);
  assert_int_equal(1, neap_poll(f->engine, NEAP_FOREVER));
  assert_int_equal(2, f->count);
}

static void an_operation_of_a_stream_is_started_once(void **state) {
  fixture *f = *state;
  neap_stream *ends[2];
  assert_int_equal(0, neap_stream_pair(f->engine, ends));
  assert_int_equal(0, neap_stream_read(ends[0], &f->op));
  assert_int_equal(NEAP_EINVAL, neap_stream_read(ends[1], &f->op));
  assert_int_equal(NEAP_EINVAL, neap_stream_end(ends[1], &f->op));
  assert_int_equal(NEAP_EINVAL,
                   neap_stream_write(ends[1], &f->op, "x", 1, NULL));
  neap_op_cancel(&f->op, NEAP_ECANCELED);
  assert_int_equal(1, neap_poll(f->engine, 0));
  assert_int_equal(NEAP_ECANCELED, f->status);
  neap_stream_close(ends[0]);
  neap_stream_close(ends[1]);
}

static void what_is_missing_is_refused(void **state) {
  fixture *f = *state;
  neap_op none = {0}; /* not initialized */
  all_refuse(f->engine, NULL);
  all_refuse(f->engine, &none);
  neap_op_forget(&none);
  all_refuse(f->engine, &none);
  neap_op_init(&none, NULL, NULL);
  all_refuse(f->engine, &none);
  all_refuse(NULL, &f->op);
  assert_int_equal(NEAP_EINVAL, neap_poll(NULL, 0));
  neap_op_init(NULL, done, NULL);
  neap_op_settle(NULL, 0);
  neap_op_cancel(NULL, NEAP_ECANCELED);
  neap_op_forget(NULL);
  assert_false(neap_op_active(NULL));
}

static void objects_that_are_missing_are_refused(void **state) {
  fixture *f = *state;
  neap_op *op = &f->op;
  neap_fs_result *fs;
  neap_stream *stream;
  const char *text;
  size_t size;
  int detail;
  const int statuses[] = {
      neap_file_read(NULL, op, &fs),
      neap_file_write(NULL, op, "", 0, &fs),
      neap_file_sync(NULL, op, &fs),
      neap_file_fstat(NULL, op, &fs),
      neap_file_truncate(NULL, op, 0, &fs),
      neap_file_seek(NULL, op, NEAP_SEEK_SET, 0, &fs),
      neap_file_close(NULL, op, &fs),
      neap_watch_new(f->engine, NULL, &detail, NULL),
      neap_watch_wait(NULL, op),
      neap_stream_read(NULL, op),
      neap_stream_write(NULL, op, "", 0, NULL),
      neap_stream_end(NULL, op),
      neap_stream_peek(NULL, &text, &size),
      neap_stream_pair(f->engine, NULL),
      neap_stream_open(f->engine, 0, false, NULL),
      neap_listener_wait(NULL, op),
      neap_listener_accept(NULL, &detail, &stream),
      neap_process_wait(NULL, op),
      neap_process_kill(NULL, 0, &detail),
      neap_http_read(f->engine, op, NULL),
      neap_http_peek(NULL, &text, &size),
      neap_http_upload_new(f->engine, 0, NULL),
      neap_http_upload_end(NULL),
      neap_http_jar_new(f->engine, NULL),
      neap_http_jar_text(NULL, &text),
      neap_http_jar_add(NULL, ""),
      neap_http_jar_clear(NULL),
  };
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (statuses[i] != NEAP_EINVAL)
      fail_msg("call %zu returned %s", i, neap_status_name(statuses[i]));
  assert_false(neap_op_active(op));
}

static void a_flow_that_is_none_is_refused(void **state) {
  (void)state;
  neap_flow *flow;
  neap_node *node;
  neap_run *run;
  neap_node_opts opts = NEAP_NODE_OPTS_INIT;
  neap_run_opts run_opts = NEAP_RUN_OPTS_INIT;
  assert_int_equal(NEAP_EINVAL, neap_flow_new(NULL, NULL));
  assert_int_equal(0, neap_flow_new(NULL, &flow));
  assert_int_equal(NEAP_EINVAL, neap_flow_add(NULL, &opts, &node));
  assert_int_equal(NEAP_EINVAL, neap_flow_add(flow, &opts, NULL));
  assert_int_equal(0, neap_flow_add(flow, &opts, &node));
  assert_int_equal(NEAP_EINVAL, neap_flow_start(flow, NULL, node));
  assert_int_equal(NEAP_EINVAL, neap_flow_branch(flow, node, NULL));
  assert_int_equal(NEAP_EINVAL, neap_flow_wire(flow, NULL, "", 0, true, node));
  assert_int_equal(NEAP_EINVAL,
                   neap_flow_wire(flow, node, NULL, 1, true, node));
  assert_int_equal(NEAP_EINVAL, neap_flow_seal(NULL));
  /* It is not sealed yet. */
  assert_int_equal(NEAP_EINVAL, neap_run_new(flow, node, &run_opts, &run));
  assert_int_equal(0, neap_flow_seal(flow));
  assert_int_equal(NEAP_EINVAL, neap_run_new(NULL, node, &run_opts, &run));
  assert_int_equal(NEAP_EINVAL, neap_run_new(flow, NULL, &run_opts, &run));
  assert_int_equal(NEAP_EINVAL, neap_run_new(flow, node, &run_opts, NULL));
  assert_int_equal(0, neap_run_new(flow, node, &run_opts, &run));
  /* The visit begins: a batch has not been asked for. */
  const neap_step *step = neap_run_items(run, 3);
  assert_int_equal(NEAP_DO_END, step->what);
  assert_true(step->failed);
  assert_int_equal(NEAP_EINVAL, step->status);
  assert_int_equal(NEAP_DO_END, neap_run_ok(run)->what);
  neap_run_free(run);
  neap_flow_free(flow);
}

static void poll_and_free_from_within(neap_op *op) {
  fixture *f = op->data;
  f->status = neap_poll(f->engine, NEAP_FOREVER);
  neap_engine_free(f->engine);
  f->count++;
}

static void a_callback_neither_polls_nor_frees_its_engine(void **state) {
  fixture *f = *state;
  neap_op_init(&f->op, poll_and_free_from_within, f);
  assert_int_equal(0, neap_sleep_until(f->engine, &f->op, 0));
  assert_int_equal(1, neap_poll(f->engine, 0));
  assert_int_equal(1, f->count);
  assert_int_equal(NEAP_EBUSY, f->status);
  assert_int_equal(0, neap_sleep_until(f->engine, &f->op, 0));
  assert_int_equal(1, neap_poll(f->engine, 0));
}

/* What another thread does while the first is inside neap_poll. */
static void *meddle(void *ud) {
  fixture *f = ud;
  neap_op other;
  neap_op_init(&other, done, f);
  f->status = 0;
  if (neap_poll(f->engine, 0) != NEAP_EINVAL ||
      neap_sleep_until(f->engine, &other, 0) != NEAP_EINVAL ||
      neap_op_hold(f->engine, &other) != NEAP_EINVAL ||
      neap_op_settle(&f->op, 0) != NEAP_EINVAL ||
      neap_op_cancel(&f->op, 0) != NEAP_EINVAL ||
      neap_set_clock(f->engine, NEAP_CLOCK_VIRTUAL) != NEAP_EINVAL)
    f->status = 1;
  neap_engine_free(f->engine); /* does nothing */
  neap_wake(f->engine);
  return NULL;
}

static void meddle_meanwhile(neap_op *op) {
  pthread_t thread;
  assert_int_equal(0, pthread_create(&thread, NULL, meddle, op->data));
  assert_int_equal(0, pthread_join(thread, NULL));
}

static void a_thread_leaves_alone_what_another_polls(void **state) {
  fixture *f = *state;
  neap_op op;
  neap_op_init(&op, meddle_meanwhile, f);
  assert_int_equal(0, neap_op_hold(f->engine, &f->op));
  assert_int_equal(0, neap_sleep_until(f->engine, &op, 0));
  assert_int_equal(1, neap_poll(f->engine, 0));
  assert_int_equal(0, f->status);
  assert_int_equal(0, f->count);
  assert_int_equal(0, neap_op_settle(&f->op, 0));
  assert_int_equal(1, neap_poll(f->engine, 0));
}

/* Between polls an engine may go over to another thread. */
static void *use(void *ud) {
  fixture *f = ud;
  if (neap_sleep_until(f->engine, &f->op, 0) == 0)
    neap_poll(f->engine, 0);
  return NULL;
}

static void an_engine_goes_over_to_another_thread(void **state) {
  fixture *f = *state;
  pthread_t thread;
  use(f);
  assert_int_equal(1, f->count);
  assert_int_equal(0, pthread_create(&thread, NULL, use, f));
  assert_int_equal(0, pthread_join(thread, NULL));
  assert_int_equal(2, f->count);
  use(f);
  assert_int_equal(3, f->count);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(an_operation_that_is_active_is_not_started),
      TEST(an_operation_of_a_stream_is_started_once),
      TEST(what_is_missing_is_refused),
      TEST(objects_that_are_missing_are_refused),
      TEST(a_flow_that_is_none_is_refused),
      TEST(a_callback_neither_polls_nor_frees_its_engine),
      TEST(a_thread_leaves_alone_what_another_polls),
      TEST(an_engine_goes_over_to_another_thread),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
