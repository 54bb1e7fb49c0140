/* Results of stores: what a call has found, in memory of its own.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_STORE_RESULT_H
#define NEAP_STORE_RESULT_H

#include "neap_store.h"

/* A result owns all that it shows. When memory runs short, `failed` says so,
 * and what is added from then on is lost; so it is enough to look at the end.
 */
struct neap_store_result {
  neap_alloc alloc;
  struct neap__result_chunk *chunks; /* *owned* */
  bool failed;
  int64_t number, time;
  const char *why; /* NULL: there is nothing to say */
  neap_store_run *runs;
  size_t run_count;
  neap_store_step *steps;
  size_t step_count;
  neap_store_row *rows;
  size_t row_count;
  /* What is returned for one that could not be added. */
  neap_store_run lost_run;
  neap_store_step lost_step;
  neap_store_row lost_row;
};

/* NULL when there is no memory. Memory is from `alloc`, or from the C library
 * where that is NULL. */
neap_store_result *neap__result_new(const neap_alloc *alloc);

/* NULL is ignored. */
void neap__result_free(neap_store_result *result);

/* Makes a result empty, as it was when it was made. */
void neap__result_clear(neap_store_result *result);

/* Memory that lasts as long as the result; NULL: there is none. */
void *neap__result_alloc(neap_store_result *result, size_t size);

/* Copies of bytes and of texts. Of NULL, NULL. */
neap_span neap__result_span(neap_store_result *result, const void *bytes,
                            size_t size);
const char *neap__result_text(neap_store_result *result, const char *text);

/* Notes what was wrong. */
void neap__result_explain(neap_store_result *result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds one that is all zero. */
neap_store_run *neap__result_add_run(neap_store_result *result);
neap_store_step *neap__result_add_step(neap_store_result *result);
neap_store_row *neap__result_add_row(neap_store_result *result);

/* Adds to a run what is copied. */
void neap__result_add_part(neap_store_result *result, neap_store_run *run,
                           neap_span name, neap_span value);
void neap__result_add_signal(neap_store_result *result, neap_store_run *run,
                             const neap_store_signal *signal);
void neap__result_add_tag(neap_store_result *result, neap_store_run *run,
                          const char *key, const char *value);

/* Adds a change of a variable to a run. The changes of a name come one after
 * the other, the oldest first, and then those of the next. */
void neap__result_add_change(neap_store_result *result, neap_store_run *run,
                             neap_store_change_kind kind, neap_span name,
                             neap_span value);

#endif
