/* A host of the smallest kind, which drives a run and those it asks for.
 * SPDX-License-Identifier: MIT
 *
 * It takes one step of each run in turn, so that workers interleave always in
 * the same way. What nodes do is up to `decide`; what happens is shown to
 * `watch`. Time does not exist: a wait is over at once, and the timeout of an
 * attempt passes when nothing else can go on.
 *
 * A host may die at any step: then it saves its run, frees all that it has, and
 * goes on with a run that it loads. */
#ifndef NEAP_SPEC_RUN_HOST_H
#define NEAP_SPEC_RUN_HOST_H

#include "neap.h"

enum { HOST_DEPTH = 64, HOST_DEATHS = 40 };

typedef enum host_reply {
  HOST_OK = 0,
  HOST_NONE,
  HOST_FAIL,
  HOST_ACTION,
  HOST_ITEMS,
  HOST_LATER, /* asks again in the next round */
  HOST_NEVER, /* until somebody stops the run */
} host_reply;

typedef struct host_answer {
  host_reply reply;
  neap_failure failure;
  uint64_t count;
  const char *action;
} host_answer;

/* What the host keeps for a visit. `key` depends on the way to it alone (the
 * nodes before it, attempts, indices of items), not on what other runs do. */
typedef struct host_scope {
  uint64_t key;
  uint64_t last; /* the key of the visit inside that was the last to begin */
  uint32_t attempt;
  char action[16]; /* that of an attempt by another run */
} host_scope;

/* What it keeps with the bytes of a run that it has saved. */
typedef struct host_kept {
  uint64_t path;
  host_scope scope;
} host_kept;

/* When a host dies. */
typedef enum host_death {
  HOST_LIVES = 0,
  HOST_DIES_AT_ENTER, /* each time that a visit begins */
  HOST_DIES_ANYWHERE, /* now and then, at any step, HOST_DEATHS times */
} host_death;

typedef struct host_task host_task;
struct host_task {
  struct host *host;
  neap_run *run; /* NULL once freed */
  host_task *parent, *next;
  int number; /* 0: the run that host_run was called for */
  neap_root root;
  unsigned ended_at; /* 0: not yet */
  bool seen;         /* the step has been shown */
  bool stuck;        /* for ever */
  bool unwound;      /* the last answer sent the run back */
  bool failed;
  neap_failure failure; /* that made it fail */
  host_scope scopes[HOST_DEPTH];
};

typedef struct host {
  void *ud;
  host_answer (*decide)(host_task *task, const neap_step *step);
  void (*watch)(host_task *task, const neap_step *step);
  host_death death;
  int deaths; /* so far */

  /* Private to the host. */
  neap_flow *flow;
  host_task *tasks, *last;
  int count;
  unsigned clock;
  const neap_node *root;
  uint64_t max_steps, random;
  host_kept *kept;
  size_t kept_count, kept_room;
} host;

/* Mixes two numbers into one that no other two are likely to give. */
uint64_t host_mix(uint64_t a, uint64_t b);

/* The keys of an item, of an attempt, and of the visit that follows another. No
 * two of them are the same. */
uint64_t host_item_key(uint64_t key, uint64_t index);
uint64_t host_attempt_key(uint64_t key, uint64_t attempt);
uint64_t host_next_key(uint64_t key);

/* Drives a run of `node` until it has ended and frees it. Returns NEAP_EFAILED
 * when it failed, NEAP_ENOMEM when it could not be made. */
int host_run(host *h, neap_flow *flow, const neap_node *node,
             const neap_run_opts *opts);

#endif
