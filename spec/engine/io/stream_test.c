/* Streams: what is read and written, who is held up, and what happens when
 * that fails, is cancelled, or ends at any moment.
 * SPDX-License-Identifier: MIT
 *
 * Long, because all of it needs the same stream with a peer of ours at its end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "waiter.h"

enum { MEBIBYTE = 1 << 20 };

/* A stream, and the descriptor of whoever is at its other end. */
typedef struct fixture {
  failing_state memory;
  neap_engine *engine;
  neap_stream *stream;
  neap_stream *others[4]; /* that are closed in the end, too */
  int peer;
  int files; /* descriptors open before the engine was there */
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  *state = f;
  f->files = count_open_files();
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.alloc = failing_alloc(&f->memory, 0);
  assert_int_equal(0, neap_engine_new(&opts, &f->engine));
  int fds[2];
  assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
  assert_int_equal(0, neap_stream_open(f->engine, fds[0], false, &f->stream));
  f->peer = fds[1];
  assert_int_equal(0, fcntl(f->peer, F_SETFL, O_NONBLOCK));
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  neap_engine_free(f->engine);
  neap_stream_close(f->stream);
  for (int i = 0; i < 4; i++)
    neap_stream_close(f->others[i]);
  if (f->peer >= 0)
    close(f->peer);
  assert_int_equal(0, f->memory.live);
  assert_int_equal(f->files, count_open_files());
  free(f);
  return 0;
}

static void close_peer(fixture *f) {
  assert_int_equal(0, close(f->peer));
  f->peer = -1;
}

/* Polls until the operation has ended; asserts how. */
static void await(fixture *f, waiter *w, int status) {
  while (w->calls == 0)
    assert_true(neap_poll(f->engine, NEAP_FOREVER) >= 0);
  assert_int_equal(1, w->calls);
  assert_int_equal(status, w->status);
}

/* Gives the engine's callbacks their turn, without waiting. */
static void turn(fixture *f) {
  for (int i = 0; i < 3; i++)
    neap_poll(f->engine, 0);
}

static void assert_detail(const char *name, int detail) {
  char found[32];
  neap_sys_describe(detail, found, sizeof found, NULL, 0);
  assert_string_equal(name, found);
}

static void send_from_peer(fixture *f, const char *text) {
  assert_int_equal(strlen(text), write(f->peer, text, strlen(text)));
}

/* Waits for bytes of a stream, and asserts what they are; takes them. */
static void assert_read_of(fixture *f, neap_stream *stream, const char *text) {
  waiter w;
  prepare(&w);
  assert_int_equal(0, neap_stream_read(stream, &w.op));
  await(f, &w, 0);
  const char *bytes = NULL;
  size_t size;
  assert_int_equal(0, neap_stream_peek(stream, &bytes, &size));
  assert_int_equal(strlen(text), size);
  assert_memory_equal(text, bytes, size);
  neap_stream_take(stream, size);
}

static void assert_read(fixture *f, const char *text) {
  assert_read_of(f, f->stream, text);
}

/* Reads all that the peer can get at the moment; returns how much it was. */
static size_t drain_peer(fixture *f, char *into) {
  static char bytes[MEBIBYTE];
  size_t sum = 0;
  for (;;) {
    ssize_t count = read(f->peer, bytes, sizeof bytes);
    if (count <= 0)
      return sum;
    if (into)
      memcpy(into + sum, bytes, (size_t)count);
    sum += (size_t)count;
  }
}

/* Bytes that repeat at no power of two. */
static char *make_bytes(size_t size) {
  char *bytes = malloc(size);
  for (size_t i = 0; i < size; i++)
    bytes[i] = (char)(i % 251);
  return bytes;
}

static void gives_what_comes_and_the_end(void **state) {
  fixture *f = *state;
  waiter w;
  prepare(&w);
  assert_int_equal(0, neap_stream_read(f->stream, &w.op));
  assert_int_equal(1, neap_pending(f->engine));
  turn(f);
  assert_int_equal(0, w.calls);
  const char *bytes;
  size_t size;
  assert_int_equal(NEAP_EAGAIN, neap_stream_peek(f->stream, &bytes, &size));
  send_from_peer(f, "one");
  await(f, &w, 0);
  assert_read(f, "one");
  send_from_peer(f, "two");
  close_peer(f);
  assert_read(f, "two");
  assert_read(f, "");
  assert_read(f, "");
}

static void keeps_what_was_not_taken(void **state) {
  fixture *f = *state;
  send_from_peer(f, "abcdef");
  const char *bytes;
  size_t size;
  turn(f);
  assert_int_equal(0, neap_stream_peek(f->stream, &bytes, &size));
  neap_stream_take(f->stream, 2);
  send_from_peer(f, "ghi");
  assert_read(f, "cdef"); /* at once, without the system being asked */
  assert_read(f, "ghi");
}

static void streams_share_memory_without_mixing(void **state) {
  fixture *f = *state;
  neap_stream **pair = f->others;
  assert_int_equal(0, neap_stream_pair(f->engine, pair));
  waiter w;
  prepare(&w);
  bool at_once;
  assert_int_equal(0, neap_stream_write(pair[0], &w.op, "other", 5, &at_once));
  assert_true(at_once);
  send_from_peer(f, "first");
  const char *bytes;
  size_t size;
  assert_int_equal(0, neap_stream_peek(f->stream, &bytes, &size));
  neap_stream_take(f->stream, 1);
  assert_read_of(f, pair[1], "other");
  send_from_peer(f, "more");
  assert_read(f, "irst");
  assert_read(f, "more");
}

static void only_one_reads_at_a_time(void **state) {
  fixture *f = *state;
  waiter one, two;
  prepare(&one);
  prepare(&two);
  assert_int_equal(0, neap_stream_read(f->stream, &one.op));
  assert_int_equal(NEAP_EBUSY, neap_stream_read(f->stream, &two.op));
  assert_false(neap_op_active(&two.op));
  neap_op_forget(&one.op);
  assert_int_equal(0, neap_stream_read(f->stream, &two.op));
  send_from_peer(f, "x");
  await(f, &two, 0);
  assert_int_equal(0, one.calls);
}

static void a_read_cancelled_loses_nothing(void **state) {
  fixture *f = *state;
  for (int turns = 0; turns < 4; turns++) {
    waiter w;
    prepare(&w);
    assert_int_equal(0, neap_stream_read(f->stream, &w.op));
    if (turns > 0)
      send_from_peer(f, "text");
    for (int i = 1; i < turns; i++)
      neap_poll(f->engine, 0);
    neap_op_cancel(&w.op, NEAP_ECANCELED);
    turn(f);
    assert_int_equal(1, w.calls);
    if (turns == 0)
      send_from_peer(f, "text");
    assert_read(f, "text");
  }
}

static void a_peer_is_held_up_by_who_does_not_read(void **state) {
  fixture *f = *state;
  send_from_peer(f, "x");
  assert_read(f, "x"); /* the loop watches, though nobody waits */
  static char bytes[MEBIBYTE];
  size_t sum = 0;
  ssize_t count;
  while ((count = write(f->peer, bytes, sizeof bytes)) > 0) {
    sum += (size_t)count;
    turn(f);
  }
  assert_int_equal(EAGAIN, errno);
  assert_true(sum < 4 * MEBIBYTE);
  assert_true(f->memory.peak < MEBIBYTE / 4);
  size_t found = 0;
  while (found < sum) {
    waiter w;
    prepare(&w);
    assert_int_equal(0, neap_stream_read(f->stream, &w.op));
    await(f, &w, 0);
    const char *borrowed;
    size_t size;
    assert_int_equal(0, neap_stream_peek(f->stream, &borrowed, &size));
    assert_true(size > 0);
    neap_stream_take(f->stream, size);
    found += size;
  }
  assert_int_equal(sum, found);
}

static void what_fits_is_written_at_once(void **state) {
  fixture *f = *state;
  waiter w;
  prepare(&w);
  bool at_once = false;
  assert_int_equal(0, neap_stream_write(f->stream, &w.op, "text", 4, &at_once));
  assert_true(at_once);
  assert_false(neap_op_active(&w.op));
  assert_int_equal(0, neap_stream_write(f->stream, &w.op, "", 0, &at_once));
  assert_true(at_once);
  assert_int_equal(0, neap_stream_write(f->stream, &w.op, "more", 4, NULL));
  assert_int_equal(0, w.calls);
  await(f, &w, 0);
  char found[8];
  assert_int_equal(8, read(f->peer, found, 8));
  assert_memory_equal("textmore", found, 8);
}

static void who_writes_is_held_up_by_the_peer(void **state) {
  fixture *f = *state;
  size_t size = 5 * MEBIBYTE;
  char *sent = make_bytes(size), *found = malloc(size);
  waiter one, two;
  prepare(&one);
  prepare(&two);
  bool at_once;
  assert_int_equal(
      0, neap_stream_write(f->stream, &one.op, sent, size - 3, &at_once));
  assert_false(at_once);
  assert_int_equal(
      0, neap_stream_write(f->stream, &two.op, sent + size - 3, 3, &at_once));
  assert_false(at_once); /* it has to wait for its turn */
  turn(f);
  assert_int_equal(0, one.calls);
  size_t sum = 0;
  while (sum < size) {
    sum += drain_peer(f, found + sum);
    assert_true(two.calls <= one.calls);
    turn(f);
  }
  await(f, &one, 0);
  await(f, &two, 0);
  assert_memory_equal(sent, found, size);
  free(sent);
  free(found);
}

/* A peer that reads as fast as somebody writes. */
static void *read_on(void *arg) {
  const fixture *f = arg;
  char bytes[1 << 16];
  while (read(f->peer, bytes, sizeof bytes) > 0)
    ;
  return NULL;
}

static void who_could_write_on_and_on_lets_others_run(void **state) {
  fixture *f = *state;
  assert_int_equal(0, fcntl(f->peer, F_SETFL, 0));
  pthread_t thread;
  assert_int_equal(0, pthread_create(&thread, NULL, read_on, f));
  char *bytes = make_bytes(1000);
  waiter w;
  prepare(&w);
  bool at_once = true;
  for (int i = 0; i < 1000 && at_once; i++)
    assert_int_equal(
        0, neap_stream_write(f->stream, &w.op, bytes, 1000, &at_once));
  assert_false(at_once);
  await(f, &w, 0);
  prepare(&w);
  assert_int_equal(0, neap_stream_write(f->stream, &w.op, bytes, 1, &at_once));
  assert_true(at_once);
  neap_stream_close(f->stream);
  f->stream = NULL;
  assert_int_equal(0, pthread_join(thread, NULL));
  free(bytes);
}

static void a_write_cancelled_is_whole_or_not_at_all(void **state) {
  fixture *f = *state;
  size_t size = 2 * MEBIBYTE;
  char *sent = make_bytes(size), *found = malloc(size + 1);
  waiter begun, waiting, last;
  prepare(&begun);
  prepare(&waiting);
  prepare(&last);
  bool at_once;
  assert_int_equal(
      0, neap_stream_write(f->stream, &begun.op, sent, size, &at_once));
  assert_int_equal(
      0, neap_stream_write(f->stream, &waiting.op, sent, size, &at_once));
  assert_int_equal(0, neap_stream_write(f->stream, &last.op, "!", 1, &at_once));
  neap_op_cancel(&begun.op, NEAP_ECANCELED);
  neap_op_cancel(&waiting.op, NEAP_ETIMEDOUT);
  turn(f);
  assert_int_equal(NEAP_ECANCELED, begun.status);
  assert_int_equal(NEAP_ETIMEDOUT, waiting.status);
  size_t sum = 0;
  while (last.calls == 0) {
    sum += drain_peer(f, found + sum);
    neap_poll(f->engine, 0);
  }
  sum += drain_peer(f, found + sum);
  assert_int_equal(0, last.status);
  assert_int_equal(size + 1, sum);
  assert_memory_equal(sent, found, size);
  assert_int_equal('!', found[size]);
  free(sent);
  free(found);
}

static void a_peer_that_is_gone_is_an_error(void **state) {
  fixture *f = *state;
  signal(SIGPIPE, SIG_DFL); /* a signal would end this test */
  close_peer(f);
  waiter w;
  prepare(&w);
  bool at_once;
  assert_int_equal(0, neap_stream_write(f->stream, &w.op, "x", 1, &at_once));
  assert_false(at_once);
  await(f, &w, NEAP_ESYS);
  assert_detail("EPIPE", w.detail);
}

static void a_peer_that_goes_ends_all_writes(void **state) {
  fixture *f = *state;
  char *bytes = make_bytes(MEBIBYTE);
  waiter w[3];
  for (int i = 0; i < 3; i++) {
    prepare(&w[i]);
    assert_int_equal(
        0, neap_stream_write(f->stream, &w[i].op, bytes, MEBIBYTE, NULL));
  }
  neap_op_forget(&w[1].op);
  close_peer(f);
  await(f, &w[0], NEAP_ESYS);
  await(f, &w[2], NEAP_ESYS);
  assert_int_equal(0, w[1].calls);
  assert_detail("EPIPE", w[0].detail);
  free(bytes);
}

static void a_connection_reset_is_an_error(void **state) {
  fixture *f = *state;
  waiter w;
  prepare(&w);
  bool at_once;
  assert_int_equal(0, neap_stream_write(f->stream, &w.op, "x", 1, &at_once));
  close_peer(f); /* with a byte unread */
  assert_int_equal(0, neap_stream_read(f->stream, &w.op));
  await(f, &w, 0);
  const char *bytes;
  size_t size;
  assert_int_equal(NEAP_ESYS, neap_stream_peek(f->stream, &bytes, &size));
  assert_detail("ECONNRESET", neap_stream_detail(f->stream));
}

static void writes_the_end_behind_the_rest(void **state) {
  fixture *f = *state;
  size_t size = 2 * MEBIBYTE;
  char *bytes = make_bytes(size);
  waiter w, end, late;
  prepare(&w);
  prepare(&end);
  prepare(&late);
  assert_int_equal(0, neap_stream_write(f->stream, &w.op, bytes, size, NULL));
  assert_int_equal(0, neap_stream_end(f->stream, &end.op));
  assert_int_equal(NEAP_ECLOSED,
                   neap_stream_write(f->stream, &late.op, "x", 1, NULL));
  neap_op_cancel(&end.op, NEAP_ECANCELED); /* it comes all the same */
  size_t sum = 0;
  while (w.calls == 0) {
    sum += drain_peer(f, NULL);
    neap_poll(f->engine, 0);
  }
  turn(f);
  sum += drain_peer(f, NULL);
  assert_int_equal(size, sum);
  char byte;
  assert_int_equal(0, read(f->peer, &byte, 1));
  send_from_peer(f, "bye"); /* the other way is open */
  assert_read(f, "bye");
  prepare(&end);
  assert_int_equal(0, neap_stream_end(f->stream, &end.op));
  await(f, &end, 0); /* there is nothing left to be done */
  free(bytes);
}

static void closing_ends_what_waits(void **state) {
  fixture *f = *state;
  char *bytes = make_bytes(2 * MEBIBYTE);
  waiter w[4];
  for (int i = 0; i < 4; i++)
    prepare(&w[i]);
  assert_int_equal(0, neap_stream_read(f->stream, &w[0].op));
  assert_int_equal(
      0, neap_stream_write(f->stream, &w[1].op, bytes, 2 * MEBIBYTE, NULL));
  assert_int_equal(0, neap_stream_write(f->stream, &w[2].op, "x", 1, NULL));
  assert_int_equal(0, neap_stream_end(f->stream, &w[3].op));
  neap_stream_close(f->stream);
  f->stream = NULL;
  for (int i = 0; i < 4; i++)
    assert_int_equal(0, w[i].calls);
  for (int i = 0; i < 4; i++)
    await(f, &w[i], NEAP_ECLOSED);
  drain_peer(f, NULL);
  char byte;
  assert_int_equal(0, read(f->peer, &byte, 1));
  neap_stream_close(NULL);
  free(bytes);
}

static void may_be_closed_between_an_event_and_its_delivery(void **state) {
  fixture *f = *state;
  waiter w;
  prepare(&w);
  assert_int_equal(0, neap_stream_read(f->stream, &w.op));
  neap_stream_close(f->stream);
  f->stream = NULL;
  neap_op_forget(&w.op);
  assert_int_equal(0, neap_pending(f->engine));
  turn(f);
  assert_int_equal(0, w.calls);
}

/* Frees an engine after each number of turns, with all kinds of waits. */
static void an_engine_may_be_freed_at_any_time(void **state) {
  (void)state;
  char *bytes = make_bytes(MEBIBYTE);
  for (int turns = 0; turns < 5; turns++) {
    failing_state memory;
    neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
    opts.alloc = failing_alloc(&memory, 0);
    neap_engine *engine;
    assert_int_equal(0, neap_engine_new(&opts, &engine));
    neap_stream *pair[2];
    assert_int_equal(0, neap_stream_pair(engine, pair));
    waiter w[4];
    for (int i = 0; i < 4; i++)
      prepare(&w[i]);
    neap_stream_read(pair[0], &w[0].op);
    neap_stream_read(pair[1], &w[1].op);
    neap_stream_write(pair[0], &w[2].op, bytes, MEBIBYTE, NULL);
    neap_stream_end(pair[0], &w[3].op);
    for (int i = 0; i < turns; i++)
      neap_poll(engine, 0);
    const char *borrowed;
    size_t size;
    if (turns > 1)
      assert_int_equal(0, neap_stream_peek(pair[1], &borrowed, &size));
    neap_engine_free(engine);
    for (int i = 0; i < 2; i++) {
      prepare(&w[0]);
      assert_int_equal(-1, neap_stream_fd(pair[i]));
      assert_int_equal(0, neap_stream_available(pair[i]));
      assert_int_equal(NEAP_ECLOSED, neap_stream_read(pair[i], &w[0].op));
      assert_int_equal(NEAP_ECLOSED,
                       neap_stream_peek(pair[i], &borrowed, &size));
      neap_stream_take(pair[i], 1);
      assert_int_equal(NEAP_ECLOSED, neap_stream_end(pair[i], &w[0].op));
      bool at_once;
      assert_int_equal(NEAP_ECLOSED,
                       neap_stream_write(pair[i], &w[0].op, "x", 1, &at_once));
      neap_stream_close(pair[i]);
    }
    assert_int_equal(0, memory.live);
    for (int i = 0; i < 4; i++)
      assert_false(neap_op_active(&w[i].op));
  }
  free(bytes);
}

static void pipes_are_streams(void **state) {
  fixture *f = *state;
  signal(SIGPIPE, SIG_DFL);
  int fds[2];
  assert_int_equal(0, pipe(fds));
  neap_stream *in, *out;
  assert_int_equal(0, neap_stream_open(f->engine, fds[0], false, &in));
  assert_int_equal(0, neap_stream_open(f->engine, fds[1], false, &out));
  assert_int_equal(fds[1], neap_stream_fd(out));
  waiter w;
  prepare(&w);
  bool at_once;
  assert_int_equal(0, neap_stream_write(out, &w.op, "text", 4, &at_once));
  assert_true(at_once);
  assert_read_of(f, in, "text");
  assert_int_equal(0, neap_stream_end(out, &w.op));
  await(f, &w, 0);
  assert_int_equal(-1, neap_stream_fd(out));
  assert_read_of(f, in, "");
  prepare(&w);
  assert_int_equal(NEAP_ECLOSED, neap_stream_read(out, &w.op));
  neap_stream_close(out);
  neap_stream_close(in);

  assert_int_equal(0, pipe(fds));
  assert_int_equal(0, neap_stream_open(f->engine, fds[1], false, &out));
  assert_int_equal(0, close(fds[0]));
  assert_int_equal(0, neap_stream_write(out, &w.op, "x", 1, &at_once));
  assert_false(at_once);
  await(f, &w, NEAP_ESYS);
  assert_detail("EPIPE", w.detail);
  sigset_t pending, mask;
  sigpending(&pending);
  assert_false(sigismember(&pending, SIGPIPE));
  pthread_sigmask(SIG_BLOCK, NULL, &mask);
  assert_false(sigismember(&mask, SIGPIPE));
  neap_stream_close(out);
}

/* What others share is not made non-blocking, and yet nobody blocks. */
static void leaves_what_is_shared_as_it_was(void **state) {
  fixture *f = *state;
  int fds[2];
  assert_int_equal(0, pipe(fds));
  neap_stream *in, *out;
  assert_int_equal(0, neap_stream_open(f->engine, fds[0], true, &in));
  assert_int_equal(0, neap_stream_open(f->engine, fds[1], true, &out));
  assert_int_equal(0, fcntl(fds[0], F_GETFL) & O_NONBLOCK);
  assert_int_equal(0, fcntl(fds[1], F_GETFL) & O_NONBLOCK);
  const char *bytes;
  size_t size;
  assert_int_equal(NEAP_EAGAIN, neap_stream_peek(in, &bytes, &size));
  char *sent = make_bytes(MEBIBYTE), *found = malloc(MEBIBYTE);
  waiter w;
  prepare(&w);
  assert_int_equal(0, neap_stream_write(out, &w.op, sent, MEBIBYTE, NULL));
  for (size_t sum = 0; sum < MEBIBYTE; sum += size) {
    waiter r;
    prepare(&r);
    assert_int_equal(0, neap_stream_read(in, &r.op));
    await(f, &r, 0);
    assert_int_equal(0, neap_stream_peek(in, &bytes, &size));
    memcpy(found + sum, bytes, size);
    neap_stream_take(in, size);
  }
  await(f, &w, 0);
  assert_memory_equal(sent, found, MEBIBYTE);
  free(sent);
  free(found);
  neap_stream_close(in);
  neap_stream_close(out);
}

static void files_are_always_ready(void **state) {
  fixture *f = *state;
  int fd = open("/tmp", O_RDWR | O_TMPFILE, 0600);
  assert_true(fd >= 0);
  neap_stream *file;
  assert_int_equal(0, neap_stream_open(f->engine, fd, false, &file));
  waiter w;
  prepare(&w);
  bool at_once;
  assert_int_equal(0, neap_stream_write(file, &w.op, "text", 4, &at_once));
  assert_true(at_once);
  assert_int_equal(0, lseek(fd, 0, SEEK_SET));
  assert_read_of(f, file, "text");
  assert_read_of(f, file, "");
  neap_stream_close(file);
}

static void refuses_what_is_no_stream(void **state) {
  fixture *f = *state;
  neap_stream *none = NULL;
  assert_int_equal(NEAP_EINVAL, neap_stream_open(f->engine, -1, false, &none));
  int fds[2];
  assert_int_equal(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
  assert_int_equal(NEAP_EINVAL,
                   neap_stream_open(f->engine, fds[0], false, &none));
  assert_null(none);
  assert_int_equal(0, close(fds[0])); /* still the caller's */
  assert_int_equal(0, close(fds[1]));
}

/* Sends bytes from one end to the other with an engine in which allocation
 * `fail_at` fails; returns whether there was one. */
static bool survives(long fail_at) {
  failing_state memory;
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.alloc = failing_alloc(&memory, fail_at);
  neap_engine *engine = NULL;
  neap_stream *pair[2] = {NULL, NULL};
  char *bytes = make_bytes(MEBIBYTE);
  waiter w[3];
  for (int i = 0; i < 3; i++)
    prepare(&w[i]);
  int status = neap_engine_new(&opts, &engine);
  if (status == 0)
    status = neap_stream_pair(engine, pair);
  if (status == 0)
    status = neap_stream_write(pair[0], &w[0].op, bytes, MEBIBYTE, NULL);
  if (status == NEAP_ENOMEM && pair[1]) /* torn: no more of it */
    assert_int_equal(NEAP_ENOMEM,
                     neap_stream_write(pair[0], &w[0].op, "x", 1, NULL));
  if (status == 0)
    status = neap_stream_end(pair[0], &w[1].op);
  const char *borrowed;
  size_t size = 1, sum = 0;
  while (status == 0 && size > 0) {
    waiter r;
    prepare(&r);
    assert_int_equal(0, neap_stream_read(pair[1], &r.op));
    while (r.calls == 0)
      neap_poll(engine, NEAP_FOREVER);
    status = neap_stream_peek(pair[1], &borrowed, &size);
    if (status == NEAP_ENOMEM) /* nothing was lost */
      status = neap_stream_peek(pair[1], &borrowed, &size);
    assert_memory_equal(bytes + sum, borrowed, size);
    sum += size;
    neap_stream_take(pair[1], size);
  }
  if (status == 0) {
    assert_int_equal(MEBIBYTE, sum);
    assert_int_equal(1, w[0].calls);
  } else {
    assert_true(memory.failed);
    assert_int_equal(NEAP_ENOMEM, status);
  }
  neap_engine_free(engine);
  neap_stream_close(pair[0]);
  neap_stream_close(pair[1]);
  assert_int_equal(0, memory.live);
  free(bytes);
  return memory.failed;
}

static void survives_each_allocation_that_fails(void **state) {
  (void)state;
  int files = count_open_files();
  /* the engine, two streams, two writes, the slab */
  assert_true(fail_each(survives) > 6);
  assert_int_equal(files, count_open_files());
}

/* When the bytes of one stream are in the way of another and cannot be moved,
 * both are whole afterwards. */
static void bytes_in_the_way_are_not_lost(void **state) {
  fixture *f = *state;
  neap_stream **pair = f->others;
  assert_int_equal(0, neap_stream_pair(f->engine, pair));
  waiter w;
  prepare(&w);
  bool at_once;
  assert_int_equal(0, neap_stream_write(pair[0], &w.op, "two", 3, &at_once));
  send_from_peer(f, "one");
  const char *bytes;
  size_t size;
  assert_int_equal(0, neap_stream_peek(f->stream, &bytes, &size));
  f->memory.fail_at = f->memory.calls + 1;
  assert_int_equal(NEAP_ENOMEM, neap_stream_peek(pair[1], &bytes, &size));
  assert_read_of(f, pair[1], "two");
  assert_read(f, "one");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void the_virtual_clock_goes_on_when_peers_wait_for_it(void **state) {
  (void)state;
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.clock = NEAP_CLOCK_VIRTUAL;
  neap_engine *engine;
  neap_stream *pair[2];
  assert_int_equal(0, neap_engine_new(&opts, &engine));
  assert_int_equal(0, neap_stream_pair(engine, pair));
  waiter reader, sleeper;
  prepare(&reader);
  prepare(&sleeper);
  assert_int_equal(0, neap_stream_read(pair[0], &reader.op));
  neap_sleep_until(engine, &sleeper.op, UINT64_C(3600000000000));
  while (!sleeper.calls)
    neap_poll(engine, NEAP_FOREVER);
  assert_true(neap_now(engine) == UINT64_C(3600000000000));
  assert_int_equal(0, reader.calls);
  bool at_once;
  assert_int_equal(0,
                   neap_stream_write(pair[1], &sleeper.op, "x", 1, &at_once));
  neap_sleep_until(engine, &sleeper.op, UINT64_C(7200000000000));
  while (!reader.calls)
    neap_poll(engine, NEAP_FOREVER);
  assert_true(neap_now(engine) == UINT64_C(3600000000000));
  neap_op_forget(&sleeper.op);
  neap_stream_close(pair[0]);
  neap_stream_close(pair[1]);
  neap_engine_free(engine);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(gives_what_comes_and_the_end),
      TEST(keeps_what_was_not_taken),
      TEST(streams_share_memory_without_mixing),
      TEST(only_one_reads_at_a_time),
      TEST(a_read_cancelled_loses_nothing),
      TEST(a_peer_is_held_up_by_who_does_not_read),
      TEST(what_fits_is_written_at_once),
      TEST(who_writes_is_held_up_by_the_peer),
      TEST(who_could_write_on_and_on_lets_others_run),
      TEST(a_write_cancelled_is_whole_or_not_at_all),
      TEST(a_peer_that_is_gone_is_an_error),
      TEST(a_peer_that_goes_ends_all_writes),
      TEST(a_connection_reset_is_an_error),
      TEST(writes_the_end_behind_the_rest),
      TEST(closing_ends_what_waits),
      TEST(may_be_closed_between_an_event_and_its_delivery),
      TEST(an_engine_may_be_freed_at_any_time),
      TEST(pipes_are_streams),
      TEST(leaves_what_is_shared_as_it_was),
      TEST(files_are_always_ready),
      TEST(refuses_what_is_no_stream),
      TEST(survives_each_allocation_that_fails),
      TEST(bytes_in_the_way_are_not_lost),
      cmocka_unit_test(the_virtual_clock_goes_on_when_peers_wait_for_it),
  };
  /* The first loop of a process opens a pipe that libuv keeps. */
  neap_engine *engine = NULL;
  if (neap_engine_new(NULL, &engine) < 0)
    return 1;
  neap_engine_free(engine);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
