/* The content codings that we know: gzip, deflate, br and zstd.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_CODING_H
#define NEAP_HTTP_CODING_H

#include <stdbool.h>
#include <stddef.h>

/* What all of them are asked for with, in Accept-Encoding. */
#define NEAP__CODINGS "gzip, deflate, br, zstd"

/* Bytes to decode and room for what they decode to. Both pointers move on. */
typedef struct neap__coding_io {
  const unsigned char *in;
  size_t in_size;
  unsigned char *out;
  size_t room;
} neap__coding_io;

/* A coding. Its state is *owned* by whoever has opened it. */
typedef struct neap__coding {
  const char *name;
  bool repeats; /* streams that follow one another are one body */
  /* Begins a stream; NULL when there is no memory. */
  void *(*open)(void);
  /* Has an open state begin another stream: NEAP_ENOMEM. */
  int (*reset)(void *state);
  /* Decodes until there is no room, no input or no more of the stream. Sets
   * *ended at its end, behind which `in` is then. What it has decoded and had
   * no room for comes with the next call. NEAP_EHTTP for what is no such
   * stream; NEAP_ENOMEM. */
  int (*decode)(void *state, neap__coding_io *io, bool *ended);
  /* NULL is ignored. */
  void (*close)(void *state);
} neap__coding;

/* The coding of this name, whatever its case; NULL when it is none of them. */
const neap__coding *neap__coding_find(const char *name, size_t size);

#endif
