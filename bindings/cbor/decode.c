/* CBOR for Lua: decode.
 * SPDX-License-Identifier: MIT */
#include "decode.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "classes.h"
#include "json/utf8.h"
#include "json/values.h"
#include "task/error.h"
#include "values.h"

/* The state of one call of decode. Slots are indices of the stack. */
struct decoder {
  lua_State *L;
  const char *code;
  const unsigned char *start, *at, *end;
  size_t owed;        /* items of open arrays and maps that are to come */
  lua_Integer shared; /* items with the tag SHARED so far */
  int depth;
  int calls;       /* of functions that load objects */
  int shared_slot; /* nil, or a list of these items */
  int null_slot, array_slot, classes_slot;
};

/* How an item is to be read: its number + 1 if it is shared, and whether it is
 * marked as an array. */
struct wanted {
  lua_Integer number;
  bool is_marked;
};

static const struct wanted plain = {0, false};

/* The first bytes of an item. */
struct head {
  const unsigned char *at;
  unsigned major, info;
  uint64_t value;
};

/* What stands for a length that is not told. */
enum { INDEFINITE = 31 };

static void push_item(struct decoder *d, struct wanted wanted);

/* Raises an error about the bytes at `at`. [-0, +0, v] */
static int refuse(struct decoder *d, const unsigned char *at,
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

/* Refuses bytes that end too early. [-0, +0, v] */
static void refuse_end(struct decoder *d) {
  refuse(d, d->end, "the end comes too early");
}

/* Returns how many bytes are left. */
static size_t left(const struct decoder *d) {
  return (size_t)(d->end - d->at);
}

/* Reads the head of an item. [-0, +0, v] */
static struct head read_head(struct decoder *d) {
  if (d->at == d->end)
    refuse_end(d);
  struct head head = {.at = d->at, .major = *d->at >> 5, .info = *d->at & 31};
  d->at++;
  if (head.info < 24) {
    head.value = head.info;
    return head;
  }
  if (head.info > 27) {
    if (head.info != INDEFINITE || head.major < NEAPL_CBOR_BYTES ||
        head.major == NEAPL_CBOR_TAG)
      refuse(d, head.at, "no item begins with 0x%s",
             lua_pushfstring(d->L, "%c%c", "0123456789abcdef"[*head.at >> 4],
                             "0123456789abcdef"[*head.at & 15]));
    return head;
  }
  size_t size = (size_t)1 << (head.info - 24);
  if (left(d) < size)
    refuse_end(d);
  while (size-- > 0)
    head.value = head.value << 8 | *d->at++;
  return head;
}

/* Takes the break that ends an item without a length, if it is next.
 * [-0, +0, v] */
static bool take_break(struct decoder *d) {
  if (d->at == d->end)
    refuse_end(d);
  bool is_break = *d->at == NEAPL_CBOR_BREAK;
  d->at += is_break;
  return is_break;
}

/* Takes the bytes of a string whose head was read. [-0, +0, v] */
static const char *take_string(struct decoder *d, const struct head *head) {
  if (head->value > left(d))
    refuse_end(d);
  const char *bytes = (const char *)d->at;
  size_t size = (size_t)head->value;
  if (head->major == NEAPL_CBOR_TEXT && !neapL_utf8_is(bytes, size))
    refuse(d, head->at, "a text that is not UTF-8");
  d->at += size;
  return bytes;
}

/* Pushes a string that comes in pieces. [-0, +1, v] */
static void push_pieces(struct decoder *d, unsigned major) {
  luaL_Buffer buffer;
  luaL_buffinit(d->L, &buffer);
  while (!take_break(d)) {
    struct head head = read_head(d);
    if (head.major != major || head.info == INDEFINITE)
      refuse(d, head.at, "a piece of a string that is none");
    const char *bytes = take_string(d, &head);
    luaL_addlstring(&buffer, bytes, (size_t)head.value);
  }
  luaL_pushresult(&buffer);
}

static void push_string(struct decoder *d, const struct head *head) {
  if (head->info == INDEFINITE) {
    push_pieces(d, head->major);
    return;
  }
  const char *bytes = take_string(d, head);
  lua_pushlstring(d->L, bytes, (size_t)head->value);
}

/* Returns the integer of a head. [-0, +0, v] */
static lua_Integer to_integer(struct decoder *d, const struct head *head) {
  if (head->value > LUA_MAXINTEGER)
    refuse(d, head->at, "the integer does not fit 64 bits");
  lua_Integer n = (lua_Integer)head->value;
  return head->major == NEAPL_CBOR_NEGATIVE ? -1 - n : n;
}

/* Makes the value on top what references to the number are. [-0, +0, m] */
static void share(struct decoder *d, lua_Integer number) {
  if (number == 0)
    return;
  lua_pushvalue(d->L, -1);
  lua_rawseti(d->L, d->shared_slot, number);
}

/* Begins an item with others in it. [-0, +0, v] */
static void enter(struct decoder *d, const struct head *head) {
  if (++d->depth > NEAPL_CBOR_MAX_DEPTH)
    refuse(d, head->at, "nested deeper than %d", NEAPL_CBOR_MAX_DEPTH);
  luaL_checkstack(d->L, LUA_MINSTACK,
                  "CBOR too deep for what the stack already holds");
}

/* Notes that `count` more items are to come, each of which has a byte at least:
 * so nothing is allocated that the bytes cannot fill. [-0, +0, v] */
static void owe(struct decoder *d, uint64_t count) {
  if (count > left(d) || count + d->owed > left(d) || count > INT_MAX)
    refuse_end(d);
  d->owed += (size_t)count;
}

/* Whether another item of an array or a map comes after `count` of them.
 * [-0, +0, v] */
static bool has_more(struct decoder *d, const struct head *head,
                     uint64_t count) {
  if (head->info == INDEFINITE)
    return !take_break(d);
  return count < head->value;
}

/* Pushes an item of an array or a map. [-0, +1, v] */
static void push_member(struct decoder *d, bool is_owed) {
  d->owed -= is_owed;
  const unsigned char *at = d->at;
  push_item(d, plain);
  if (lua_isnil(d->L, -1))
    refuse(d, at, "undefined has no place in a table");
}

/* Gives the table on top the mark of arrays. [-0, +0, -] */
static void mark(struct decoder *d) {
  lua_pushvalue(d->L, d->array_slot);
  lua_setmetatable(d->L, -2);
}

/* Pushes the array whose head was read. [-0, +1, v] */
static void push_array(struct decoder *d, const struct head *head,
                       struct wanted wanted) {
  lua_State *L = d->L;
  bool is_definite = head->info != INDEFINITE;
  enter(d, head);
  if (is_definite)
    owe(d, head->value);
  lua_createtable(L, (int)head->value, 0);
  share(d, wanted.number);
  uint64_t count = 0;
  while (has_more(d, head, count)) {
    push_member(d, is_definite);
    lua_rawseti(L, -2, (lua_Integer)++count);
  }
  if (wanted.is_marked || count == 0)
    mark(d);
  d->depth--;
}

/* The keys of a map so far that came in the order in which encode sorts them. A
 * key after those of its kind is new, others have to be looked up: also when a
 * function has loaded an object meanwhile, which may refer to the map. */
struct order {
  int calls;        /* before the map */
  const char *text; /* the last string; it is anchored by the map */
  size_t size;
  bool has_integer;
  lua_Integer integer; /* the last of them */
};

/* Whether the key on top comes after those before it. [-0, +0, -] */
static bool comes_after(struct decoder *d, struct order *order) {
  lua_State *L = d->L;
  if (d->calls != order->calls)
    return false;
  if (lua_type(L, -1) == LUA_TSTRING) {
    size_t size;
    const char *text = lua_tolstring(L, -1, &size);
    bool after = order->text == NULL || size > order->size ||
                 (size == order->size && memcmp(text, order->text, size) > 0);
    if (after) {
      order->text = text;
      order->size = size;
    }
    return after;
  }
  if (!lua_isinteger(L, -1))
    return false;
  lua_Integer n = lua_tointeger(L, -1);
  bool after = !order->has_integer || n > order->integer;
  if (after) {
    order->has_integer = true;
    order->integer = n;
  }
  return after;
}

/* Pushes a key of the map on top. [-0, +1, v] */
static void push_key(struct decoder *d, bool is_owed, struct order *order) {
  lua_State *L = d->L;
  const unsigned char *at = d->at;
  push_member(d, is_owed);
  int type = lua_type(L, -1);
  if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN)
    refuse(d, at, "a key that is no string, number or boolean");
  if (comes_after(d, order))
    return;
  if (type == LUA_TNUMBER && isnan(lua_tonumber(L, -1)))
    refuse(d, at, "a key that is NaN");
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) != LUA_TNIL)
    refuse(d, at, "a key that the map has already");
  lua_pop(L, 1);
}

/* Pushes the map whose head was read. [-0, +1, v] */
static void push_map(struct decoder *d, const struct head *head,
                     struct wanted wanted) {
  lua_State *L = d->L;
  bool is_definite = head->info != INDEFINITE;
  enter(d, head);
  if (is_definite) {
    if (head->value > INT_MAX)
      refuse_end(d);
    owe(d, head->value * 2);
  }
  lua_createtable(L, 0, (int)head->value);
  share(d, wanted.number);
  struct order order = {.calls = d->calls};
  for (uint64_t count = 0; has_more(d, head, count); count++) {
    push_key(d, is_definite, &order);
    push_member(d, is_definite);
    lua_rawset(L, -3);
  }
  if (wanted.is_marked)
    mark(d);
  d->depth--;
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

/* Pushes the simple value or the float whose head was read. [-0, +1, v] */
static void push_simple(struct decoder *d, const struct head *head) {
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
    refuse(d, head->at, "a break with nothing to end");
    return;
  default:
    refuse(d, head->at, "the simple value %d, which means nothing",
           (int)head->value);
  }
}

/* Pushes the item that the next one, a number, refers to. [-0, +1, v] */
static void push_again(struct decoder *d) {
  struct head head = read_head(d);
  if (head.major != NEAPL_CBOR_POSITIVE)
    refuse(d, head.at, "a reference that is no number");
  if (head.value >= (uint64_t)d->shared ||
      lua_rawgeti(d->L, d->shared_slot, (lua_Integer)head.value + 1) ==
          LUA_TNIL)
    refuse(d, head.at, "a reference to what has not been there before");
}

/* Returns the major type of the next item. [-0, +0, v] */
static unsigned next_major(struct decoder *d) {
  if (d->at == d->end)
    refuse_end(d);
  return *d->at >> 5;
}

/* Refuses a next item that is no array or map. [-0, +0, v] */
static void check_table(struct decoder *d, const char *what) {
  unsigned major = next_major(d);
  if (major != NEAPL_CBOR_ARRAY && major != NEAPL_CBOR_MAP)
    refuse(d, d->at, "%s that is no array or map", what);
}

/* Pushes what is known of the class whose name comes next. [-0, +1, v] */
static void push_class(struct decoder *d) {
  lua_State *L = d->L;
  const unsigned char *at = d->at;
  if (next_major(d) != NEAPL_CBOR_TEXT)
    refuse(d, at, "an object whose class has no name");
  push_item(d, plain);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, d->classes_slot) != LUA_TTABLE) {
    lua_pop(L, 1);
    refuse(d, at, "an object of the class %s, which is not registered",
           lua_tostring(L, -1));
  }
  lua_remove(L, -2);
}

/* Pushes the object whose tag was read. [-0, +1, v] */
static void push_object(struct decoder *d, struct wanted wanted) {
  lua_State *L = d->L;
  struct head head = read_head(d);
  if (head.major != NEAPL_CBOR_ARRAY || head.value != 2)
    refuse(d, head.at, "an object that is no array of two items");
  enter(d, &head);
  push_class(d);
  if (lua_rawgeti(L, -1, NEAPL_CBOR_CLASS_LOAD) == LUA_TFUNCTION) {
    const unsigned char *at = d->at;
    push_item(d, plain);
    d->calls++;
    lua_call(L, 1, 1); /* class object */
    if (lua_isnil(L, -1)) {
      lua_rawgeti(L, -2, NEAPL_CBOR_CLASS_NAME);
      refuse(d, at, "load of the class %s has given nil", lua_tostring(L, -1));
    }
    share(d, wanted.number);
  } else {
    check_table(d, "an object");
    lua_pop(L, 1);
    push_item(d, wanted); /* class object */
    lua_rawgeti(L, -2, NEAPL_CBOR_CLASS_META);
    lua_setmetatable(L, -2);
  }
  lua_remove(L, -2);
  d->depth--;
}

/* Pushes the item after a tag, whose head was read. [-0, +1, v] */
static void push_tagged(struct decoder *d, const struct head *head,
                        struct wanted wanted) {
  lua_State *L = d->L;
  switch (head->value) {
  case NEAPL_CBOR_SHARED:
    if (wanted.number != 0)
      refuse(d, head->at, "an item that is shared twice");
    if (d->shared++ == 0) {
      lua_newtable(L);
      lua_replace(L, d->shared_slot);
    }
    wanted.number = d->shared;
    push_item(d, wanted);
    return;
  case NEAPL_CBOR_AGAIN:
    push_again(d);
    share(d, wanted.number);
    return;
  case NEAPL_CBOR_OBJECT:
    push_object(d, wanted);
    return;
  case NEAPL_CBOR_MARKED:
    check_table(d, "a marked item");
    wanted.is_marked = true;
    push_item(d, wanted);
    return;
  default: {
    char number[24];
    snprintf(number, sizeof(number), "%" PRIu64, head->value);
    refuse(d, head->at, "the tag %s, which is not known", number);
  }
  }
}

/* Pushes the next item. [-0, +1, v] */
static void push_item(struct decoder *d, struct wanted wanted) {
  struct head head = read_head(d);
  switch (head.major) {
  case NEAPL_CBOR_ARRAY:
    push_array(d, &head, wanted);
    return;
  case NEAPL_CBOR_MAP:
    push_map(d, &head, wanted);
    return;
  case NEAPL_CBOR_TAG:
    push_tagged(d, &head, wanted);
    return;
  case NEAPL_CBOR_POSITIVE:
  case NEAPL_CBOR_NEGATIVE:
    lua_pushinteger(d->L, to_integer(d, &head));
    break;
  case NEAPL_CBOR_BYTES:
  case NEAPL_CBOR_TEXT:
    push_string(d, &head);
    break;
  default:
    push_simple(d, &head);
  }
  share(d, wanted.number);
}

void neapL_cbor_decode(lua_State *L, const char *code, const char *bytes,
                       size_t size) {
  const unsigned char *start = (const unsigned char *)bytes;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  int top = lua_gettop(L);
  struct decoder d = {.L = L,
                      .code = code,
                      .start = start,
                      .at = start,
                      .end = start + size,
                      .shared_slot = top + 1,
                      .null_slot = top + 2,
                      .array_slot = top + 3,
                      .classes_slot = top + 4};
  lua_pushnil(L);
  lua_getfield(L, LUA_REGISTRYINDEX, NEAPL_JSON_NULL_KEY);
  luaL_getmetatable(L, NEAPL_JSON_ARRAY_META);
  neapL_cbor_classes_push_by_name(L);
  push_item(&d, plain);
  if (d.at != d.end)
    refuse(&d, d.at, "more bytes after the value");
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
}
