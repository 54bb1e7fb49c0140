/* libcurl's multi handle on a uv loop: its sockets and its timer.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_MULTI_H
#define NEAP_HTTP_MULTI_H

#include <curl/curl.h>
#include <uv.h>

#include "api.h"
#include "transfer.h"

/* How many handles are kept for later requests; and how many connections, in
 * use or kept. */
enum {
  NEAP__HTTP_HANDLES = 512,
  NEAP__HTTP_MAX_CONNECTIONS = 1024,
};

/* The library's side of a neap__http. */
struct neap__multi {
  neap__http http; /* first */
  neap__http_host host;
  CURLM *curl;
  uv_timer_t timer;            /* libcurl's */
  neap__http_socket **sockets; /* by descriptor */
  size_t socket_capacity;
  uint64_t actions;  /* calls of curl_multi_socket_action so far */
  neap_link due;     /* of neap__http_socket: libcurl is to be told of them */
  bool timer_is_due; /* libcurl's */
  void (*on_end)(neap__transfer *transfer, CURLcode code);
  void (*on_read)(neap__transfer *transfer);

  /* send.c */
  neap_link transfers;
  neap_link launches; /* of neap__transfer: they are to be given to libcurl */
  bool idle_is_due;   /* idle transfers are to be looked for */
  uv_timer_t idle;  /* rings when a transfer may have been idle for too long */
  uint64_t idle_at; /* when that is, by uv_hrtime; NEAP_FOREVER: not set */
  CURL *handles[NEAP__HTTP_HANDLES]; /* not in use; set up for any request */
  size_t handle_count;
};

/* Opens the multi handle. `on_end` is called when libcurl is done with a
 * transfer, to which CURLOPT_PRIVATE of its handle leads; `on_read` when it has
 * read from the socket that sends the body of a transfer. NEAP_ENOMEM. */
int neap__multi_open(const neap__http_host *host,
                     void (*on_end)(neap__transfer *transfer, CURLcode code),
                     void (*on_read)(neap__transfer *transfer),
                     neap__multi **out);

/* Begins to close its uv handles; and frees the rest when these are closed. All
 * transfers have been dropped. */
void neap__multi_close(neap__multi *multi);
void neap__multi_free(neap__multi *multi);

/* Closes the sockets of connections in the child of a fork. */
void neap__multi_disown(neap__multi *multi);

/* Initializes libcurl, once in a process, in any thread. NEAP_ENOMEM. */
int neap__multi_prepare(void);

/* Tells libcurl of the first socket that is due; false when none is. */
bool neap__multi_act_socket(neap__multi *multi);

/* Tells libcurl that its time has come. */
void neap__multi_act_timer(neap__multi *multi);

/* Opens a socket for `easy` that the loop can watch. NEAP_ESYS with errno, or
 * NEAP_ENOMEM. */
int neap__multi_open_socket(neap__multi *multi, CURL *easy,
                            const struct curl_sockaddr *address,
                            curl_socket_t *out);

/* CURLOPT_CLOSESOCKETFUNCTION for those sockets; `ud` is the multi. */
int neap__multi_close_socket(void *ud, curl_socket_t fd);

/* Whether libcurl waits for bytes from a socket. */
bool neap__multi_is_read(const neap__http_socket *socket);

/* Parts a transfer from the socket that sends its body. */
void neap__multi_release_socket(neap__transfer *transfer);

/* Ends an operation. */
void neap__multi_finish(neap__multi *multi, neap_op *op, int status);

/* Ends the operation that waits for bytes of a streamed body, if there is one.
 */
void neap__multi_wake_reader(neap__multi *multi, neap_http_response *response);

#endif
