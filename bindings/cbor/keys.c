/* The keys of a map in the order in which they are written.
 * SPDX-License-Identifier: MIT */
#include "keys.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "json/utf8.h"

/* Where the major type of a key is in `first`. */
enum { MAJOR_SHIFT = 56 };

static uint64_t major_of(unsigned major) {
  return (uint64_t)major << MAJOR_SHIFT;
}

static neapL_cbor_member string_key(const char *text, size_t size) {
  uint64_t begin = 0;
  memcpy(&begin, text, size < sizeof(begin) ? size : sizeof(begin));
  unsigned major =
      neapL_utf8_is(text, size) ? NEAPL_CBOR_TEXT : NEAPL_CBOR_BYTES;
  return (neapL_cbor_member){
      .first = major_of(major) | size,
      .second = be64toh(begin),
      .text = text,
      .size = size,
  };
}

static neapL_cbor_member integer_key(lua_Integer n) {
  unsigned major = n < 0 ? NEAPL_CBOR_NEGATIVE : NEAPL_CBOR_POSITIVE;
  lua_Unsigned u = (lua_Unsigned)n;
  return (neapL_cbor_member){.first = major_of(major),
                             .second = n < 0 ? ~u : u};
}

static neapL_cbor_member simple_key(unsigned first, uint64_t bits) {
  return (neapL_cbor_member){.first = major_of(NEAPL_CBOR_SIMPLE) | first,
                             .second = bits};
}

neapL_cbor_member neapL_cbor_key(neapL_cbor_encoder *e,
                                 const neapL_json_place *in, int index) {
  lua_State *L = e->L;
  switch (lua_type(L, index)) {
  case LUA_TSTRING: {
    size_t size;
    const char *text = lua_tolstring(L, index, &size);
    return string_key(text, size);
  }
  case LUA_TNUMBER: {
    if (lua_isinteger(L, index))
      return integer_key(lua_tointeger(L, index));
    unsigned first;
    uint64_t bits = neapL_cbor_shorten(lua_tonumber(L, index), &first);
    return simple_key(first, bits);
  }
  case LUA_TBOOLEAN:
    return simple_key(
        lua_toboolean(L, index) ? NEAPL_CBOR_TRUE : NEAPL_CBOR_FALSE, 0);
  default:
    neapL_cbor_refuse(e, in, "has a %s as a key", luaL_typename(L, index));
    __builtin_unreachable();
  }
}

void neapL_cbor_put_key(neapL_cbor_encoder *e, const neapL_cbor_member *key) {
  unsigned major = (unsigned)(key->first >> MAJOR_SHIFT);
  unsigned first = (unsigned)(key->first & 0xFF);
  if (key->text != NULL)
    neapL_cbor_put_string(e, major, key->text, key->size);
  else if (major != NEAPL_CBOR_SIMPLE)
    neapL_cbor_put_head(e, major, key->second);
  else if (first < NEAPL_CBOR_HALF)
    neapL_cbor_put_byte(e, first);
  else
    neapL_cbor_put_float(e, first, key->second);
}

void neapL_cbor_place_key(neapL_cbor_encoder *e, neapL_json_place *here,
                          const neapL_cbor_member *key,
                          char literal[NEAPL_CBOR_LITERAL]) {
  lua_State *L = e->L;
  here->key = key->text;
  here->key_size = key->size;
  here->is_literal = false;
  if (key->text != NULL)
    return;
  here->index = lua_tointeger(L, key->index);
  if (lua_isinteger(L, key->index))
    return;
  here->is_literal = true;
  here->key = literal;
  if (lua_isboolean(L, key->index))
    here->key = lua_toboolean(L, key->index) ? "true" : "false";
  else
    snprintf(literal, NEAPL_CBOR_LITERAL, "%.14g", lua_tonumber(L, key->index));
}

static int compare(const void *left, const void *right) {
  const neapL_cbor_member *a = left, *b = right;
  if (a->first != b->first)
    return a->first < b->first ? -1 : 1;
  if (a->second != b->second)
    return a->second < b->second ? -1 : 1;
  return a->text != NULL ? memcmp(a->text, b->text, a->size) : 0;
}

/* Sorts by key. Most maps are small, and for those this is faster than qsort.
 */
static void sort(neapL_cbor_member *members, size_t count) {
  enum { FEW = 12 };
  if (count > FEW) {
    qsort(members, count, sizeof(*members), compare);
    return;
  }
  for (size_t i = 1; i < count; i++) {
    neapL_cbor_member member = members[i];
    size_t at = i;
    for (; at > 0 && compare(&members[at - 1], &member) > 0; at--)
      members[at] = members[at - 1];
    members[at] = member;
  }
}

/* Adds the member whose key is at an index. [-0, +0, v] */
static void add(neapL_cbor_encoder *e, const neapL_json_place *in, int index) {
  enum { FIRST = 32 };
  neapL_cbor_block *block = &e->members;
  neapL_cbor_member member = neapL_cbor_key(e, in, index);
  member.index = index;
  if (block->size - block->used < sizeof(member)) {
    size_t size = block->size > 0 ? block->size * 2 : FIRST * sizeof(member);
    if (!neapL_cbor_block_grow(e->L, block, size))
      neapL_cbor_give_up(e);
  }
  memcpy(block->bytes + block->used, &member, sizeof(member));
  block->used += sizeof(member);
}

lua_Integer neapL_cbor_members(neapL_cbor_encoder *e,
                               const neapL_json_place *in) {
  enum { AT_ONCE = 32, SLOTS = 2 * AT_ONCE + 4 };
  lua_State *L = e->L;
  int table = lua_gettop(L);
  size_t first = e->members.used;
  lua_Integer count = 0;
  for (lua_pushnil(L);; lua_pushvalue(L, -2)) {
    if (count % AT_ONCE == 0 && !lua_checkstack(L, SLOTS))
      neapL_cbor_give_up(e);
    if (!lua_next(L, table))
      break;
    if (count == NEAPL_CBOR_MOST_SORTED) {
      lua_settop(L, table);
      e->members.used = first;
      return -1;
    }
    add(e, in, lua_gettop(L) - 1);
    count++;
  }
  if (count > 1)
    sort((neapL_cbor_member *)(void *)(e->members.bytes + first),
         (size_t)count);
  return count;
}
