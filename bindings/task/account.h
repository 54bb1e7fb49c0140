/* Accounts: how much of the memory is in use by which task, and which run.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_ACCOUNT_H
#define NEAP_BINDINGS_TASK_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "neap.h"

/* A task that no other task has spawned, and all that come of it: those that it
 * spawns, those that these spawn, detached ones too. */
typedef struct neapL_family {
  neap_link link;  /* among those of the state */
  size_t bytes;    /* in use that a task of it has asked for */
  size_t accounts; /* of its tasks */
  size_t live;     /* the number of its tasks that have not ended */
  bool is_chosen;  /* all of it is to be ended for that */
} neapL_family;

/* What a task has asked for, and is in use. It outlives the task, until the
 * last of these blocks has been freed. */
typedef struct neapL_account {
  neapL_family *family;
  size_t bytes;
  size_t blocks;
  unsigned refusals; /* while what uses most is being ended */
  bool is_live;      /* the task has not ended */
  bool is_chosen;    /* the task is to be ended for that */
  bool is_ending;    /* it is being ended */
} neapL_account;

/* Makes the account of a task: in `family`, or in a new one among `families` if
 * that is NULL. Its memory comes from `below`. Returns NULL when there is none.
 */
neapL_account *neapL_account_new(const neap_alloc *below, neap_link *families,
                                 neapL_family *family);

/* The task of an account has ended. */
void neapL_account_end(neapL_account *account);

/* Frees an account that is not needed any more, and a family without any other.
 * Returns whether it did. */
bool neapL_account_sweep(const neap_alloc *below, neapL_account *account);

/* A block has come to an account, or has left it. */
static inline void neapL_account_add(neapL_account *account, size_t size) {
  account->blocks++;
  account->bytes += size;
  account->family->bytes += size;
}

static inline void neapL_account_remove(neapL_account *account, size_t size) {
  account->blocks--;
  account->bytes -= size;
  account->family->bytes -= size;
}

#endif
