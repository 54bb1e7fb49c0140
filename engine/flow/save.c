/* Saving: where a run is, with the runs that work for it, as bytes.
 * SPDX-License-Identifier: MIT
 *
 * Each visit and each item that is open becomes a record (place.h). What a host
 * has computed and not kept has to be computed again. So a visit that has no
 * other inside is saved as one that begins, unless the host has kept what its
 * phases gave; and one that has is saved where it is. A frame that mirrors one
 * of the parent's, the first of a run that works for another, has no record.
 */
#include <string.h>

#include "run.h"

typedef neap__frame frame;

static const frame *top(const neap_run *run) {
  return &run->frames[run->depth];
}

/* True of a visit or an item with another visit inside, which lasts. */
static bool has_inside(const frame *f) {
  return f->is_item ? f->node->opts.kind != NEAP_BATCH_NODE
                    : f->node->opts.kind == NEAP_FLOW;
}

/* True of an item of which the host has kept the result: it is over. */
static bool is_over(const frame *f) {
  return f->state == ENDING_ITEM && f->kept == KEPT_RESULT;
}

/* True of an item, at a depth, that will be saved as one that has not failed.
 */
static bool fails_again(const neap_run *run, uint32_t depth) {
  return run->depth == depth && top(run)->state == ENDING_ITEM &&
         !is_over(top(run)) && run->step.failed;
}

/* True of a run that works on the items of the batch on top of another. */
static bool shares(const neap_run *worker, const neap_run *run) {
  return worker->root == NEAP_ROOT_WORKER &&
         worker->frames[0].batch == top(run)->batch;
}

/* True of a worker that has an item, or fetches one that it has had. */
static bool has_item(const neap_run *worker) {
  if (worker->depth == 0)
    return top(worker)->state == FORKING || worker->resume;
  return worker->depth > 1 || !is_over(top(worker));
}

/* The worker after one (NULL: the first) that has an item; NULL: no more. */
static const neap_run *next_worker(const neap_run *run,
                                   const neap_run *worker) {
  const neap_link *link = worker ? worker->sibling.next : run->children.next;
  for (; link != &run->children; link = link->next) {
    const neap_run *other = NEAP__ITEM(link, neap_run, sibling);
    if (shares(other, run) && has_item(other))
      return other;
  }
  return NULL;
}

static void set_action(neap__record *record, uint8_t stage,
                       const neap_run *run) {
  record->stage = stage;
  record->action = run->step.action;
  record->action_size = run->step.action_size;
}

/* Exec of the frame, or what replaces it, is under way with nothing inside. */
static void set_exec(neap__record *record, const frame *f) {
  bool begins = !f->is_item && !has_inside(f) && f->kept == KEPT_NOTHING;
  record->stage = begins ? NEAP__BEGIN : NEAP__EXEC;
}

static void set_wait(neap__record *record, const frame *f,
                     const neap_run *run) {
  set_exec(record, f);
  bool begins = record->stage == NEAP__BEGIN;
  record->stage = begins ? NEAP__LATER : NEAP__WAIT;
  record->attempt = f->attempt + (begins ? 1 : 0);
  record->delay_ns = run->step.delay_ns;
}

static void set_fallback(neap__record *record, const frame *f) {
  if (has_inside(f))
    record->stage = NEAP__FALLBACK;
  else
    set_exec(record, f);
}

static int set_items(neap__record *record, const frame *f,
                     const neap_run *run) {
  const neap__batch *b = f->batch;
  if (b->broken)
    return NEAP_EAGAIN;
  record->stage = NEAP__ITEMS;
  record->count = b->count;
  record->next = b->next;
  record->failed = b->failed;
  record->over = b->over;
  if (f != top(run)) {
    record->failed -= fails_again(run, (uint32_t)(f - run->frames) + 1);
    return 0;
  }
  for (neap_link *link = run->children.next; link != &run->children;
       link = link->next) {
    const neap_run *worker = NEAP__ITEM(link, neap_run, sibling);
    if (!shares(worker, run))
      continue;
    if (top(worker)->state == ENDED && worker->step.failed)
      return NEAP_EAGAIN;
    record->failed -= fails_again(worker, 1);
  }
  return 0;
}

/* An attempt that is left to another run. */
static int set_attempt(neap__record *record, const frame *f,
                       const neap_run *run) {
  const neap_run *child = run->attempt;
  bool is_ended = child && top(child)->state == ENDED;
  if (is_ended && child->step.failed)
    return NEAP_EAGAIN;
  if (run->resume || (child && child->depth > 0))
    record->stage = NEAP__INSIDE;
  else if (!child || !has_inside(f))
    set_exec(record, f);
  else if (!is_ended && top(child)->state != RETURNING)
    return NEAP_EAGAIN;
  else if (f->is_item && f->node->opts.kind == NEAP_BATCH_FLOW)
    record->stage = NEAP__DONE;
  else
    set_action(record, NEAP__RETURNED, child);
  return 0;
}

static int set_executing(neap__record *record, const frame *f,
                         const neap_run *run) {
  if (run->step.what == NEAP_DO_RAISE)
    return NEAP_EAGAIN;
  if (run->step.what == NEAP_DO_ATTEMPT)
    return set_attempt(record, f, run);
  set_exec(record, f);
  return 0;
}

static int set_post(neap__record *record, const frame *f, const neap_run *run) {
  if (neap__node_has_items(f->node))
    return set_items(record, f, run);
  if (f->kept == KEPT_RESULT)
    record->stage = NEAP__POST;
  else if (!has_inside(f))
    set_exec(record, f);
  else if (f->fell_back)
    record->stage = NEAP__FALLBACK;
  else
    set_action(record, NEAP__RETURNED, run);
  return 0;
}

/* An item has ended, and the host has not kept its result so far. */
static int set_item_end(neap__record *record, const frame *f,
                        const neap_run *run) {
  if (run->step.failed || !has_inside(f))
    record->stage = NEAP__EXEC;
  else if (f->node->opts.kind == NEAP_BATCH_FLOW)
    record->stage = NEAP__DONE;
  else if (f->fell_back)
    record->stage = NEAP__FALLBACK;
  else if (f->node->opts.timeout_ns > 0)
    return NEAP_EAGAIN; /* another run has had the action */
  else
    set_action(record, NEAP__RETURNED, run);
  return 0;
}

/* How far the frame on top has come. */
static int set_stage(neap__record *record, const frame *f,
                     const neap_run *run) {
  switch (f->state) {
  case ENTERING:
    record->delay_ns = run->step.delay_ns;
    record->stage = record->delay_ns > 0 ? NEAP__LATER : NEAP__BEGIN;
    return 0;
  case PREPARING:
    record->stage = NEAP__BEGIN;
    return 0;
  case EXECUTING:
    return set_executing(record, f, run);
  case LISTING:
    record->stage = f->kept == KEPT_NOTHING ? NEAP__BEGIN : NEAP__EXEC;
    return 0;
  case WAITING:
    set_wait(record, f, run);
    return 0;
  case FALLING_BACK:
    set_fallback(record, f);
    return 0;
  case RETURNING:
  case WARNING_INSIDE:
    set_action(record, NEAP__RETURNED, run);
    return 0;
  case POSTING:
    return set_post(record, f, run);
  case WARNING:
  case LEAVING:
    set_action(record, NEAP__DONE, run);
    return 0;
  case FORKING:
  case JOINING:
  case FETCHING:
  case TAKING_TURN:
    return set_items(record, f, run);
  case ENDING_ITEM:
    return set_item_end(record, f, run);
  default: /* a failure is under way */
    return NEAP_EAGAIN;
  }
}

/* Where a worker wants another before it begins with its item. */
static void write_waiting_item(neap__writer *w, const neap_run *run,
                               uint32_t base) {
  neap__record record = {.is_item = true,
                         .index = run->step.index,
                         .depth = base + 1,
                         .stage = NEAP__EXEC};
  if (run->resume)
    neap__place_write(w, run->resume, base + 1);
  else
    neap__write_record(w, &record);
}

static int write_frame(neap__writer *w, const neap_run *run, uint32_t depth,
                       uint32_t base) {
  const frame *f = &run->frames[depth];
  neap__record record = {.depth = base + depth,
                         .attempt = f->attempt,
                         .is_item = f->is_item,
                         .stage = NEAP__INSIDE};
  if (f->is_item) {
    record.index = f->index;
  } else {
    record.name = f->node->opts.name;
    record.name_size = strlen(record.name);
    record.kind = f->node->opts.kind;
    record.visit = f->visit;
  }
  int status = 0;
  if (depth == run->depth)
    status = set_stage(&record, f, run);
  else if (!f->is_item && neap__node_has_items(f->node))
    status = set_items(&record, f, run);
  if (status < 0)
    return status;
  neap__write_record(w, &record);
  if (record.stage == NEAP__ITEMS)
    for (const neap__place *p = f->batch->again; p; p = p->next)
      neap__place_write(w, p, record.depth + 1);
  return 0;
}

/* Writes the frames of a run; `base` is the depth of the first. */
static int write_run(neap__writer *w, const neap_run *run, uint32_t base) {
  const frame *last = top(run);
  for (uint32_t i = run->root == NEAP_ROOT_VISIT ? 0 : 1; i <= run->depth;
       i++) {
    const frame *f = &run->frames[i];
    if (f == last && (is_over(f) || f->state == RESUMING))
      break;
    int status = write_frame(w, run, i, base);
    if (status < 0)
      return status;
  }
  if (run->root == NEAP_ROOT_WORKER && run->depth == 0)
    write_waiting_item(w, run, base);
  else if (last->state == RESUMING)
    neap__place_write(w, run->resume, base + run->depth);
  else if (run->resume)
    neap__place_write(w, run->resume, base + run->depth + 1);
  return 0;
}

/* The first of the runs that work for `run` and have something to be saved. */
static const neap_run *first_inside(const neap_run *run) {
  const frame *f = top(run);
  if (run->step.what == NEAP_DO_ATTEMPT) {
    const neap_run *child = run->attempt;
    return child && child->depth > 0 ? child : NULL;
  }
  bool is_worker = run->depth == 0 && run->root == NEAP_ROOT_WORKER;
  return !f->is_item && neap__node_has_items(f->node) && f->batch && !is_worker
             ? next_worker(run, NULL)
             : NULL;
}

static const neap_run *next_beside(const neap_run *run) {
  return run->root == NEAP_ROOT_WORKER ? next_worker(run->parent, run) : NULL;
}

/* Writes a run and all that work for it, the outer before the inner. */
static int write_all(neap__writer *w, const neap_run *outermost) {
  uint32_t base = 0;
  for (const neap_run *run = outermost;;) {
    int status = write_run(w, run, base);
    if (status < 0)
      return status;
    const neap_run *next = first_inside(run);
    if (next)
      base += run->depth;
    while (!next && run != outermost) {
      next = next_beside(run);
      if (next)
        break;
      run = run->parent;
      base -= run->depth;
    }
    if (!next)
      return 0;
    run = next;
  }
}

int neap_run_save(const neap_run *run, void *bytes, size_t room, size_t *size) {
  if (!run || !size || (!bytes && room > 0))
    return NEAP_EINVAL;
  run = run->top;
  if (top(run)->state == ENDED)
    return NEAP_EENDED;
  neap__writer w = {.bytes = bytes, .room = room};
  const neap__head head = {
      .steps = run->steps, .visits = run->visits, .random = run->random};
  neap__write_head(&w, &head);
  int status = write_all(&w, run);
  if (status < 0)
    return status;
  *size = w.size;
  return w.size > room ? NEAP_ETOOBIG : 0;
}

int neap_run_keep(neap_run *run) {
  if (!run)
    return NEAP_EINVAL;
  bool is_attempt = run->root == NEAP_ROOT_ATTEMPT && run->depth == 0;
  if (is_attempt)
    run = run->parent;
  frame *f = &run->frames[run->depth];
  switch (f->state) {
  case LISTING:
  case EXECUTING:
  case WAITING:
  case FALLING_BACK:
    f->kept = KEPT_PREP;
    return 0;
  case POSTING:
  case ENDING_ITEM:
    f->kept = KEPT_RESULT;
    return 0;
  default:
    return NEAP_EINVAL;
  }
}
