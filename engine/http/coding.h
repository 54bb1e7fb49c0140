/* The content codings that the engine knows: gzip, deflate, br and zstd.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_CODING_H
#define NEAP_HTTP_CODING_H

#include <stdbool.h>
#include <stddef.h>

/* The value of Accept-Encoding that names all of them. */
#define NEAP__CODINGS "gzip, deflate, br, zstd"

/* Bytes to decode, and room for decoded ones. Decoding moves both pointers on.
 */
typedef struct neap__coding_io {
  const unsigned char *in;
  size_t in_size;
  unsigned char *out;
  size_t room;
} neap__coding_io;

/* A coding. Its state is *owned* by whoever has opened it. */
typedef struct neap__coding {
  const char *name;
  bool repeats; /* a body may be several streams in a row */
  /* Begins a stream; NULL when there is no memory. */
  void *(*open)(void);
  /* Begins another stream with an open state. NEAP_ENOMEM. */
  int (*reset)(void *state);
  /* Decodes until there is no room, no input, or no more of the stream. At the
   * end of the stream it sets *ended, and `in` points behind it. Decoded bytes
   * for which there was no room come with the next call. NEAP_EHTTP when the
   * bytes are not such a stream; NEAP_ENOMEM. */
  int (*decode)(void *state, neap__coding_io *io, bool *ended);
  /* NULL is ignored. */
  void (*close)(void *state);
} neap__coding;

/* The coding of this name, in upper or lower case; NULL when there is none. */
const neap__coding *neap__coding_find(const char *name, size_t size);

#endif
