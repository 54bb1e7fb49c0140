/* What a flow means, in the plainest way, and flows made by chance.
 * SPDX-License-Identifier: MIT
 *
 * The model consists of functions that call each other: a visit calls its walk
 * or its branches, these their visits. How a call ends depends on a number
 * drawn from the way to it (host_scope), so that it ends alike in whichever
 * order items come to their turn. What really happens is told as a story, too,
 * and compared. */
#ifndef NEAP_SPEC_RUN_MODEL_H
#define NEAP_SPEC_RUN_MODEL_H

#include "run_host.h"

enum {
  NODES = 7,
  WIRES = 3,
  BRANCHES = 3,
  EVENTS = 100000,
  MAX_STEPS = 400,
};

extern const char *const model_actions[4];

typedef struct plan_node {
  neap_node_opts opts;
  int start;
  int branches[BRANCHES], branch_count;
  int wires[4]; /* for each action: a node, ENDS or UNWIRED */
} plan_node;

enum { ENDS = -1, UNWIRED = -2 };

typedef struct event {
  uint64_t key, number; /* of a wait or an item */
  uint64_t attempt;
  int what, phase; /* no padding: events are compared as bytes */
} event;

/* How much of a story is determined, whoever takes an item first. */
typedef enum plan_sort {
  IN_SEQUENCE, /* every event has its place */
  COLLECTING,  /* which events there are: no item cancels another */
  STOPPING,    /* how it ends */
} plan_sort;

typedef struct plan {
  plan_sort sort;
  uint64_t seed;
  plan_node nodes[NODES];
  uint64_t max_steps;
  unsigned trouble; /* of 100 calls fail */
  /* The engine drives the runs: what it does by itself cannot fail, such as
   * counting items, and is not told. Prep sets the items or leaves it to fetch.
   */
  bool driven;
} plan;

typedef struct story {
  const plan *plan;
  event events[EVENTS];
  size_t count;
  uint64_t steps;
  bool failed;
  const char *action;
} story;

/* What a run ends with by the model. */
typedef struct result {
  bool failed;
  bool fatal; /* past the limit of visits */
  bool stray; /* a flow has no successor for the action that it hands on */
  neap_failure failure;
  const char *action;
  uint64_t counts; /* of a batch: see model_counts */
} result;

/* Makes a plan. Flows hold nodes of higher numbers only and wires lead back no
 * further than to their own node, so that nesting ends. */
void model_make(plan *p, plan_sort sort, uint64_t seed);

/* Tells what a run of the first node does. */
result model_run(story *s);

/* How a call ends, as a number drawn from the way to it says. */
host_answer model_answer(const plan *p, const plan_node *node, neap_do what,
                         neap_phase phase, uint64_t key, uint64_t number);

/* Whether the end of a visit is told. */
bool model_is_watched(const plan *p, uint64_t key);

void model_tell(story *s, uint64_t key, int what, int phase, uint32_t attempt,
                uint64_t number);

/* One number for how many items there were, and how many of them failed. */
uint64_t model_counts(uint64_t items, uint64_t failed);

/* The number of one of model_actions; NULL is the first. */
int model_number(const char *action);

bool model_walks(const plan_node *n);

/* Wires the nodes of a flow, and seals it. Returns a status. */
int model_wire(const plan *p, neap_flow *flow, neap_node *const *nodes);

/* Fails unless both stories are the same, as far as their plan says, and have
 * taken as many steps. */
void model_compare(story *expected, story *actual);

#endif
