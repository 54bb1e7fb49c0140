/* Runs that are saved and loaded, told in words.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SPEC_RUN_SAVED_H
#define NEAP_SPEC_RUN_SAVED_H

#include "run_text.h"

enum { SAVED_ROOM = 4096 };

typedef struct saved {
  uint8_t bytes[SAVED_ROOM];
  size_t size;
} saved;

/* Builds the flow of a graph (run_text.h); begins a run of its first node. */
neap_flow *saved_build(text_run *t, const char *graph);
neap_run *saved_begin(text_run *t, const char *graph);

/* Frees a run and the flow. */
void saved_end(text_run *t, neap_run *run);

/* Answers some steps well; a batch has three items. */
const neap_step *saved_go(neap_run *run, int steps);

void saved_save(const neap_run *run, saved *out);
neap_run *saved_load(text_run *t, const saved *s);

/* Saves a run, frees it, and loads it. */
neap_run *saved_die(text_run *t, neap_run *run);

/* Makes a run that works for another. */
neap_run *saved_add(neap_run *parent, neap_flow *flow, neap_root root);

/* Drives a run to its end, or to where it needs others, and compares what it
 * tells: a word for each step, nearly as in run_text.h, with "!" behind what is
 * done again, and the attempt behind visits. */
void saved_tells(neap_run *run, const char *expected);

#endif
