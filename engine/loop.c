/* The event loop: libuv, the clock, and the queue of what is ready.
 * SPDX-License-Identifier: MIT */
#include "loop.h"

#include <assert.h>
#include <uv.h>

#include "alloc.h"
#include "list.h"

/* How often one drain looks at the queue again before I/O gets its turn. */
enum { DRAIN_ROUNDS = 64 };

/* How often uv runs for handles that are being closed. */
enum { SETTLE_ROUNDS = 64 };

enum op_state {
  OP_IDLE = 0,
  OP_HELD,    /* waits for neap_op_settle */
  OP_PENDING, /* waits for something of the engine's */
  OP_READY,   /* in the ready queue */
};

struct neap_loop {
  neap_alloc alloc;
  uv_loop_t uv;
  uv_async_t wake;
  uv_timer_t alarm;         /* rings for the timers */
  uv_timer_t bound;         /* bounds one wait */
  uv_prepare_t before_wait; /* runs while the loop is shared */
  neap__alarm_fn alarm_fn;
  void *alarm_ud;
  neap_link ready;    /* operations that have ended */
  neap_link draining; /* those of them whose turn it is */
  neap_link io;       /* operations of I/O that are pending, without threads */
  neap_link work;     /* those that a thread works on */
  size_t pending;     /* operations that are pending or ready */
  neap_op *turn;      /* ends when another has been delivered; or NULL */
  bool turn_may_wait;
  neap_op *idler;  /* ends when nothing else is pending; or NULL */
  bool broken;     /* the drain is to end */
  bool is_shared;  /* others have handles on uv, which are referenced */
  bool had_guests; /* when uv began to run */
  neap_link hosts; /* operations that wait until those are gone */
  uint64_t virtual_now;
  bool is_virtual;
};

static void ignore_wake(uv_async_t *handle) {
  (void)handle;
}

/* uv_run calls the timers that are due first and would wait for I/O afterwards,
 * however long, though the bound is reached or there is something to deliver;
 * uv_stop keeps it from waiting. */
static void end_wait(uv_timer_t *handle) {
  uv_stop(handle->loop);
}

static void ring(uv_timer_t *handle) {
  neap_loop *loop = handle->data;
  loop->alarm_fn(loop->alarm_ud);
  if (neap__loop_has_ready(loop))
    uv_stop(&loop->uv);
}

int neap__loop_new(const neap_alloc *alloc, neap_clock clock, neap_loop **out) {
  neap_loop *loop = neap__alloc(alloc, sizeof *loop);
  if (!loop)
    return NEAP_ENOMEM;
  loop->alloc = *alloc;
  loop->is_virtual = clock == NEAP_CLOCK_VIRTUAL;
  neap__list_init(&loop->ready);
  neap__list_init(&loop->draining);
  neap__list_init(&loop->io);
  neap__list_init(&loop->work);
  neap__list_init(&loop->hosts);
  if (uv_loop_init(&loop->uv) < 0)
    goto fail_loop;
  if (uv_async_init(&loop->uv, &loop->wake, ignore_wake) < 0)
    goto fail_async;
  /* "uv_timer_init: cannot fail" */
  uv_timer_init(&loop->uv, &loop->alarm);
  uv_timer_init(&loop->uv, &loop->bound);
  uv_unref((uv_handle_t *)&loop->wake);
  uv_unref((uv_handle_t *)&loop->alarm);
  uv_unref((uv_handle_t *)&loop->bound);
  loop->alarm.data = loop;
  *out = loop;
  return 0;

fail_async:
  uv_loop_close(&loop->uv);
fail_loop:
  neap__free(alloc, loop, sizeof *loop);
  return NEAP_ESYS;
}

static void forget_all(neap_link *list) {
  while (!neap__list_empty(list))
    neap_op_forget(NEAP__ITEM(list->next, neap_op, link));
}

void neap__loop_forget(neap_loop *loop) {
  forget_all(&loop->io);
  forget_all(&loop->work);
  forget_all(&loop->hosts);
  forget_all(&loop->ready);
  forget_all(&loop->draining);
}

static void close_handle(uv_handle_t *handle, void *ud) {
  (void)ud;
  if (!uv_is_closing(handle))
    uv_close(handle, NULL);
}

void neap__loop_free(neap_loop *loop) {
  uv_walk(&loop->uv, close_handle, NULL);
  uv_run(&loop->uv, UV_RUN_DEFAULT);
  int status = uv_loop_close(&loop->uv);
  assert(status == 0 && "a request or handle outlived its owner");
  (void)status;
  neap_alloc alloc = loop->alloc;
  neap__free(&alloc, loop, sizeof *loop);
}

const neap_alloc *neap__loop_alloc(neap_loop *loop) {
  return &loop->alloc;
}

uv_loop_t *neap__loop_uv(neap_loop *loop) {
  return &loop->uv;
}

bool neap__loop_has_guests(const neap_loop *loop) {
  return loop->is_shared && uv_loop_alive(&loop->uv);
}

/* The timers of guests have been called, perhaps the last thing to wait for. */
static void check_guests(uv_prepare_t *handle) {
  neap_loop *loop = handle->data;
  uv_unref((uv_handle_t *)&loop->wake);
  bool left = loop->had_guests && !neap__loop_has_guests(loop);
  uv_ref((uv_handle_t *)&loop->wake);
  if (left || neap__loop_has_ready(loop))
    uv_stop(&loop->uv);
}

void neap__loop_share(neap_loop *loop) {
  if (loop->is_shared)
    return;
  loop->is_shared = true;
  /* "uv_prepare_init: cannot fail" */
  uv_prepare_init(&loop->uv, &loop->before_wait);
  loop->before_wait.data = loop;
  uv_prepare_start(&loop->before_wait, check_guests);
  uv_unref((uv_handle_t *)&loop->before_wait);
}

uint64_t neap__loop_now(neap_loop *loop) {
  return loop->is_virtual ? loop->virtual_now : uv_hrtime();
}

uint64_t neap__loop_real_now(void) {
  return uv_hrtime();
}

uint64_t neap__loop_tick(neap_loop *loop) {
  return loop->is_virtual ? loop->virtual_now : uv_now(&loop->uv) * 1000000;
}

bool neap__loop_is_virtual(const neap_loop *loop) {
  return loop->is_virtual;
}

void neap__loop_set_now(neap_loop *loop, uint64_t now) {
  assert(loop->is_virtual && now >= loop->virtual_now);
  loop->virtual_now = now;
}

void neap__loop_set_clock(neap_loop *loop, neap_clock clock) {
  loop->is_virtual = clock == NEAP_CLOCK_VIRTUAL;
  loop->virtual_now = 0;
  uv_timer_stop(&loop->alarm);
}

size_t neap__loop_pending(const neap_loop *loop) {
  return loop->pending + neap__loop_has_guests(loop);
}

bool neap__loop_has_ready(const neap_loop *loop) {
  return !neap__list_empty(&loop->ready) || !neap__list_empty(&loop->draining);
}

static void drop_turn(neap_op *op) {
  op->loop->turn = NULL;
}

int neap__loop_turn(neap_loop *loop, neap_op *op, bool may_wait) {
  if (loop->turn)
    return NEAP_EBUSY;
  neap__op_begin_io(loop, op, drop_turn);
  loop->turn = op;
  loop->turn_may_wait = may_wait;
  return 0;
}

static void drop_idler(neap_op *op) {
  op->loop->idler = NULL;
}

int neap__loop_wait_idle(neap_loop *loop, neap_op *op) {
  if (loop->idler)
    return NEAP_EBUSY;
  neap__op_begin_io(loop, op, drop_idler);
  loop->idler = op;
  return 0;
}

neap_op *neap__loop_idler(const neap_loop *loop) {
  return loop->idler;
}

neap_op *neap__loop_turning(const neap_loop *loop, bool *may_wait) {
  *may_wait = loop->turn_may_wait;
  return loop->turn;
}

/* Another operation has been delivered: the one that waits for that is next. */
static void end_turn(neap_loop *loop) {
  neap_op *op = loop->turn;
  loop->turn = NULL;
  neap__op_finish(op, 0, 1);
  neap__list_remove(&op->link);
  neap__list_append(loop->draining.next, &op->link);
}

int neap__loop_drain(neap_loop *loop) {
  int count = 0;
  loop->broken = false;
  for (int round = 0; round < DRAIN_ROUNDS && !loop->broken; round++) {
    neap__list_splice(&loop->draining, &loop->ready);
    if (neap__list_empty(&loop->draining))
      break;
    while (!neap__list_empty(&loop->draining) && !loop->broken) {
      neap_op *op = NEAP__ITEM(loop->draining.next, neap_op, link);
      neap__list_remove(&op->link);
      op->state = OP_IDLE;
      loop->pending--;
      count++;
      neap_op *turn = loop->turn;
      op->done(op); /* may free op */
      if (turn && turn == loop->turn)
        end_turn(loop);
    }
  }
  return count;
}

void neap__loop_break(neap_loop *loop) {
  loop->broken = true;
}

/* Rounded up, so that nobody is woken early. */
static uint64_t to_ms(uint64_t ns) {
  return ns / 1000000 + (ns % 1000000 != 0);
}

/* Runs uv, which does nothing when no handle is referenced, as ours are not. */
static void run(neap_loop *loop, uv_run_mode mode) {
  loop->had_guests = neap__loop_has_guests(loop);
  uv_ref((uv_handle_t *)&loop->wake);
  uv_run(&loop->uv, mode);
  uv_unref((uv_handle_t *)&loop->wake);
  if (!neap__loop_has_guests(loop))
    while (!neap__list_empty(&loop->hosts))
      neap__op_finish(NEAP__ITEM(loop->hosts.next, neap_op, link), 0, 0);
}

void neap__loop_wait(neap_loop *loop, uint64_t max_wait_ns) {
  if (max_wait_ns == 0) {
    run(loop, UV_RUN_NOWAIT);
    return;
  }
  if (max_wait_ns != NEAP_FOREVER) {
    /* uv counts from its own idea of now, which is that of its last run. */
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->bound, end_wait, to_ms(max_wait_ns), 0);
  }
  run(loop, UV_RUN_ONCE);
  uv_timer_stop(&loop->bound);
}

void neap__loop_wake(neap_loop *loop) {
  uv_async_send(&loop->wake);
}

void neap__loop_on_alarm(neap_loop *loop, neap__alarm_fn fn, void *ud) {
  loop->alarm_fn = fn;
  loop->alarm_ud = ud;
}

void *neap__loop_alarm_user(neap_loop *loop) {
  return loop->alarm_ud;
}

void neap__loop_set_alarm(neap_loop *loop, uint64_t at_ns) {
  if (loop->is_virtual)
    return;
  uint64_t now = uv_hrtime();
  uv_update_time(&loop->uv);
  uv_timer_start(&loop->alarm, ring, at_ns > now ? to_ms(at_ns - now) : 0, 0);
}

void neap__op_begin(neap_loop *loop, neap_op *op, neap_op_fn drop) {
  assert(op->state == OP_IDLE);
  op->loop = loop;
  op->drop = drop;
  op->state = OP_PENDING;
  op->status = op->detail = 0;
  neap__list_init(&op->link);
  loop->pending++;
}

void neap__op_begin_io(neap_loop *loop, neap_op *op, neap_op_fn drop) {
  neap__op_begin(loop, op, drop);
  neap__list_append(&loop->io, &op->link);
}

static void drop_nothing(neap_op *op) {
  (void)op; /* its link is all that there is */
}

void neap__loop_await_guests(neap_loop *loop, neap_op *op) {
  neap__op_begin(loop, op, drop_nothing);
  if (neap__loop_has_guests(loop))
    neap__list_append(&loop->hosts, &op->link);
  else
    neap__op_finish(op, 0, 0);
}

static void note_closing(uv_handle_t *handle, void *ud) {
  bool *closing = ud;
  *closing = *closing || uv_is_closing(handle);
}

void neap__loop_settle_guests(neap_loop *loop) {
  if (!loop->is_shared)
    return;
  /* A callback may close another handle. */
  for (int round = 0; round < SETTLE_ROUNDS; round++) {
    bool closing = false;
    uv_walk(&loop->uv, note_closing, &closing);
    if (!closing)
      return;
    run(loop, UV_RUN_NOWAIT);
  }
}

void neap__op_begin_work(neap_loop *loop, neap_op *op, neap_op_fn drop) {
  neap__op_begin(loop, op, drop);
  neap__list_append(&loop->work, &op->link);
}

bool neap__loop_has_work(const neap_loop *loop) {
  return !neap__list_empty(&loop->work);
}

/* Puts an operation, counted already, in the ready queue. */
static void make_ready(neap_op *op, int status, int detail) {
  op->status = status;
  op->detail = detail;
  op->state = OP_READY;
  neap__list_append(&op->loop->ready, &op->link);
}

void neap__op_finish(neap_op *op, int status, int detail) {
  assert(op->state == OP_PENDING);
  neap__list_remove(&op->link);
  make_ready(op, status, detail);
}

void neap_op_init(neap_op *op, neap_op_fn done, void *data) {
  *op = (neap_op){.done = done, .data = data};
  neap__list_init(&op->link);
}

bool neap_op_active(const neap_op *op) {
  return op->state != OP_IDLE;
}

void neap__op_hold(neap_loop *loop, neap_op *op) {
  assert(op->state == OP_IDLE);
  op->loop = loop;
  op->state = OP_HELD;
}

void neap_op_settle(neap_op *op, int status) {
  if (op->state != OP_HELD)
    return;
  op->loop->pending++;
  make_ready(op, status, 0);
}

void neap_op_cancel(neap_op *op, int status) {
  if (op->state == OP_HELD) {
    neap_op_settle(op, status);
  } else if (op->state == OP_PENDING) {
    op->drop(op);
    neap__op_finish(op, status, 0);
  }
}

void neap_op_forget(neap_op *op) {
  if (op->state == OP_PENDING)
    op->drop(op);
  if (op->state == OP_PENDING || op->state == OP_READY) {
    neap__list_remove(&op->link);
    op->loop->pending--;
  }
  op->state = OP_IDLE;
}
