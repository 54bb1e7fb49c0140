/* What a run consists of, for the files that make it, save it and load it.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_FLOW_RUN_H
#define NEAP_FLOW_RUN_H

#include "place.h"

enum state {
  ENTERING,
  PREPARING,
  EXECUTING, /* a call, a walk inside, or an attempt by another run */
  WAITING,
  RETURNING,
  FALLING_BACK,
  POSTING,
  WARNING,
  WARNING_INSIDE, /* the same, of an action that the walk inside ended with */
  RAISING,
  LEAVING, /* a visit that is watched has ended */
  LEAVING_FAILED,
  LISTING, /* from here on of batches */
  FORKING,
  JOINING,
  STOPPING,
  FETCHING,
  TAKING_TURN,
  ENDING_ITEM,
  RESUMING, /* a visit of a run that has been loaded is to go on */
  ENDED,    /* the run has; no answer changes anything */
};

/* What the runs that share a batch know of it. It lives as long as any of them:
 * a host may answer a worker although the run that forked it has gone on. */
typedef struct neap__batch {
  uint64_t count; /* of items; NEAP_UNCOUNTED: unknown until the last fetch */
  uint64_t next;  /* the index of the item to be fetched next */
  uint64_t failed;
  neap__place *again; /* *owned*: items to be fetched before that, which had
                         begun when the run was saved, by ascending index */
  uint32_t workers;   /* that have not been joined */
  uint32_t busy;      /* how many of them have an item */
  uint32_t holders;   /* frames that have the batch: of each run one */
  bool fetching;
  bool over;   /* no further item is to be fetched */
  bool broken; /* a worker has failed, the first with `failure` */
  neap_failure failure;
} neap__batch;

/* What of a visit the host has kept: where a run that is loaded need not begin
 * again. */
enum kept { KEPT_NOTHING, KEPT_PREP, KEPT_RESULT };

typedef struct neap__frame {
  const neap_node *node;
  union {
    neap__batch *batch; /* of a visit of a batch, once its items have begun */
    uint64_t index;     /* of an item */
  };
  uint64_t note;            /* the host's */
  uint64_t visit, since_ns; /* its number and its begin, where it is watched */
  uint32_t attempt;
  uint8_t state;
  bool is_item;
  bool caught;        /* a frame below would handle a failure of this visit */
  bool watched : 1;   /* the end of the visit is to be a step */
  bool again : 1;     /* it had begun when the run was saved */
  bool fell_back : 1; /* the result of exec is that of the fallback */
  uint8_t kept : 2;
} neap__frame;

struct neap_run {
  neap_flow *flow;
  neap_run *top; /* the outermost parent, whose steps are counted */
  neap_run *parent;
  neap_link children; /* runs that have it as parent, in order of their begin */
  neap_link sibling;
  neap_run *attempt; /* that makes the attempt which the step asks for */
  void *data;
  neap__frame *frames;
  size_t capacity;
  uint32_t depth; /* of the top frame */
  uint8_t root;
  uint64_t steps, max_steps;
  uint64_t visits; /* that were watched, also in the runs that work for it */
  uint64_t random;
  neap__place *resume;  /* *owned*: where the run has to go on from, as long as
                           it has been loaded and is not there yet */
  neap__place *reached; /* *owned*: of which the action may be in use */
  neap_place failed_at;
  neap_failure failure; /* with which the run unwinds, in LEAVING_FAILED */
  neap_step step; /* its action is that of the visit that has ended last */
  neap__frame inline_frames[2];
};

/* Makes a run, without a step so far. *out is *owned*. */
int neap__run_make(neap_flow *flow, const neap_run_opts *opts, neap_run **out);

/* Has a new run of `node` go on from a place, which it takes. */
void neap__run_resume(neap_run *run, const neap_node *node, neap__place *from);

#endif
