/* The body of a response: decoded, limited, and no faster than it is read.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_BODY_H
#define NEAP_HTTP_BODY_H

#include "multi.h"

/* CURLOPT_WRITEFUNCTION; `ud` is the transfer. */
size_t neap__body_receive(char *bytes, size_t one, size_t size, void *ud);

/* Whether so much has been taken that more may be received. */
bool neap__body_has_room(const neap_http_response *response);

#endif
