/* The events of runs that the engine drives.
 * SPDX-License-Identifier: MIT */
#include "tell.h"

#include <stdio.h>

/* How much of a warning is told. */
enum { WARNING_SIZE = 256 };

/* Makes an event about the visit at a depth. */
static neap_event make_event(const neap_run *run, neap_event_kind kind,
                             uint32_t depth) {
  uint64_t since;
  return (neap_event){.kind = kind,
                      .run = run,
                      .depth = depth,
                      .count = NEAP_UNCOUNTED,
                      .visit = neap_run_visit(run, depth, &since)};
}

/* The step that a run is at; it is only read. */
static const neap_step *step_of(const neap_run *run) {
  return neap_run_step((neap_run *)run);
}

void neap__tell_enter(neap_engine *engine, neap_run *run) {
  if (!neap_is_watched(engine))
    return;
  neap_run_watch(run, neap_now(engine));
  neap_event event =
      make_event(run, NEAP_EVENT_NODE_START, step_of(run)->depth);
  neap_emit(engine, &event);
}

/* Reports the end of a visit, with its action unless it has failed. */
static void tell_node_end(neap_engine *engine, const neap_run *run,
                          uint32_t depth, const neap_step *step) {
  neap_event event = make_event(run, NEAP_EVENT_NODE_END, depth);
  uint64_t since, now = neap_now(engine);
  neap_run_visit(run, depth, &since);
  event.spent_ns = now > since ? now - since : 0;
  event.failed = !step || step->failed;
  if (!event.failed) {
    event.action = step->action;
    event.action_size = step->action_size;
  }
  neap_emit(engine, &event);
}

void neap__tell_leave(neap_engine *engine, const neap_run *run) {
  const neap_step *step = step_of(run);
  if (neap_is_watched(engine))
    tell_node_end(engine, run, step->depth, step);
}

void neap__tell_end(neap_engine *engine, neap_run *run) {
  neap_place place;
  neap_run_place(run, &place);
  for (uint32_t depth = place.depth + 1; depth-- > 0;)
    if (neap_run_unwatch(run, depth) && neap_is_watched(engine))
      tell_node_end(engine, run, depth, NULL);
}

void neap__tell_items(neap_engine *engine, const neap_run *run,
                      uint64_t count) {
  const neap_step *step = step_of(run);
  if (!neap_is_watched(engine))
    return;
  neap_event event = make_event(run, NEAP_EVENT_BATCH_START, step->depth);
  event.count = count;
  event.concurrency = neap_node_concurrency(step->node);
  neap_emit(engine, &event);
}

void neap__tell_item_start(neap_engine *engine, const neap_run *run) {
  const neap_step *step = step_of(run);
  if (!neap_is_watched(engine))
    return;
  neap_event event = make_event(run, NEAP_EVENT_ITEM_START, step->depth);
  event.index = step->index;
  neap_emit(engine, &event);
}

void neap__tell_item_end(neap_engine *engine, const neap_run *run) {
  const neap_step *step = step_of(run);
  if (!neap_is_watched(engine))
    return;
  neap_event event =
      neap_node_kind(step->node) == NEAP_PARALLEL
          ? make_event(run, NEAP_EVENT_BRANCH_END, step->depth)
          : make_event(run, NEAP_EVENT_ITEM_END, step->depth - 1);
  event.index = step->index;
  event.failed = step->failed;
  neap_emit(engine, &event);
}

void neap__tell_failure(neap_engine *engine, const neap_run *run) {
  const neap_step *next = step_of(run);
  bool falls_back = next->what == NEAP_DO_CALL && next->phase == NEAP_FALLBACK;
  bool walks_again = next->what == NEAP_DO_ENTER;
  bool retries = next->what == NEAP_DO_WAIT || next->what == NEAP_DO_ATTEMPT ||
                 (next->what == NEAP_DO_CALL && next->phase == NEAP_EXEC) ||
                 walks_again;
  if (!neap_is_watched(engine) || !(falls_back || retries))
    return;
  uint32_t depth = next->depth - walks_again; /* that of the flow */
  neap_event event = make_event(
      run, falls_back ? NEAP_EVENT_FALLBACK : NEAP_EVENT_RETRY, depth);
  /* Without a wait, the next attempt has begun already. */
  bool begun = !falls_back && next->what != NEAP_DO_WAIT;
  event.attempt = neap_run_attempt(run, depth) - begun;
  event.failed = true;
  if (next->what == NEAP_DO_WAIT)
    event.delay_ns = next->delay_ns;
  neap_emit(engine, &event);
}

void neap__tell_warning(neap_engine *engine, const neap_run *run) {
  const neap_step *step = step_of(run);
  if (!neap_is_watched(engine))
    return;
  char text[WARNING_SIZE];
  const char *action = step->action ? step->action : "default";
  int size = step->action ? (int)step->action_size : 7;
  snprintf(text, sizeof text, "%s has no successor for the action '%.*s'",
           neap_node_name(step->node), size, action);
  neap_event event = make_event(run, NEAP_EVENT_WARNING, step->depth);
  event.message = text;
  neap_emit(engine, &event);
}
