/* Courses: runs that neap_start has begun, from their start to their report.
 * SPDX-License-Identifier: MIT */
#include "course.h"

#include "base/alloc.h"
#include "base/units.h"
#include "loop/engine.h"
#include "path.h"

/* How much of a path is reported where there is no memory for more. */
enum { PATH_SIZE = 72 };

typedef neap__course course;

static void free_course(course *c) {
  neap_engine *engine = c->engine;
  neap__list_remove(&c->link);
  neap_op_forget(&c->limit);
  if (c->root)
    neap__walker_free(c->root);
  neap__free(&engine->alloc, c, sizeof *c);
}

/* Hands in a report, to which the place of a failure is added. The report comes
 * first: freeing the walkers calls the host. */
static void end_with(course *c, neap_report *report) {
  neap_ticket *ticket = c->ticket;
  neap__walker *root = c->root;
  char path[PATH_SIZE];
  report->data = c->data;
  if (report->status < 0) {
    neap__walker_note_place(root);
    report->phase = neap_phase_name(root->place.phase);
    report->attempt = root->place.attempt;
    report->path = root->path;
    if (!root->path) {
      neap__path(root->run, root->place.depth, path, sizeof path);
      report->path = path;
    }
  }
  c->ticket = NULL;
  neap_ticket_end(ticket, report);
  report->path = NULL;
  free_course(c);
}

/* Ends a course from outside: it is cancelled, or its time is over. */
static void stop(course *c, int status) {
  neap__reason reason = {.status = status};
  neap_report report = {.status = status,
                        .code = neap__reason_code(&reason),
                        .error = neap__reason_text(&reason)};
  neap__walker_forget_failure(c->root); /* one that was being handled */
  end_with(c, &report);
}

static void cancelled(void *self) {
  stop(self, NEAP_ECANCELED);
}

static void out_of_time(neap_op *op) {
  stop(op->data, NEAP_ETIMEDOUT);
}

void neap__course_end(course *c, const neap_step *step) {
  const neap__reason *reason = &c->root->reason;
  neap_report report = {.status = 0};
  if (step->failed) {
    report.status = reason->status;
    report.code = neap__reason_code(reason);
    report.error = neap__reason_text(reason);
  } else {
    report.action = step->action;
    report.action_size = step->action_size;
  }
  end_with(c, &report);
}

int neap__course_new(neap_engine *engine, neap_flow *flow,
                     const neap_start_opts *opts, neap_op_fn woken,
                     neap_op_fn late, course **out, neap_token *token) {
  course *c = neap__alloc(&engine->alloc, sizeof *c);
  if (!c)
    return NEAP_ENOMEM;
  c->engine = engine;
  c->flow = flow;
  c->shared = opts->shared;
  c->params = opts->params;
  c->data = opts->data;
  c->woken = woken;
  c->late = late;
  neap_op_init(&c->limit, out_of_time, c);
  neap__list_append(&engine->courses, &c->link);
  int status = neap_ticket_new(engine, cancelled, c, &c->ticket, token);
  if (status < 0)
    goto fail_ticket;
  c->seed = opts->seed ? opts->seed : *token ^ engine->token_key;
  neap_run_opts run = NEAP_RUN_OPTS_INIT;
  run.max_steps = opts->max_steps;
  status = neap__walker_new(c, NULL, opts->node, &run, &c->root);
  if (status < 0)
    goto fail_root;
  if (opts->timeout_ns > 0)
    neap_sleep_until(engine, &c->limit,
                     neap__time_after(neap_now(engine), opts->timeout_ns));
  *out = c;
  return 0;

fail_root:
  neap_ticket_drop(c->ticket);
fail_ticket:
  free_course(c);
  return status;
}

void neap__courses_close(neap_engine *engine) {
  while (!neap__list_empty(&engine->courses)) {
    course *c = NEAP__ITEM(engine->courses.next, course, link);
    neap_ticket_drop(c->ticket);
    c->ticket = NULL;
    free_course(c);
  }
}
