/* Processes: how they start, what they inherit, how they end, and that none is
 * left behind whatever happens.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "waiter.h"

#define MS UINT64_C(1000000)

typedef struct fixture {
  failing_state memory;
  neap_engine *engine;
  int files; /* descriptors open before the engine was there */
} fixture;

/* A program that was started, with its streams. */
typedef struct child {
  neap_process *process;
  neap_stream *streams[3];
} child;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  *state = f;
  f->files = count_open_files();
  f->engine = new_engine(&f->memory, 0);
  assert_non_null(f->engine);
  return 0;
}

/* Whatever a test did: no memory, no descriptor and no child is left. */
static int teardown(void **state) {
  fixture *f = *state;
  neap_engine_free(f->engine);
  assert_int_equal(0, f->memory.live);
  assert_int_equal(f->files, count_open_files());
  assert_int_equal(-1, waitpid(-1, NULL, WNOHANG));
  assert_int_equal(ECHILD, errno);
  free(f);
  return 0;
}

static void await(neap_engine *engine, const waiter *w, int status) {
  while (w->calls == 0)
    assert_true(neap_poll(engine, NEAP_FOREVER) >= 0);
  assert_int_equal(1, w->calls);
  assert_int_equal(status, w->status);
}

/* Starts a script of the shell. */
static child start(neap_engine *engine, const char *script) {
  child c;
  const char *const argv[] = {"sh", "-c", script, NULL};
  neap_process_opts opts = NEAP_PROCESS_OPTS_INIT;
  opts.argv = argv;
  opts.stdio[2] = NEAP_STDIO_INHERIT;
  neap_process_failure failure;
  assert_int_equal(
      0, neap_process_spawn(engine, &opts, &c.process, c.streams, &failure));
  assert_non_null(c.streams[0]);
  assert_non_null(c.streams[1]);
  assert_null(c.streams[2]);
  return c;
}

static void assert_ends(neap_engine *engine, const child *c, int code,
                        int signal) {
  waiter w;
  prepare(&w);
  neap_process_wait(c->process, &w.op);
  await(engine, &w, 0);
  int found_code, found_signal;
  assert_true(neap_process_result(c->process, &found_code, &found_signal));
  assert_int_equal(code, found_code);
  assert_int_equal(signal, found_signal);
}

/* Reads a stream to its end. */
static void assert_output(neap_engine *engine, neap_stream *stream,
                          const char *text) {
  char found[256];
  size_t sum = 0, size = 1;
  while (size > 0) {
    waiter w;
    prepare(&w);
    assert_int_equal(0, neap_stream_read(stream, &w.op));
    await(engine, &w, 0);
    const char *bytes;
    assert_int_equal(0, neap_stream_peek(stream, &bytes, &size));
    assert_true(sum + size < sizeof found);
    memcpy(found + sum, bytes, size);
    sum += size;
    neap_stream_take(stream, size);
  }
  found[sum] = '\0';
  assert_string_equal(text, found);
}

/* Reads one line, which a script writes when it is ready. */
static void await_line(neap_engine *engine, neap_stream *stream) {
  waiter w;
  prepare(&w);
  assert_int_equal(0, neap_stream_read(stream, &w.op));
  await(engine, &w, 0);
  const char *bytes;
  size_t size;
  assert_int_equal(0, neap_stream_peek(stream, &bytes, &size));
  assert_true(size > 0);
  neap_stream_take(stream, size);
}

static void close_child(child *c) {
  for (int i = 0; i < 3; i++)
    neap_stream_close(c->streams[i]);
  neap_process_free(c->process);
}

static void gives_and_takes_what_a_program_reads_and_writes(void **state) {
  fixture *f = *state;
  child c = start(f->engine, "cat; exit 7");
  assert_true(neap_process_pid(c.process) > 0);
  int code, signal;
  assert_false(neap_process_result(c.process, &code, &signal));
  waiter w;
  prepare(&w);
  bool at_once;
  assert_int_equal(0,
                   neap_stream_write(c.streams[0], &w.op, "tide", 4, &at_once));
  assert_true(at_once);
  assert_int_equal(0, neap_stream_end(c.streams[0], &w.op));
  await(f->engine, &w, 0);
  assert_output(f->engine, c.streams[1], "tide");
  assert_ends(f->engine, &c, 7, 0);
  assert_ends(f->engine, &c, 7, 0); /* late */
  int detail;
  assert_int_equal(NEAP_ECLOSED,
                   neap_process_kill(c.process, SIGTERM, &detail));
  neap_process_stop(c.process, 0);
  close_child(&c);
}

static void many_may_wait_and_leave(void **state) {
  fixture *f = *state;
  child c = start(f->engine, "read x");
  waiter w[3];
  for (int i = 0; i < 3; i++) {
    prepare(&w[i]);
    neap_process_wait(c.process, &w[i].op);
  }
  assert_int_equal(3, neap_pending(f->engine));
  neap_op_cancel(&w[0].op, NEAP_ECANCELED);
  neap_op_forget(&w[1].op);
  assert_int_equal(1, neap_poll(f->engine, 0));
  assert_int_equal(NEAP_ECANCELED, w[0].status);
  neap_stream_close(c.streams[0]);
  c.streams[0] = NULL;
  await(f->engine, &w[2], 0);
  assert_int_equal(1, w[0].calls);
  assert_int_equal(0, w[1].calls);
  close_child(&c);
}

static void signals_reach_all_of_its_group(void **state) {
  fixture *f = *state;
  child c = start(f->engine, "sleep 60 & echo; wait");
  await_line(f->engine, c.streams[1]);
  assert_int_equal(neap_process_pid(c.process),
                   getpgid(neap_process_pid(c.process)));
  int detail;
  assert_int_equal(0, neap_process_kill(c.process, SIGTERM, &detail));
  assert_ends(f->engine, &c, 0, SIGTERM);
  assert_output(f->engine, c.streams[1], ""); /* sleep has it open, too */
  close_child(&c);
}

static void stopping_ends_also_who_does_not_want_to(void **state) {
  fixture *f = *state;
  child c = start(f->engine, "trap '' TERM; (echo; sleep 60) & wait; sleep 60");
  await_line(f->engine, c.streams[1]);
  uint64_t before = neap_now(f->engine);
  neap_process_stop(c.process, 50 * MS);
  neap_process_stop(c.process, 0); /* it was asked to already */
  assert_ends(f->engine, &c, 0, SIGKILL);
  uint64_t took = neap_now(f->engine) - before;
  assert_true(took >= 49 * MS);
  assert_true(took < 10000 * MS);
  assert_output(f->engine, c.streams[1], "");
  close_child(&c);
}

static void what_is_left_of_a_stopped_group_goes_along(void **state) {
  fixture *f = *state;
  child c = start(f->engine, "(trap '' TERM; echo; sleep 60; sleep 60) & wait");
  await_line(f->engine, c.streams[1]);
  neap_process_stop(c.process, 60000 * MS);
  assert_ends(f->engine, &c, 0, SIGTERM);
  assert_output(f->engine, c.streams[1], "");
  close_child(&c);
}

/* Starts a script that leaves another process behind, and waits until it has
 * ended itself: with 3. Returns the number of the other. */
static pid_t leave_behind(neap_engine *engine, child *c) {
  *c = start(engine, "sleep 60 & echo $!; exit 3");
  waiter w;
  prepare(&w);
  assert_int_equal(0, neap_stream_read(c->streams[1], &w.op));
  await(engine, &w, 0);
  const char *bytes;
  size_t size;
  assert_int_equal(0, neap_stream_peek(c->streams[1], &bytes, &size));
  assert_int_equal(size, neap_stream_available(c->streams[1]));
  pid_t left = (pid_t)strtol(bytes, NULL, 10);
  neap_stream_take(c->streams[1], size);
  assert_int_equal(0, neap_stream_available(c->streams[1]));
  assert_ends(engine, c, 3, 0);
  return left;
}

/* Its output comes to its end when what was left behind has gone. */
static void assert_left_is_gone(neap_engine *engine, child *c) {
  assert_output(engine, c->streams[1], "");
  close_child(c);
}

static void what_a_program_leaves_behind_goes_when_it_is_stopped(void **state) {
  fixture *f = *state;
  child c;
  pid_t left = leave_behind(f->engine, &c);
  pid_t pid = neap_process_pid(c.process);
  neap_poll(f->engine, 20 * MS);
  assert_int_equal(0, kill(left, 0));
  assert_int_equal(pid, getpgid(left));
  /* The number of the group is still ours: the program has not been reaped. */
  siginfo_t info;
  assert_int_equal(
      0, waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT));
  assert_int_equal(pid, info.si_pid);
  int detail;
  assert_int_equal(NEAP_ECLOSED,
                   neap_process_kill(c.process, SIGTERM, &detail));
  neap_process_stop(c.process, 60000 * MS);
  assert_int_equal(-1, kill(pid, 0));
  neap_process_stop(c.process, 60000 * MS);
  assert_ends(f->engine, &c, 3, 0);
  assert_left_is_gone(f->engine, &c);
}

static void what_a_program_leaves_behind_goes_when_it_is_freed(void **state) {
  fixture *f = *state;
  child c;
  leave_behind(f->engine, &c);
  neap_process_free(c.process);
  c.process = NULL;
  assert_left_is_gone(f->engine, &c);
}

/* It closes the pipe that this waits for. */
static void what_a_program_leaves_behind_goes_with_the_engine(void **state) {
  fixture *f = *state;
  child c;
  leave_behind(f->engine, &c);
  int end = dup(neap_stream_fd(c.streams[1]));
  neap_engine_free(f->engine);
  char byte;
  fcntl(end, F_SETFL, 0);
  assert_int_equal(0, read(end, &byte, 1));
  close(end);
  close_child(&c);
  assert_int_equal(0, f->memory.live);
  f->engine = new_engine(&f->memory, 0);
}

static void who_is_suspended_can_be_stopped(void **state) {
  fixture *f = *state;
  child c = start(f->engine, "echo; kill -STOP $$; sleep 60");
  await_line(f->engine, c.streams[1]);
  neap_process_stop(c.process, 60000 * MS);
  assert_ends(f->engine, &c, 0, SIGTERM);
  close_child(&c);
}

static void a_freed_process_is_ended_and_waited_for(void **state) {
  fixture *f = *state;
  child c = start(f->engine, "sleep 60");
  pid_t pid = neap_process_pid(c.process);
  waiter w;
  prepare(&w);
  neap_process_wait(c.process, &w.op);
  close_child(&c);
  await(f->engine, &w, NEAP_ECLOSED);
  while (kill(pid, 0) == 0) /* it is there as long as nobody has waited */
    neap_poll(f->engine, MS);
  neap_process_free(NULL);
}

/* Frees engines with programs in all states. */
static void an_engine_freed_leaves_no_program(void **state) {
  (void)state;
  static const char *const scripts[] = {
      "exit 1", "sleep 60", "trap 'exit 3' TERM; echo; sleep 60 & wait",
      "kill -KILL $$"};
  for (int turns = 0; turns < 4; turns++) {
    failing_state memory;
    neap_engine *engine = new_engine(&memory, 0);
    child c[4];
    waiter w[4];
    for (int i = 0; i < 4; i++) {
      c[i] = start(engine, scripts[i]);
      prepare(&w[i]);
      neap_process_wait(c[i].process, &w[i].op);
    }
    if (turns > 1)
      neap_process_free(c[0].process);
    if (turns > 2)
      neap_process_stop(c[2].process, 10 * MS);
    for (int i = 0; i < turns; i++)
      neap_poll(engine, MS);
    neap_engine_free(engine);
    for (int i = 0; i < 4; i++)
      assert_false(neap_op_active(&w[i].op));
    assert_int_equal(-1, waitpid(-1, NULL, WNOHANG));
    for (int i = turns > 1; i < 4; i++) {
      int code, signal, detail;
      assert_true(neap_process_pid(c[i].process) > 0);
      assert_true(neap_process_result(c[i].process, &code, &signal));
      assert_int_equal(NEAP_ECLOSED, neap_process_wait(c[i].process, &w[i].op));
      assert_int_equal(NEAP_ECLOSED,
                       neap_process_kill(c[i].process, SIGTERM, &detail));
      neap_process_stop(c[i].process, 10 * MS);
    }
    if (turns > 1)
      c[0].process = NULL;
    for (int i = 0; i < 4; i++)
      close_child(&c[i]);
    assert_int_equal(0, memory.live);
  }
}

static void a_program_that_ignores_a_freed_engine_is_killed(void **state) {
  fixture *f = *state;
  child c = start(f->engine, "trap '' TERM; echo; sleep 60; sleep 60");
  await_line(f->engine, c.streams[1]);
  neap_process_stop(c.process, 20 * MS);
  neap_engine_free(f->engine);
  close_child(&c);
  assert_int_equal(0, f->memory.live);
  f->engine = new_engine(&f->memory, 0);
}

static void processes_can_be_ended_before_their_engine(void **state) {
  fixture *f = *state;
  child c = start(f->engine, "trap '' TERM; echo; sleep 60; sleep 60");
  await_line(f->engine, c.streams[1]);
  neap_process_stop(c.process, 20 * MS);
  neap_end_processes(f->engine);
  assert_int_equal(-1, waitpid(-1, NULL, WNOHANG));
  close_child(&c);
  c = start(f->engine, "exit 3");
  assert_ends(f->engine, &c, 3, 0);
  close_child(&c);
}

static void engines_do_not_take_from_each_other(void **state) {
  fixture *f = *state;
  failing_state memory;
  neap_engine *other = new_engine(&memory, 0);
  child one = start(f->engine, "exit 1"), two = start(other, "exit 2");
  struct sigaction action;
  assert_int_equal(0, sigaction(SIGCHLD, NULL, &action));
  assert_ptr_equal(SIG_DFL, action.sa_handler); /* left to the host */
  pid_t own = fork();
  if (own == 0)
    _exit(3);
  int status;
  assert_int_equal(own, waitpid(own, &status, 0));
  assert_int_equal(3, WEXITSTATUS(status));
  assert_ends(other, &two, 2, 0);
  assert_ends(f->engine, &one, 1, 0);
  close_child(&one);
  close_child(&two);
  neap_engine_free(other);
  assert_int_equal(0, memory.live);
}

static void tells_when_somebody_else_has_waited(void **state) {
  fixture *f = *state;
  child c = start(f->engine, "exit 1");
  assert_int_equal(neap_process_pid(c.process),
                   waitpid(neap_process_pid(c.process), NULL, 0));
  waiter w;
  prepare(&w);
  neap_process_wait(c.process, &w.op);
  await(f->engine, &w, NEAP_ESYS);
  char name[16];
  neap_sys_describe(w.detail, name, sizeof name, NULL, 0);
  assert_string_equal("ECHILD", name);
  close_child(&c);
}

static void a_program_starts_without_what_is_ours(void **state) {
  fixture *f = *state;
  int leak = dup(1); /* without FD_CLOEXEC */
  sigset_t all, before;
  sigfillset(&all);
  signal(SIGPIPE, SIG_IGN);
  assert_int_equal(0, sigprocmask(SIG_BLOCK, &all, &before));
  /* Of the signals below those that the C library keeps for itself. */
  child c = start(f->engine, "ls /proc/self/fd | wc -l; for mask in $(grep -E "
                             "'SigBlk|SigIgn' /proc/self/status | cut -f2); do "
                             "echo $((0x$mask & 0x7fffffff)); done");
  assert_int_equal(0, sigprocmask(SIG_SETMASK, &before, NULL));
  signal(SIGPIPE, SIG_DFL);
  /* 0, 1, 2 and the folder that ls reads */
  assert_output(f->engine, c.streams[1], "4\n0\n0\n");
  assert_ends(f->engine, &c, 0, 0);
  close_child(&c);
  close(leak);
}

/* Asserts that a program is refused, for that reason. */
static void assert_refused(fixture *f, const neap_process_opts *opts,
                           neap_process_part part, const char *name) {
  neap_process *process = NULL;
  neap_stream *streams[3];
  neap_process_failure failure;
  assert_int_equal(NEAP_ESYS, neap_process_spawn(f->engine, opts, &process,
                                                 streams, &failure));
  assert_null(process);
  char found[16];
  neap_sys_describe(failure.detail, found, sizeof found, NULL, 0);
  assert_string_equal(name, found);
  assert_int_equal(part, failure.part);
}

static void tells_what_it_could_not_start(void **state) {
  fixture *f = *state;
  const char *const argv[] = {"true", NULL}, *none[] = {"/no/such", NULL},
                    *folder[] = {"/tmp", NULL};
  neap_process_opts opts = NEAP_PROCESS_OPTS_INIT;
  neap_process *process;
  neap_stream *streams[3];
  neap_process_failure failure;
  assert_int_equal(NEAP_EINVAL, neap_process_spawn(f->engine, &opts, &process,
                                                   streams, &failure));
  opts.argv = none;
  assert_refused(f, &opts, NEAP_PROCESS_PROGRAM, "ENOENT");
  opts.argv = folder;
  assert_refused(f, &opts, NEAP_PROCESS_PROGRAM, "EACCES");
  opts.argv = argv;
  opts.cwd = "/no/such";
  assert_refused(f, &opts, NEAP_PROCESS_CWD, "ENOENT");
  opts.cwd = "/dev/null";
  assert_refused(f, &opts, NEAP_PROCESS_CWD, "ENOTDIR");
  opts.cwd = NULL;
  static const struct {
    int index;
    neap_stdio kind;
  } senseless[] = {{0, NEAP_STDIO_FILE},   {1, NEAP_STDIO_APPEND},
                   {0, NEAP_STDIO_APPEND}, {1, NEAP_STDIO_OUTPUT},
                   {2, (neap_stdio)99},    {0, (neap_stdio)-1}};
  for (size_t i = 0; i < sizeof senseless / sizeof *senseless; i++) {
    opts.stdio[senseless[i].index] = senseless[i].kind;
    assert_int_equal(NEAP_EINVAL, neap_process_spawn(f->engine, &opts, &process,
                                                     streams, &failure));
    opts.stdio[senseless[i].index] = NEAP_STDIO_PIPE;
  }
  opts.stdio[0] = NEAP_STDIO_FILE;
  opts.paths[0] = "/no/such";
  assert_refused(f, &opts, NEAP_PROCESS_STDIN, "ENOENT");
  opts.stdio[0] = NEAP_STDIO_NULL;
  opts.stdio[1] = NEAP_STDIO_FILE;
  opts.paths[1] = "/tmp";
  assert_refused(f, &opts, NEAP_PROCESS_STDOUT, "EISDIR");
}

/* How many descriptors below a limit are free. */
static int count_free(int limit) {
  int count = 0;
  for (int fd = 0; fd < limit; fd++)
    count += fcntl(fd, F_GETFD) < 0;
  return count;
}

/* Takes away one descriptor after the other. */
static void runs_out_of_descriptors_without_harm(void **state) {
  fixture *f = *state;
  const char *const argv[] = {"true", NULL};
  neap_process_opts opts = NEAP_PROCESS_OPTS_INIT;
  opts.argv = argv;
  opts.cwd = "/";
  struct rlimit before, few;
  assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &before));
  few = before;
  int probe = dup(0); /* the next that is free */
  close(probe);
  int files = count_open_files(), limit = probe;
  for (;; limit++) {
    few.rlim_cur = (rlim_t)limit;
    child c;
    neap_process_failure failure;
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &few));
    int status =
        neap_process_spawn(f->engine, &opts, &c.process, c.streams, &failure);
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &before));
    if (status == 0) {
      assert_ends(f->engine, &c, 0, 0);
      close_child(&c);
      break;
    }
    assert_int_equal(NEAP_ESYS, status);
    char name[16];
    neap_sys_describe(failure.detail, name, sizeof name, NULL, 0);
    assert_string_equal("EMFILE", name);
    assert_int_equal(files, count_open_files());
  }
  /* a folder, three pipes, the process */
  assert_int_equal(8, count_free(limit));
}

static bool survives(long fail_at) {
  failing_state memory;
  neap_engine *engine = new_engine(&memory, fail_at);
  if (engine) {
    const char *const argv[] = {"true", NULL};
    neap_process_opts opts = NEAP_PROCESS_OPTS_INIT;
    opts.argv = argv;
    child c;
    neap_process_failure failure;
    int status =
        neap_process_spawn(engine, &opts, &c.process, c.streams, &failure);
    assert_int_equal(memory.failed ? NEAP_ENOMEM : 0, status);
    if (status == 0) {
      assert_ends(engine, &c, 0, 0);
      close_child(&c);
    }
    neap_engine_free(engine);
  }
  assert_int_equal(0, memory.live);
  assert_int_equal(-1, waitpid(-1, NULL, WNOHANG));
  return memory.failed;
}

static void survives_each_allocation_that_fails(void **state) {
  (void)state;
  int files = count_open_files();
  /* the engine, the process, three streams */
  assert_true(fail_each(survives) > 5);
  assert_int_equal(files, count_open_files());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(gives_and_takes_what_a_program_reads_and_writes),
      TEST(many_may_wait_and_leave),
      TEST(signals_reach_all_of_its_group),
      TEST(stopping_ends_also_who_does_not_want_to),
      TEST(what_is_left_of_a_stopped_group_goes_along),
      TEST(what_a_program_leaves_behind_goes_when_it_is_stopped),
      TEST(what_a_program_leaves_behind_goes_when_it_is_freed),
      TEST(what_a_program_leaves_behind_goes_with_the_engine),
      TEST(who_is_suspended_can_be_stopped),
      TEST(a_freed_process_is_ended_and_waited_for),
      TEST(an_engine_freed_leaves_no_program),
      TEST(a_program_that_ignores_a_freed_engine_is_killed),
      TEST(processes_can_be_ended_before_their_engine),
      TEST(engines_do_not_take_from_each_other),
      TEST(tells_when_somebody_else_has_waited),
      TEST(a_program_starts_without_what_is_ours),
      TEST(tells_what_it_could_not_start),
      TEST(runs_out_of_descriptors_without_harm),
      TEST(survives_each_allocation_that_fails),
  };
  /* The first loop of a process opens a pipe that libuv keeps. */
  neap_engine *engine = NULL;
  if (neap_engine_new(NULL, &engine) < 0)
    return 1;
  neap_engine_free(engine);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
