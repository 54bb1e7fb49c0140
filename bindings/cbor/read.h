/* The items of CBOR that have no others in them, read.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_CBOR_READ_H
#define NEAP_BINDINGS_CBOR_READ_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The state of one call of decode. Slots are indices of the stack. */
typedef struct neapL_cbor_decoder {
  lua_State *L;
  const char *code;
  const unsigned char *start, *at, *end;
  size_t owed;        /* items of open arrays and maps that are to come */
  lua_Integer shared; /* items with the tag SHARED so far */
  int depth;
  int calls;       /* of functions that load objects */
  int shared_slot; /* nil, or a list of these items */
  int null_slot, array_slot, classes_slot;
} neapL_cbor_decoder;

/* The first bytes of an item. */
typedef struct neapL_cbor_item {
  const unsigned char *at;
  unsigned major, info;
  uint64_t value;
} neapL_cbor_item;

/* What stands for a length that is not told. */
enum { NEAPL_CBOR_INDEFINITE = 31 };

/* Raises an error about the bytes at `at`. [-0, +0, v] */
int neapL_cbor_read_fail(neapL_cbor_decoder *d, const unsigned char *at,
                         const char *format, ...);

/* Refuses bytes that end too early. [-0, +0, v] */
void neapL_cbor_read_end(neapL_cbor_decoder *d);

/* Returns how many bytes are left. */
static inline size_t neapL_cbor_read_left(const neapL_cbor_decoder *d) {
  return (size_t)(d->end - d->at);
}

/* Reads the head of an item. [-0, +0, v] */
neapL_cbor_item neapL_cbor_read_head(neapL_cbor_decoder *d);

/* Takes the break that ends an item without a length, if it is next.
 * [-0, +0, v] */
bool neapL_cbor_read_break(neapL_cbor_decoder *d);

/* Returns the integer of a head. [-0, +0, v] */
lua_Integer neapL_cbor_read_integer(neapL_cbor_decoder *d,
                                    const neapL_cbor_item *head);

/* Pushes the string whose head was read. [-0, +1, v] */
void neapL_cbor_read_string(neapL_cbor_decoder *d, const neapL_cbor_item *head);

/* Pushes the simple value or the float whose head was read. [-0, +1, v] */
void neapL_cbor_read_simple(neapL_cbor_decoder *d, const neapL_cbor_item *head);

#endif
