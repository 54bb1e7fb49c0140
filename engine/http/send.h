/* Sending a request: from the options to the outcome. These are the functions
 * of neap__http_api.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_SEND_H
#define NEAP_HTTP_SEND_H

#include "multi.h"

int neap__send_start(neap__http *http, neap_op *op, const neap_http_opts *opts,
                     neap_http_response **response,
                     char why[NEAP__HTTP_WHY_SIZE]);
void neap__send_abandon(neap_http_response *response);
void neap__send_taken(neap_http_response *response);
void neap__send_limit_idle(neap_http_response *response, uint64_t ns);
void neap__send_written(neap_http_upload *upload);

/* Goes on when libcurl is done with a transfer: sends it again, follows a
 * redirect, or ends its operation and frees it. */
void neap__send_end(neap__transfer *transfer, CURLcode code);

/* Lets libcurl find that a refusal is complete, for which it must not be paused
 * in sending. May end the transfer. Must not be called from a callback of
 * libcurl's. */
void neap__send_check_refusal(neap__transfer *transfer);

/* Lets go of all transfers in the child of a fork, without a call of libcurl.
 */
void neap__send_disown_all(neap__multi *multi);

/* Drops all transfers; their operations never end. */
void neap__send_drop_all(neap__multi *multi);

/* Gives the next transfer that is to be launched to libcurl; false when there
 * is none. */
bool neap__send_launch(neap__multi *multi);

/* Ends transfers that have passed one of their limits, until the clock is at
 * `until`, but at least one. */
void neap__send_end_idle(neap__multi *multi, uint64_t until);

#endif
