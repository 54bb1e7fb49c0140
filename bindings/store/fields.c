/* Reading the fields of tables that neap's own modules have made.
 * SPDX-License-Identifier: MIT */
#include "fields.h"

#include <string.h>

#include "task/check.h"
#include "words.h"

/* Pushes a field without calling anything. [-0, +1, m] */
static int push_field(lua_State *L, int index, const char *name) {
  index = lua_absindex(L, index);
  lua_pushstring(L, name);
  return lua_rawget(L, index);
}

static int fail(lua_State *L, const char *name, const char *expected) {
  return luaL_error(L, "the field '%s' of what a store is given is no %s", name,
                    expected);
}

/* Reads the string at `index`, which something else keeps. [-0, +0, v] */
static neap_span span_at(lua_State *L, int index, const char *name) {
  neap_span span = {NULL, 0};
  if (lua_type(L, index) != LUA_TSTRING)
    fail(L, name, "string");
  span.bytes = lua_tolstring(L, index, &span.size);
  return span;
}

neap_span neapL_fields_span(lua_State *L, int index, const char *name) {
  neap_span span = {NULL, 0};
  if (push_field(L, index, name) != LUA_TNIL)
    span = span_at(L, -1, name);
  lua_pop(L, 1);
  return span;
}

const char *neapL_fields_text(lua_State *L, int index, const char *name) {
  neap_span span = neapL_fields_span(L, index, name);
  if (span.bytes && strlen(span.bytes) != span.size)
    luaL_error(L, "'%s' has a zero byte", name);
  return span.bytes;
}

int64_t neapL_fields_number(lua_State *L, int index, const char *name) {
  int is_integer = 1;
  lua_Integer number = 0;
  if (push_field(L, index, name) != LUA_TNIL)
    number = lua_tointegerx(L, -1, &is_integer);
  lua_pop(L, 1);
  if (!is_integer)
    fail(L, name, "whole number");
  return number;
}

bool neapL_fields_flag(lua_State *L, int index, const char *name) {
  push_field(L, index, name);
  bool flag = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return flag;
}

void neapL_fields_token(lua_State *L, int index, const char *name,
                        uint8_t *token) {
  neap_span span = neapL_fields_span(L, index, name);
  if (span.bytes && span.size == 16)
    memcpy(token, span.bytes, 16);
  else
    fail(L, name, "token");
}

/* Pushes an array with room for as many elements of `size` bytes as the table
 * on top has, and returns it. [-0, +1, m] */
static void *push_array(lua_State *L, size_t size, size_t *count) {
  int table = lua_gettop(L);
  *count = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
    ++*count;
  return lua_newuserdatauv(L, *count > 0 ? *count * size : 1, 0);
}

/* Pushes the field, and an array for it. Returns NULL, with nil pushed, where
 * it is nil. [-0, +(1|2), v] */
static void *begin_array(lua_State *L, int index, const char *name, size_t size,
                         size_t *count) {
  *count = 0;
  switch (push_field(L, index, name)) {
  case LUA_TNIL:
    return NULL;
  case LUA_TTABLE:
    return push_array(L, size, count);
  default:
    fail(L, name, "table");
    return NULL;
  }
}

const neap_store_value *neapL_fields_values(lua_State *L, int index,
                                            const char *name, size_t *count) {
  neap_store_value *values =
      begin_array(L, index, name, sizeof(neap_store_value), count);
  if (!values)
    return NULL;
  int table = lua_gettop(L) - 1;
  size_t i = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    values[i].name = span_at(L, -2, name);
    values[i++].value = span_at(L, -1, name);
  }
  lua_remove(L, table);
  return values;
}

const neap_store_tag *neapL_fields_tags(lua_State *L, int index,
                                        const char *name, size_t *count) {
  neap_store_tag *tags =
      begin_array(L, index, name, sizeof(neap_store_tag), count);
  if (!tags)
    return NULL;
  int table = lua_gettop(L) - 1;
  size_t i = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    tags[i].key = span_at(L, -2, name).bytes;
    tags[i++].value = span_at(L, -1, name).bytes;
  }
  lua_remove(L, table);
  return tags;
}

static neap_store_change_kind kind_of(lua_State *L, const char *name) {
  static const char *const names[] = {"set", "append", "gone", "part",
                                      "parts_gone"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i], name) == 0)
      return (neap_store_change_kind)i;
  luaL_error(L, "'%s' is no kind of change", name);
  return NEAP_STORE_SET;
}

const neap_store_change *neapL_fields_changes(lua_State *L, int index,
                                              const char *name, size_t *count) {
  if (push_field(L, index, name) == LUA_TNIL) {
    *count = 0;
    return NULL;
  }
  int table = lua_gettop(L);
  neapL_check_type(L, table, LUA_TTABLE);
  *count = (size_t)lua_rawlen(L, table) / 3;
  neap_store_change *changes = lua_newuserdatauv(
      L, *count > 0 ? *count * sizeof(neap_store_change) : 1, 0);
  for (size_t i = 0; i < *count; i++) {
    for (int part = 1; part <= 3; part++)
      lua_rawgeti(L, table, (lua_Integer)i * 3 + part);
    changes[i].kind = kind_of(L, span_at(L, -3, name).bytes);
    changes[i].name = span_at(L, -2, name);
    changes[i].value = span_at(L, -1, name);
    lua_pop(L, 3);
  }
  lua_remove(L, table);
  return changes;
}

neap_store_status neapL_fields_status(lua_State *L, int index,
                                      const char *name) {
  push_field(L, index, name);
  neap_store_status status = neapL_words_status_at(L, -1);
  lua_pop(L, 1);
  return status;
}

unsigned neapL_fields_statuses(lua_State *L, int index, const char *name) {
  unsigned set = 0;
  if (push_field(L, index, name) == LUA_TTABLE) {
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= count; i++) {
      lua_rawgeti(L, -1, i);
      set |= 1u << neapL_words_status_at(L, -1);
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 1);
  return set;
}
