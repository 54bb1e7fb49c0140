/* The body of a request, written while it is sent.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_UPLOAD_H
#define NEAP_HTTP_UPLOAD_H

#include "buf.h"

/* Who writes is held up while more than this is still to be sent. */
enum { NEAP__HTTP_UPLOAD_LIMIT = 64 * 1024 };

typedef enum neap__upload_state {
  NEAP__UPLOAD_NEW,     /* no request has it yet */
  NEAP__UPLOAD_SENDING, /* `transfer` sends it */
  NEAP__UPLOAD_OVER,    /* nobody sends it any more */
} neap__upload_state;

/* Both sides know it: the engine writes, the library sends and frees one whose
 * owner has let go of it. */
struct neap_http_upload {
  neap_alloc alloc;
  neap__buf bytes;
  size_t sent;      /* of `bytes` */
  uint64_t size;    /* of the whole body; NEAP_HTTP_SIZE_UNKNOWN */
  uint64_t written; /* so far */
  neap__upload_state state;
  bool ended;      /* all of it has been written */
  bool ownerless;  /* its owner has let go of it */
  neap_op *writer; /* who waits for room; NULL: nobody */
  struct neap__transfer *transfer;
  const struct neap__http_api *api;
};

static inline size_t neap__http_upload_unsent(const neap_http_upload *upload) {
  return upload->bytes.size - upload->sent;
}

/* Takes an operation that waits for room out, to be finished; NULL when there
 * is none. */
neap_op *neap__http_upload_take_writer(neap_http_upload *upload);

/* Copies out what is to be sent next, at most `room` bytes. Returns how many.
 */
size_t neap__http_upload_send(neap_http_upload *upload, void *buffer,
                              size_t room);

/* Frees it, whoever had it. */
void neap__http_upload_destroy(neap_http_upload *upload);

#endif
