/* An answer that libcurl gives up is given to it once more.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_RESCUE_H
#define NEAP_HTTP_RESCUE_H

#include <curl/curl.h>

#include "buf.h"

/* A server may answer before it has read the request's body, and close. Its
 * system resets a connection that is closed with bytes unread. libcurl, which
 * fails when it sends to such a connection, does not look whether an answer
 * came before the reset; and it skips the body of a 417 that it would repeat
 * the request after. Such an answer is kept as it came, and a second, short
 * transfer of the same handle reads it from a local socket, so that libcurl
 * parses it like any other. The request is not sent again: its head alone goes,
 * to that socket, where nobody reads it.
 *
 * What comes through TLS cannot be read at the socket. */
typedef struct neap__rescue {
  neap__buf answer; /* as it came; empty: none */
  int socket;       /* that libcurl connects to, then the other end; -1: none */
  bool is_on;       /* libcurl reads the answer from there */
} neap__rescue;

struct neap__transfer;

/* Takes from a socket that is about to be closed what has been received: an
 * answer with a status from 300 on, if none has begun. */
void neap__rescue_collect(struct neap__transfer *transfer, int fd);

/* Keeps what libcurl has received of an answer and is about to skip: this line
 * of its head, and the body that follows. */
void neap__rescue_keep_line(struct neap__transfer *transfer, const char *line,
                            size_t size);

/* Whether a transfer that ends with this code has an answer to be read so. */
bool neap__rescue_is_due(const struct neap__transfer *transfer, CURLcode code);

/* Sets the handle up for that, whereupon it is to be launched. NEAP_ENOMEM. */
int neap__rescue_begin(struct neap__transfer *transfer);

/* CURLOPT_OPENSOCKETFUNCTION and CURLOPT_PREREQFUNCTION meanwhile: tell libcurl
 * where to connect to, and hand it the answer there. False with errno. */
bool neap__rescue_listen(struct neap__transfer *transfer,
                         struct curl_sockaddr *address);
bool neap__rescue_serve(struct neap__transfer *transfer);

/* Forgets the answer, and undoes what neap__rescue_begin has set, but for the
 * method, headers and body. */
void neap__rescue_end(struct neap__transfer *transfer);

#endif
