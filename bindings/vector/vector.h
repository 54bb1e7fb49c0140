/* Vectors of float32, as embeddings are: packed, and never changed.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_VECTOR_VECTOR_H
#define NEAP_BINDINGS_VECTOR_VECTOR_H

#include <lua.h>
#include <stddef.h>

typedef struct neapL_vector {
  double square; /* of the vector's length in space */
  size_t size;   /* 1 or more */
  float values[];
} neapL_vector;

/* Returns the vector at an index, NULL if none is there. It lasts as long as
 * the value on the stack. [-0, +0, -] */
const neapL_vector *neapL_vector_at(lua_State *L, int index);

/* Pushes a vector of the numbers in the list at an index. Returns NULL instead,
 * and pushes why, if they make none. [-0, +1, v] */
const neapL_vector *neapL_vector_of_list(lua_State *L, int index);

/* Adds the function vector to the table on top.
 *
 * vector(list or bytes) -> vector: of numbers, or of float32 in bytes, the
 * least significant first. `#vector`, `vector[i]`, `vector:list()` and
 * `vector:bytes()` read it. [-0, +0, m] */
void neapL_vector_open(lua_State *L);

#endif
