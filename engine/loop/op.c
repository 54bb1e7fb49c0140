/* Operations: from their start, through the ready queue, to their `done`.
 * SPDX-License-Identifier: MIT */
#include "op.h"

#include <assert.h>

#include "engine.h"
#include "wakeup.h"

enum state {
  UNKNOWN = 0, /* has not been initialized, or without a `done` */
  IDLE = NEAP__OP_IDLE,
  HELD,    /* waits for neap_op_settle */
  OWED,    /* the same, and counts as pending */
  PENDING, /* waits for something of the engine's */
  READY,   /* in the ready queue */
};

void neap_op_init(neap_op *op, neap_op_fn done, void *data) {
  if (!op)
    return;
  *op = (neap_op){.done = done, .data = data, .state = done ? IDLE : UNKNOWN};
  neap__list_init(&op->link);
}

bool neap_op_active(const neap_op *op) {
  return op && op->state > IDLE;
}

void neap__op_begin(neap_engine *engine, neap_op *op, neap_op_fn drop) {
  assert(op->state == IDLE);
  op->engine = engine;
  op->drop = drop;
  op->state = PENDING;
  op->status = op->detail = 0;
  neap__list_init(&op->link);
  engine->pending++;
}

void neap__op_begin_io(neap_engine *engine, neap_op *op, neap_op_fn drop) {
  neap__op_begin(engine, op, drop);
  neap__list_append(&engine->io, &op->link);
}

void neap__op_begin_work(neap_engine *engine, neap_op *op, neap_op_fn drop) {
  neap__op_begin(engine, op, drop);
  neap__list_append(&engine->work, &op->link);
}

static void drop_nothing(neap_op *op) {
  (void)op; /* the caller takes it out of its list */
}

void neap__op_begin_in(neap_engine *engine, neap_op *op, neap_link *list) {
  neap__op_begin(engine, op, drop_nothing);
  neap__list_append(list, &op->link);
}

/* Puts an operation, counted already, in the ready queue. */
static void make_ready(neap_op *op, int status, int detail) {
  neap_engine *engine = op->engine;
  op->status = status;
  op->detail = detail;
  op->state = READY;
  neap__list_append(&engine->ready, &op->link);
  if (engine->wakeup)
    neap__wakeup_from_inside(engine);
}

void neap__op_finish(neap_op *op, int status, int detail) {
  assert(op->state == PENDING);
  neap__list_remove(&op->link);
  make_ready(op, status, detail);
}

void neap__op_preempt(neap_engine *engine, neap_op *op) {
  assert(op->state == IDLE && !engine->preempted);
  op->engine = engine;
  op->state = READY;
  engine->pending++;
  engine->preempted = op;
  neap__list_append(engine->draining.next, &op->link);
}

int neap__op_refuse(neap_engine *engine, neap_op *op, int number) {
  neap__op_begin(engine, op, drop_nothing);
  neap__op_finish(op, NEAP_EPERM, number);
  return 0;
}

void neap__op_deliver(neap_op *op) {
  assert(op->state == READY);
  op->engine->preempted = NULL; /* it was this one, or there was none */
  op->link.prev->next = op->link.next;
  op->link.next->prev = op->link.prev;
  op->state = IDLE;
  op->engine->pending--;
  op->done(op);
}

int neap_op_hold(neap_engine *engine, neap_op *op) {
  if (!neap__op_may_start(engine, op))
    return neap__home_fault(engine);
  op->engine = engine;
  op->state = HELD;
  return 0;
}

int neap_owe(neap_engine *engine, neap_op *op) {
  if (!neap__home_allows(engine) || !op ||
      (op->state != HELD && !neap__op_is_free(op)) ||
      (op->state == HELD && op->engine != engine))
    return neap__home_fault(engine);
  op->state = IDLE;
  neap__op_begin_in(engine, op, &engine->owed);
  op->state = OWED;
  return 0;
}

/* The rest of neap_op_settle, apart from what nearly all calls do. */
static int settle_rarely(neap_op *op, int status) {
  if (!op || (op->state != HELD && op->state != OWED))
    return op && op->state == READY ? 0 : NEAP_EINVAL;
  if (!neap__home_allows(op->engine))
    return neap__home_fault(op->engine);
  neap__list_remove(&op->link);
  make_ready(op, status, 0);
  return 0;
}

int neap_op_settle(neap_op *op, int status) {
  if (!op || op->state != HELD || !neap__home_allows(op->engine))
    return settle_rarely(op, status);
  op->engine->pending++;
  make_ready(op, status, 0);
  return 0;
}

int neap_op_cancel(neap_op *op, int status) {
  if (!op || op->state == UNKNOWN)
    return NEAP_EINVAL;
  if (op->state == HELD || op->state == OWED)
    return neap_op_settle(op, status);
  if (op->state != PENDING)
    return 0;
  if (!neap__home_allows(op->engine))
    return neap__home_fault(op->engine);
  op->drop(op);
  neap__op_finish(op, status, 0);
  return 0;
}

void neap_op_forget(neap_op *op) {
  if (!op)
    return;
  if (op->state >= OWED)
    neap__home_look(op->engine); /* which may forget it */
  if (op->state == PENDING)
    op->drop(op);
  if (op->state >= OWED) {
    if (op->engine->preempted == op)
      op->engine->preempted = NULL;
    neap__list_remove(&op->link);
    op->engine->pending--;
  }
  if (op->state != UNKNOWN)
    op->state = IDLE;
}

static neap_op *first_of(neap_link *list) {
  return NEAP__ITEM(list->next, neap_op, link);
}

void neap__ops_finish_first(neap_link *list, int status, int detail) {
  if (!neap__list_empty(list))
    neap__op_finish(first_of(list), status, detail);
}

void neap__ops_finish(neap_link *list, int status, int detail) {
  while (!neap__list_empty(list))
    neap__op_finish(first_of(list), status, detail);
}

void neap__ops_disown(neap_link *list) {
  while (!neap__list_empty(list)) {
    neap_op *op = first_of(list);
    neap__list_remove(&op->link);
    op->engine->pending--;
    op->state = IDLE;
  }
}

void neap__ops_forget(neap_link *list) {
  while (!neap__list_empty(list))
    neap_op_forget(first_of(list));
}
