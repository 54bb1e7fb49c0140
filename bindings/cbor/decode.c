/* CBOR for Lua: decode.
 * SPDX-License-Identifier: MIT */
#include "decode.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "classes.h"
#include "json/values.h"
#include "read.h"
#include "values.h"

/* How an item is to be read: its number + 1 if it is shared, and whether it is
 * marked as an array. */
struct wanted {
  lua_Integer number;
  bool is_marked;
};

static const struct wanted plain = {0, false};

static void push_item(neapL_cbor_decoder *d, struct wanted wanted);

/* Makes the value on top what references to the number are. [-0, +0, m] */
static void share(neapL_cbor_decoder *d, lua_Integer number) {
  if (number == 0)
    return;
  lua_pushvalue(d->L, -1);
  lua_rawseti(d->L, d->shared_slot, number);
}

/* Begins an item with others in it. [-0, +0, v] */
static void enter(neapL_cbor_decoder *d, const neapL_cbor_item *head) {
  if (++d->depth > NEAPL_CBOR_MAX_DEPTH)
    neapL_cbor_read_fail(d, head->at, "nested deeper than %d",
                         NEAPL_CBOR_MAX_DEPTH);
  luaL_checkstack(d->L, LUA_MINSTACK,
                  "CBOR too deep for what the stack already holds");
}

/* Notes that `count` more items are to come, each of which has a byte at least:
 * so nothing is allocated that the bytes cannot fill. [-0, +0, v] */
static void owe(neapL_cbor_decoder *d, uint64_t count) {
  if (count > neapL_cbor_read_left(d) ||
      count + d->owed > neapL_cbor_read_left(d) || count > INT_MAX)
    neapL_cbor_read_end(d);
  d->owed += (size_t)count;
}

/* Whether another item of an array or a map comes after `count` of them.
 * [-0, +0, v] */
static bool has_more(neapL_cbor_decoder *d, const neapL_cbor_item *head,
                     uint64_t count) {
  if (head->info == NEAPL_CBOR_INDEFINITE)
    return !neapL_cbor_read_break(d);
  return count < head->value;
}

/* Pushes an item of an array or a map. [-0, +1, v] */
static void push_member(neapL_cbor_decoder *d, bool is_owed) {
  d->owed -= is_owed;
  const unsigned char *at = d->at;
  push_item(d, plain);
  if (lua_isnil(d->L, -1))
    neapL_cbor_read_fail(d, at, "undefined has no place in a table");
}

/* Gives the table on top the mark of arrays. [-0, +0, -] */
static void mark(neapL_cbor_decoder *d) {
  lua_pushvalue(d->L, d->array_slot);
  lua_setmetatable(d->L, -2);
}

/* Pushes the array whose head was read. [-0, +1, v] */
static void push_array(neapL_cbor_decoder *d, const neapL_cbor_item *head,
                       struct wanted wanted) {
  lua_State *L = d->L;
  bool is_definite = head->info != NEAPL_CBOR_INDEFINITE;
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
static bool comes_after(neapL_cbor_decoder *d, struct order *order) {
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
static void push_key(neapL_cbor_decoder *d, bool is_owed, struct order *order) {
  lua_State *L = d->L;
  const unsigned char *at = d->at;
  push_member(d, is_owed);
  int type = lua_type(L, -1);
  if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN)
    neapL_cbor_read_fail(d, at, "a key that is no string, number or boolean");
  if (comes_after(d, order))
    return;
  if (type == LUA_TNUMBER && isnan(lua_tonumber(L, -1)))
    neapL_cbor_read_fail(d, at, "a key that is NaN");
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) != LUA_TNIL)
    neapL_cbor_read_fail(d, at, "a key that the map has already");
  lua_pop(L, 1);
}

/* Pushes the map whose head was read. [-0, +1, v] */
static void push_map(neapL_cbor_decoder *d, const neapL_cbor_item *head,
                     struct wanted wanted) {
  lua_State *L = d->L;
  bool is_definite = head->info != NEAPL_CBOR_INDEFINITE;
  enter(d, head);
  if (is_definite) {
    if (head->value > INT_MAX)
      neapL_cbor_read_end(d);
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

/* Pushes the item that the next one, a number, refers to. [-0, +1, v] */
static void push_again(neapL_cbor_decoder *d) {
  neapL_cbor_item head = neapL_cbor_read_head(d);
  if (head.major != NEAPL_CBOR_POSITIVE)
    neapL_cbor_read_fail(d, head.at, "a reference that is no number");
  if (head.value >= (uint64_t)d->shared ||
      lua_rawgeti(d->L, d->shared_slot, (lua_Integer)head.value + 1) ==
          LUA_TNIL)
    neapL_cbor_read_fail(d, head.at,
                         "a reference to what has not been there before");
}

/* Returns the major type of the next item. [-0, +0, v] */
static unsigned next_major(neapL_cbor_decoder *d) {
  if (d->at == d->end)
    neapL_cbor_read_end(d);
  return *d->at >> 5;
}

/* Refuses a next item that is no array or map. [-0, +0, v] */
static void check_table(neapL_cbor_decoder *d, const char *what) {
  unsigned major = next_major(d);
  if (major != NEAPL_CBOR_ARRAY && major != NEAPL_CBOR_MAP)
    neapL_cbor_read_fail(d, d->at, "%s that is no array or map", what);
}

/* Pushes what is known of the class whose name comes next. [-0, +1, v] */
static void push_class(neapL_cbor_decoder *d) {
  lua_State *L = d->L;
  const unsigned char *at = d->at;
  if (next_major(d) != NEAPL_CBOR_TEXT)
    neapL_cbor_read_fail(d, at, "an object whose class has no name");
  push_item(d, plain);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, d->classes_slot) != LUA_TTABLE) {
    lua_pop(L, 1);
    neapL_cbor_read_fail(d, at,
                         "an object of the class %s, which is not registered",
                         lua_tostring(L, -1));
  }
  lua_remove(L, -2);
}

/* Pushes the object whose tag was read. [-0, +1, v] */
static void push_object(neapL_cbor_decoder *d, struct wanted wanted) {
  lua_State *L = d->L;
  neapL_cbor_item head = neapL_cbor_read_head(d);
  if (head.major != NEAPL_CBOR_ARRAY || head.value != 2)
    neapL_cbor_read_fail(d, head.at, "an object that is no array of two items");
  enter(d, &head);
  push_class(d);
  if (lua_rawgeti(L, -1, NEAPL_CBOR_CLASS_LOAD) == LUA_TFUNCTION) {
    const unsigned char *at = d->at;
    push_item(d, plain);
    d->calls++;
    lua_call(L, 1, 1); /* class object */
    if (lua_isnil(L, -1)) {
      lua_rawgeti(L, -2, NEAPL_CBOR_CLASS_NAME);
      neapL_cbor_read_fail(d, at, "load of the class %s has given nil",
                           lua_tostring(L, -1));
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
static void push_tagged(neapL_cbor_decoder *d, const neapL_cbor_item *head,
                        struct wanted wanted) {
  lua_State *L = d->L;
  switch (head->value) {
  case NEAPL_CBOR_SHARED:
    if (wanted.number != 0)
      neapL_cbor_read_fail(d, head->at, "an item that is shared twice");
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
    neapL_cbor_read_fail(d, head->at, "the tag %s, which is not known", number);
  }
  }
}

/* Pushes the next item. [-0, +1, v] */
static void push_item(neapL_cbor_decoder *d, struct wanted wanted) {
  neapL_cbor_item head = neapL_cbor_read_head(d);
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
    lua_pushinteger(d->L, neapL_cbor_read_integer(d, &head));
    break;
  case NEAPL_CBOR_BYTES:
  case NEAPL_CBOR_TEXT:
    neapL_cbor_read_string(d, &head);
    break;
  default:
    neapL_cbor_read_simple(d, &head);
  }
  share(d, wanted.number);
}

void neapL_cbor_decode(lua_State *L, const char *code, const char *bytes,
                       size_t size) {
  const unsigned char *start = (const unsigned char *)bytes;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  int top = lua_gettop(L);
  neapL_cbor_decoder d = {.L = L,
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
    neapL_cbor_read_fail(&d, d.at, "more bytes after the value");
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
}
