/* Where in a value that is being encoded the encoder is.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_JSON_PLACE_H
#define NEAP_BINDINGS_JSON_PLACE_H

#include <lua.h>
#include <stddef.h>

/* A table that is being written, and its current member: `key`, or `index` when
 * that is NULL. These structs lie on the C stack, linked from the inside out.
 */
typedef struct neapL_json_place {
  const struct neapL_json_place *up; /* NULL: the table is the outermost */
  const void *table;
  int depth; /* from 1 */
  const char *key;
  size_t key_size;
  lua_Integer index;
} neapL_json_place;

/* Pushes the path of the current member, "$" for NULL, and returns it.
 * [-0, +1, m] */
const char *neapL_json_place_push(lua_State *L, const neapL_json_place *in);

#endif
