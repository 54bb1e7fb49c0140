/* A response as it grows.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_RESPONSE_H
#define NEAP_HTTP_RESPONSE_H

#include "buf.h"

/* Where name and value of a header are in `head`, each with a zero behind. */
typedef struct neap__http_field {
  size_t name;
  size_t value;
} neap__http_field;

struct neap_http_response {
  neap_alloc alloc;
  int status; /* 0 until a response has begun */
  bool transient;
  char *url; /* that this is the response of; without user and password */
  neap__buf head;
  neap__http_field *fields;
  size_t field_count, field_capacity;
  size_t head_size; /* received so far, interim heads included */
  bool in_head;
  bool is_last;        /* no other head follows, but trailers may */
  bool is_coded;       /* the head names codings of the body */
  bool is_framed;      /* and its Transfer-Encoding, which makes lengths void */
  size_t length_count; /* how many Content-Lengths there are, */
  size_t lengths_begin; /* and which field is the first of them */
  const char *fault;    /* a sentence about the line that was refused */
  neap__buf body;
  size_t taken;      /* how much of that has been */
  uint64_t received; /* bytes of the body, in all */
  char error[512];   /* "" unless the transfer has failed */

  /* Of one that is streamed, from its head on: */
  struct neap__transfer *transfer; /* that goes on; NULL: it has ended */
  const struct neap__http_api *api;
  int outcome;     /* then: 0, or the negative status after the bytes */
  neap_op *reader; /* who waits for the next bytes; NULL: nobody */
};

/* Sentences about heads. */
extern const char neap__http_bad_head[];
extern const char neap__http_bad_length[];

/* Makes an empty response. NULL when there is no memory. */
neap_http_response *neap__http_response_new(const neap_alloc *alloc);

/* NULL is ignored. */
void neap__http_response_free(neap_http_response *response);

/* Makes it the response of the same request, which is sent again: nothing has
 * arrived yet, and all but the memory and the address is forgotten. */
void neap__http_response_restart(neap_http_response *response);

/* Makes it the response of another request, of which nothing has arrived yet:
 * all but the memory is forgotten. `url` is *transferred*. */
void neap__http_response_reset(neap_http_response *response, char *url);

/* Takes one line of a head, its end included. A status line begins anew, since
 * only the last head counts; trailers, whatever they begin with, are passed
 * over. NEAP_EHTTP when it is
 * more than a sane server sends, or no header, or ends a head that does not
 * tell one length of the body: `fault` then says so. NEAP_ENOMEM. */
int neap__http_response_line(neap_http_response *response, const char *line,
                             size_t size);

/* Whether there is a header of this name, in lower case. */
bool neap__http_response_has(const neap_http_response *response,
                             const char *name);

/* The bytes of the body that nobody has taken yet. */
static inline size_t
neap__http_response_unread(const neap_http_response *response) {
  return response->body.size - response->taken;
}

/* Takes a part of the body. NEAP_ETOOBIG when it would be larger than
 * `max_body` bytes; NEAP_ENOMEM. */
int neap__http_response_body(neap_http_response *response, const void *bytes,
                             size_t size, uint64_t max_body);

#endif
