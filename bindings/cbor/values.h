/* How CBOR (RFC 8949) writes the values of Lua.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_CBOR_VALUES_H
#define NEAP_BINDINGS_CBOR_VALUES_H

/* The major types: the upper three bits of the first byte of each item. */
enum {
  NEAPL_CBOR_POSITIVE,
  NEAPL_CBOR_NEGATIVE, /* -1 - n */
  NEAPL_CBOR_BYTES,
  NEAPL_CBOR_TEXT,
  NEAPL_CBOR_ARRAY,
  NEAPL_CBOR_MAP,
  NEAPL_CBOR_TAG,
  NEAPL_CBOR_SIMPLE
};

/* First bytes of the last major type. */
enum {
  NEAPL_CBOR_FALSE = 0xF4,
  NEAPL_CBOR_TRUE,
  NEAPL_CBOR_NULL,
  NEAPL_CBOR_UNDEFINED,
  NEAPL_CBOR_HALF = 0xF9,
  NEAPL_CBOR_SINGLE,
  NEAPL_CBOR_DOUBLE,
  NEAPL_CBOR_BREAK = 0xFF
};

/* Tags. An object is [the name of its class, what is saved of it], as generic
 * objects have it (http://cbor.schmorp.de/generic-object). An item with the tag
 * SHARED is referred to by its number, from 0, with the tag AGAIN
 * (http://cbor.schmorp.de/value-sharing). MARKED, of the range that is first
 * come, first served, and not registered, says that a table has the mark of
 * json.array; empty arrays have it without. */
enum {
  NEAPL_CBOR_OBJECT = 27,
  NEAPL_CBOR_SHARED = 28,
  NEAPL_CBOR_AGAIN = 29,
  NEAPL_CBOR_MARKED = 38513
};

enum {
  NEAPL_CBOR_MAX_DEPTH = 200, /* of tables; an object counts as one more */
  NEAPL_CBOR_MAX_SIZE = 16 * 1024 * 1024
};

#endif
