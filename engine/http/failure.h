/* Why a transfer has failed: a status, and a sentence.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_FAILURE_H
#define NEAP_HTTP_FAILURE_H

#include "transfer.h"

/* Sentences for failures that are found elsewhere. */
extern const char neap__failure_no_memory[];
extern const char neap__failure_no_file[]; /* no socket: the limit is added */
extern const char neap__failure_broken[];

/* Returns 0 for a transfer with which libcurl is done and that has not failed;
 * else a negative status, with the sentence in the response. */
int neap__failure_of(neap__transfer *transfer, CURLcode code);

/* Writes the URL, without its query, and the sentence of a failure into the
 * response. `transient`: the same request may well succeed later. */
void neap__failure_explain(neap__transfer *transfer, bool transient,
                           const char *sentence);

/* Writes the sentence for the time limit called `which`, of `ns`. Returns
 * NEAP_ETIMEDOUT. */
int neap__failure_time_out(neap__transfer *transfer, const char *which,
                           uint64_t ns);

#endif
