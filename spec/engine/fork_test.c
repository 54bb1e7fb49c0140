/* A process with an engine forks: the parent goes on unharmed, whatever the
 * child does, and the child has an engine of its own.
 * SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server.h"
#include "waiter.h"

#define MS UINT64_C(1000000)

/* An engine in the middle of everything. */
typedef struct world {
  server *server;
  int files;       /* that were open before there was an engine */
  int connections; /* of the server, which are open here as well */
  char folder[64], path[128], socket[128];
  neap_engine *engine;
  waiter sleep, held, read, temp, write, get, body, kept, watching, accept, end,
      lookup, connect;
  neap_file *file;
  neap_stream *pair[2], *streams[3], *connection;
  neap_listener *listener;
  neap_process *process;
  neap_watch *watch;
  neap_addresses *addresses;
  neap_http_response *response, *first;
  neap_http_upload *upload;
  neap_http_jar *jar;
} world;

static char *big; /* more than a socket takes at once */
enum { BIG = 1 << 22 };

static void get(world *w, waiter *who, neap_http_response **response,
                const char *path, bool stream) {
  char url[128];
  snprintf(url, sizeof url, "http://127.0.0.1:%d%s", server_port(w->server),
           path);
  neap_http_opts opts = NEAP_HTTP_OPTS_INIT;
  opts.url = url;
  opts.stream = stream;
  opts.jar = w->jar;
  prepare(who);
  assert_int_equal(0, neap_http_send(w->engine, &who->op, &opts, response));
}

static void begin_http(world *w) {
  assert_int_equal(0, neap_http_jar_new(w->engine, &w->jar));
  get(w, &w->kept, &w->first, "/hello", false);
  assert_int_equal(0, finish(w->engine, &w->kept, 0));
  get(w, &w->get, &w->response, "/drip", true);
  assert_int_equal(0, finish(w->engine, &w->get, 0));
  prepare(&w->body);
  assert_int_equal(0, neap_http_read(w->engine, &w->body.op, w->response));
  assert_int_equal(0, neap_http_upload_new(w->engine, 10, &w->upload));
}

static void begin_net(world *w) {
  neap_net_opts net = NEAP_NET_OPTS_INIT;
  int detail;
  net.path = w->socket;
  assert_int_equal(0, neap_net_listen(w->engine, &net, &detail, &w->listener));
  prepare(&w->accept);
  assert_int_equal(0, neap_listener_wait(w->listener, &w->accept.op));
  assert_int_equal(0, neap_stream_pair(w->engine, w->pair));
  prepare(&w->write);
  assert_int_equal(0,
                   neap_stream_write(w->pair[0], &w->write.op, big, BIG, NULL));
  prepare(&w->lookup);
  assert_int_equal(
      0, neap_net_lookup(w->engine, &w->lookup.op, "localhost", &w->addresses));
}

static void begin_process(world *w) {
  static const char *const argv[] = {"sh", "-c", "read line; exit 7", NULL};
  neap_process_opts opts = NEAP_PROCESS_OPTS_INIT;
  neap_process_failure failure;
  opts.argv = argv;
  opts.stdio[0] = NEAP_STDIO_PIPE;
  assert_int_equal(0, neap_process_spawn(w->engine, &opts, &w->process,
                                         w->streams, &failure));
  prepare(&w->end);
  assert_int_equal(0, neap_process_wait(w->process, &w->end.op));
}

static void begin_files(world *w) {
  int detail;
  prepare(&w->temp);
  assert_int_equal(
      0, finish(w->engine, &w->temp,
                neap_file_temp(w->engine, &w->temp.op, w->path, &w->file)));
  prepare(&w->temp);
  assert_int_equal(
      0, neap_file_write(w->file, &w->temp.op, "tide", 4, &w->temp.result));
  prepare(&w->read);
  assert_int_equal(0, neap_fs_read(w->engine, &w->read.op, "/proc/self/stat", 0,
                                   &w->read.result));
  assert_int_equal(0, neap_watch_new(w->engine, w->folder, &detail, &w->watch));
  prepare(&w->watching);
  assert_int_equal(0, neap_watch_wait(w->watch, &w->watching.op));
}

static int set_up(void **state) {
  static world w;
  w = (world){.server = server_start()};
  big = calloc(1, BIG);
  snprintf(w.folder, sizeof w.folder, "/tmp/neap-fork-XXXXXX");
  assert_non_null(mkdtemp(w.folder));
  snprintf(w.path, sizeof w.path, "%s/temp-", w.folder);
  snprintf(w.socket, sizeof w.socket, "%s/socket", w.folder);
  w.files = count_open_files();
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.http_library = NEAP_TEST_HTTP_LIBRARY;
  assert_int_equal(0, neap_engine_new(&opts, &w.engine));
  begin_http(&w);
  begin_net(&w);
  begin_process(&w);
  prepare(&w.held);
  assert_int_equal(0, neap_op_hold(w.engine, &w.held.op));
  prepare(&w.sleep);
  assert_int_equal(
      0, neap_sleep_until(w.engine, &w.sleep.op, neap_now(w.engine) + 50 * MS));
  begin_files(&w);
  *state = &w;
  return 0;
}

static int status_of(const waiter *w) {
  return w->calls == 1 ? w->status : 1;
}

static void poll_for(world *w, waiter *who) {
  while (who->calls == 0)
    assert_true(neap_poll(w->engine, NEAP_FOREVER) >= 0);
  assert_int_equal(0, status_of(who));
}

/* Ends all that set_up has begun, and looks whether it ends as it should. */
static void go_on(world *w) {
  poll_for(w, &w->sleep);
  poll_for(w, &w->temp);
  neap_fs_free(w->temp.result);
  poll_for(w, &w->read);
  neap_fs_free(w->read.result);
  poll_for(w, &w->lookup);
  neap_addresses_free(w->addresses);
  assert_int_equal(0, access(neap_file_path(w->file), F_OK));
  assert_int_equal(0, neap_op_settle(&w->held.op, 0));
  poll_for(w, &w->held);

  char name[160];
  snprintf(name, sizeof name, "%s/made", w->folder);
  close(open(name, O_CREAT | O_WRONLY, 0600));
  poll_for(w, &w->watching);
  neap_change change;
  assert_true(neap_watch_take(w->watch, &change));
  unlink(name);

  size_t sum = 0;
  while (sum < BIG) {
    const char *bytes;
    size_t size;
    int status = neap_stream_peek(w->pair[1], &bytes, &size);
    assert_true(status == 0 || status == NEAP_EAGAIN);
    if (status == 0) {
      assert_true(size > 0);
      sum += size;
      neap_stream_take(w->pair[1], size);
    }
    neap_poll(w->engine, 0);
  }
  poll_for(w, &w->write);

  neap_net_opts net = NEAP_NET_OPTS_INIT;
  net.path = w->socket;
  prepare(&w->connect);
  assert_int_equal(
      0, neap_net_connect(w->engine, &w->connect.op, &net, &w->connection));
  poll_for(w, &w->connect);
  poll_for(w, &w->accept);

  int code, signal;
  assert_false(neap_process_result(w->process, &code, &signal));
  waiter line;
  prepare(&line);
  bool written;
  assert_int_equal(
      0, neap_stream_write(w->streams[0], &line.op, "\n", 1, &written));
  poll_for(w, &w->end);
  assert_true(neap_process_result(w->process, &code, &signal));
  assert_int_equal(7, code);

  sum = 0;
  for (;;) {
    const char *bytes;
    size_t size;
    int status = neap_http_peek(w->response, &bytes, &size);
    if (status == 0 && size == 0)
      break;
    sum += size;
    neap_http_take(w->response, size);
    if (status == NEAP_EAGAIN) {
      if (w->body.calls == 1) {
        prepare(&w->body);
        neap_http_read(w->engine, &w->body.op, w->response);
      }
      poll_for(w, &w->body);
    } else {
      assert_int_equal(0, status);
    }
  }
  assert_int_equal(5, sum);
  /* The first connection was used again for the second request, and is now. */
  int accepted = server_accepted(w->server);
  neap_http_free(w->first);
  get(w, &w->kept, &w->first, "/hello", false);
  assert_int_equal(0, finish(w->engine, &w->kept, 0));
  assert_int_equal(accepted, server_accepted(w->server));
}

static void free_objects(world *w) {
  neap_http_free(w->first);
  neap_http_free(w->response);
  neap_http_upload_free(w->upload);
  neap_stream_close(w->pair[0]);
  neap_stream_close(w->pair[1]);
  for (int i = 0; i < 3; i++)
    neap_stream_close(w->streams[i]);
  neap_stream_close(w->connection);
  neap_listener_close(w->listener);
  neap_process_free(w->process);
  neap_watch_free(w->watch);
  neap_file_free(w->file);
  neap_http_jar_free(w->jar);
}

static int tear_down(void **state) {
  world *w = *state;
  free_objects(w);
  neap_engine_free(w->engine);
  server_stop(w->server);
  assert_int_equal(0, rmdir(w->folder)); /* what was temporary is gone */
  free(big);
  return 0;
}

/* In the child nothing may reach cmocka: what fails is the line. */
#define CHECK(expected, value)                                                 \
  do {                                                                         \
    if ((expected) != (value)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #value);              \
      _exit(1);                                                                \
    }                                                                          \
  } while (0)

/* All that a child may want to do works with an engine of its own. */
static void work(const world *old) {
  static world w;
  w = (world){.server = old->server};
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.http_library = NEAP_TEST_HTTP_LIBRARY;
  CHECK(0, neap_engine_new(&opts, &w.engine));
  prepare(&w.sleep);
  CHECK(0, neap_sleep_until(w.engine, &w.sleep.op, neap_now(w.engine) + MS));
  prepare(&w.read);
  CHECK(0, neap_fs_read(w.engine, &w.read.op, "/proc/self/stat", 0,
                        &w.read.result));
  get(&w, &w.get, &w.response, "/hello", false);
  while (w.sleep.calls + w.read.calls + w.get.calls < 3)
    CHECK(true, neap_poll(w.engine, NEAP_FOREVER) >= 0);
  CHECK(0, w.read.status);
  CHECK(0, w.get.status);
  CHECK(200, neap_http_status(w.response));
  neap_fs_free(w.read.result);
  neap_http_free(w.response);
  neap_engine_free(w.engine);
}

/* Each call on the engine says that it is the parent's, and on an object that
 * its engine has ended. */
static void check_refusals(world *w) {
  waiter other;
  neap_fs_result *fs = NULL;
  neap_stream *stream;
  const char *bytes;
  size_t size;
  int detail, code, signal;
  bool written;
  prepare(&other);
  neap_op *op = &other.op;
  CHECK(NEAP_EFORK, neap_poll(w->engine, 0));
  CHECK(NEAP_EFORK, neap_sleep_until(w->engine, op, 1));
  CHECK(NEAP_EFORK, neap_op_hold(w->engine, op));
  CHECK(NEAP_EFORK, neap_fs_stat(w->engine, op, "/", &fs));
  CHECK(NEAP_EFORK, neap_op_settle(&w->held.op, 0));
  CHECK(NEAP_EFORK, neap_set_clock(w->engine, NEAP_CLOCK_VIRTUAL));
  CHECK(NEAP_EFORK, neap_stream_open(w->engine, 0, false, &stream));
  CHECK(NEAP_EFORK, neap_http_jar_new(w->engine, &w->jar));
  CHECK(0, neap_op_cancel(&w->sleep.op, NEAP_ECANCELED)); /* it is idle */
  CHECK(NULL, neap_uv_loop(w->engine));
  CHECK(0, neap_pending(w->engine));
  neap_wake(w->engine);
  neap_uv_settle(w->engine);
  neap_end_processes(w->engine);
  CHECK(NEAP_ECLOSED, neap_stream_read(w->pair[0], op));
  CHECK(NEAP_ECLOSED, neap_stream_write(w->pair[1], op, "x", 1, &written));
  CHECK(NEAP_ECLOSED, neap_stream_end(w->pair[1], op));
  CHECK(NEAP_ECLOSED, neap_stream_peek(w->pair[1], &bytes, &size));
  CHECK(-1, neap_stream_fd(w->pair[0]));
  CHECK(NEAP_ECLOSED, neap_listener_wait(w->listener, op));
  CHECK(NEAP_ECLOSED, neap_listener_accept(w->listener, &detail, &stream));
  CHECK(-1, neap_listener_fd(w->listener));
  CHECK(NEAP_ECLOSED, neap_process_wait(w->process, op));
  CHECK(NEAP_ECLOSED, neap_process_kill(w->process, SIGKILL, &detail));
  CHECK(false, neap_process_result(w->process, &code, &signal));
  CHECK(NEAP_EINVAL, neap_watch_wait(w->watch, op));
  CHECK(true, neap_watch_has_ended(w->watch));
  CHECK(NEAP_EINVAL, neap_file_read(w->file, op, &fs));
  CHECK(false, neap_file_is_open(w->file));
  int status = neap_http_peek(w->response, &bytes, &size);
  if (status == 0) { /* it has come before */
    neap_http_take(w->response, size);
    status = neap_http_peek(w->response, &bytes, &size);
  }
  CHECK(true, status == NEAP_ECLOSED || (status == 0 && size == 0));
  CHECK(false, neap_op_active(op));
  CHECK(false, neap_op_active(&w->sleep.op));
  CHECK(0, w->sleep.calls + w->read.calls);
}

/* What the engine had open is closed. libcurl has two descriptors by which a
 * thread could wake it, which nobody else knows. */
static void check_files(const world *w) {
  int left = count_open_files() - w->files - w->connections;
  CHECK(true, left >= 0 && left <= 2);
}

/* How a child treats what it has inherited. */
typedef void (*treatment)(world *w);

static void lets_go(world *w) {
  CHECK(0, neap_after_fork(w->engine));
  CHECK(0, neap_after_fork(w->engine));
  check_refusals(w);
  free_objects(w);
  neap_engine_free(w->engine);
  check_files(w);
  work(w);
}

static void uses_it(world *w) {
  check_refusals(w);
  work(w);
}

static void frees_the_engine(world *w) {
  neap_engine_free(w->engine);
  free_objects(w);
  check_files(w);
  work(w);
}

static void frees_the_objects(world *w) {
  neap_op_forget(&w->body.op);
  free_objects(w);
  neap_op_forget(&w->sleep.op);
  neap_engine_free(w->engine);
  check_files(w);
}

static void cancels(world *w) {
  CHECK(NEAP_EFORK, neap_op_cancel(&w->read.op, NEAP_ECANCELED));
  neap_process_stop(w->process, 0);
  neap_file_free(w->file);
  work(w);
}

static void stops_programs(world *w) {
  neap_process_stop(w->process, 0);
  neap_process_free(w->process);
  neap_end_processes(w->engine);
}

static void looks_at_nothing(world *w) {
  (void)w;
}

/* Forks, and waits for the child. */
static void fork_to(treatment treat, world *w) {
  w->connections = server_open(w->server);
  pid_t child = fork();
  if (child == 0) {
    treat(w);
    _exit(0);
  }
  int status;
  assert_int_equal(child, waitpid(child, &status, 0));
  assert_int_equal(0, status);
  assert_int_equal(NEAP_EINVAL, neap_after_fork(w->engine));
}

static const treatment treatments[] = {
    lets_go, uses_it,        frees_the_engine, frees_the_objects,
    cancels, stops_programs, looks_at_nothing,
};

static void a_child_does_the_parent_no_harm(void **state) {
  world *w = *state;
  for (size_t i = 0; i < sizeof treatments / sizeof *treatments; i++)
    fork_to(treatments[i], w);
  go_on(w);
}

static void a_child_of_a_child_does_neither(void **state) {
  world *w = *state;
  pid_t child = fork();
  if (child == 0) {
    pid_t own = fork();
    if (own == 0) {
      uses_it(w);
      _exit(0);
    }
    int status;
    CHECK(own, waitpid(own, &status, 0));
    CHECK(0, status);
    uses_it(w);
    _exit(0);
  }
  int status;
  assert_int_equal(child, waitpid(child, &status, 0));
  assert_int_equal(0, status);
  go_on(w);
}

typedef struct forker {
  waiter w;
  world *world;
  pid_t child;
  bool frees;
} forker;

static void fork_in_done(neap_op *op) {
  forker *f = op->data;
  f->child = fork();
  if (f->child == 0 && f->frees) {
    CHECK(0, neap_after_fork(f->world->engine));
    CHECK(NEAP_EFORK, neap_poll(f->world->engine, 0));
    neap_engine_free(f->world->engine); /* ignored: it is being polled */
  }
  f->w.calls++;
}

static void a_callback_that_forks_ends_the_poll_of_the_child(void **state) {
  world *w = *state;
  for (int i = 0; i < 2; i++) {
    forker f = {.world = w, .frees = i == 0};
    waiter next;
    prepare(&next);
    neap_op_init(&f.w.op, fork_in_done, &f);
    assert_int_equal(0, neap_sleep_until(w->engine, &f.w.op, 0));
    assert_int_equal(0, neap_sleep_until(w->engine, &next.op, 0));
    int count = 0;
    while (f.w.calls == 0)
      count = neap_poll(w->engine, NEAP_FOREVER);
    if (f.child == 0) {
      CHECK(NEAP_EFORK, count);
      CHECK(0, next.calls);
      CHECK(NEAP_EFORK, neap_poll(w->engine, 0));
      neap_engine_free(w->engine);
      free_objects(w);
      work(w);
      _exit(0);
    }
    int status;
    assert_int_equal(f.child, waitpid(f.child, &status, 0));
    assert_int_equal(0, status);
    poll_for(w, &next);
  }
  go_on(w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  signal(SIGPIPE, SIG_IGN); /* of the server's threads */
  neap_engine *first;       /* libuv opens a pipe for all of them */
  if (neap_engine_new(NULL, &first) == 0)
    neap_engine_free(first);
  const struct CMUnitTest tests[] = {
      TEST(a_child_does_the_parent_no_harm),
      TEST(a_child_of_a_child_does_neither),
      TEST(a_callback_that_forks_ends_the_poll_of_the_child),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
