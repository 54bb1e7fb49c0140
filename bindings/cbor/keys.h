/* The keys of a map in the order in which they are written.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_CBOR_KEYS_H
#define NEAP_BINDINGS_CBOR_KEYS_H

#include "encoder.h"

/* More members than this are not sorted: they would not fit Lua's stack. */
enum { NEAPL_CBOR_MOST_SORTED = 200000 };

/* A key as it is written. Those of two members, `first` and then `second`, have
 * the order of the bytes of their encodings (RFC 8949, 4.2.1), up to the first
 * eight bytes of a string. */
typedef struct neapL_cbor_member {
  uint64_t first;   /* the major type, and the size or what kind of a float */
  uint64_t second;  /* the number, or how the string begins */
  const char *text; /* of a string */
  size_t size;
  int index; /* of the key on the stack; the value follows */
} neapL_cbor_member;

/* The room for a key that is a number or a boolean, as text. */
enum { NEAPL_CBOR_LITERAL = 32 };

/* Reads the key at an index. Refuses one that is no string, number or boolean.
 * [-0, +0, v] */
neapL_cbor_member neapL_cbor_key(neapL_cbor_encoder *e,
                                 const neapL_json_place *in, int index);

/* Writes a key. [-0, +0, v] */
void neapL_cbor_put_key(neapL_cbor_encoder *e, const neapL_cbor_member *key);

/* Makes a key that of the current member of `here`; a number or a boolean as
 * text in `literal`. [-0, +0, -] */
void neapL_cbor_place_key(neapL_cbor_encoder *e, neapL_json_place *here,
                          const neapL_cbor_member *key,
                          char literal[NEAPL_CBOR_LITERAL]);

/* Pushes the keys and values of the table on top, and adds as many members to
 * those of the encoder, sorted. Returns how many; -1, and pushes and adds none,
 * if they are too many. [-0, +2n, v] */
lua_Integer neapL_cbor_members(neapL_cbor_encoder *e,
                               const neapL_json_place *in);

#endif
