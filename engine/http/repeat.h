/* When a request is sent again by itself.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_REPEAT_H
#define NEAP_HTTP_REPEAT_H

#include "transfer.h"

/* libcurl repeats a request by itself, up to five times and whatever its method
 * is, when a connection that was kept ends before an answer, and after some
 * errors of HTTP/2. The server may have acted on the request, so the engine has
 * to decide: once there is a connection, libcurl is not allowed to make
 * another, and fails where it would have repeated the request.
 *
 * `allow` is called before the request is launched, `forbid` when there is a
 * connection. */
void neap__repeat_allow(neap__transfer *transfer);
void neap__repeat_forbid(neap__transfer *transfer);

/* Whether libcurl has failed, with this code, where it would have repeated the
 * request. */
bool neap__repeat_was_wanted(const neap__transfer *transfer, CURLcode code);

/* Whether a transfer that has ended with this code is to be launched again. If
 * so, this has set up its handle for that. A transfer is launched again if a
 * connection that was kept has ended before any part of an answer, and the
 * request is idempotent; or if the server has refused its "Expect". */
bool neap__repeat_is_due(neap__transfer *transfer, CURLcode code);

#endif
