/* The driver: has runs of nodes in C go on by themselves.
 * SPDX-License-Identifier: MIT
 *
 * A *course* is a run that neap_start has begun. Its work is done by *walkers*:
 * one for the run itself, and one for each run that the state machine asks for,
 * an attempt with a time limit or a worker of a batch. A walker takes the steps
 * of its run until it has to wait; its operation wakes it. So walkers
 * interleave as tasks do, and no walker ever calls another.
 *
 * A walker has a call (call.h) for each depth, which keeps the results of the
 * visit there. The calls of a walker may move when it enters a deeper visit,
 * but not while a phase goes on, or while walkers work for it, since it does
 * not move on then.
 */
#include "drive.h"

#include <string.h>

#include "base/alloc.h"
#include "base/opts.h"
#include "base/units.h"
#include "call.h"
#include "flow/flow.h"
#include "loop/engine.h"
#include "loop/op.h"
#include "path.h"

/* How many steps a walker takes before others, and I/O, get their turn. */
enum { STEPS_IN_TURN = 256 };

/* How much of a path is noted where there is no memory for more. */
enum { PATH_SIZE = 256 };

typedef struct course course;
typedef struct walker walker;

typedef enum waiting {
  READY,    /* to take its next step */
  SLEEPING, /* between attempts */
  CALLING,  /* for a phase that goes on */
  JOINING,  /* for a walker that works for it */
  IN_LINE,  /* for its turn to fetch */
} waiting;

struct walker {
  course *course;
  walker *parent; /* NULL: it is the root */
  neap_run *run;
  neap_op op;       /* what it waits for */
  neap_op limit;    /* of an attempt */
  neap_call *calls; /* by depth */
  size_t capacity, used;
  neap_call *base;   /* of a worker: the call of its batch, in the parent */
  neap_call *active; /* whose phase goes on */
  neap_link sibling; /* in `children` or `ended` of the parent */
  neap_link children, ended;
  neap_link turns;     /* of walkers that wait to fetch from its batch */
  neap_link line;      /* in such a list */
  neap__reason reason; /* why it has failed */
  neap_place place;    /* where */
  char *path;          /* *owned*: the path there; NULL: it is not known yet */
  bool failed;
  uint8_t root, waiting;
};

struct course {
  neap_engine *engine;
  neap_flow *flow;
  neap_ticket *ticket;
  neap_link link; /* in `courses` of the engine */
  neap_value shared, params;
  uint64_t seed;
  void *data;
  neap_op limit;
  walker *root;
};

static void woken(neap_op *op);
static void attempt_is_late(neap_op *op);

static uint64_t next_seed(course *c) {
  return c->seed = c->seed * UINT64_C(6364136223846793005) + 1;
}

/* ---- Walkers ---- */

static void forget_path(walker *w) {
  if (w->path)
    neap__free(&w->course->engine->alloc, w->path, strlen(w->path) + 1);
  w->path = NULL;
}

static void forget_failure(walker *w) {
  neap__reason_clear(&w->reason, &w->course->engine->alloc);
  forget_path(w);
}

/* Makes a walker for a run, which the parent has asked for, or for the root. */
static int add_walker(course *c, walker *parent, const neap_node *node,
                      neap_root root, uint64_t max_steps, walker **out) {
  const neap_alloc *alloc = &c->engine->alloc;
  walker *w = neap__alloc(alloc, sizeof *w);
  if (!w)
    return NEAP_ENOMEM;
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  opts.root = root;
  opts.parent = parent ? parent->run : NULL;
  opts.max_steps = max_steps;
  opts.seed = next_seed(c);
  opts.data = w;
  int status = neap_run_new(c->flow, node, &opts, &w->run);
  if (status < 0) {
    neap__free(alloc, w, sizeof *w);
    return status;
  }
  w->course = c;
  w->parent = parent;
  w->root = (uint8_t)root;
  neap_op_init(&w->op, woken, w);
  neap_op_init(&w->limit, attempt_is_late, w);
  neap__list_init(&w->children);
  neap__list_init(&w->ended);
  neap__list_init(&w->turns);
  neap__list_init(&w->line);
  neap__list_init(&w->sibling);
  if (parent)
    neap__list_append(&parent->children, &w->sibling);
  *out = w;
  return 0;
}

/* Has a walker go on from neap_poll. */
static void make_ready(walker *w) {
  neap_engine *engine = w->course->engine;
  w->waiting = READY;
  neap__op_begin_in(engine, &w->op, &engine->io);
  neap__op_finish(&w->op, 0, 0);
}

/* The walker waits for another, which will call `make_ready`. */
static void rest(walker *w, waiting what) {
  w->waiting = (uint8_t)what;
}

/* The call of the visit at a depth. */
static neap_call *call_at(walker *w, uint32_t depth) {
  return depth == 0 && w->base ? w->base : &w->calls[depth];
}

/* Makes room for the calls up to a depth. */
static int make_room(walker *w, uint32_t depth) {
  size_t old = w->capacity;
  int status = neap__reserve(&w->course->engine->alloc, &w->calls, &w->capacity,
                             (size_t)depth + 1, sizeof *w->calls);
  if (status == 0 && w->capacity > old)
    memset(w->calls + old, 0, (w->capacity - old) * sizeof *w->calls);
  return status;
}

/* Gives back what is kept of the visits from a depth on. */
static void clear_calls(walker *w, uint32_t depth) {
  while (w->used > depth)
    neap__call_clear(&w->calls[--w->used]);
}

static void begin_call(walker *w, uint32_t depth, const neap_call_opts *opts) {
  clear_calls(w, depth);
  /* Of a worker, that at depth 0 is not in use. */
  for (; w->used < depth; w->used++)
    w->calls[w->used] = (neap_call){.alloc = w->course->engine->alloc};
  neap__call_init(&w->calls[depth], w->course->engine, opts);
  w->used = (size_t)depth + 1;
}

/* Begins the call of the visit at a depth. What is around it is an item, of
 * which it knows, or the params are those of the run. */
static int begin_visit(walker *w, uint32_t depth) {
  int status = make_room(w, depth);
  if (status < 0)
    return status;
  neap_call_opts opts = NEAP_CALL_OPTS_INIT;
  opts.ticket = w->course->ticket;
  opts.shared = w->course->shared;
  opts.params = w->course->params;
  if (depth > 0) {
    const neap_call *around = call_at(w, depth - 1);
    opts.params = around->params;
    opts.item = around->item;
    opts.index = around->index;
  }
  begin_call(w, depth, &opts);
  return 0;
}

/* Begins the call of the item that has been fetched. */
static int begin_item(walker *w, const neap_step *step) {
  uint32_t depth = step->depth + 1;
  int status = make_room(w, depth);
  if (status < 0)
    return status;
  neap_call *batch = call_at(w, step->depth);
  neap_call_opts opts = NEAP_CALL_OPTS_INIT;
  opts.ticket = w->course->ticket;
  opts.shared = w->course->shared;
  opts.params = batch->params;
  opts.outer = batch;
  opts.is_item = true;
  opts.index = step->index;
  bool inherits = neap__node_is_parallel(step->node);
  if (inherits)
    opts.item = batch->item;
  begin_call(w, depth, &opts);
  if (neap_node_kind(step->node) == NEAP_BATCH_FLOW)
    w->calls[depth].params = w->calls[depth].item;
  return 0;
}

/* Stops a walker and those that work for it, innermost first, and frees them.
 * Host code is called, but no walker goes on. */
static void destroy(walker *w) {
  while (!neap__list_empty(&w->children))
    destroy(NEAP__ITEM(w->children.next, walker, sibling));
  while (!neap__list_empty(&w->ended))
    destroy(NEAP__ITEM(w->ended.next, walker, sibling));
  neap_op_forget(&w->op);
  neap_op_forget(&w->limit);
  neap__list_remove(&w->line);
  neap__list_remove(&w->sibling);
  if (w->active)
    neap_call_cancel(w->active);
  clear_calls(w, 0);
  forget_failure(w);
  neap_run_free(w->run);
  const neap_alloc *alloc = &w->course->engine->alloc;
  neap__free(alloc, w->calls, w->capacity * sizeof *w->calls);
  neap__free(alloc, w, sizeof *w);
}

/* ---- Failures ---- */

/* Notes where the run of a walker is, or has failed, unless a walker that
 * worked for it knows better. */
static void note_place(walker *w) {
  if (w->path)
    return;
  neap_run_place(w->run, &w->place);
  char path[PATH_SIZE];
  const neap_alloc *alloc = &w->course->engine->alloc;
  size_t size = neap__path(w->run, w->place.depth, path, sizeof path);
  w->path = neap__alloc(alloc, size + 1);
  if (w->path)
    neap__path(w->run, w->place.depth, w->path, size + 1);
}

/* Answers with the failure that the walker has. */
static const neap_step *fail(walker *w) {
  return neap_run_fail(w->run, &w->reason.failure);
}

static const neap_step *fail_as(walker *w, int status) {
  forget_failure(w);
  w->reason.status = status;
  return fail(w);
}

/* Answers with the failure of a walker that has worked for it. */
static const neap_step *fail_with(walker *w, walker *child) {
  forget_failure(w);
  w->reason = neap__reason_take(&child->reason);
  w->place = child->place;
  w->path = child->path;
  child->path = NULL;
  return fail(w);
}

/* ---- The end of a course ---- */

static void free_course(course *c) {
  neap_engine *engine = c->engine;
  neap__list_remove(&c->link);
  neap_op_forget(&c->limit);
  if (c->root)
    destroy(c->root);
  neap__free(&engine->alloc, c, sizeof *c);
}

/* Hands in the report. `reason` is of the course, or of its root. */
static void end_course(course *c, neap_report *report) {
  neap_ticket *ticket = c->ticket;
  walker *root = c->root;
  char path[PATH_SIZE];
  report->data = c->data;
  if (report->status < 0) {
    note_place(root);
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
  free_course(c);
}

/* Ends a course from outside: it is cancelled, or its time is over. */
static void stop_course(course *c, int status) {
  neap__reason reason = {.status = status};
  neap_report report = {.status = status,
                        .code = neap__reason_code(&reason),
                        .error = neap__reason_text(&reason)};
  forget_path(c->root);
  end_course(c, &report);
}

static void cancelled(void *self) {
  stop_course(self, NEAP_ECANCELED);
}

static void course_is_late(neap_op *op) {
  stop_course(op->data, NEAP_ETIMEDOUT);
}

/* The run of a walker has ended. */
static void end(walker *w, const neap_step *step) {
  w->failed = step->failed;
  if (w->failed && w->reason.status == 0)
    w->reason.status = step->status;
  walker *parent = w->parent;
  if (parent) {
    if (w->failed)
      note_place(w);
    neap_op_forget(&w->limit);
    neap__list_remove(&w->sibling);
    neap__list_append(&parent->ended, &w->sibling);
    if (parent->waiting == JOINING)
      make_ready(parent);
    return;
  }
  neap_report report = {.status = w->failed ? w->reason.status : 0,
                        .action = step->action,
                        .action_size = step->action_size};
  if (w->failed) {
    report.action = NULL;
    report.code = neap__reason_code(&w->reason);
    report.error = neap__reason_text(&w->reason);
  }
  end_course(w->course, &report);
}

/* ---- Steps ---- */

static const neap_step *enter(walker *w, const neap_step *step) {
  int status = begin_visit(w, step->depth);
  return status < 0 ? fail_as(w, status) : neap_run_ok(w->run);
}

/* Gives the turn to fetch to the next walker in line; to all of them when
 * nothing is left to fetch. */
static void pass_turn(walker *w, bool all) {
  walker *owner = w->base ? w->parent : w;
  while (!neap__list_empty(&owner->turns)) {
    walker *next = NEAP__ITEM(owner->turns.next, walker, line);
    neap__list_remove(&next->line);
    make_ready(next);
    if (!all)
      return;
  }
}

/* A step has been done with a call, with this status. Returns the next, or NULL
 * when the walker waits. */
static const neap_step *done(walker *w, neap_call *call, int status) {
  const neap_step *step = neap_run_step(w->run);
  bool fetching = step->what == NEAP_DO_FETCH;
  if (status == NEAP_LATER) {
    w->active = call;
    w->waiting = CALLING;
    neap_call_wait(call, &w->op);
    return NULL;
  }
  w->active = NULL;
  if (status == 0 && fetching &&
      (call->has_fetched || neap__node_is_parallel(step->node)))
    status = begin_item(w, step);
  if (fetching)
    pass_turn(w, status < 0 || !(call->has_fetched ||
                                 neap__node_is_parallel(step->node)));
  if (status == 0) {
    forget_failure(w);
    return neap_call_answer(call, w->run);
  }
  neap__reason reason = neap__reason_take(&call->reason);
  reason.status = status;
  forget_failure(w);
  w->reason = reason;
  return fail(w);
}

static const neap_step *do_step(walker *w, const neap_step *step) {
  neap_call *call = call_at(w, step->depth);
  if (step->what == NEAP_DO_CALL && step->phase == NEAP_FALLBACK) {
    neap__reason_clear(&call->earlier, &call->alloc);
    call->earlier = neap__reason_take(&w->reason);
    forget_path(w);
  }
  return done(w, call, neap_call_do(call, w->run));
}

static const neap_step *sleep_on(walker *w, const neap_step *step) {
  neap_engine *engine = w->course->engine;
  w->waiting = SLEEPING;
  neap_sleep_until(engine, &w->op,
                   neap__time_after(neap_now(engine), step->delay_ns));
  return NULL;
}

/* Takes the outcome of a walker that has ended. */
static const neap_step *join(walker *w, const neap_step *step) {
  if (neap__list_empty(&w->ended)) {
    rest(w, JOINING);
    return NULL;
  }
  walker *child = NEAP__ITEM(w->ended.next, walker, sibling);
  bool is_attempt = step->what == NEAP_DO_ATTEMPT;
  const neap_step *next;
  if (child->failed) {
    /* The first failure of workers counts. */
    next = !is_attempt && step->failed ? fail(w) : fail_with(w, child);
  } else if (is_attempt) {
    neap_call *call = call_at(w, step->depth);
    forget_failure(w);
    neap_call_adopt(call, &child->calls[0]);
    const neap_step *last = neap_run_step(child->run);
    int status = 0;
    if (neap__node_walks(step->node) && last->action) {
      call->phase = NEAP_POST; /* where an action may be set */
      status = neap_call_set_action(call, last->action, last->action_size);
    }
    if (status < 0)
      next = fail_as(w, status);
    else if (neap__node_walks(step->node))
      next = neap_run_action(w->run, last->action ? call->action : NULL,
                             last->action_size);
    else
      next = neap_run_ok(w->run);
  } else {
    next = neap_run_ok(w->run);
  }
  destroy(child);
  return next;
}

static const neap_step *attempt(walker *w, const neap_step *step) {
  if (!neap__list_empty(&w->ended))
    return join(w, step);
  walker *child;
  int status = add_walker(w->course, w, NULL, NEAP_ROOT_ATTEMPT, 0, &child);
  if (status < 0)
    return fail_as(w, status);
  status = make_room(child, 0);
  if (status < 0) {
    destroy(child);
    return fail_as(w, status);
  }
  neap_call *of = call_at(w, step->depth);
  neap_call_opts opts = NEAP_CALL_OPTS_INIT;
  opts.ticket = w->course->ticket;
  opts.outer = of;
  opts.shared = of->shared;
  opts.params = of->params;
  opts.item = of->item;
  opts.index = of->index;
  begin_call(child, 0, &opts);
  neap_engine *engine = w->course->engine;
  uint64_t deadline =
      neap__time_after(neap_now(engine), neap_node_timeout(step->node));
  neap_sleep_until(engine, &child->limit, deadline);
  make_ready(child);
  rest(w, JOINING);
  return NULL;
}

static const neap_step *fork_workers(walker *w, const neap_step *step) {
  walker *owner = step->depth == 0 && w->base ? w->parent : w;
  for (uint32_t i = 0; i < step->count; i++) {
    walker *child;
    int status =
        add_walker(w->course, owner, NULL, NEAP_ROOT_WORKER, 0, &child);
    if (status < 0) {
      if (owner == w)
        while (!neap__list_empty(&w->children))
          destroy(NEAP__ITEM(w->children.next, walker, sibling));
      return fail_as(w, status);
    }
    child->base = call_at(w, step->depth);
    make_ready(child);
  }
  return neap_run_ok(w->run);
}

/* Ends a walker from outside: who waits for it sees that it has failed. */
static void stop(walker *child, int status) {
  walker *parent = child->parent;
  while (!neap__list_empty(&child->children))
    destroy(NEAP__ITEM(child->children.next, walker, sibling));
  neap_op_forget(&child->op);
  neap_op_forget(&child->limit);
  neap__list_remove(&child->line);
  neap_call *active = child->active;
  child->active = NULL;
  if (active)
    neap_call_cancel(active);
  forget_failure(child);
  child->failed = true;
  child->reason.status = status;
  neap__list_remove(&child->sibling);
  neap__list_append(&parent->ended, &child->sibling);
}

static const neap_step *stop_workers(walker *w) {
  while (!neap__list_empty(&w->children))
    stop(NEAP__ITEM(w->children.next, walker, sibling), NEAP_ECANCELED);
  return neap_run_ok(w->run);
}

static void attempt_is_late(neap_op *op) {
  walker *child = op->data;
  walker *parent = child->parent;
  stop(child, NEAP_ETIMEDOUT);
  if (parent->waiting == JOINING)
    make_ready(parent);
}

/* Between two turns of this walker, who was fetching may have ended that. So
 * the run is asked once more before it waits. */
static const neap_step *wait_for_turn(walker *w) {
  const neap_step *step = neap_run_ok(w->run);
  if (step->what != NEAP_DO_TURN)
    return step;
  walker *owner = w->base ? w->parent : w;
  neap__list_append(&owner->turns, &w->line);
  rest(w, IN_LINE);
  return NULL;
}

static const neap_step *end_item(walker *w, const neap_step *step) {
  neap_call *item = &w->calls[step->depth];
  if (!step->failed)
    neap_call_adopt(item->outer, item);
  clear_calls(w, step->depth);
  forget_failure(w);
  return neap_run_ok(w->run);
}

static const neap_step *take(walker *w, const neap_step *step) {
  switch (step->what) {
  case NEAP_DO_ENTER:
    return enter(w, step);
  case NEAP_DO_CALL:
  case NEAP_DO_ITEMS:
  case NEAP_DO_FETCH:
    return do_step(w, step);
  case NEAP_DO_WAIT:
    return sleep_on(w, step);
  case NEAP_DO_ATTEMPT:
    return attempt(w, step);
  case NEAP_DO_FORK:
    return fork_workers(w, step);
  case NEAP_DO_JOIN:
    return join(w, step);
  case NEAP_DO_STOP:
    return stop_workers(w);
  case NEAP_DO_TURN:
    return wait_for_turn(w);
  case NEAP_DO_ITEM_END:
    return end_item(w, step);
  case NEAP_DO_RAISE:
    return fail_as(w, step->status);
  case NEAP_DO_RETURN:
  case NEAP_DO_WARN:
  case NEAP_DO_LEAVE:
    break;
  case NEAP_DO_END:
    return NULL;
  }
  return neap_run_ok(w->run);
}

/* Lets a walker go on until it waits, or its run has ended. */
static void advance(walker *w, const neap_step *step) {
  for (int count = 0; step; count++) {
    if (step->what == NEAP_DO_END) {
      end(w, step);
      return;
    }
    if (count == STEPS_IN_TURN) {
      make_ready(w);
      return;
    }
    step = take(w, step);
  }
}

static void woken(neap_op *op) {
  walker *w = op->data;
  neap_call *call = w->active;
  switch ((waiting)w->waiting) {
  case CALLING:
    w->waiting = READY;
    advance(w, done(w, call, neap_call_settle(call)));
    break;
  case SLEEPING:
    w->waiting = READY;
    advance(w, neap_run_ok(w->run));
    break;
  default:
    w->waiting = READY;
    advance(w, neap_run_step(w->run));
  }
}

/* ---- Starting ---- */

static const neap_node *first_node(const neap_flow *flow) {
  const neap_node *node = flow->nodes;
  while (node && node->next)
    node = node->next;
  return node;
}

int neap_start(neap_engine *engine, neap_flow *flow,
               const neap_start_opts *opts, neap_token *run) {
  neap_start_opts o = {0};
  const size_t first = NEAP__SIZE_WITH(neap_start_opts, data);
  if (!neap__home_allows(engine) || !flow || !run || !flow->sealed ||
      (opts && neap__opts_take(&o, sizeof o, first, opts) < 0))
    return neap__home_fault(engine);
  if (!o.node)
    o.node = first_node(flow);
  if (!o.node)
    return NEAP_EINVAL;
  if (engine->is_closing)
    return NEAP_ECLOSED;
  course *c = neap__alloc(&engine->alloc, sizeof *c);
  if (!c)
    return NEAP_ENOMEM;
  c->engine = engine;
  c->flow = flow;
  c->shared = o.shared;
  c->params = o.params;
  c->data = o.data;
  c->seed = o.seed ? o.seed : engine->token_key ^ neap_now(engine);
  neap_op_init(&c->limit, course_is_late, c);
  neap__list_append(&engine->courses, &c->link);
  neap_token token;
  int status = neap_ticket_new(engine, cancelled, c, &c->ticket, &token);
  if (status == 0)
    status =
        add_walker(c, NULL, o.node, NEAP_ROOT_VISIT, o.max_steps, &c->root);
  if (status < 0) {
    neap_ticket_drop(c->ticket);
    free_course(c);
    return status;
  }
  if (o.timeout_ns > 0)
    neap_sleep_until(engine, &c->limit,
                     neap__time_after(neap_now(engine), o.timeout_ns));
  make_ready(c->root);
  *run = token;
  return 0;
}

void neap__drive_close(neap_engine *engine) {
  while (!neap__list_empty(&engine->courses)) {
    course *c = NEAP__ITEM(engine->courses.next, course, link);
    neap_ticket_drop(c->ticket);
    free_course(c);
  }
}

int neap_complete(neap_engine *engine, neap_token token, int status) {
  if (!engine || status > 0)
    return NEAP_EINVAL;
  return neap__token_send(engine, token, NEAP__TOKEN_PHASE, status);
}

int neap_cancel(neap_engine *engine, neap_token run) {
  if (!engine)
    return NEAP_EINVAL;
  return neap__token_send(engine, run, NEAP__TOKEN_RUN, 0);
}
