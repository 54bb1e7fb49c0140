/* Walkers, which take the steps of a run, and the courses that they belong to.
 * SPDX-License-Identifier: MIT */
#include "walker.h"

#include <string.h>

#include "base/alloc.h"
#include "flow/node.h"
#include "loop/engine.h"
#include "loop/op.h"
#include "path.h"
#include "tell.h"

typedef neap__walker walker;

/* How much of a path is looked at before there is memory for it. */
enum { PATH_SIZE = 128 };

static const neap_alloc *alloc_of(const walker *w) {
  return &w->course->engine->alloc;
}

/* Knuth's linear congruential generator, for seeds that differ. */
static uint64_t next_seed(neap__course *course) {
  course->seed = course->seed * UINT64_C(6364136223846793005) +
                 UINT64_C(1442695040888963407);
  return course->seed;
}

int neap__walker_new(neap__course *course, walker *parent,
                     const neap_node *node, neap_run_opts *opts, walker **out) {
  const neap_alloc *alloc = &course->engine->alloc;
  walker *w = neap__alloc(alloc, sizeof *w);
  if (!w)
    return NEAP_ENOMEM;
  opts->parent = parent ? parent->run : NULL;
  opts->seed = next_seed(course);
  opts->data = w;
  int status = neap_run_new(course->flow, node, opts, &w->run);
  if (status < 0) {
    neap__free(alloc, w, sizeof *w);
    return status;
  }
  w->course = course;
  w->parent = parent;
  neap_op_init(&w->op, course->woken, w);
  neap_op_init(&w->limit, course->late, w);
  neap_link *const links[] = {&w->children, &w->ended, &w->turns, &w->line,
                              &w->sibling};
  for (size_t i = 0; i < sizeof links / sizeof *links; i++)
    neap__list_init(links[i]);
  if (parent)
    neap__list_append(&parent->children, &w->sibling);
  *out = w;
  return 0;
}

void neap__walker_wake(walker *w) {
  neap_engine *engine = w->course->engine;
  w->waiting = NEAP__READY;
  neap__op_begin_in(engine, &w->op, &engine->io);
  neap__op_finish(&w->op, 0, 0);
}

neap_call *neap__walker_call(walker *w, uint32_t depth) {
  return depth == 0 && w->base ? w->base : w->calls[depth];
}

void neap__walker_clear(walker *w, uint32_t depth) {
  while (w->used > depth)
    neap__call_clear(w->calls[--w->used]);
}

/* Begins a call at a depth; NEAP_ENOMEM. That at depth 0 of a worker is there,
 * but not in use. */
static int begin_call(walker *w, uint32_t depth, const neap_call_opts *opts) {
  const neap_alloc *alloc = alloc_of(w);
  int status = neap__reserve(alloc, &w->calls, &w->capacity, (size_t)depth + 1,
                             sizeof *w->calls);
  if (status < 0)
    return status;
  for (; w->count <= depth; w->count++) {
    w->calls[w->count] = neap__alloc(alloc, sizeof **w->calls);
    if (!w->calls[w->count])
      return NEAP_ENOMEM;
    w->calls[w->count]->alloc = *alloc;
  }
  neap__walker_clear(w, depth);
  neap__call_init(w->calls[depth], w->course->engine, opts);
  w->used = (size_t)depth + 1;
  return 0;
}

int neap__walker_visit(walker *w, const neap_step *step) {
  neap_call_opts opts = NEAP_CALL_OPTS_INIT;
  opts.ticket = w->course->ticket;
  opts.shared = w->course->shared;
  opts.params = w->course->params;
  if (step->depth > 0) {
    const neap_call *around = neap__walker_call(w, step->depth - 1);
    opts.params = around->params;
    opts.item = around->item;
    opts.index = around->index;
  }
  return begin_call(w, step->depth, &opts);
}

int neap__walker_item(walker *w, const neap_step *step) {
  neap_call *batch = neap__walker_call(w, step->depth);
  neap_call_opts opts = NEAP_CALL_OPTS_INIT;
  opts.ticket = w->course->ticket;
  opts.outer = batch;
  opts.shared = w->course->shared;
  opts.params = batch->params;
  opts.is_item = true;
  opts.index = step->index;
  if (neap__node_is_parallel(step->node))
    opts.item = batch->item;
  int status = begin_call(w, step->depth + 1, &opts);
  if (status == 0 && neap_node_kind(step->node) == NEAP_BATCH_FLOW) {
    neap_call *item = w->calls[step->depth + 1];
    item->params = item->item;
  }
  return status;
}

int neap__walker_attempt(walker *w, neap_call *of) {
  neap_call_opts opts = NEAP_CALL_OPTS_INIT;
  opts.ticket = w->course->ticket;
  opts.outer = of;
  opts.shared = of->shared;
  opts.params = of->params;
  opts.item = of->item;
  opts.index = of->index;
  return begin_call(w, 0, &opts);
}

static void forget_path(walker *w) {
  if (w->path)
    neap__free(alloc_of(w), w->path, strlen(w->path) + 1);
  w->path = NULL;
}

void neap__walker_forget_failure(walker *w) {
  neap__reason_clear(&w->reason, alloc_of(w));
  forget_path(w);
}

void neap__walker_note_place(walker *w) {
  if (w->path)
    return;
  neap_run_place(w->run, &w->place);
  char path[PATH_SIZE];
  size_t size = neap__path(w->run, w->place.depth, path, sizeof path);
  w->path = neap__alloc(alloc_of(w), size + 1);
  if (w->path)
    neap__path(w->run, w->place.depth, w->path, size + 1);
}

static void free_all(neap_link *list) {
  while (!neap__list_empty(list))
    neap__walker_free(NEAP__ITEM(list->next, walker, sibling));
}

/* Gives up what a walker does and waits for. */
static void give_up(walker *w) {
  free_all(&w->children);
  free_all(&w->ended);
  neap_op_forget(&w->op);
  neap_op_forget(&w->limit);
  neap__list_remove(&w->line);
  neap_call *active = w->active;
  w->active = NULL;
  if (active)
    neap_call_cancel(active);
  neap__tell_end(w->course->engine, w->run);
}

void neap__walker_stop(walker *w, int status) {
  give_up(w);
  neap__walker_forget_failure(w);
  w->failed = true;
  w->reason.status = status;
  neap__list_remove(&w->sibling);
  neap__list_append(&w->parent->ended, &w->sibling);
}

void neap__walker_free(walker *w) {
  give_up(w);
  neap__list_remove(&w->sibling);
  neap__walker_clear(w, 0);
  neap__walker_forget_failure(w);
  neap_run_free(w->run);
  const neap_alloc *alloc = alloc_of(w);
  while (w->count > 0)
    neap__free(alloc, w->calls[--w->count], sizeof **w->calls);
  neap__free(alloc, w->calls, w->capacity * sizeof *w->calls);
  neap__free(alloc, w, sizeof *w);
}
