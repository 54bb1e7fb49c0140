/* The body of a request, written while it is sent.
 * SPDX-License-Identifier: MIT */
#include "upload.h"

#include <string.h>

#include "base/alloc.h"

neap_op *neap__http_upload_take_writer(neap_http_upload *upload) {
  neap_op *op = upload->writer;
  upload->writer = NULL;
  return op;
}

size_t neap__http_upload_send(neap_http_upload *upload, void *buffer,
                              size_t room) {
  size_t size = neap__http_upload_unsent(upload);
  if (size > room)
    size = room;
  if (size > 0)
    memcpy(buffer, upload->bytes.bytes + upload->sent, size);
  upload->sent += size;
  if (upload->sent == upload->bytes.size)
    upload->sent = upload->bytes.size = 0;
  return size;
}

void neap__http_upload_destroy(neap_http_upload *upload) {
  neap_alloc alloc = upload->alloc;
  neap__buf_free(&upload->bytes, &alloc);
  neap__free(&alloc, upload, sizeof *upload);
}
