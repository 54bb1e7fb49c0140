/* What the code in an engine may do outside.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_GRANTS_GRANTS_H
#define NEAP_GRANTS_GRANTS_H

#include "grant.h"

enum {
  NEAP__REFUSALS = 16,
  NEAP__REFUSAL_SIZE = 256,
  NEAP__GRANTS_WHY_SIZE = 256,
};

/* What an engine was granted: `items` do not change, so any thread may look at
 * them. */
typedef struct neap__grants {
  neap_alloc alloc;
  neap__grant *items;
  size_t count, capacity;
  uint32_t max_descriptors, max_temporary;

  /* io/bounds.c: what counts for these. */
  size_t held;      /* files that are open or being opened, and connections
                       that are being made */
  size_t watches;   /* that are not closed */
  size_t temporary; /* files */
  char **dirs;      /* *owned*: temporary directories, as far as is known */
  size_t dir_count, dir_capacity;

  /* The last refusals: that of number `n` is at `n % NEAP__REFUSALS`. */
  int refused; /* the number of the last; from 1 */
  int numbers[NEAP__REFUSALS];
  char refusals[NEAP__REFUSALS][NEAP__REFUSAL_SIZE];
} neap__grants;

/* Reads grants, and opens their folders. After a failure, NEAP_EINVAL,
 * NEAP_ESYS or NEAP_ENOMEM, a sentence is in `why`. */
int neap__grants_new(const neap_alloc *alloc, const neap_grants *grants,
                     neap__grants **out, char *why, size_t why_size);

/* NULL is ignored. */
void neap__grants_free(neap__grants *grants);

/* Notes why something was refused. Returns the number of the refusal, which is
 * the detail of NEAP_EPERM. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int neap__grants_refuse(neap__grants *grants, const char *format, ...);

/* The text of a refusal. */
const char *neap__grants_refusal(const neap__grants *grants, int number);

/* Whether a variable of the environment, "NAME=value", may be seen. */
bool neap__grants_shows(const neap__grants *grants, const char *entry);

/* Whether something without a subject is granted. */
bool neap__grants_has(const neap__grants *grants, neap__grant_kind kind);

#endif
