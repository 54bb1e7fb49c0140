/* Vectors of float32, as embeddings are: packed, and never changed.
 * SPDX-License-Identifier: MIT */
#include "vector.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include <lauxlib.h>

#include "task/check.h"
#include "task/class.h"

#define VECTOR_META "neap.vector"

/* How many bytes a number has. */
enum { BYTES = 4 };

static const neapL_vector *check_vector(lua_State *L, int arg) {
  return neapL_class_check(L, arg, VECTOR_META);
}

const neapL_vector *neapL_vector_at(lua_State *L, int index) {
  return luaL_testudata(L, index, VECTOR_META);
}

/* Pushes a vector of zeros. [-0, +1, v] */
static neapL_vector *push_new(lua_State *L, size_t size) {
  neapL_vector *vector = neapL_class_new(
      L, VECTOR_META, sizeof(*vector) + size * sizeof(*vector->values), 0);
  vector->size = size;
  return vector;
}

static void set_square(neapL_vector *vector) {
  double sum = 0;
  for (size_t i = 0; i < vector->size; i++)
    sum += (double)vector->values[i] * vector->values[i];
  vector->square = sum;
}

/* Puts what is wrong in the place of the vector on top. [-1, +1, m] */
static const neapL_vector *fail(lua_State *L, const char *format, size_t item,
                                const char *what) {
  lua_pushfstring(L, format, (LUAI_UACINT)item, what);
  lua_replace(L, -2);
  return NULL;
}

const neapL_vector *neapL_vector_of_list(lua_State *L, int index) {
  index = lua_absindex(L, index);
  size_t size = lua_rawlen(L, index);
  if (size == 0 || size > INT_MAX / sizeof(float)) {
    lua_pushstring(L, "a list of numbers expected, got an empty one");
    return NULL;
  }
  neapL_vector *vector = push_new(L, size);
  for (size_t i = 1; i <= size; i++) {
    bool is_number = lua_rawgeti(L, index, (lua_Integer)i) == LUA_TNUMBER;
    double value = is_number ? lua_tonumber(L, -1) : 0;
    const char *type = luaL_typename(L, -1);
    lua_pop(L, 1);
    if (!is_number)
      return fail(L, "item %I is a %s", i, type);
    if (!(fabs(value) <= FLT_MAX))
      return fail(L, "item %I is no number that a float32 can be", i, "");
    vector->values[i - 1] = (float)value;
  }
  set_square(vector);
  return vector;
}

/* vector(bytes) */
static int of_bytes(lua_State *L) {
  size_t length;
  const unsigned char *bytes =
      (const unsigned char *)lua_tolstring(L, 1, &length);
  neapL_check_that(L, length > 0 && length % BYTES == 0, 1,
                   "four bytes for each number expected");
  neapL_vector *vector = push_new(L, length / BYTES);
  for (size_t i = 0; i < vector->size; i++, bytes += BYTES) {
    uint32_t bits = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
                    (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    memcpy(&vector->values[i], &bits, sizeof(bits));
    neapL_check_that(L, isfinite(vector->values[i]), 1,
                     "NaN and infinities have no place in a vector");
  }
  set_square(vector);
  return 1;
}

/* vector(list or bytes): see vector.h. A vector is given back as it is. */
static int vector_of(lua_State *L) {
  lua_settop(L, 1);
  if (neapL_vector_at(L, 1))
    return 1;
  if (lua_type(L, 1) == LUA_TSTRING)
    return of_bytes(L);
  if (!lua_istable(L, 1))
    return neapL_check_type_fail(L, 1, "list of numbers or bytes");
  if (!neapL_vector_of_list(L, 1))
    return neapL_check_fail(L, 1, lua_tostring(L, -1));
  return 1;
}

/* vector:list() -> list of numbers */
static int to_list(lua_State *L) {
  const neapL_vector *vector = check_vector(L, 1);
  lua_createtable(L, (int)vector->size, 0);
  for (size_t i = 0; i < vector->size; i++) {
    lua_pushnumber(L, vector->values[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* vector:bytes() -> string */
static int to_bytes(lua_State *L) {
  const neapL_vector *vector = check_vector(L, 1);
  luaL_Buffer b;
  char *to = luaL_buffinitsize(L, &b, vector->size * BYTES);
  for (size_t i = 0; i < vector->size; i++) {
    uint32_t bits;
    memcpy(&bits, &vector->values[i], sizeof(bits));
    for (int shift = 0; shift < 32; shift += 8)
      *to++ = (char)(unsigned char)(bits >> shift & 0xFF);
  }
  luaL_pushresultsize(&b, vector->size * BYTES);
  return 1;
}

/* vector[i], and the methods, in upvalue 2. */
static int get_item(lua_State *L) {
  lua_settop(L, 2);
  const neapL_vector *vector = check_vector(L, 1);
  if (lua_type(L, 2) == LUA_TSTRING) {
    lua_rawget(L, lua_upvalueindex(2));
    return 1;
  }
  lua_Integer at = lua_isinteger(L, 2) ? lua_tointeger(L, 2) : 0;
  if (at < 1 || (lua_Unsigned)at > vector->size)
    lua_pushnil(L);
  else
    lua_pushnumber(L, vector->values[at - 1]);
  return 1;
}

static int count(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_vector(L, 1)->size);
  return 1;
}

static int to_string(lua_State *L) {
  lua_pushfstring(L, "neap.vector: %I numbers",
                  (LUAI_UACINT)check_vector(L, 1)->size);
  return 1;
}

void neapL_vector_open(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"list", to_list}, {"bytes", to_bytes},       {"__index", get_item},
      {"__len", count},  {"__tostring", to_string}, {NULL, NULL}};
  neapL_class_define(L, VECTOR_META, methods, 0);
  lua_pop(L, 1);
  lua_pushcfunction(L, vector_of);
  lua_setfield(L, -2, "vector");
}
