/* What a request of a restricted engine may reach.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_GUARD_H
#define NEAP_HTTP_GUARD_H

#include "transfer.h"

/* Makes the guard of a transfer whose handle has been made. Asks for its proxy
 * and its local socket, and has the handle read the files that the options
 * name; those are NULL then. NEAP_EPERM or NEAP_EINVAL with a sentence in
 * `why`, or NEAP_ENOMEM. */
int neap__guard_begin(neap__transfer *transfer, neap_http_opts *opts,
                      char why[NEAP__HTTP_WHY_SIZE]);

/* Asks for the host of the URL that a transfer has now, before its name is
 * looked up. NEAP_EPERM or NEAP_ENOMEM, with a sentence in `why`. */
int neap__guard_ask(neap__transfer *transfer, char why[NEAP__HTTP_WHY_SIZE]);

/* Asks for the address to which libcurl is about to connect. If it may not, a
 * sentence is in the guard. Of a local socket, the address becomes that of the
 * file that is open. */
bool neap__guard_admits(neap__transfer *transfer,
                        struct curl_sockaddr *address);

/* Frees the guard of a transfer, if it has one. */
void neap__guard_end(neap__transfer *transfer);

#endif
