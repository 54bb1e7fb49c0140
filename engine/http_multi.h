/* libcurl's multi handle on a uv loop, and the transfers on it.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_MULTI_H
#define NEAP_HTTP_MULTI_H

#include <curl/curl.h>
#include <uv.h>

#include "http_decode.h"
#include "http_request.h"
#include "http_rescue.h"
#include "http_response.h"
#include "http_upload.h"
#include "list.h"

/* How many handles are kept for later requests; and how many connections, in
 * use or kept. */
enum {
  NEAP__HTTP_HANDLES = 512,
  NEAP__HTTP_MAX_CONNECTIONS = 1024,
};

typedef struct neap__http_socket neap__http_socket;

/* The library's side of a neap__http. */
typedef struct neap__multi {
  neap__http http; /* first */
  neap__http_host host;
  CURLM *curl;
  uv_timer_t timer; /* libcurl's */
  uv_timer_t idle;  /* rings when a transfer may have been idle for too long */
  uint64_t idle_at; /* when that is, by uv_hrtime; NEAP_FOREVER: not set */
  neap__http_socket **sockets; /* by descriptor */
  size_t socket_capacity;
  uint64_t actions; /* calls of curl_multi_socket_action so far */
  CURL *handles[NEAP__HTTP_HANDLES]; /* not in use; set up for any request */
  size_t handle_count;
  neap_link transfers;
} neap__multi;

/* A request on its way, redirects included. */
typedef struct neap__transfer {
  neap_link link; /* in multi->transfers */
  neap__multi *multi;
  neap_op *op;
  CURL *easy;         /* CURLOPT_PRIVATE leads back here */
  bool is_ordinary;   /* easy has no options that another request had to undo */
  bool is_fresh;      /* it does not go out on a kept connection */
  bool is_local;      /* it goes to a local socket */
  bool is_spoilt;     /* libcurl remembers of easy what spoils other requests */
  bool added;         /* easy is in the multi handle */
  neap_http_jar *jar; /* NULL: none */
  neap__http_request request;
  neap_http_response *response;
  neap_http_response **out;
  neap_http_upload *upload;  /* that is sent; NULL: none, or no longer */
  bool streamed;             /* `response` is to be given with its head */
  bool given;                /* and has been */
  bool refused;              /* the body need not be sent any further */
  bool is_hushed;            /* nor does libcurl hear of room for it */
  bool is_withheld;          /* the answer's head is not to be given yet */
  neap__http_socket *socket; /* that sends the body; NULL: unknown */
  neap__rescue rescue;
  neap__decoder *decoder; /* of the body; NULL: it is as it comes */
  size_t decoded;         /* of the bytes that libcurl gives again */
  int paused;             /* what libcurl has been told to: CURLPAUSE_* */
  uint64_t started;       /* by uv_hrtime, like all times here */
  uint64_t connect_timeout, idle_timeout, timeout; /* ns; 0: none */
  uint64_t max_body;
  uint32_t redirects, max_redirects;
  unsigned repeats; /* how often it was launched again: http_repeat.h */
  /* When the last byte moved; 0 until there is a connection, since its timeout
   * covers what is before. */
  uint64_t moved_at;
  curl_off_t moved;
  int objection; /* status for which a callback had libcurl give up, or 0 */
  const char *reason;          /* its sentence, for some */
  char words[CURL_ERROR_SIZE]; /* libcurl's own */
} neap__transfer;

/* neap_http_send, see neap__http_api. */
int neap__transfer_start(neap__http *http, neap_op *op,
                         const neap_http_opts *opts,
                         neap_http_response **response,
                         char why[NEAP__HTTP_WHY_SIZE]);

/* See neap__http_api. */
void neap__transfer_abandon(neap_http_response *response);
void neap__transfer_taken(neap_http_response *response);
void neap__transfer_written(neap_http_upload *upload);

/* Whether it goes through TLS. */
bool neap__transfer_is_secure(const neap__transfer *transfer);

/* Whether the response is to be followed by another. */
bool neap__transfer_is_redirect(const neap__transfer *transfer);

/* CURLOPT_WRITEFUNCTION; `ud` is the transfer. */
size_t neap__transfer_receive(char *bytes, size_t one, size_t size, void *ud);

/* Notes why a callback has libcurl give up the transfer. `reason`, a sentence
 * for NEAP_EHTTP and NEAP_ESYS, is *kept*. */
void neap__transfer_object(neap__transfer *transfer, int status,
                           const char *reason);

/* Ends the wait for bytes of its response, if anybody waits. */
void neap__transfer_wake_reader(neap__transfer *transfer);

/* Makes libcurl pause what `paused` says, and go on with the rest. libcurl may
 * run callbacks of this transfer from here. Call it outside of all callbacks of
 * libcurl. May end the transfer. */
void neap__transfer_pause(neap__transfer *transfer, int paused);

/* Lets libcurl find that a refusal is complete, for which it must not be paused
 * in sending. The same holds as for neap__transfer_pause. */
void neap__transfer_check_refusal(neap__transfer *transfer);

/* Takes libcurl's verdict: follows a redirect, or finishes the operation and
 * frees the transfer. */
void neap__transfer_end(neap__transfer *transfer, CURLcode code);

/* When the transfer will have been idle, or under way, for too long if nothing
 * moves, as seen at `now`; NEAP_FOREVER when it has no such limit, as one that
 * waits for us has none for being idle. */
uint64_t neap__transfer_idle_at(const neap__transfer *transfer, uint64_t now);

/* Finishes the operation because of that. */
void neap__transfer_end_idle(neap__transfer *transfer);

/* Frees a transfer without finishing its operation. */
void neap__transfer_free(neap__transfer *transfer);

/* Opens a socket for `easy` that the loop can watch. NEAP_ESYS with errno, or
 * NEAP_ENOMEM. */
int neap__multi_open_socket(neap__multi *multi, CURL *easy,
                            const struct curl_sockaddr *address,
                            curl_socket_t *out);

/* Whether libcurl waits for bytes from a socket. */
bool neap__multi_is_read(const neap__http_socket *socket);

/* Parts a transfer from the socket that sends its body. */
void neap__multi_release_socket(neap__transfer *transfer);

/* CURLOPT_CLOSESOCKETFUNCTION for those sockets; `ud` is the multi. */
int neap__multi_close_socket(void *ud, curl_socket_t fd);

/* Has idle transfers looked for at this time, if not earlier. */
void neap__multi_watch_idle(neap__multi *multi, uint64_t at);

#endif
