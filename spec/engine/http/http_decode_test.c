/* Decoding bodies: cut, spoilt, in pieces, one coding in another.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include "base/alloc.h"
#include "failing_alloc.h"
#include "http/decode.h"

enum { MAX = 1 << 21 };

typedef struct bytes {
  size_t size;
  unsigned char *at;
} bytes;

static bytes new_bytes(void) {
  bytes b = {0, malloc(MAX)};
  assert_non_null(b.at);
  return b;
}

static void add(bytes *b, const void *more, size_t size) {
  assert_true(b->size + size <= MAX);
  memcpy(b->at + b->size, more, size);
  b->size += size;
}

/* As inflateInit2 takes it: 15 wrapped by zlib, 31 by gzip, -15 by nobody. */
static bytes pack_zlib(bytes text, int bits) {
  z_stream z = {0};
  assert_int_equal(Z_OK, deflateInit2(&z, 6, Z_DEFLATED, bits, 8, 0));
  bytes packed = new_bytes();
  z.next_in = text.at;
  z.avail_in = (uInt)text.size;
  z.next_out = packed.at;
  z.avail_out = MAX;
  assert_int_equal(Z_STREAM_END, deflate(&z, Z_FINISH));
  packed.size = z.total_out;
  deflateEnd(&z);
  return packed;
}

static bytes pack_gzip(bytes text) {
  return pack_zlib(text, 31);
}

static bytes pack_deflate(bytes text) {
  return pack_zlib(text, 15);
}

static bytes pack_raw(bytes text) {
  return pack_zlib(text, -15);
}

static bytes pack_brotli(bytes text) {
  bytes packed = new_bytes();
  size_t size = MAX;
  assert_true(BrotliEncoderCompress(5, 18, BROTLI_MODE_GENERIC, text.size,
                                    text.at, &size, packed.at));
  packed.size = size;
  return packed;
}

static bytes pack_zstd(bytes text) {
  bytes packed = new_bytes();
  packed.size = ZSTD_compress(packed.at, MAX, text.at, text.size, 3);
  assert_false(ZSTD_isError(packed.size));
  return packed;
}

typedef struct coding {
  const char *name;
  bytes (*pack)(bytes text);
  bool repeats;
} coding;

static const coding codings[] = {
    {"gzip", pack_gzip, true},        {"X-GZIP", pack_gzip, true},
    {"deflate", pack_deflate, false}, {"deflate", pack_raw, false},
    {"br", pack_brotli, false},       {"zstd", pack_zstd, true},
};
enum { CODINGS = sizeof codings / sizeof *codings };

/* Some text, which repeats itself now and then. */
static bytes make_text(size_t size) {
  bytes text = new_bytes();
  uint32_t seed = 7;
  while (text.size < size) {
    char word[32];
    seed = seed * 1664525 + 1013904223;
    int n = snprintf(word, sizeof word, "tide %u ", (unsigned)(seed >> 22));
    add(&text, word, (size_t)n);
  }
  text.size = size;
  return text;
}

static const neap_alloc plain_alloc = {0};

/* A response with these headers, up to an empty one. */
static neap_http_response *respond(const neap_alloc *alloc,
                                   const char *const headers[]) {
  neap_http_response *response = neap__http_response_new(alloc);
  if (!response)
    return NULL;
  int status = neap__http_response_line(response, "HTTP/1.1 200 OK\r\n", 17);
  for (size_t i = 0; headers[i] && status == 0; i++)
    status = neap__http_response_line(response, headers[i], strlen(headers[i]));
  if (status == 0)
    status = neap__http_response_line(response, "\r\n", 2);
  if (status == 0)
    return response;
  neap__http_response_free(response);
  return NULL;
}

static neap__decoder *new_decoder(const char *header) {
  const char *const headers[] = {header, NULL};
  neap_alloc alloc = neap__alloc_or_default(&plain_alloc);
  neap_http_response *response = respond(&alloc, headers);
  assert_non_null(response);
  neap__decoder *decoder = neap__decoder_new(response);
  assert_non_null(decoder);
  neap__http_response_free(response); /* which it no longer needs */
  return decoder;
}

/* What decoding has come to. */
typedef struct outcome {
  int status;
  bool is_whole;
  bytes body;
  char why[200];
} outcome;

/* Decodes what comes in pieces of this size, into room of that. */
static outcome decode_with(neap__decoder *decoder, bytes input, size_t piece,
                           size_t room) {
  outcome o = {.body = new_bytes()};
  size_t at = 0;
  do {
    size_t size = input.size - at < piece ? input.size - at : piece;
    /* In a block of its own, so that reading beyond it is noticed. */
    unsigned char *block = malloc(size + !size);
    assert_non_null(block);
    memcpy(block, input.at + at, size);
    neap__decoder_feed(decoder, block, size);
    for (;;) {
      size_t made = 0, left = MAX - o.body.size;
      o.status = neap__decoder_read(decoder, o.body.at + o.body.size,
                                    room < left ? room : left, &made);
      if (o.status < 0 || made == 0 || left == 0)
        break;
      assert_true(made <= room);
      o.body.size += made;
    }
    if (o.status == 0)
      assert_int_equal(0, neap__decoder_left(decoder));
    free(block);
    at += size;
  } while (o.status == 0 && at < input.size);
  o.is_whole = o.status == 0 && neap__decoder_is_whole(decoder);
  snprintf(o.why, sizeof o.why, "%s", neap__decoder_why(decoder));
  neap__decoder_free(decoder);
  return o;
}

static outcome decode(const char *name, bytes input, size_t piece,
                      size_t room) {
  char header[80];
  snprintf(header, sizeof header, "Content-Encoding: %s\r\n", name);
  return decode_with(new_decoder(header), input, piece, room);
}

/* Checks that these bytes mean that text; frees neither. */
static void means(const char *name, bytes input, bytes text) {
  outcome o = decode(name, input, input.size, MAX);
  assert_int_equal(0, o.status);
  assert_true(o.is_whole);
  assert_int_equal(text.size, o.body.size);
  assert_memory_equal(text.at, o.body.at, text.size);
  free(o.body.at);
}

static void a_body_may_come_and_be_taken_in_any_pieces(void **state) {
  (void)state;
  static const size_t sizes[] = {1, 2, 3, 7, 64, 1000, MAX};
  enum { SIZES = sizeof sizes / sizeof *sizes };
  bytes text = make_text(5000);
  for (size_t c = 0; c < CODINGS; c++) {
    bytes packed = codings[c].pack(text);
    for (size_t i = 0; i < SIZES * SIZES; i++) {
      outcome o =
          decode(codings[c].name, packed, sizes[i / SIZES], sizes[i % SIZES]);
      assert_int_equal(0, o.status);
      assert_true(o.is_whole);
      assert_int_equal(text.size, o.body.size);
      assert_memory_equal(text.at, o.body.at, text.size);
      free(o.body.at);
    }
    free(packed.at);
  }
  free(text.at);
}

static void a_body_that_is_cut_at_any_byte_is_not_whole(void **state) {
  (void)state;
  for (size_t c = 0; c < CODINGS; c++) {
    bytes text = make_text(700);
    bytes packed = codings[c].pack(text);
    for (size_t cut = 1; cut < packed.size; cut++) {
      outcome o = decode(codings[c].name, (bytes){cut, packed.at}, 64, 100);
      assert_int_equal(0, o.status);
      assert_false(o.is_whole);
      assert_non_null(strstr(o.why, "data was complete"));
      assert_true(o.body.size <= text.size);
      assert_memory_equal(text.at, o.body.at, o.body.size);
      free(o.body.at);
    }
    free(packed.at);
    free(text.at);
  }
}

static void no_body_is_whole_and_so_is_one_of_nothing(void **state) {
  (void)state;
  unsigned char nothing[1] = {0};
  bytes empty = {0, nothing};
  for (size_t c = 0; c < CODINGS; c++) {
    bytes packed = codings[c].pack(empty);
    means(codings[c].name, packed, empty);
    means(codings[c].name, empty, empty);
    free(packed.at);
  }
}

/* Whatever comes of it, it ends. */
static void spoilt_bodies_do_no_harm(void **state) {
  (void)state;
  bytes text = make_text(400);
  for (size_t c = 0; c < CODINGS; c++) {
    bytes packed = codings[c].pack(text);
    for (size_t bit = 0; bit < packed.size * 8; bit++) {
      packed.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
      outcome o = decode(codings[c].name, packed, 50, 1000);
      assert_true(o.status == 0 || o.status == NEAP_EHTTP);
      if (o.status == NEAP_EHTTP)
        assert_non_null(strstr(o.why, "the body "));
      free(o.body.at);
      packed.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    free(packed.at);
  }
  free(text.at);
}

static void what_gzip_checks_is_checked(void **state) {
  (void)state;
  bytes text = make_text(100);
  bytes packed = pack_gzip(text);
  packed.at[packed.size - 6] ^= 1; /* of the CRC */
  outcome o = decode("gzip", packed, MAX, MAX);
  assert_int_equal(NEAP_EHTTP, o.status);
  assert_string_equal("the body is not valid gzip data", o.why);
  free(o.body.at);
  free(packed.at);
  free(text.at);
}

static void streams_in_a_row_are_one_body(void **state) {
  (void)state;
  bytes text = make_text(300), twice = make_text(300);
  add(&twice, text.at, text.size);
  for (size_t c = 0; c < CODINGS; c++) {
    bytes packed = codings[c].pack(text);
    bytes again = codings[c].pack(text);
    size_t one = packed.size;
    add(&packed, again.at, again.size);
    if (codings[c].repeats) {
      means(codings[c].name, packed, twice);
      for (size_t cut = one + 1; cut < packed.size; cut++) {
        outcome o = decode(codings[c].name, (bytes){cut, packed.at}, 9, 90);
        assert_int_equal(0, o.status);
        assert_false(o.is_whole);
        free(o.body.at);
      }
    } else {
      outcome o = decode(codings[c].name, packed, MAX, MAX);
      assert_int_equal(NEAP_EHTTP, o.status);
      assert_non_null(strstr(o.why, "goes on behind the end of its"));
      assert_int_equal(text.size, o.body.size);
      free(o.body.at);
    }
    free(again.at);
    free(packed.at);
  }
  free(twice.at);
  free(text.at);
}

static void zero_bytes_behind_a_body_are_padding(void **state) {
  (void)state;
  static const unsigned char zeros[1000] = {0};
  bytes text = make_text(300);
  for (size_t c = 0; c < CODINGS; c++) {
    bytes packed = codings[c].pack(text);
    for (size_t i = 0; i < 3; i++) {
      add(&packed, zeros, i == 2 ? sizeof zeros : 1);
      means(codings[c].name, packed, text);
    }
    add(&packed, "tide", 4);
    outcome o = decode(codings[c].name, packed, MAX, MAX);
    assert_int_equal(NEAP_EHTTP, o.status);
    free(o.body.at);
    free(packed.at);
  }
  free(text.at);
}

static void one_coding_may_be_in_another(void **state) {
  (void)state;
  bytes text = make_text(3000);
  for (size_t a = 0; a < CODINGS; a++) {
    for (size_t b = 0; b < CODINGS; b++) {
      bytes inner = codings[a].pack(text), outer = codings[b].pack(inner);
      char name[40];
      snprintf(name, sizeof name, " %s\t,,%s ", codings[a].name,
               codings[b].name);
      means(name, outer, text);
      outcome o = decode(name, outer, 1, 1);
      assert_true(o.is_whole);
      assert_int_equal(text.size, o.body.size);
      free(o.body.at);
      /* Its outer coding is complete and the inner one is not. */
      bytes cut = codings[b].pack((bytes){inner.size - 1, inner.at});
      o = decode(name, cut, MAX, MAX);
      assert_int_equal(0, o.status);
      assert_false(o.is_whole);
      free(o.body.at);
      free(cut.at);
      free(inner.at);
      free(outer.at);
    }
  }
  free(text.at);
}

static void codings_may_be_in_several_headers(void **state) {
  (void)state;
  static const char *const headers[] = {
      "Content-Encoding: gzip\r\n", "Transfer-Encoding: deflate, chunked\r\n",
      "Content-Encoding: br\r\n", NULL};
  neap_alloc alloc = neap__alloc_or_default(&plain_alloc);
  bytes text = make_text(3000), gzip = pack_gzip(text);
  bytes brotli = pack_brotli(gzip), deflate = pack_deflate(brotli);
  neap_http_response *response = respond(&alloc, headers);
  assert_non_null(response);
  outcome o = decode_with(neap__decoder_new(response), deflate, 100, 100);
  neap__http_response_free(response);
  assert_true(o.is_whole);
  assert_int_equal(text.size, o.body.size);
  assert_memory_equal(text.at, o.body.at, text.size);
  free(o.body.at);
  free(deflate.at);
  free(brotli.at);
  free(gzip.at);
  free(text.at);
}

static void codings_that_are_none_change_nothing(void **state) {
  (void)state;
  bytes text = make_text(3000);
  static const char *const names[] = {"identity", "none", "Identity, none", ""};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    means(names[i], text, text);
    outcome o = decode(names[i], text, 7, 5);
    assert_true(o.is_whole);
    assert_int_equal(text.size, o.body.size);
    free(o.body.at);
  }
  free(text.at);
}

static void refused(const char *name, const char *why) {
  bytes text = make_text(10);
  outcome o = decode(name, text, MAX, MAX);
  assert_int_equal(NEAP_EHTTP, o.status);
  assert_string_equal(why, o.why);
  free(o.body.at);
  o = decode(name, (bytes){0, text.at}, MAX, MAX);
  assert_true(o.is_whole); /* of nothing, whatever it would have been */
  free(o.body.at);
  free(text.at);
}

static void codings_that_nobody_knows_are_told(void **state) {
  (void)state;
  refused("compress", "the body has an unknown encoding: compress, not one of "
                      "gzip, deflate, br, zstd");
  refused("gzip, tide", "the body has an unknown encoding: tide, not one of "
                        "gzip, deflate, br, zstd");
  refused("a\033[31mb", "the body has an unknown encoding, not one of gzip, "
                        "deflate, br, zstd");
  refused("gzip,gzip,gzip,gzip,gzip,gzip",
          "the body has more than 5 encodings, one in another");
}

/* 2 MB of one letter are 2 KB of gzip: no more than asked for is decoded. */
static void little_becomes_no_more_than_there_is_room_for(void **state) {
  (void)state;
  bytes text = new_bytes();
  memset(text.at, 'x', MAX);
  text.size = MAX;
  for (size_t c = 0; c < CODINGS; c++) {
    bytes packed = codings[c].pack(text);
    char header[80], piece[100];
    snprintf(header, sizeof header, "Content-Encoding: %s\r\n",
             codings[c].name);
    neap__decoder *decoder = new_decoder(header);
    neap__decoder_feed(decoder, packed.at, packed.size);
    size_t total = 0, made;
    do {
      assert_int_equal(0,
                       neap__decoder_read(decoder, piece, sizeof piece, &made));
      total += made;
    } while (made > 0);
    assert_int_equal(MAX, total);
    assert_true(neap__decoder_is_whole(decoder));
    neap__decoder_free(decoder);
    free(packed.at);
  }
  free(text.at);
}

/* The beginning of a stream, as a server sends it that has said so much. */
static bytes flush_zlib(bytes text) {
  z_stream z = {0};
  assert_int_equal(Z_OK, deflateInit2(&z, 6, Z_DEFLATED, 31, 8, 0));
  bytes packed = new_bytes();
  z.next_in = text.at;
  z.avail_in = (uInt)text.size;
  z.next_out = packed.at;
  z.avail_out = MAX;
  assert_int_equal(Z_OK, deflate(&z, Z_SYNC_FLUSH));
  packed.size = z.total_out;
  deflateEnd(&z);
  return packed;
}

static bytes flush_brotli(bytes text) {
  BrotliEncoderState *encoder = BrotliEncoderCreateInstance(NULL, NULL, NULL);
  bytes packed = new_bytes();
  const uint8_t *in = text.at;
  uint8_t *out = packed.at;
  size_t left = text.size, room = MAX;
  assert_true(BrotliEncoderCompressStream(encoder, BROTLI_OPERATION_FLUSH,
                                          &left, &in, &room, &out, NULL));
  BrotliEncoderDestroyInstance(encoder);
  packed.size = MAX - room;
  return packed;
}

static bytes flush_zstd(bytes text) {
  ZSTD_CCtx *context = ZSTD_createCCtx();
  bytes packed = new_bytes();
  ZSTD_inBuffer in = {text.at, text.size, 0};
  ZSTD_outBuffer out = {packed.at, MAX, 0};
  assert_int_equal(0, ZSTD_compressStream2(context, &out, &in, ZSTD_e_flush));
  ZSTD_freeCCtx(context);
  packed.size = out.pos;
  return packed;
}

static void what_a_server_has_flushed_is_given_at_once(void **state) {
  (void)state;
  static const coding flushed[] = {{"gzip", flush_zlib, true},
                                   {"br", flush_brotli, true},
                                   {"zstd", flush_zstd, true}};
  bytes text = make_text(50);
  for (size_t i = 0; i < sizeof flushed / sizeof *flushed; i++) {
    bytes packed = flushed[i].pack(text);
    outcome o = decode(flushed[i].name, packed, 3, MAX);
    assert_int_equal(0, o.status);
    assert_false(o.is_whole);
    assert_int_equal(text.size, o.body.size);
    assert_memory_equal(text.at, o.body.at, text.size);
    free(o.body.at);
    free(packed.at);
  }
  free(text.at);
}

static void each_allocation_of_a_decoder_may_fail(void **state) {
  (void)state;
  static const char *const headers[] = {"Content-Encoding: gzip, br, zstd\r\n",
                                        NULL};
  bool failed = true;
  for (long n = 1; failed; n++) {
    failing_state memory;
    neap_alloc alloc = failing_alloc(&memory, n);
    neap_http_response *response = respond(&alloc, headers);
    neap__decoder *decoder = response ? neap__decoder_new(response) : NULL;
    assert_int_equal(memory.failed, decoder == NULL);
    neap__decoder_free(decoder);
    neap__http_response_free(response);
    assert_int_equal(0, memory.live);
    failed = memory.failed;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_body_may_come_and_be_taken_in_any_pieces),
      cmocka_unit_test(a_body_that_is_cut_at_any_byte_is_not_whole),
      cmocka_unit_test(no_body_is_whole_and_so_is_one_of_nothing),
      cmocka_unit_test(spoilt_bodies_do_no_harm),
      cmocka_unit_test(what_gzip_checks_is_checked),
      cmocka_unit_test(streams_in_a_row_are_one_body),
      cmocka_unit_test(zero_bytes_behind_a_body_are_padding),
      cmocka_unit_test(one_coding_may_be_in_another),
      cmocka_unit_test(codings_may_be_in_several_headers),
      cmocka_unit_test(codings_that_are_none_change_nothing),
      cmocka_unit_test(codings_that_nobody_knows_are_told),
      cmocka_unit_test(little_becomes_no_more_than_there_is_room_for),
      cmocka_unit_test(what_a_server_has_flushed_is_given_at_once),
      cmocka_unit_test(each_allocation_of_a_decoder_may_fail),
  };
  return cmocka_run_group_tests_name("http_decode", tests, NULL, NULL);
}
