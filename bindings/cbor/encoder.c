/* What the files of the encoder share.
 * SPDX-License-Identifier: MIT */
#include "encoder.h"

#include <stdarg.h>
#include <string.h>

#include <lauxlib.h>

#include "task/error.h"

int neapL_cbor_refuse(neapL_cbor_encoder *e, const neapL_json_place *in,
                      const char *format, ...) {
  lua_State *L = e->L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  va_list args;
  va_start(args, format);
  const char *reason = lua_pushvfstring(L, format, args);
  va_end(args);
  const char *path = neapL_json_place_push(L, e->root, in); /* reason path */
  neapL_error_push(L, e->code, "%s %s", path, reason);
  lua_pushvalue(L, -2); /* reason path error path */
  lua_setfield(L, -2, "path");
  lua_pushboolean(L, false);
  lua_setfield(L, -2, "retryable");
  return lua_error(L);
}

_Noreturn void neapL_cbor_give_up(neapL_cbor_encoder *e) {
  e->is_short = true;
  lua_settop(e->L, 0);
  lua_pushnil(e->L);
  lua_error(e->L);
  __builtin_unreachable();
}

void neapL_cbor_make_room(neapL_cbor_encoder *e, size_t more) {
  enum { FIRST = 1024 };
  size_t most = e->begin + NEAPL_CBOR_MAX_SIZE + NEAPL_CBOR_HEAD;
  size_t needed = e->bytes.used + more, size = e->bytes.size * 2;
  if (needed > most)
    neapL_cbor_refuse(e, e->outermost, "is larger than 16 MiB");
  size = size < FIRST ? FIRST : size > most ? most : size;
  if (!neapL_cbor_block_grow(e->L, &e->bytes, size > needed ? size : needed))
    neapL_cbor_give_up(e);
}

void neapL_cbor_put_string(neapL_cbor_encoder *e, unsigned major,
                           const char *bytes, size_t size) {
  char *out = neapL_cbor_reserve(e, NEAPL_CBOR_HEAD + size);
  size_t head = neapL_cbor_head(out, major, size);
  memcpy(out + head, bytes, size);
  e->bytes.used += head + size;
}

/* The parts of a double, and of the shorter forms. */
enum { DOUBLE_FRACTION = 52, DOUBLE_BIAS = 1023, DOUBLE_MOST = 2047 };
enum { SINGLE_FRACTION = 23, SINGLE_BIAS = 127, SINGLE_MOST = 255 };
enum { HALF_FRACTION = 10, HALF_BIAS = 15, HALF_MOST = 31 };

/* Writes the bits of a double in a form with fewer bits. Returns false when
 * some of them would be lost. */
static bool shorten(uint64_t bits, int fraction_size, int bias, int most,
                    uint64_t *out) {
  uint64_t fraction = bits & ((UINT64_C(1) << DOUBLE_FRACTION) - 1);
  int exponent = (int)(bits >> DOUBLE_FRACTION & DOUBLE_MOST);
  int lost = DOUBLE_FRACTION - fraction_size;
  uint64_t sign = bits >> 63 << (fraction_size + (most == HALF_MOST ? 5 : 8));
  int shifted = exponent - DOUBLE_BIAS + bias;
  if (exponent == DOUBLE_MOST) { /* an infinity or NaN */
    shifted = most;
  } else if (exponent == 0) { /* zero; a smaller form has none of the others */
    shifted = 0;
    if (fraction != 0)
      return false;
  } else if (shifted >= most) {
    return false;
  } else if (shifted <= 0) { /* without the 1 before the point */
    fraction |= UINT64_C(1) << DOUBLE_FRACTION;
    lost += 1 - shifted;
    shifted = 0;
    if (lost > DOUBLE_FRACTION)
      return false;
  }
  if ((fraction & ((UINT64_C(1) << lost) - 1)) != 0)
    return false;
  *out = sign | (uint64_t)shifted << fraction_size | fraction >> lost;
  return true;
}

uint64_t neapL_cbor_shorten(double x, unsigned *first) {
  uint64_t bits, shorter;
  memcpy(&bits, &x, sizeof(bits));
  *first = NEAPL_CBOR_HALF;
  if (shorten(bits, HALF_FRACTION, HALF_BIAS, HALF_MOST, &shorter))
    return shorter;
  *first = NEAPL_CBOR_SINGLE;
  if (shorten(bits, SINGLE_FRACTION, SINGLE_BIAS, SINGLE_MOST, &shorter))
    return shorter;
  *first = NEAPL_CBOR_DOUBLE;
  return bits;
}

void neapL_cbor_put_float(neapL_cbor_encoder *e, unsigned first,
                          uint64_t bits) {
  size_t size = (size_t)2 << (first - NEAPL_CBOR_HALF);
  char *out = neapL_cbor_reserve(e, NEAPL_CBOR_HEAD);
  *out = (char)first;
  neapL_cbor_number(out + 1, bits, size);
  e->bytes.used += 1 + size;
}
