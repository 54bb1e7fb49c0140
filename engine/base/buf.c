/* Bytes that grow.
 * SPDX-License-Identifier: MIT */
#include "buf.h"

#include <string.h>

#include "alloc.h"

int neap__buf_reserve(neap__buf *buf, const neap_alloc *alloc, size_t more) {
  if (more > SIZE_MAX - buf->size)
    return NEAP_ENOMEM;
  return neap__reserve(alloc, &buf->bytes, &buf->capacity, buf->size + more, 1);
}

int neap__buf_append(neap__buf *buf, const neap_alloc *alloc, const void *bytes,
                     size_t size) {
  if (size == 0)
    return 0;
  int status = neap__buf_reserve(buf, alloc, size);
  if (status < 0)
    return status;
  memcpy(buf->bytes + buf->size, bytes, size);
  buf->size += size;
  return 0;
}

void neap__buf_free(neap__buf *buf, const neap_alloc *alloc) {
  neap__free(alloc, buf->bytes, buf->capacity);
  *buf = (neap__buf){0};
}
