/* The route of a request: on which connection, through which proxy, and with
 * which certificates.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_ROUTE_H
#define NEAP_HTTP_ROUTE_H

#include <curl/curl.h>

#include "api.h"

/* Sets up the route of `opts` in `easy`. NEAP_EINVAL with a sentence in `why`,
 * or NEAP_ENOMEM. */
int neap__route_set(CURL *easy, const neap_http_opts *opts,
                    char why[NEAP__HTTP_WHY_SIZE]);

/* Removes the client certificate from `easy`. */
void neap__route_drop_certificate(CURL *easy);

/* The sentence for CURLE_SSL_CERTPROBLEM, for which libcurl has these words. */
const char *neap__route_certificate_problem(const char *words);

#endif
