/* Options from hosts that were compiled with another version of neap.h.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BASE_OPTS_H
#define NEAP_BASE_OPTS_H

#include <string.h>

#include "neap.h"

/* No struct of options will ever be larger: what says so has not been set. */
enum { NEAP__OPTS_LIMIT = 4096 };

/* The size of a struct up to and with a field: that of its first version, when
 * this was its last field. A later field must not lie in what was padding. */
#define NEAP__SIZE_WITH(type, field)                                           \
  (offsetof(type, field) + sizeof(((type *)0)->field))

/* Copies options into `own`, of `own_size` bytes; fields that the host does not
 * know become 0. Returns NEAP_EINVAL when there are none, when they are smaller
 * than in the first version, and when a field that is not known here has been
 * set. `opts` begins with its size. */
static inline int neap__opts_take(void *own, size_t own_size, size_t first_size,
                                  const void *opts) {
  if (!opts)
    return NEAP_EINVAL;
  size_t size;
  memcpy(&size, opts, sizeof size);
  if (size < first_size || size > NEAP__OPTS_LIMIT)
    return NEAP_EINVAL;
  for (size_t i = own_size; i < size; i++)
    if (((const char *)opts)[i] != 0)
      return NEAP_EINVAL;
  size_t known = size < own_size ? size : own_size;
  memcpy(own, opts, known);
  memset((char *)own + known, 0, own_size - known);
  return 0;
}

#endif
