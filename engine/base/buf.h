/* Bytes that grow.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BASE_BUF_H
#define NEAP_BASE_BUF_H

#include "neap.h"

/* Zero-initialised means empty. `bytes` may move whenever the buffer grows. */
typedef struct neap__buf {
  char *bytes;
  size_t size;     /* in use */
  size_t capacity; /* allocated */
} neap__buf;

/* Makes room for `more` bytes behind those in use; the buffer is unchanged
 * and NEAP_ENOMEM returned when there is none. */
int neap__buf_reserve(neap__buf *buf, const neap_alloc *alloc, size_t more);

/* Appends bytes; the same failure. */
int neap__buf_append(neap__buf *buf, const neap_alloc *alloc, const void *bytes,
                     size_t size);

/* Returns the memory; the buffer is empty again. */
void neap__buf_free(neap__buf *buf, const neap_alloc *alloc);

#endif
