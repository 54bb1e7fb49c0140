/* Graphs, what their nodes do and what a run asks for, written as text.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SPEC_RUN_TEXT_H
#define NEAP_SPEC_RUN_TEXT_H

#include "neap.h"

enum { TEXT_NODES = 16, TEXT_LINES = 32, TEXT_TRACE = 8192 };

/* A graph: statements between semicolons. One declares a node by its name and
 * words: a kind (flow, batch, batchflow, parallel; else a plain node), its
 * methods (prep, exec, fallback, post, or all), options (collect, strict,
 * tries=3, wait=10, backoff=2, cap=25, jitter=0.5, timeout=5, at=2 items at
 * once), start=A, and branch=A for each branch of a parallel. The others wire:
 * "A > B", "A -action> B", "A -action> END". The first node is the root.
 *
 * A script: statements "A.exec: ! ." say how the calls of a phase end, one
 * word each, and well when there are no more: "." well, "!" badly, "!7" badly
 * with 7 ns to wait at least, "!!" finally, "~" not in this round, "never".
 * After post any other word is the action. "A.items: 3" or "*" (uncounted),
 * "A.fetch: . . -" ("-": no more; "?": an item that is of no use). "max: 3"
 * limits the visits.
 *
 * A trace: a word for each step, with "~" behind those whose failure would be
 * caught, and the number of the run before those of a child ("2:"):
 * "+A" enter, "~A" resume, "A.exec1" a call with its attempt (0 is left out),
 * "F<x" return with an action, "P[0]<x" the same of a branch, "A:wait(5)",
 * "A:attempt1", "B:items", "B:fork(2)", "B:join", "B:stop", "B:fetch(0)",
 * "B:turn", "B:item(0)" the end of one, "x" behind it when it failed,
 * "A:warn(x)", "A:raise(EACTION)", "-A" the end of a visit that is watched, "x"
 * behind it when it failed, "end(x)", and "failed" with the place where:
 * "failed@F/B/B[2]/A.exec1". */
typedef struct text_run {
  const char *graph;
  const char *script;

  neap_flow *flow;
  neap_node *nodes[TEXT_NODES]; /* in the order of the graph */
  int count;
  const char *lines[TEXT_LINES]; /* of the script that have been used */
  int used[TEXT_LINES];          /* how many words of them */
  char words[TEXT_LINES][16];    /* actions, which must stay */
  char trace[TEXT_TRACE];
  size_t size;
  bool out_of_memory; /* was raised */
} text_run;

/* Builds the graph of *t and seals it. Afterwards, also when this failed, free
 * t->flow. */
int text_build(text_run *t, const neap_alloc *alloc);

/* Builds the graph, drives a run of it and frees all. Returns the status of the
 * run; t->trace tells the story. */
int text_play(text_run *t, const neap_alloc *alloc);

#endif
