/* What the files of the encoder share.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_CBOR_ENCODER_H
#define NEAP_BINDINGS_CBOR_ENCODER_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "block.h"
#include "head.h"
#include "json/place.h"
#include "seen.h"
#include "values.h"

/* How a variable's bytes lie in those of the encoder. */
typedef struct neapL_cbor_variable {
  size_t name, name_size; /* where its name begins */
  size_t at, size;        /* where its value begins */
} neapL_cbor_variable;

/* A userdata of Lua. It reads values in passes, in which nothing takes a step
 * of the collector: no finalizer runs, and nothing changes but what the encoder
 * writes. */
typedef struct neapL_cbor_encoder {
  lua_State *L;               /* of the pass */
  neapL_cbor_block bytes;     /* what is written */
  neapL_cbor_block members;   /* of all maps being written; see keys.h */
  neapL_cbor_block variables; /* of neapL_cbor_variable */
  neapL_cbor_seen seen;
  const char *code, *root; /* of errors; what they call the whole value */
  const void *null, *array_meta;
  const neapL_json_place *outermost; /* of the variable being written */
  size_t begin;                      /* where the variable's bytes begin */
  uint32_t variable;                 /* its number */
  bool is_short;                     /* of memory */
  lua_Integer unsaved; /* objects met of which nothing is saved yet */
  lua_Integer room;    /* how many of them the list of the pass can note */
} neapL_cbor_encoder;

/* Raises an error about the current member: its path and the reason.
 * [-0, +0, v] */
int neapL_cbor_refuse(neapL_cbor_encoder *e, const neapL_json_place *in,
                      const char *format, ...);

/* Ends the pass for lack of memory. [-0, +0, v] */
_Noreturn void neapL_cbor_give_up(neapL_cbor_encoder *e);

/* Makes room for `more` bytes where there is not enough. [-0, +0, v] */
void neapL_cbor_make_room(neapL_cbor_encoder *e, size_t more);

/* Makes room for `more` bytes and returns where they go. [-0, +0, v] */
static inline char *neapL_cbor_reserve(neapL_cbor_encoder *e, size_t more) {
  if (more > e->bytes.size - e->bytes.used)
    neapL_cbor_make_room(e, more);
  return e->bytes.bytes + e->bytes.used;
}

/* Writes the head of an item. [-0, +0, v] */
static inline void neapL_cbor_put_head(neapL_cbor_encoder *e, unsigned major,
                                       uint64_t value) {
  char *out = neapL_cbor_reserve(e, NEAPL_CBOR_HEAD);
  e->bytes.used += neapL_cbor_head(out, major, value);
}

/* Writes an item that is one byte. [-0, +0, v] */
static inline void neapL_cbor_put_byte(neapL_cbor_encoder *e, unsigned byte) {
  *neapL_cbor_reserve(e, 1) = (char)byte;
  e->bytes.used++;
}

/* Writes a string: text if it is UTF-8, else bytes. [-0, +0, v] */
void neapL_cbor_put_string(neapL_cbor_encoder *e, unsigned major,
                           const char *bytes, size_t size);

/* Returns the bits of a float in the shortest form that reads back as the same,
 * and sets *first to the first byte of that form. */
uint64_t neapL_cbor_shorten(double x, unsigned *first);

/* Writes such a float. [-0, +0, v] */
void neapL_cbor_put_float(neapL_cbor_encoder *e, unsigned first, uint64_t bits);

#endif
