/* What it means that a transfer has failed.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_VERDICT_H
#define NEAP_HTTP_VERDICT_H

#include "http_multi.h"

/* Sentences for what is found out elsewhere. */
extern const char neap__verdict_no_memory[];
extern const char neap__verdict_broken[];

/* Judges a transfer that libcurl is through with: 0 or a negative status, with
 * the sentence in the response. */
int neap__verdict_of(neap__transfer *transfer, CURLcode code);

/* Writes a failure's sentence into the response, behind the URL, of which the
 * query stays away. `transient`: the same request may well succeed later. */
void neap__verdict_explain(neap__transfer *transfer, bool transient,
                           const char *sentence);

/* Does so for the time limit called `which`, of `ns`; returns NEAP_ETIMEDOUT.
 */
int neap__verdict_time_out(neap__transfer *transfer, const char *which,
                           uint64_t ns);

#endif
