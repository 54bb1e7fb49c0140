/* Reasons: why a step has failed.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_DRIVE_REASON_H
#define NEAP_DRIVE_REASON_H

#include "neap.h"

/* The texts are *owned*; NULL: those of the status. */
typedef struct neap__reason {
  int status; /* 0: it has not failed */
  neap_failure failure;
  char *code, *text;
} neap__reason;

/* Sets status and texts, which are copied where there is memory for it. */
void neap__reason_set(neap__reason *reason, const neap_alloc *alloc, int status,
                      const char *code, const char *text);

/* Frees the texts; the reason is that of no failure. */
void neap__reason_clear(neap__reason *reason, const neap_alloc *alloc);

/* Gives a reason away: it is that of no failure afterwards. */
neap__reason neap__reason_take(neap__reason *reason);

/* Code and sentence of a reason, which are never NULL. */
const char *neap__reason_code(const neap__reason *reason);
const char *neap__reason_text(const neap__reason *reason);

#endif
