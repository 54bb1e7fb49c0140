/* The body of a request, written while it is sent.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_UPLOAD_H
#define NEAP_HTTP_UPLOAD_H

#include "base/buf.h"

/* A writer has to wait while more bytes than this are still to be sent. */
enum { NEAP__HTTP_UPLOAD_LIMIT = 64 * 1024 };

typedef enum neap__upload_state {
  NEAP__UPLOAD_NEW,     /* no request has it yet */
  NEAP__UPLOAD_SENDING, /* `transfer` sends it */
  NEAP__UPLOAD_OVER,    /* no request sends it any more */
} neap__upload_state;

/* The engine and the library both know this struct. The engine writes the body.
 * The library sends it, and frees one that its owner has freed meanwhile. */
struct neap_http_upload {
  neap_alloc alloc;
  neap__buf bytes;
  size_t sent;      /* of `bytes` */
  uint64_t size;    /* of the whole body; NEAP_HTTP_SIZE_UNKNOWN */
  uint64_t written; /* so far */
  neap__upload_state state;
  bool ended;      /* its end has been written */
  bool ownerless;  /* its owner has freed it */
  neap_op *writer; /* waits for room; or NULL */
  struct neap__transfer *transfer;
  const struct neap__http_api *api;
  neap_engine *engine; /* valid while `transfer` sends it */
};

static inline size_t neap__http_upload_unsent(const neap_http_upload *upload) {
  return upload->bytes.size - upload->sent;
}

/* Returns the operation that waits for room, which the caller has to end; NULL
 * when there is none. */
neap_op *neap__http_upload_take_writer(neap_http_upload *upload);

/* Copies the bytes that are to be sent next, at most `room`. Returns how many.
 */
size_t neap__http_upload_send(neap_http_upload *upload, void *buffer,
                              size_t room);

/* Frees the memory of a body. */
void neap__http_upload_destroy(neap_http_upload *upload);

#endif
