/* The first bytes of an item of CBOR.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_CBOR_HEAD_H
#define NEAP_BINDINGS_CBOR_HEAD_H

#include <stddef.h>
#include <stdint.h>

/* The most bytes that a head has. */
enum { NEAPL_CBOR_HEAD = 9 };

/* Writes `count` bytes of `value`, the highest first. */
static inline void neapL_cbor_number(char *out, uint64_t value, size_t count) {
  for (size_t i = 0; i < count; i++)
    out[i] = (char)(value >> 8 * (count - 1 - i));
}

/* Writes a head with its argument in as few bytes as it needs. Returns how many
 * they are. */
static inline size_t neapL_cbor_head(char *out, unsigned major,
                                     uint64_t value) {
  unsigned type = major << 5;
  if (value < 24) {
    out[0] = (char)(type | (unsigned)value);
    return 1;
  }
  unsigned width = value <= UINT8_MAX    ? 0
                   : value <= UINT16_MAX ? 1
                   : value <= UINT32_MAX ? 2
                                         : 3;
  out[0] = (char)(type | (24 + width));
  neapL_cbor_number(out + 1, value, (size_t)1 << width);
  return 1 + ((size_t)1 << width);
}

#endif
