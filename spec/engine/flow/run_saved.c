/* Runs that are saved and loaded, told in words.
 * SPDX-License-Identifier: MIT */
#include "run_saved.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

neap_flow *saved_build(text_run *t, const char *graph) {
  *t = (text_run){.graph = graph};
  assert_int_equal(0, text_build(t, NULL));
  return t->flow;
}

neap_run *saved_begin(text_run *t, const char *graph) {
  saved_build(t, graph);
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  opts.seed = 42;
  neap_run *run;
  assert_int_equal(0, neap_run_new(t->flow, t->nodes[0], &opts, &run));
  return run;
}

void saved_end(text_run *t, neap_run *run) {
  neap_run_free(run);
  neap_flow_free(t->flow);
}

const neap_step *saved_go(neap_run *run, int steps) {
  const neap_step *step = neap_run_step(run);
  for (int i = 0; i < steps; i++)
    step = step->what == NEAP_DO_ITEMS &&
                   neap_node_kind(step->node) != NEAP_PARALLEL
               ? neap_run_items(run, 3)
               : neap_run_ok(run);
  return step;
}

void saved_save(const neap_run *run, saved *out) {
  assert_int_equal(0, neap_run_save(run, out->bytes, SAVED_ROOM, &out->size));
}

neap_run *saved_load(text_run *t, const saved *s) {
  neap_run *run;
  assert_int_equal(0, neap_run_load(t->flow, t->nodes[0], s->bytes, s->size,
                                    NULL, NULL, &run));
  return run;
}

neap_run *saved_die(text_run *t, neap_run *run) {
  saved s, again;
  saved_save(run, &s);
  neap_run_free(run);
  run = saved_load(t, &s);
  saved_save(run, &again);
  assert_int_equal(s.size, again.size);
  assert_memory_equal(s.bytes, again.bytes, s.size);
  return run;
}

/* Appends a word for a step: as in run_text.h, with "!" behind what is done
 * again. */
static size_t tell(char *at, size_t room, const neap_run *run,
                   const neap_step *step) {
  const char *name =
      step->what == NEAP_DO_END ? "" : neap_node_name(step->node);
  const char *again = neap_run_redoes(run) ? "!" : "";
  int action = (int)step->action_size;
  const char *bytes = step->action ? step->action : "";
  switch (step->what) {
  case NEAP_DO_ENTER:
    return (size_t)snprintf(at, room, "+%s%u%s ", name, step->attempt, again);
  case NEAP_DO_RESUME:
    return (size_t)snprintf(at, room, "~%s%u ", name, step->attempt);
  case NEAP_DO_CALL:
    return (size_t)snprintf(at, room, "%s.%s%u ", name,
                            neap_phase_name(step->phase), step->attempt);
  case NEAP_DO_RETURN:
    return (size_t)snprintf(at, room, "%s<%.*s ", name, action, bytes);
  case NEAP_DO_WAIT:
    return (size_t)snprintf(at, room, "%s:wait(%d) ", name,
                            (int)step->delay_ns);
  case NEAP_DO_FETCH:
    return (size_t)snprintf(at, room, "%s:fetch(%d)%s ", name, (int)step->index,
                            again);
  case NEAP_DO_ITEM_END:
    return (size_t)snprintf(at, room, "%s:item(%d)%s ", name, (int)step->index,
                            step->failed ? "x" : "");
  case NEAP_DO_FORK:
    return (size_t)snprintf(at, room, "%s:fork(%u) ", name, step->count);
  case NEAP_DO_ITEMS:
    return (size_t)snprintf(at, room, "%s:items ", name);
  case NEAP_DO_ATTEMPT:
    return (size_t)snprintf(at, room, "%s:attempt ", name);
  case NEAP_DO_LEAVE:
    return (size_t)snprintf(at, room, "-%s ", name);
  case NEAP_DO_WARN:
    return (size_t)snprintf(at, room, "%s:warn(%.*s) ", name, action, bytes);
  case NEAP_DO_END:
    return (size_t)snprintf(at, room, step->failed ? "failed" : "end");
  default:
    return (size_t)snprintf(at, room, "? ");
  }
}

void saved_tells(neap_run *run, const char *expected) {
  char text[1024];
  size_t size = 0;
  const neap_step *step = neap_run_step(run);
  for (;; step = saved_go(run, 1)) {
    size += tell(text + size, sizeof text - size, run, step);
    assert_in_range(size, 0, sizeof text - 1);
    if (step->what == NEAP_DO_END || step->what == NEAP_DO_FORK ||
        step->what == NEAP_DO_ATTEMPT)
      break;
  }
  assert_string_equal(expected, text);
}

neap_run *saved_add(neap_run *parent, neap_flow *flow, neap_root root) {
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  opts.root = root;
  opts.parent = parent;
  neap_run *run;
  assert_int_equal(0, neap_run_new(flow, NULL, &opts, &run));
  return run;
}
