/* A request on its way, redirects included.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_TRANSFER_H
#define NEAP_HTTP_TRANSFER_H

#include "base/list.h"
#include "decode.h"
#include "request.h"
#include "response.h"
#include "upload.h"

typedef struct neap__multi neap__multi;
typedef struct neap__http_socket neap__http_socket;
typedef struct neap__transfer neap__transfer;

/* An answer that is given to libcurl once more: rescue.h. */
typedef struct neap__rescue {
  neap__buf answer; /* as it came; empty: none */
  int socket;       /* to which libcurl connects, then the other end; or -1 */
  bool is_on;       /* libcurl reads the answer from there */
} neap__rescue;

/* What a request of a restricted engine may reach: guard.h. */
typedef struct neap__guard {
  char host[256]; /* to which libcurl connects, the proxy's if there is one */
  bool has_proxy;
  int local;                     /* the local socket, open; or -1 */
  char why[NEAP__HTTP_WHY_SIZE]; /* an address was refused */
} neap__guard;

struct neap__transfer {
  neap_link link; /* in `transfers` of `multi` */
  neap__multi *multi;
  neap_op *op;
  neap_http_response **out;

  CURL *easy; /* CURLOPT_PRIVATE leads back here */
  neap_link
      launch; /* in `launches` of `multi`, until `easy` is in the handle */
  bool added; /* `easy` is in the multi handle */
  bool is_ordinary; /* `easy` has no option that has to be undone */
  bool is_spoilt;   /* `easy` remembers what would spoil other requests */
  bool is_fresh;    /* no connection that was kept is used */
  bool is_local;    /* it goes to a local socket */
  int paused;       /* what libcurl has been told: CURLPAUSE_* */

  neap__http_request request;
  neap_http_jar *jar;        /* NULL: none */
  neap_http_upload *upload;  /* that is being sent; or NULL */
  neap__http_socket *socket; /* that sends the body; NULL: unknown */
  bool refused;              /* the rest of the body is not to be sent */
  bool is_hushed;            /* and libcurl is not told of room for it */
  uint32_t redirects, max_redirects;
  unsigned repeats; /* how often it was launched again: repeat.h */

  neap_http_response *response;
  neap__rescue rescue;
  bool is_withheld;       /* its head is not to be given yet */
  bool streamed;          /* `op` ends with the head of the response */
  bool given;             /* and has ended so */
  neap__decoder *decoder; /* of the body; NULL: it has no codings */
  size_t decoded;         /* of the bytes that libcurl will give again */
  uint64_t max_body;

  uint64_t started; /* by uv_hrtime, like all times here */
  uint64_t connect_timeout, idle_timeout, timeout; /* ns; 0: none */
  uint64_t moved_at; /* when bytes moved last; 0: there is no connection yet,
                        and the time for that has a limit of its own */
  curl_off_t moved;  /* bytes so far, in both directions */

  neap__guard *guard; /* *owned*; NULL: the engine is not restricted */

  int objection;               /* status for which a callback gave up; or 0 */
  const char *reason;          /* its sentence, for some */
  char words[CURL_ERROR_SIZE]; /* libcurl's own sentence */
};

/* The status of the response so far; 0 when there is none. */
int neap__transfer_status(const neap__transfer *transfer);

/* Whether it goes through TLS. */
bool neap__transfer_is_secure(const neap__transfer *transfer);

/* Whether the response is a redirect that is to be followed. */
bool neap__transfer_is_redirect(const neap__transfer *transfer);

/* Notes why a callback makes libcurl give up the transfer. `reason`, a sentence
 * for NEAP_EHTTP and NEAP_ESYS, is *kept*. */
void neap__transfer_object(neap__transfer *transfer, int status,
                           const char *reason);

#endif
