/* Requests to stores: made with a copy of what they are given.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_STORE_REQUEST_H
#define NEAP_STORE_REQUEST_H

#include "call.h"

/* Makes a request, which owns a copy of all that `given` points to. NULL when
 * there is no memory. */
neap__store_request *neap__store_request_new(const neap_alloc *alloc,
                                             neap__store_call call,
                                             const neap__store_given *given);

void neap__store_request_free(const neap_alloc *alloc,
                              neap__store_request *request);

#endif
