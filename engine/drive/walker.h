/* Walkers, which take the steps of a run, and the courses that they belong to.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_DRIVE_WALKER_H
#define NEAP_DRIVE_WALKER_H

#include "call.h"

typedef enum neap__waiting {
  NEAP__READY,    /* to take its next step */
  NEAP__SLEEPING, /* between attempts */
  NEAP__CALLING,  /* for a phase that goes on */
  NEAP__JOINING,  /* for a walker that works for it */
  NEAP__IN_LINE,  /* for its turn to fetch */
} neap__waiting;

typedef struct neap__course neap__course;
typedef struct neap__walker neap__walker;

struct neap__walker {
  neap__course *course;
  neap__walker *parent; /* NULL: it is the root */
  neap_run *run;
  neap_op op;        /* what it waits for; calls `woken` of the course */
  neap_op limit;     /* of an attempt; calls `late` of the course */
  neap_call **calls; /* of the visits by their depth, each *owned* */
  size_t capacity, count, used;
  neap_call *base;     /* of a worker: the call of its batch, in the parent */
  neap_call *active;   /* whose phase goes on */
  neap_link sibling;   /* in `children` or `ended` of the parent */
  neap_link children;  /* those that work for it */
  neap_link ended;     /* those of them that have ended, and are to be joined */
  neap_link turns;     /* of walkers that wait to fetch from its batch */
  neap_link line;      /* in such a list */
  neap__reason reason; /* why it has failed */
  neap_place place;    /* where */
  char *path;          /* *owned*: the path there; NULL: it is not known */
  bool failed;
  uint8_t waiting; /* a neap__waiting */
};

/* A run that neap_start has begun. */
struct neap__course {
  neap_engine *engine;
  neap_flow *flow;
  neap_ticket *ticket;
  neap_link link; /* in `courses` of the engine */
  neap_value shared, params;
  uint64_t seed;
  void *data;
  neap_op limit;
  neap__walker *root;
  neap_op_fn woken, late;
};

/* Makes a walker with a run of its own. `opts` says which part of the flow that
 * is; its seed and data are set here. */
int neap__walker_new(neap__course *course, neap__walker *parent,
                     const neap_node *node, neap_run_opts *opts,
                     neap__walker **out);

/* Has `woken` be called from neap_poll. */
void neap__walker_wake(neap__walker *w);

/* The call of the visit at a depth. */
neap_call *neap__walker_call(neap__walker *w, uint32_t depth);

/* Begin the call of what the step of the run begins: of the visit; of the item
 * that has been fetched; and, in a walker that has just been made, of the
 * attempt that the parent's step asks for. Each may fail. */
int neap__walker_visit(neap__walker *w, const neap_step *step);
int neap__walker_item(neap__walker *w, const neap_step *step);
int neap__walker_attempt(neap__walker *w, neap_call *of);

/* Gives back what is kept of the visits from a depth on. */
void neap__walker_clear(neap__walker *w, uint32_t depth);

/* It has not failed, or that has been handled. */
void neap__walker_forget_failure(neap__walker *w);

/* Notes where the run is, or has failed, unless a walker that worked for it
 * knows better. */
void neap__walker_note_place(neap__walker *w);

/* Stops a walker and those that work for it, innermost first. It has failed
 * then, and its parent can join it. Runs code of the host's, but no walker. */
void neap__walker_stop(neap__walker *w, int status);

/* Does the same and frees it. */
void neap__walker_free(neap__walker *w);

#endif
