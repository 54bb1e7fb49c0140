/* Tickets: the place that a run has in its engine, and its report.
 * SPDX-License-Identifier: MIT */
#include "ticket.h"

#include <string.h>

#include "base/alloc.h"
#include "base/opts.h"
#include "loop/engine.h"
#include "loop/op.h"
#include "loop/token.h"

/* What is reserved for each text of a report, when there is no more memory. */
enum { CODE_ROOM = 24, ACTION_ROOM = 32, PATH_ROOM = 72, ERROR_ROOM = 64 };

struct neap_ticket {
  neap_alloc alloc;
  neap_engine *engine; /* NULL: it has been freed */
  neap__addressee addressee;
  neap_op op; /* by which `cancel` is called from neap_poll */
  void (*cancel)(void *self);
  void *self;
  bool cancelled;
  neap_link link; /* in `tickets` or `reports` of the engine */
  neap_report report;
  char *texts; /* *owned*: those of the report; NULL: they are in `room` */
  size_t texts_size;
  char room[CODE_ROOM + ACTION_ROOM + PATH_ROOM + ERROR_ROOM];
};

static void cancel_now(neap_op *op) {
  neap_ticket *ticket = op->data;
  ticket->cancelled = true;
  ticket->cancel(ticket->self);
}

static void cancel_asked(neap__addressee *to, int status) {
  (void)status;
  neap_ticket *ticket = NEAP__ITEM(to, neap_ticket, addressee);
  neap__op_begin_in(ticket->engine, &ticket->op, &ticket->engine->io);
  neap__op_finish(&ticket->op, 0, 0);
}

int neap_ticket_new(neap_engine *engine, void (*cancel)(void *self), void *self,
                    neap_ticket **out, neap_token *token) {
  if (!neap__home_allows(engine) || !cancel || !out || !token)
    return neap__home_fault(engine);
  neap_ticket *ticket = neap__alloc(&engine->alloc, sizeof *ticket);
  if (!ticket)
    return NEAP_ENOMEM;
  ticket->alloc = engine->alloc;
  ticket->engine = engine;
  ticket->cancel = cancel;
  ticket->self = self;
  ticket->addressee.arrive = cancel_asked;
  neap_op_init(&ticket->op, cancel_now, ticket);
  int status = neap__token_open(engine, &ticket->addressee, NEAP__TOKEN_RUN);
  if (status < 0) {
    neap__free(&ticket->alloc, ticket, sizeof *ticket);
    return status;
  }
  neap__list_append(&engine->tickets, &ticket->link);
  ticket->report.run = ticket->addressee.token;
  *out = ticket;
  *token = ticket->addressee.token;
  return 0;
}

static void destroy(neap_ticket *ticket) {
  neap_alloc alloc = ticket->alloc;
  neap__free(&alloc, ticket->texts, ticket->texts_size);
  neap__free(&alloc, ticket, sizeof *ticket);
}

/* The token of a ticket becomes stale, and `cancel` is not called any more. */
static void settle(neap_ticket *ticket) {
  neap__list_remove(&ticket->link);
  neap_op_forget(&ticket->op);
  neap__token_close(ticket->engine, &ticket->addressee);
}

void neap_ticket_drop(neap_ticket *ticket) {
  if (!ticket)
    return;
  neap__home_look(ticket->engine);
  if (ticket->engine)
    settle(ticket);
  destroy(ticket);
}

/* Copies bytes, and a zero after them, to *at, which has room for `room` bytes
 * including the zero. Cuts off what has no room. */
static const char *put(char **at, const char *bytes, size_t size, size_t room) {
  char *copy = *at;
  if (size >= room)
    size = room - 1;
  memcpy(copy, bytes, size);
  copy[size] = '\0';
  *at += size + 1;
  return copy;
}

static void copy_report(neap_ticket *ticket, const neap_report *given) {
  neap_report r = *given;
  r.run = ticket->report.run;
  r.code = r.code ? r.code : "";
  r.path = r.path ? r.path : "";
  r.phase = r.phase ? r.phase : "";
  r.error = r.error ? r.error : "";
  if (!r.action) {
    r.action = r.status < 0 ? "" : "default";
    r.action_size = strlen(r.action);
  }
  size_t code = strlen(r.code), path = strlen(r.path), error = strlen(r.error);
  size_t size = code + r.action_size + path + error + 4;
  char *at = ticket->room;
  if (size > sizeof ticket->room) {
    ticket->texts = neap__alloc(&ticket->alloc, size);
    if (ticket->texts) {
      ticket->texts_size = size;
      at = ticket->texts;
    } else if (r.action_size >= ACTION_ROOM) {
      r.status = NEAP_ENOMEM;
      r.code = "memory";
      r.error = neap_status_text(NEAP_ENOMEM);
      r.action = "";
      r.action_size = 0;
      code = strlen(r.code);
      error = strlen(r.error);
    }
  }
  bool whole = at != ticket->room || size <= sizeof ticket->room;
  r.code = put(&at, r.code, code, whole ? code + 1 : CODE_ROOM);
  r.action = put(&at, r.action, r.action_size,
                 whole ? r.action_size + 1 : ACTION_ROOM);
  r.path = put(&at, r.path, path, whole ? path + 1 : PATH_ROOM);
  r.error = put(&at, r.error, error, whole ? error + 1 : ERROR_ROOM);
  ticket->report = r;
}

static void give_out(neap_op *op);

void neap_ticket_end(neap_ticket *ticket, const neap_report *report) {
  if (!ticket || !report)
    return;
  neap__home_look(ticket->engine);
  neap_engine *engine = ticket->engine;
  if (!engine) {
    destroy(ticket);
    return;
  }
  copy_report(ticket, report);
  settle(ticket);
  neap__list_append(&engine->reports, &ticket->link);
  if (engine->report_fn)
    neap_on_report(engine, engine->report_fn, engine->report_ud);
}

bool neap_ticket_is_cancelled(const neap_ticket *ticket) {
  return ticket && ticket->cancelled;
}

neap_token neap__ticket_token(const neap_ticket *ticket) {
  return ticket ? ticket->report.run : 0;
}

/* Takes the first ticket that has a report; NULL when there is none. */
static neap_ticket *take(neap_engine *engine) {
  if (neap__list_empty(&engine->reports))
    return NULL;
  neap_ticket *ticket = NEAP__ITEM(engine->reports.next, neap_ticket, link);
  neap__list_remove(&ticket->link);
  return ticket;
}

int neap_next_report(neap_engine *engine, neap_report *report) {
  const size_t first = NEAP__SIZE_WITH(neap_report, error);
  if (!neap__home_allows(engine) || !report || report->size < first)
    return neap__home_fault(engine);
  if (engine->last_report)
    destroy(engine->last_report);
  neap_ticket *ticket = engine->last_report = take(engine);
  if (!ticket)
    return NEAP_EAGAIN;
  size_t size = report->size;
  ticket->report.size = size;
  memcpy(report, &ticket->report,
         size < sizeof *report ? size : sizeof *report);
  return 0;
}

/* Gives one report to the host's function. It comes again for the next, so that
 * each is a delivery of its own. */
static void give_out(neap_op *op) {
  neap_engine *engine = op->data;
  neap_report_fn fn = engine->report_fn;
  neap_ticket *ticket = fn ? take(engine) : NULL;
  if (!ticket)
    return;
  neap_on_report(engine, fn, engine->report_ud);
  ticket->report.size = sizeof ticket->report;
  fn(engine->report_ud, &ticket->report);
  destroy(ticket);
}

void neap_on_report(neap_engine *engine, neap_report_fn fn, void *ud) {
  if (!neap__home_allows(engine))
    return;
  engine->report_fn = fn;
  engine->report_ud = ud;
  if (!engine->report_op.done)
    neap_op_init(&engine->report_op, give_out, engine);
  if (!fn || neap__list_empty(&engine->reports) ||
      neap_op_active(&engine->report_op))
    return;
  neap__op_begin_in(engine, &engine->report_op, &engine->io);
  neap__op_finish(&engine->report_op, 0, 0);
}

void neap__tickets_disown(neap_engine *engine) {
  while (!neap__list_empty(&engine->tickets)) {
    neap_ticket *ticket = NEAP__ITEM(engine->tickets.next, neap_ticket, link);
    neap__list_remove(&ticket->link);
    ticket->addressee.token = 0;
    ticket->engine = NULL;
  }
}

void neap__tickets_close(neap_engine *engine) {
  while (!neap__list_empty(&engine->tickets)) {
    neap_ticket *ticket = NEAP__ITEM(engine->tickets.next, neap_ticket, link);
    settle(ticket);
    ticket->engine = NULL;
  }
  neap_ticket *ticket;
  while ((ticket = take(engine)))
    destroy(ticket);
  if (engine->last_report)
    destroy(engine->last_report);
}
