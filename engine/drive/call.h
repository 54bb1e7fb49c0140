/* Calls: what a phase in C sees, and what is kept of a visit between phases.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_DRIVE_CALL_H
#define NEAP_DRIVE_CALL_H

#include "base/list.h"
#include "loop/token.h"
#include "reason.h"

/* A value of the host's, and how it is given back. */
typedef struct neap__result {
  void *value;
  void (*drop)(void *value);
} neap__result;

/* What `phase` of a call is while an item is fetched. */
enum { NEAP__CALL_FETCHING = NEAP_POST + 1 };

struct neap_call {
  neap_alloc alloc;
  neap_engine *engine;
  neap_run *run; /* whose step is done */
  const neap_node *node;
  neap_ticket *ticket;
  neap_call *outer; /* of an item, the batch; of an attempt, what it is of */
  neap_value shared, params, item;
  void (*drop_item)(void *item);
  uint64_t index;
  uint32_t depth, attempt;
  uint8_t phase; /* a neap_phase, or one of the numbers above them */
  bool is_item;

  neap__result prep, exec;
  neap__result *results; /* of the items */
  size_t result_count;
  void *items; /* as neap_call_set_items has got them */
  size_t item_size;
  uint64_t item_count;
  neap__result fetched; /* and not yet taken by an item */
  uint64_t next;        /* the index of that */
  bool has_items, has_fetched;

  char *action; /* in `room` or at `heap` */
  char *heap;   /* *owned*, of `action_room` bytes; NULL: there is none */
  size_t action_size, action_room;
  bool has_action;
  char room[24];
  neap__reason reason;  /* of this step */
  neap__reason earlier; /* for fallback: of the last attempt */

  neap__addressee addressee;
  neap_link link; /* in `calls` of the engine while it goes on */
  neap_op *op;    /* that waits for it; NULL: none does */
  bool goes_on, arrived;
  int status; /* with which it has been completed */
};

/* Makes a call in memory of the caller's; it cannot fail. */
void neap__call_init(neap_call *call, neap_engine *engine,
                     const neap_call_opts *opts);

/* Cancels what goes on, and drops all that the call has. It can be made again.
 */
void neap__call_clear(neap_call *call);

/* Lets go of the phases that go on, in the child of a fork: what they have
 * begun is the parent's, so none is cancelled. */
void neap__calls_disown(neap_engine *engine);

/* Copies an action to where it stays until the call is cleared, or another is
 * kept; NULL is "default". */
int neap__call_keep_action(neap_call *call, const char *action, size_t size);

/* How many items a batch has, as far as its prep has said. */
uint64_t neap__call_count(const neap_call *call);

/* Cancels the phases that go on in an engine that is being freed. */
void neap__calls_close(neap_engine *engine);

#endif
