/* What every store has to do, as a list of cases that take a store.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SPEC_STORE_CONFORMANCE_H
#define NEAP_SPEC_STORE_CONFORMANCE_H

#include <setjmp.h>

#include "neap_store.h"

/* How the stores of a kind are opened. `fill` says in *opts where: the first
 * time (`way` 0) where there is none yet, then as a second way to the same
 * runs. `first` is the store of the first way. */
typedef struct store_kind {
  const char *name;
  void (*fill)(void *ud, int way, neap_store *first, neap_store_opts *opts);
  void (*clean)(void *ud); /* called after each case */
  void *ud;
} store_kind;

/* What a case has: an engine, two ways to one store, and a clock that it sets.
 */
typedef struct scene {
  const store_kind *kind;
  neap_engine *engine;
  neap_store *store, *other;
  int64_t now;
  neap_op op;
  bool done;
  neap_store_result *result; /* of the last call; freed by the next */
  jmp_buf out;               /* where a check that fails leads */
  char why[512];             /* and what it says; "": none has */
  int which, place;          /* of a case that is done for many */
} scene;

/* How many cases there are, and the name of one. */
int conformance_count(void);
const char *conformance_name(int index);

/* Does a case. Returns NULL, or what was wrong: valid until the next. */
const char *conformance_run(int index, const store_kind *kind);

#endif
