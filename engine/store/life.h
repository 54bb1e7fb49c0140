/* What all stores agree on: when a run goes on, and what two starts have in
 * common.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_STORE_LIFE_H
#define NEAP_STORE_LIFE_H

#include "neap_store.h"

/* What decides where a run is that has no owner, and has not ended. */
typedef struct neap__life {
  neap_store_mark mark;
  bool waits;      /* for a signal */
  bool has_signal; /* that one is there, and has not been taken */
  int64_t due;     /* when its delay is over; 0: it has none */
} neap__life;

neap_store_status neap__life_after(const neap__life *life, int64_t now);

static inline bool neap__life_is_over(neap_store_status status) {
  return status >= NEAP_STORE_DONE;
}

/* Whether the parts of a run are of no more use: it cannot be retried. */
static inline bool neap__life_is_final(neap_store_status status) {
  return status == NEAP_STORE_DONE || status == NEAP_STORE_CANCELLED;
}

/* The status that lists show: a run that waits is waiting, also if it has an
 * owner. */
static inline neap_store_status neap__life_shown(neap_store_status status,
                                                 bool waits) {
  return status == NEAP_STORE_RUNNING && waits ? NEAP_STORE_WAITING : status;
}

/* What a wish does with a run: 0 and its new status and mark; or the status of
 * the call. NEAP_STORE_QUEUED stands for wherever neap__life_after says. */
int neap__life_wish(neap_store_wish wish, neap_store_status *status,
                    neap_store_mark *mark);

/* Writes the names of the variables that a save changes, each followed by a
 * zero; names with a zero in them are left out. Returns their size; `to` may be
 * NULL. */
size_t neap__life_names(const neap_store_save_opts *opts, char *to);

/* A number of 128 bits for what a run is started with, in which the order of
 * variables does not matter. Starts that differ have different ones, but for a
 * chance that is none. */
void neap__life_digest(const neap_store_start_opts *opts, uint64_t out[2]);

#endif
