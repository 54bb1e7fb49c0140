/* A response as it grows.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_RESPONSE_H
#define NEAP_HTTP_RESPONSE_H

#include "base/buf.h"

/* Where the name and the value of a header begin in `head`. Each ends with a
 * zero.
 */
typedef struct neap__http_field {
  size_t name;
  size_t value;
} neap__http_field;

struct neap_http_response {
  neap_alloc alloc;
  int status; /* 0 until a response has begun */
  bool transient;
  char *url; /* of the request; without user and password */
  neap__buf head;
  neap__http_field *fields;
  size_t field_count, field_capacity;
  size_t head_size; /* received so far, interim heads included */
  bool in_head;
  bool is_last;         /* no other head follows, but trailers may */
  bool is_coded;        /* the head names codings of the body */
  bool is_framed;       /* it has a Transfer-Encoding: lengths do not count */
  size_t length_count;  /* how many Content-Lengths there are */
  size_t lengths_begin; /* the index of the first one in `fields` */
  const char *fault;    /* a sentence about the line that was refused */
  neap__buf body;
  size_t taken;      /* bytes of `body` that have been taken */
  uint64_t received; /* bytes of the body, in all */
  char error[512];   /* "" unless the transfer has failed */
  bool is_stale;     /* neap_http_is_stale */

  /* Of a response that is streamed, from the end of its head on: */
  struct neap__transfer *transfer; /* NULL: it has ended */
  const struct neap__http_api *api;
  neap_engine *engine;
  int outcome;     /* of the transfer: 0, or a negative status */
  neap_op *reader; /* waits for the next bytes; or NULL */
};

/* Sentences about heads. */
extern const char neap__http_bad_head[];
extern const char neap__http_bad_length[];

/* Makes an empty response. NULL when there is no memory. */
neap_http_response *neap__http_response_new(const neap_alloc *alloc);

/* NULL is ignored. */
void neap__http_response_free(neap_http_response *response);

/* Empties a response because its request is sent again: all but its memory and
 * its URL is forgotten. */
void neap__http_response_restart(neap_http_response *response);

/* Empties a response for another request, to `url` (*transferred*): all but its
 * memory is forgotten. */
void neap__http_response_reset(neap_http_response *response, char *url);

/* Takes one line of a head, its end included. A status line begins anew, since
 * only the last head counts. Trailers are ignored, whatever they begin with.
 * NEAP_EHTTP, and a sentence in `fault`, when the head becomes too large, the
 * line is not a header, or it ends a head that gives several lengths of the
 * body. NEAP_ENOMEM. */
int neap__http_response_line(neap_http_response *response, const char *line,
                             size_t size);

/* Whether there is a header of this name, in lower case. */
bool neap__http_response_has(const neap_http_response *response,
                             const char *name);

/* How many bytes of the body have not been taken yet. */
static inline size_t
neap__http_response_unread(const neap_http_response *response) {
  return response->body.size - response->taken;
}

/* Appends to the body. NEAP_ETOOBIG when that would become larger than
 * `max_body` bytes; NEAP_ENOMEM. */
int neap__http_response_body(neap_http_response *response, const void *bytes,
                             size_t size, uint64_t max_body);

#endif
