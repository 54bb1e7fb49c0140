/* Where in a value that is being encoded the encoder is.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_JSON_PLACE_H
#define NEAP_BINDINGS_JSON_PLACE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* A table that is being written, and its current member: `key`, or `index` when
 * that is NULL. With `is_literal`, the key is what is written of a number or a
 * boolean. These structs lie on the C stack, linked from the inside out. */
typedef struct neapL_json_place {
  const struct neapL_json_place *up; /* NULL: the table is the outermost */
  const void *table;
  int depth; /* from 1 */
  const char *key;
  size_t key_size;
  lua_Integer index;
  bool is_literal;
} neapL_json_place;

/* Pushes the path of the current member, and returns it. It begins with `root`,
 * which stands for the whole value, as "$" does. [-0, +1, m] */
const char *neapL_json_place_push(lua_State *L, const char *root,
                                  const neapL_json_place *in);

#endif
