/* When a request is sent again that nobody asked to be.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_REPEAT_H
#define NEAP_HTTP_REPEAT_H

#include "http_multi.h"

/* libcurl repeats a request by itself, up to five times and whatever its method
 * is, when a connection that had been kept ends before an answer, and after
 * some errors of HTTP/2. The server may have acted on it, so it is ours to say
 * when: once there is a connection, libcurl may not look for another, and fails
 * where it would have.
 *
 * Tells a handle that the request is about to be launched, and that there is a
 * connection, on which it goes out now. */
void neap__repeat_allow(neap__transfer *transfer);
void neap__repeat_forbid(neap__transfer *transfer);

/* Whether libcurl fails with this code because it would have repeated it. */
bool neap__repeat_was_wanted(const neap__transfer *transfer, CURLcode code);

/* Whether a transfer that libcurl is through with, with this outcome, is to be
 * launched again, for which its handle is set up then. It is when no part of an
 * answer has come on a connection that had been kept, and the request is
 * idempotent; or when the server did not meet its "Expect". */
bool neap__repeat_is_due(neap__transfer *transfer, CURLcode code);

#endif
