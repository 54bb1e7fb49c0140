/* The event loop: libuv, the clock, and the delivery of what is ready.
 * SPDX-License-Identifier: MIT */
#include "loop.h"

#include <assert.h>
#include <unistd.h>

#include "base/units.h"
#include "clock.h"
#include "engine.h"
#include "home.h"
#include "op.h"
#include "token.h"

/* How often one drain looks at the queue again before timers and I/O get their
 * turn, and how much it delivers until it does not any more: what is delivered
 * may make more ready, without an end. */
enum { DRAIN_ROUNDS = 64, DRAIN_BATCH = 256 };

/* How often uv runs for handles that are being closed. */
enum { SETTLE_ROUNDS = 64 };

static void receive(uv_async_t *handle) {
  neap__tokens_receive(handle->data);
}

/* uv_run first calls the timers that are due. Then it would wait for I/O,
 * although the bound has been reached or there is something to deliver: uv_stop
 * keeps it from that. */
static void end_wait(uv_timer_t *handle) {
  uv_stop(handle->loop);
}

static void ring(uv_timer_t *handle) {
  neap_engine *engine = handle->data;
  if (!neap__home_is_left(engine)) /* a callback of a guest's may fork */
    engine->on_alarm(engine);
  if (neap__loop_has_ready(engine))
    uv_stop(&engine->uv);
}

int neap__loop_open(neap_engine *engine, neap_clock clock) {
  neap__clock_set(engine, clock);
  if (uv_loop_init(&engine->uv) < 0)
    return NEAP_ESYS;
  if (uv_async_init(&engine->uv, &engine->wake, receive) < 0) {
    uv_loop_close(&engine->uv);
    return NEAP_ESYS;
  }
  /* "uv_timer_init: cannot fail" */
  uv_timer_init(&engine->uv, &engine->alarm);
  uv_timer_init(&engine->uv, &engine->bound);
  uv_unref((uv_handle_t *)&engine->wake);
  uv_unref((uv_handle_t *)&engine->alarm);
  uv_unref((uv_handle_t *)&engine->bound);
  engine->alarm.data = engine;
  engine->wake.data = engine;
  return 0;
}

static void close_handle(uv_handle_t *handle, void *ud) {
  (void)ud;
  if (!uv_is_closing(handle))
    uv_close(handle, NULL);
}

void neap__loop_close(neap_engine *engine) {
  uv_walk(&engine->uv, close_handle, NULL);
  uv_run(&engine->uv, UV_RUN_DEFAULT);
  int status = uv_loop_close(&engine->uv);
  assert(status == 0 && "a request or handle outlived its owner");
  (void)status;
}

/* The descriptors of a loop. libuv's own functions would act on what they lead
 * to: the epoll set, which parent and child share. Its memory is not freed
 * either; since it is not written to, it stays shared with the parent's. */
void neap__loop_disown(neap_engine *engine) {
  uv_loop_t *uv = &engine->uv;
  const int fds[] = {
      uv_backend_fd(uv), uv->async_io_watcher.fd, uv->async_wfd,
      uv->inotify_fd,    uv->signal_pipefd[0],    uv->signal_pipefd[1],
      uv->emfile_fd,
  };
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
    if (fds[i] >= 0)
      close(fds[i]);
  engine->turn = engine->idler = engine->preempted = NULL;
  engine->broken = true;
}

bool neap__loop_has_ready(const neap_engine *engine) {
  return !neap__list_empty(&engine->ready) ||
         !neap__list_empty(&engine->draining);
}

/* Others put handles on `uv`, too: guests. They are known by being referenced,
 * as none of the engine's own handles is that is open. */
bool neap_uv_alive(const neap_engine *engine) {
  return engine && engine->is_shared && !neap__home_is_left(engine) &&
         uv_loop_alive(&engine->uv);
}

/* The timers of guests have been called. If the last guest is gone now, or an
 * operation is ready, uv must not wait. */
static void check_guests(uv_prepare_t *handle) {
  neap_engine *engine = handle->data;
  uv_unref((uv_handle_t *)&engine->wake);
  bool left = engine->had_guests && !neap_uv_alive(engine);
  uv_ref((uv_handle_t *)&engine->wake);
  if (left || neap__loop_has_ready(engine))
    uv_stop(&engine->uv);
}

static void share(neap_engine *engine) {
  engine->is_shared = true;
  /* "uv_prepare_init: cannot fail" */
  uv_prepare_init(&engine->uv, &engine->before_wait);
  engine->before_wait.data = engine;
  uv_prepare_start(&engine->before_wait, check_guests);
  uv_unref((uv_handle_t *)&engine->before_wait);
}

struct uv_loop_s *neap_uv_loop(neap_engine *engine) {
  if (!neap__home_allows(engine))
    return NULL;
  if (!engine->is_shared)
    share(engine);
  return &engine->uv;
}

static void drop_turn(neap_op *op) {
  op->engine->turn = NULL;
}

int neap_turn(neap_engine *engine, neap_op *op, bool may_wait) {
  if (!neap__op_may_start(engine, op))
    return neap__home_fault(engine);
  if (engine->turn)
    return NEAP_EBUSY;
  neap__op_begin_io(engine, op, drop_turn);
  engine->turn = op;
  engine->turn_may_wait = may_wait;
  return 0;
}

static void drop_idler(neap_op *op) {
  op->engine->idler = NULL;
}

int neap_wait_idle(neap_engine *engine, neap_op *op) {
  if (!neap__op_may_start(engine, op))
    return neap__home_fault(engine);
  if (engine->idler)
    return NEAP_EBUSY;
  neap__op_begin_io(engine, op, drop_idler);
  engine->idler = op;
  return 0;
}

/* Another operation has been delivered: the one of neap_turn, which waited for
 * that, comes next. */
static void end_turn(neap_engine *engine) {
  neap_op *op = engine->turn;
  engine->turn = NULL;
  neap__op_finish(op, 0, 1);
  neap__list_remove(&op->link);
  neap__list_append(engine->draining.next, &op->link);
}

/* Delivers what is ready, and, up to a batch, what that makes ready. Unless
 * `until` is NEAP_FOREVER, it looks at the clock after each `done`, and notes
 * the time in *now. */
static inline int drain(neap_engine *engine, uint64_t until, uint64_t *now) {
  int count = 0;
  engine->broken = false;
  for (int round = 0;
       round < DRAIN_ROUNDS && count < DRAIN_BATCH && !engine->broken;
       round++) {
    neap__tokens_receive(engine);
    neap__list_splice(&engine->draining, &engine->ready);
    if (neap__list_empty(&engine->draining))
      break;
    while (!neap__list_empty(&engine->draining) && !engine->broken) {
      neap_op *turn = engine->turn;
      neap__op_deliver(NEAP__ITEM(engine->draining.next, neap_op, link));
      count++;
      if (neap__home_is_left(engine))
        return neap__home_fault(engine);
      if (turn && turn == engine->turn && !engine->preempted)
        end_turn(engine);
      if (until != NEAP_FOREVER && (*now = uv_hrtime()) >= until)
        return count;
    }
  }
  return count;
}

int neap__loop_drain(neap_engine *engine) {
  return drain(engine, NEAP_FOREVER, NULL);
}

int neap__loop_drain_until(neap_engine *engine, uint64_t until, uint64_t *now) {
  if (until != NEAP_FOREVER)
    return drain(engine, until, now);
  int count = drain(engine, NEAP_FOREVER, NULL);
  *now = uv_hrtime();
  return count;
}

void neap_break(neap_engine *engine) {
  if (engine)
    engine->broken = true;
}

/* Runs uv. It does nothing unless a handle is referenced, so `wake` is, for
 * this time. */
static void run(neap_engine *engine, uv_run_mode mode) {
  if (atomic_load_explicit(&engine->is_woken, memory_order_relaxed))
    atomic_store(&engine->is_woken, false);
  engine->had_guests = neap_uv_alive(engine);
  uv_ref((uv_handle_t *)&engine->wake);
  uv_run(&engine->uv, mode);
  uv_unref((uv_handle_t *)&engine->wake);
  if (!neap_uv_alive(engine))
    neap__ops_finish(&engine->guests_over, 0, 0);
}

void neap__loop_wait(neap_engine *engine, uint64_t max_wait_ns) {
  if (max_wait_ns == 0) {
    run(engine, UV_RUN_NOWAIT);
    return;
  }
  if (max_wait_ns != NEAP_FOREVER) {
    /* uv counts from its own idea of now, which is that of its last run. */
    uv_update_time(&engine->uv);
    uv_timer_start(&engine->bound, end_wait, neap__ms_of_ns(max_wait_ns), 0);
  }
  run(engine, UV_RUN_ONCE);
  uv_timer_stop(&engine->bound);
}

int neap__loop_timeout(neap_engine *engine) {
  uv_update_time(&engine->uv);
  uv_ref((uv_handle_t *)&engine->wake);
  int ms = uv_backend_timeout(&engine->uv);
  uv_unref((uv_handle_t *)&engine->wake);
  return ms;
}

/* "uv_backend_fd: This can be used in conjunction with uv_run(loop,
 * UV_RUN_NOWAIT) to poll in one thread and run the event loop's callbacks in
 * another." */
int neap_fd(const neap_engine *engine) {
  return neap__home_allows(engine) ? uv_backend_fd(&engine->uv)
                                   : neap__home_fault(engine);
}

void neap__loop_on_alarm(neap_engine *engine, void (*fn)(neap_engine *engine)) {
  engine->on_alarm = fn;
}

void neap__loop_set_alarm(neap_engine *engine, uint64_t at_ns) {
  uint64_t left = neap__clock_left(engine, at_ns);
  if (left == NEAP_FOREVER) {
    uv_timer_stop(&engine->alarm);
    return;
  }
  uv_update_time(&engine->uv);
  uv_timer_start(&engine->alarm, ring, neap__ms_of_ns(left), 0);
}

int neap_uv_wait(neap_engine *engine, neap_op *op) {
  if (!neap__op_may_start(engine, op))
    return neap__home_fault(engine);
  neap__op_begin_in(engine, op, &engine->guests_over);
  if (!neap_uv_alive(engine))
    neap__op_finish(op, 0, 0);
  return 0;
}

static void note_closing(uv_handle_t *handle, void *ud) {
  bool *closing = ud;
  *closing = *closing || uv_is_closing(handle);
}

void neap_uv_settle(neap_engine *engine) {
  if (!neap__home_allows(engine) || !engine->is_shared)
    return;
  /* A callback may close another handle. */
  for (int round = 0; round < SETTLE_ROUNDS; round++) {
    bool closing = false;
    uv_walk(&engine->uv, note_closing, &closing);
    if (!closing)
      return;
    run(engine, UV_RUN_NOWAIT);
  }
}
