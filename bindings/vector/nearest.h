/* The vectors that are nearest to one.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_VECTOR_NEAREST_H
#define NEAP_BINDINGS_VECTOR_NEAREST_H

#include <lua.h>

/* Adds the function nearest to the table on top.
 *
 * nearest(vector, vectors, k) -> indices, similarities: of the `k` vectors in
 * the list whose direction is most like that of the first, that with the
 * greatest cosine first, and of equal ones that with the lowest index. Lists of
 * numbers are taken for vectors. [-0, +0, m] */
void neapL_nearest_open(lua_State *L);

#endif
