/* The items of CBOR that have no others in them, read.
 * SPDX-License-Identifier: MIT */
#include "read.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include <lauxlib.h>

#include "json/utf8.h"
#include "task/error.h"
#include "values.h"

int neapL_cbor_read_fail(neapL_cbor_decoder *d, const unsigned char *at,
                         const char *format, ...) {
  lua_State *L = d->L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  va_list args;
  va_start(args, format);
  const char *reason = lua_pushvfstring(L, format, args);
  va_end(args);
  lua_Integer offset = at - d->start + 1;
  neapL_error_push(L, d->code, "invalid CBOR at byte %I: %s",
                   (LUAI_UACINT)offset, reason);
  lua_pushinteger(L, offset);
  lua_setfield(L, -2, "offset");
  lua_pushboolean(L, false);
  lua_setfield(L, -2, "retryable");
  return lua_error(L);
}

void neapL_cbor_read_end(neapL_cbor_decoder *d) {
  neapL_cbor_read_fail(d, d->end, "the end comes too early");
}

neapL_cbor_item neapL_cbor_read_head(neapL_cbor_decoder *d) {
  if (d->at == d->end)
    neapL_cbor_read_end(d);
  neapL_cbor_item head = {
      .at = d->at, .major = *d->at >> 5, .info = *d->at & 31};
  d->at++;
  if (head.info < 24) {
    head.value = head.info;
    return head;
  }
  if (head.info > 27) {
    if (head.info != NEAPL_CBOR_INDEFINITE || head.major < NEAPL_CBOR_BYTES ||
        head.major == NEAPL_CBOR_TAG)
      neapL_cbor_read_fail(d, head.at, "no item begins with 0x%s",
                           lua_pushfstring(d->L, "%c%c",
                                           "0123456789abcdef"[*head.at >> 4],
                                           "0123456789abcdef"[*head.at & 15]));
    return head;
  }
  size_t size = (size_t)1 << (head.info - 24);
  if (neapL_cbor_read_left(d) < size)
    neapL_cbor_read_end(d);
  while (size-- > 0)
    head.value = head.value << 8 | *d->at++;
  return head;
}

bool neapL_cbor_read_break(neapL_cbor_decoder *d) {
  if (d->at == d->end)
    neapL_cbor_read_end(d);
  bool is_break = *d->at == NEAPL_CBOR_BREAK;
  d->at += is_break;
  return is_break;
}

/* Takes the bytes of a string whose head was read. [-0, +0, v] */
static const char *take_string(neapL_cbor_decoder *d,
                               const neapL_cbor_item *head) {
  if (head->value > neapL_cbor_read_left(d))
    neapL_cbor_read_end(d);
  const char *bytes = (const char *)d->at;
  size_t size = (size_t)head->value;
  if (head->major == NEAPL_CBOR_TEXT && !neapL_utf8_is(bytes, size))
    neapL_cbor_read_fail(d, head->at, "a text that is not UTF-8");
  d->at += size;
  return bytes;
}

/* Pushes a string that comes in pieces. [-0, +1, v] */
static void push_pieces(neapL_cbor_decoder *d, unsigned major) {
  luaL_Buffer buffer;
  luaL_buffinit(d->L, &buffer);
  while (!neapL_cbor_read_break(d)) {
    neapL_cbor_item head = neapL_cbor_read_head(d);
    if (head.major != major || head.info == NEAPL_CBOR_INDEFINITE)
      neapL_cbor_read_fail(d, head.at, "a piece of a string that is none");
    const char *bytes = take_string(d, &head);
    luaL_addlstring(&buffer, bytes, (size_t)head.value);
  }
  luaL_pushresult(&buffer);
}

void neapL_cbor_read_string(neapL_cbor_decoder *d,
                            const neapL_cbor_item *head) {
  if (head->info == NEAPL_CBOR_INDEFINITE) {
    push_pieces(d, head->major);
    return;
  }
  const char *bytes = take_string(d, head);
  lua_pushlstring(d->L, bytes, (size_t)head->value);
}

lua_Integer neapL_cbor_read_integer(neapL_cbor_decoder *d,
                                    const neapL_cbor_item *head) {
  if (head->value > LUA_MAXINTEGER)
    neapL_cbor_read_fail(d, head->at, "the integer does not fit 64 bits");
  lua_Integer n = (lua_Integer)head->value;
  return head->major == NEAPL_CBOR_NEGATIVE ? -1 - n : n;
}

/* Returns the double that 16 bits are. */
static double of_half(unsigned bits) {
  unsigned exponent = bits >> 10 & 31, fraction = bits & 1023;
  uint64_t sign = (uint64_t)(bits >> 15) << 63, all;
  double x;
  if (exponent == 0) {
    x = ldexp(fraction, -24);
    memcpy(&all, &x, sizeof(all));
  } else {
    uint64_t shifted = exponent == 31 ? 2047 : exponent + 1008;
    all = shifted << 52 | (uint64_t)fraction << 42;
  }
  all |= sign;
  memcpy(&x, &all, sizeof(x));
  return x;
}

/* Returns the double that 32 bits are, also if they are a NaN with something in
 * it. */
static double of_single(uint32_t bits) {
  float single;
  memcpy(&single, &bits, sizeof(single));
  if (!isnan(single))
    return (double)single;
  uint64_t all = (uint64_t)(bits >> 31) << 63 | UINT64_C(2047) << 52 |
                 (uint64_t)(bits & 0x7FFFFF) << 29;
  double x;
  memcpy(&x, &all, sizeof(x));
  return x;
}

void neapL_cbor_read_simple(neapL_cbor_decoder *d,
                            const neapL_cbor_item *head) {
  lua_State *L = d->L;
  double x;
  switch (*head->at) {
  case NEAPL_CBOR_FALSE:
  case NEAPL_CBOR_TRUE:
    lua_pushboolean(L, *head->at == NEAPL_CBOR_TRUE);
    return;
  case NEAPL_CBOR_NULL:
    lua_pushvalue(L, d->null_slot);
    return;
  case NEAPL_CBOR_UNDEFINED:
    lua_pushnil(L);
    return;
  case NEAPL_CBOR_HALF:
    lua_pushnumber(L, of_half((unsigned)head->value));
    return;
  case NEAPL_CBOR_SINGLE:
    lua_pushnumber(L, of_single((uint32_t)head->value));
    return;
  case NEAPL_CBOR_DOUBLE:
    memcpy(&x, &head->value, sizeof(x));
    lua_pushnumber(L, x);
    return;
  case NEAPL_CBOR_BREAK:
    neapL_cbor_read_fail(d, head->at, "a break with nothing to end");
    return;
  default:
    neapL_cbor_read_fail(d, head->at,
                         "the simple value %d, which means nothing",
                         (int)head->value);
  }
}
