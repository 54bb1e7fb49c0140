/* The content codings that the engine knows: gzip, deflate, br and zstd.
 * SPDX-License-Identifier: MIT */
#include "coding.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <brotli/decode.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "neap.h"

/* The state of both codings of zlib. The three libraries take their memory from
 * the C library, as libcurl does: zstd has no stable way to give it another
 * allocator, and zlib does not say how many bytes it frees. */
typedef struct zlib_state {
  z_stream z;
  bool has_begun; /* deflate: it is known whether the data is wrapped */
} zlib_state;

/* What inflateInit2 and inflateReset2 take for the window and the wrapping. */
enum { ZLIB_WRAPPED = 15, GZIP_WRAPPED = 15 + 16, NOT_WRAPPED = -15 };

static void *open_zlib(int bits) {
  zlib_state *self = calloc(1, sizeof *self);
  if (self && inflateInit2(&self->z, bits) != Z_OK) {
    free(self);
    return NULL;
  }
  return self;
}

static void *open_gzip(void) {
  return open_zlib(GZIP_WRAPPED);
}

static void *open_deflate(void) {
  return open_zlib(ZLIB_WRAPPED);
}

static int reset_zlib(void *state) {
  zlib_state *self = state;
  return inflateReset(&self->z) == Z_OK ? 0 : NEAP_ENOMEM;
}

static int decode_zlib(void *state, neap__coding_io *io, bool *ended) {
  z_stream *z = &((zlib_state *)state)->z;
  /* zlib's counts may be narrower than ours. */
  uInt in_size = (uInt)(io->in_size < INT32_MAX ? io->in_size : INT32_MAX);
  uInt room = (uInt)(io->room < INT32_MAX ? io->room : INT32_MAX);
  z->next_in = io->in;
  z->avail_in = in_size;
  z->next_out = io->out;
  z->avail_out = room;
  int code = inflate(z, Z_NO_FLUSH);
  io->in_size -= in_size - z->avail_in;
  io->room -= room - z->avail_out;
  io->in = z->next_in;
  io->out = z->next_out;
  switch (code) {
  case Z_STREAM_END:
    *ended = true;
    return 0;
  case Z_OK:
  case Z_BUF_ERROR: /* "not fatal": it wants input or room */
    return 0;
  case Z_MEM_ERROR:
    return NEAP_ENOMEM;
  default:
    return NEAP_EHTTP;
  }
}

/* RFC 9110 8.4.1.2: deflate data in the wrapping of zlib, "but some
 * implementations send it without". With the wrapping, the low half of the
 * first byte is 8. Without, that would mean a stored block whose first bit of
 * padding is set, which no compressor writes. */
static int decode_deflate(void *state, neap__coding_io *io, bool *ended) {
  zlib_state *self = state;
  if (!self->has_begun && io->in_size > 0) {
    self->has_begun = true;
    if ((*io->in & 0x0f) != Z_DEFLATED &&
        inflateReset2(&self->z, NOT_WRAPPED) != Z_OK)
      return NEAP_ENOMEM;
  }
  return decode_zlib(state, io, ended);
}

static void close_zlib(void *state) {
  zlib_state *self = state;
  if (!self)
    return;
  inflateEnd(&self->z);
  free(self);
}

static void *open_brotli(void) {
  return BrotliDecoderCreateInstance(NULL, NULL, NULL);
}

static int decode_brotli(void *state, neap__coding_io *io, bool *ended) {
  switch (BrotliDecoderDecompressStream(state, &io->in_size, &io->in, &io->room,
                                        &io->out, NULL)) {
  case BROTLI_DECODER_RESULT_SUCCESS:
    *ended = true;
    return 0;
  case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
  case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
    return 0;
  default:
    break;
  }
  /* The codes that have to do with memory are those between these two. */
  BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(state);
  bool is_memory = code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
                   code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
  return is_memory ? NEAP_ENOMEM : NEAP_EHTTP;
}

static void close_brotli(void *state) {
  BrotliDecoderDestroyInstance(state);
}

static void *open_zstd(void) {
  return ZSTD_createDStream();
}

static int reset_zstd(void *state) {
  ZSTD_DCtx_reset(state, ZSTD_reset_session_only);
  return 0;
}

static int decode_zstd(void *state, neap__coding_io *io, bool *ended) {
  ZSTD_inBuffer in = {io->in, io->in_size, 0};
  ZSTD_outBuffer out = {io->out, io->room, 0};
  /* "0 when a frame is completely decoded and fully flushed". */
  size_t code = ZSTD_decompressStream(state, &out, &in);
  io->in += in.pos;
  io->in_size -= in.pos;
  io->out += out.pos;
  io->room -= out.pos;
  *ended = code == 0;
  if (!ZSTD_isError(code))
    return 0;
  return ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation ? NEAP_ENOMEM
                                                                 : NEAP_EHTTP;
}

static void close_zstd(void *state) {
  ZSTD_freeDStream(state);
}

/* RFC 1952 2.2 and RFC 8878 3.1: gzip and zstd data are one or more members, or
 * frames, in a row. */
static const neap__coding codings[] = {
    {"gzip", true, open_gzip, reset_zlib, decode_zlib, close_zlib},
    {"x-gzip", true, open_gzip, reset_zlib, decode_zlib, close_zlib},
    {"deflate", false, open_deflate, NULL, decode_deflate, close_zlib},
    {"br", false, open_brotli, NULL, decode_brotli, close_brotli},
    {"zstd", true, open_zstd, reset_zstd, decode_zstd, close_zstd},
};

const neap__coding *neap__coding_find(const char *name, size_t size) {
  for (size_t i = 0; i < sizeof codings / sizeof *codings; i++) {
    if (strlen(codings[i].name) == size &&
        strncasecmp(codings[i].name, name, size) == 0)
      return &codings[i];
  }
  return NULL;
}
