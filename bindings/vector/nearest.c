/* The vectors that are nearest to one.
 * SPDX-License-Identifier: MIT */
#include "nearest.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "task/budget.h"
#include "task/check.h"
#include "vector.h"

/* The products between two looks at what the task may take: one list may have
 * the same large vector many times. */
enum { PRODUCTS = 1 << 20 };

struct found {
  double similarity;
  lua_Integer index;
};

/* The best that have been found: a heap with the worst of them on top. */
struct heap {
  struct found *items;
  size_t count, room;
};

static bool is_worse(const struct found *a, const struct found *b) {
  if (a->similarity != b->similarity)
    return a->similarity < b->similarity;
  return a->index > b->index;
}

static void swap(struct found *a, struct found *b) {
  struct found kept = *a;
  *a = *b;
  *b = kept;
}

/* Lets the item on top sink to its place. */
static void sink(struct heap *heap) {
  struct found *items = heap->items;
  for (size_t at = 0, child; (child = 2 * at + 1) < heap->count; at = child) {
    if (child + 1 < heap->count && is_worse(&items[child + 1], &items[child]))
      child++;
    if (!is_worse(&items[child], &items[at]))
      return;
    swap(&items[at], &items[child]);
  }
}

static void add(struct heap *heap, struct found found) {
  struct found *items = heap->items;
  if (heap->count == heap->room) {
    if (is_worse(&found, &items[0]))
      return;
    items[0] = found;
    sink(heap);
    return;
  }
  size_t at = heap->count++;
  items[at] = found;
  for (; at > 0 && is_worse(&items[at], &items[(at - 1) / 2]);
       at = (at - 1) / 2)
    swap(&items[at], &items[(at - 1) / 2]);
}

static int compare(const void *left, const void *right) {
  return is_worse(left, right) ? 1 : -1; /* no two have the same index */
}

/* Sums of their own let the compiler use the wide registers: additions of
 * floats may not change places. */
static float dot(const float *a, const float *b, size_t size) {
  enum { WIDTH = 16 };
  float sums[WIDTH] = {0};
  size_t i = 0;
  for (; i + WIDTH <= size; i += WIDTH)
    for (size_t j = 0; j < WIDTH; j++)
      sums[j] += a[i + j] * b[i + j];
  for (size_t j = 0; i + j < size; j++)
    sums[j] += a[i + j] * b[i + j];
  float sum = 0;
  for (size_t j = 0; j < WIDTH; j++)
    sum += sums[j];
  return sum;
}

/* The same where the products of floats are too large or too small for one. */
static double wide_dot(const float *a, const float *b, size_t size) {
  double sum = 0;
  for (size_t i = 0; i < size; i++)
    sum += (double)a[i] * b[i];
  return sum;
}

static double cosine(const neapL_vector *a, const neapL_vector *b) {
  double scale = sqrt(a->square * b->square);
  if (scale == 0)
    return 0;
  bool fits = scale > 1e-20 && scale < 1e20;
  double product = fits ? (double)dot(a->values, b->values, a->size)
                        : wide_dot(a->values, b->values, a->size);
  double similarity = product / scale;
  return similarity > 1 ? 1 : similarity < -1 ? -1 : similarity;
}

/* Returns the vector that the argument is, or that its list makes, which is put
 * in its place. [-0, +0, v] */
static const neapL_vector *check_vector(lua_State *L, int arg) {
  const neapL_vector *vector = neapL_vector_at(L, arg);
  if (vector)
    return vector;
  if (!lua_istable(L, arg))
    neapL_check_type_fail(L, arg, "vector or list of numbers");
  vector = neapL_vector_of_list(L, arg);
  if (!vector)
    neapL_check_fail(L, arg, lua_tostring(L, -1));
  lua_replace(L, arg);
  return vector;
}

/* Pushes a vector for the item at `index` of the list at index 2.
 * [-0, +1, v] */
static const neapL_vector *push_item(lua_State *L, lua_Integer index,
                                     size_t size) {
  int type = lua_rawgeti(L, 2, index);
  const neapL_vector *vector = neapL_vector_at(L, -1);
  const char *reason = "neither a vector nor a list";
  if (!vector && type == LUA_TTABLE) {
    vector = neapL_vector_of_list(L, -1);
    if (!vector)
      reason = lua_tostring(L, -1);
    lua_remove(L, -2);
  }
  if (vector && vector->size == size)
    return vector;
  if (vector)
    reason = lua_pushfstring(L, "%I numbers, and not %I",
                             (LUAI_UACINT)vector->size, (LUAI_UACINT)size);
  lua_pushfstring(L, "vector %I: %s", (LUAI_UACINT)index, reason);
  neapL_check_fail(L, 2, lua_tostring(L, -1));
  return vector;
}

/* Pushes the indices and the similarities. [-0, +2, m] */
static void push_found(lua_State *L, const struct heap *heap) {
  lua_createtable(L, (int)heap->count, 0);
  lua_createtable(L, (int)heap->count, 0);
  for (size_t i = 0; i < heap->count; i++) {
    lua_pushinteger(L, heap->items[i].index);
    lua_rawseti(L, -3, (lua_Integer)i + 1);
    lua_pushnumber(L, heap->items[i].similarity);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* nearest(vector, vectors, k): see nearest.h. */
static int nearest(lua_State *L) {
  lua_settop(L, 3);
  const neapL_vector *vector = check_vector(L, 1);
  neapL_check_type(L, 2, LUA_TTABLE);
  lua_Integer k = neapL_check_integer(L, 3);
  neapL_check_that(L, k > 0, 3, "whole number from 1 expected");
  lua_Unsigned count = lua_rawlen(L, 2);
  struct heap heap = {.room = (lua_Unsigned)k < count ? (size_t)k : count};
  heap.items = lua_newuserdatauv(L, heap.room * sizeof(*heap.items) + 1, 0);
  size_t products = 0;
  for (lua_Integer i = 1; i <= (lua_Integer)count; i++) {
    const neapL_vector *other = push_item(L, i, vector->size);
    products += vector->size + 64;
    if (products > PRODUCTS) {
      products = 0;
      neapL_budget_look(L, "llm.nearest");
    }
    add(&heap, (struct found){cosine(vector, other), i});
    lua_pop(L, 1);
  }
  qsort(heap.items, heap.count, sizeof(*heap.items), compare);
  push_found(L, &heap);
  return 2;
}

void neapL_nearest_open(lua_State *L) {
  lua_pushcfunction(L, nearest);
  lua_setfield(L, -2, "nearest");
}
