/* An answer that libcurl gives up is given to it once more.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_RESCUE_H
#define NEAP_HTTP_RESCUE_H

#include "transfer.h"

/* A server may answer before it has read the request's body, and close the
 * connection. Its system resets a connection that is closed with bytes unread.
 * libcurl fails when it sends to such a connection, and does not look whether
 * an answer has come before the reset. It also skips the body of a 417 after
 * which it would repeat the request. Such an answer is kept as it came, and a
 * second, short transfer of the same handle reads it from a local socket, so
 * that libcurl parses it like any other. The request is not sent again: only
 * its head is, to that socket, where nobody reads it.
 *
 * An answer that comes through TLS cannot be read at the socket.
 *
 * Keeps what a socket that is about to be closed has received, if that is an
 * answer with a status of 300 or more, and no answer has begun. */
void neap__rescue_collect(neap__transfer *transfer, int fd);

/* Keeps what libcurl has received of an answer and is about to skip: this line
 * of its head, and the body that follows. */
void neap__rescue_keep_line(neap__transfer *transfer, const char *line,
                            size_t size);

/* Whether a transfer that ends with this code has an answer to be read so. */
bool neap__rescue_is_due(const neap__transfer *transfer, CURLcode code);

/* Sets up the handle for that. The caller then launches it. NEAP_ENOMEM. */
int neap__rescue_begin(neap__transfer *transfer);

/* For CURLOPT_OPENSOCKETFUNCTION: sets the address to which libcurl connects.
 * For CURLOPT_PREREQFUNCTION: sends the answer there. False with errno. */
bool neap__rescue_listen(neap__transfer *transfer,
                         struct curl_sockaddr *address);
bool neap__rescue_serve(neap__transfer *transfer);

/* Forgets the answer, and undoes what neap__rescue_begin has set, but for the
 * method, headers and body. */
void neap__rescue_end(neap__transfer *transfer);

#endif
