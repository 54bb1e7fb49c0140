/* The tables that an encoder has met, and those that it has met again.
 * SPDX-License-Identifier: MIT
 *
 * The bytes of a table are written when it is met first. Only when it is met
 * again is it known that it needs a tag. So the places of both are noted, and
 * tags and references are put between the bytes when all are written. */
#ifndef NEAP_BINDINGS_CBOR_SEEN_H
#define NEAP_BINDINGS_CBOR_SEEN_H

#include <stdint.h>

#include "block.h"

typedef struct neapL_cbor_table {
  const void *table;
  size_t at;         /* where its bytes begin */
  uint32_t variable; /* the number of the variable that it was met in */
  uint32_t number;   /* by which it is referred to */
  bool again;        /* it was met again */
  bool open;         /* an object, and what was saved of it is being written */
} neapL_cbor_table;

typedef struct neapL_cbor_seen {
  neapL_cbor_block tables; /* of neapL_cbor_table, in the order of bytes */
  neapL_cbor_block again;  /* struct again */
  neapL_cbor_block slots;  /* of uint32_t: a table's number + 1, or 0 */
  uint32_t mask;           /* the slots in use are one more */
} neapL_cbor_seen;

/* Forgets all tables. Returns false when there is no memory. [-0, +0, -] */
bool neapL_cbor_seen_begin(lua_State *L, neapL_cbor_seen *seen);

/* Returns what is noted of a table that was met before; NULL for one that is
 * new, after it has noted it with `at` and `variable`. Sets *ok to false when
 * there is no memory. The result is valid until the next call. [-0, +0, -] */
neapL_cbor_table *neapL_cbor_seen_meet(lua_State *L, neapL_cbor_seen *seen,
                                       const void *table, size_t at,
                                       uint32_t variable, bool *ok);

/* Returns what was noted of the `number`-th table, from 0. [-0, +0, -] */
neapL_cbor_table *neapL_cbor_seen_at(const neapL_cbor_seen *seen,
                                     uint32_t number);

/* Returns how many tables were noted. [-0, +0, -] */
uint32_t neapL_cbor_seen_count(const neapL_cbor_seen *seen);

/* Notes that the byte at `at` stands for a table that was met before. Returns
 * false when there is no memory. [-0, +0, -] */
bool neapL_cbor_seen_refer(lua_State *L, neapL_cbor_seen *seen,
                           neapL_cbor_table *table, size_t at);

/* Puts the tags and references that were noted since the last call between the
 * bytes of the tables, of which `first` is the number of the first. Returns
 * false when there is no memory. [-0, +0, -] */
bool neapL_cbor_seen_weave(lua_State *L, neapL_cbor_seen *seen, uint32_t first,
                           neapL_cbor_block *bytes);

void neapL_cbor_seen_trim(lua_State *L, neapL_cbor_seen *seen, size_t most);

#endif
