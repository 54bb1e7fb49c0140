/* How values are written in a pass.
 * SPDX-License-Identifier: MIT */
#include "write.h"

#include <string.h>

#include <lauxlib.h>

#include "classes.h"
#include "flow/params.h"
#include "json/utf8.h"
#include "keys.h"

/* Writes the items of the list on top. [-0, +0, v] */
static void write_list(neapL_cbor_encoder *e, const neapL_json_place *in,
                       int depth, size_t length) {
  neapL_json_place here = {.up = in, .depth = in == NULL ? 1 : in->depth + 1};
  neapL_cbor_put_head(e, NEAPL_CBOR_ARRAY, length);
  for (size_t i = 1; i <= length; i++) {
    here.index = (lua_Integer)i;
    lua_rawgeti(e->L, -1, here.index);
    neapL_cbor_write(e, &here, depth);
    lua_pop(e->L, 1);
  }
}

/* Writes the key and the value that are on top. [-0, +0, v] */
static void write_member(neapL_cbor_encoder *e, neapL_json_place *here,
                         int depth, const neapL_cbor_member *member) {
  char literal[NEAPL_CBOR_LITERAL];
  neapL_cbor_place_key(e, here, member, literal);
  neapL_cbor_put_key(e, member);
  neapL_cbor_write(e, here, depth);
}

/* Writes the members of the table on top as `next` gives them. [-0, +0, v] */
static void write_unsorted(neapL_cbor_encoder *e, neapL_json_place *here,
                           int depth) {
  lua_State *L = e->L;
  uint64_t count = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
    count++;
  neapL_cbor_put_head(e, NEAPL_CBOR_MAP, count);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    int index = lua_gettop(L) - 1;
    neapL_cbor_member member = neapL_cbor_key(e, here->up, index);
    member.index = index;
    write_member(e, here, depth, &member);
  }
}

/* Writes the members of the table on top; of none, an array if it is marked.
 * [-0, +0, v] */
static void write_map(neapL_cbor_encoder *e, const neapL_json_place *in,
                      int depth, bool is_marked) {
  lua_State *L = e->L;
  neapL_json_place here = {.up = in, .depth = in == NULL ? 1 : in->depth + 1};
  int table = lua_gettop(L);
  size_t first = e->members.used;
  lua_Integer count = neapL_cbor_members(e, in);
  if (count < 0) {
    write_unsorted(e, &here, depth);
    return;
  }
  bool is_array = count == 0 && is_marked;
  neapL_cbor_put_head(e, is_array ? NEAPL_CBOR_ARRAY : NEAPL_CBOR_MAP,
                      (uint64_t)count);
  for (lua_Integer i = 0; i < count; i++) {
    neapL_cbor_member member;
    memcpy(&member, e->members.bytes + first + (size_t)i * sizeof(member),
           sizeof(member));
    lua_pushvalue(L, member.index + 1);
    write_member(e, &here, depth, &member);
    lua_pop(L, 1);
  }
  e->members.used = first;
  lua_settop(L, table);
}

/* Whether the keys of the table on top are the integers from 1 to `length`,
 * which is 1 or more. [-0, +0, -] */
static bool is_list(lua_State *L, size_t length) {
  size_t count = 0;
  for (lua_pushnil(L); lua_next(L, -2); count++) {
    lua_pop(L, 1);
    if (!lua_isinteger(L, -1) ||
        (lua_Unsigned)lua_tointeger(L, -1) - 1 >= length) {
      lua_pop(L, 1);
      return false;
    }
  }
  return count == length;
}

static bool is_empty(lua_State *L) {
  lua_pushnil(L);
  if (!lua_next(L, -2))
    return true;
  lua_pop(L, 2);
  return false;
}

/* Writes what the table on top has in it. [-0, +0, v] */
static void write_fields(neapL_cbor_encoder *e, const neapL_json_place *in,
                         int depth, bool is_marked) {
  lua_State *L = e->L;
  if (depth > NEAPL_CBOR_MAX_DEPTH)
    neapL_cbor_refuse(e, in, "is nested deeper than %d", NEAPL_CBOR_MAX_DEPTH);
  size_t length = lua_rawlen(L, -1);
  if (is_marked && (length > 0 || !is_empty(L)))
    neapL_cbor_put_head(e, NEAPL_CBOR_TAG, NEAPL_CBOR_MARKED);
  if (length > 0 && is_list(L, length))
    write_list(e, in, depth, length);
  else
    write_map(e, in, depth, is_marked);
}

/* Refuses the object on top, whose class is not registered. [-0, +0, v] */
static void refuse_object(neapL_cbor_encoder *e, const neapL_json_place *in) {
  lua_State *L = e->L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  bool is_closed = luaL_getmetafield(L, -1, "__json") == LUA_TBOOLEAN;
  if (is_closed)
    lua_pop(L, 1);
  if (luaL_getmetafield(L, -1, "__name") != LUA_TSTRING)
    neapL_cbor_refuse(e, in, "has a metatable that is not registered");
  const char *name = lua_tostring(L, -1);
  if (is_closed)
    neapL_cbor_refuse(e, in, "is a %s", name);
  neapL_cbor_refuse(e, in, "is a %s, a class that is not registered", name);
}

/* Notes the object on top, of which nothing is saved yet, and writes something
 * in its place: the pass will be repeated. [-0, +0, v] */
static void note_unsaved(neapL_cbor_encoder *e) {
  if (e->unsaved++ < e->room) {
    lua_pushvalue(e->L, -1);
    lua_rawseti(e->L, NEAPL_CBOR_UNSAVED, e->unsaved);
  }
  neapL_cbor_put_byte(e, NEAPL_CBOR_NULL);
}

/* Writes what was saved of the object on top, which was noted last.
 * [-0, +0, v] */
static void write_saved(neapL_cbor_encoder *e, const neapL_json_place *in,
                        int depth) {
  lua_State *L = e->L;
  uint32_t number = neapL_cbor_seen_count(&e->seen) - 1;
  if (lua_isnil(L, NEAPL_CBOR_SAVED)) {
    note_unsaved(e);
    return;
  }
  lua_pushvalue(L, -1);
  if (lua_rawget(L, NEAPL_CBOR_SAVED) == LUA_TNIL) {
    lua_pop(L, 1);
    note_unsaved(e);
    return;
  }
  neapL_cbor_seen_at(&e->seen, number)->open = true;
  neapL_cbor_write(e, in, depth);
  neapL_cbor_seen_at(&e->seen, number)->open = false;
  lua_pop(L, 1);
}

/* Writes the object on top. [-0, +0, v] */
static void write_object(neapL_cbor_encoder *e, const neapL_json_place *in,
                         int depth) {
  lua_State *L = e->L;
  if (depth > NEAPL_CBOR_MAX_DEPTH)
    neapL_cbor_refuse(e, in, "is nested deeper than %d", NEAPL_CBOR_MAX_DEPTH);
  lua_getmetatable(L, -1);
  if (lua_rawget(L, NEAPL_CBOR_CLASSES) != LUA_TTABLE) {
    lua_pop(L, 1);
    refuse_object(e, in);
  }
  lua_rawgeti(L, -1, NEAPL_CBOR_CLASS_NAME);
  size_t size;
  const char *name = lua_tolstring(L, -1, &size);
  neapL_cbor_put_head(e, NEAPL_CBOR_TAG, NEAPL_CBOR_OBJECT);
  neapL_cbor_put_head(e, NEAPL_CBOR_ARRAY, 2);
  neapL_cbor_put_string(e, NEAPL_CBOR_TEXT, name, size);
  lua_rawgeti(L, -2, NEAPL_CBOR_CLASS_SAVE);
  bool has_save = lua_toboolean(L, -1);
  lua_pop(L, 3);
  if (has_save)
    write_saved(e, in, depth);
  else
    write_fields(e, in, depth + 1, false);
}

/* Refuses a table that another variable holds, too. [-0, +0, v] */
static void refuse_shared(neapL_cbor_encoder *e, const neapL_json_place *in,
                          uint32_t variable) {
  neapL_cbor_variable other;
  memcpy(&other, e->variables.bytes + variable * sizeof(other), sizeof(other));
  neapL_json_place place = {.depth = 1,
                            .key = e->bytes.bytes + other.name,
                            .key_size = other.name_size};
  luaL_checkstack(e->L, LUA_MINSTACK, NULL);
  neapL_cbor_refuse(e, in, "and %s hold the same table",
                    neapL_json_place_push(e->L, e->root, &place));
}

/* Notes the table on top. Returns whether it was met before; then a reference
 * to it is written. [-0, +0, v] */
static bool meet(neapL_cbor_encoder *e, const neapL_json_place *in) {
  bool ok = true;
  neapL_cbor_table *met = neapL_cbor_seen_meet(
      e->L, &e->seen, lua_topointer(e->L, -1), e->bytes.used, e->variable, &ok);
  if (!ok)
    neapL_cbor_give_up(e);
  if (met == NULL)
    return false;
  if (met->open)
    neapL_cbor_refuse(e, in, "is an object inside of what is saved of it");
  if (met->variable != e->variable)
    refuse_shared(e, in, met->variable);
  if (!neapL_cbor_seen_refer(e->L, &e->seen, met, e->bytes.used))
    neapL_cbor_give_up(e);
  neapL_cbor_put_byte(e, NEAPL_CBOR_NULL);
  return true;
}

/* Writes the table on top, in a table that is `depth` tables deep.
 * [-0, +0, v] */
static void write_table(neapL_cbor_encoder *e, const neapL_json_place *in,
                        int depth) {
  lua_State *L = e->L;
  if (!lua_checkstack(L, LUA_MINSTACK))
    neapL_cbor_give_up(e);
  neapL_params_reveal(L);
  bool is_marked = false, is_object = false;
  if (lua_getmetatable(L, -1)) {
    is_marked = lua_topointer(L, -1) == e->array_meta;
    is_object = !is_marked;
    lua_pop(L, 1);
  }
  if (meet(e, in))
    return;
  if (is_object)
    write_object(e, in, depth + 1);
  else
    write_fields(e, in, depth + 1, is_marked);
}

/* Refuses the value on top for its type. [-0, +0, v] */
static void refuse_type(neapL_cbor_encoder *e, const neapL_json_place *in) {
  lua_State *L = e->L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  const char *type = luaL_typename(L, -1);
  if (lua_type(L, -1) == LUA_TTHREAD)
    type = "coroutine";
  else if (lua_type(L, -1) == LUA_TUSERDATA &&
           luaL_getmetafield(L, -1, "__name") == LUA_TSTRING)
    type = lua_tostring(L, -1);
  neapL_cbor_refuse(e, in, "is a %s", type);
}

void neapL_cbor_write(neapL_cbor_encoder *e, const neapL_json_place *in,
                      int depth) {
  lua_State *L = e->L;
  switch (lua_type(L, -1)) {
  case LUA_TNIL:
    neapL_cbor_put_byte(e, NEAPL_CBOR_UNDEFINED);
    return;
  case LUA_TBOOLEAN:
    neapL_cbor_put_byte(e, lua_toboolean(L, -1) ? NEAPL_CBOR_TRUE
                                                : NEAPL_CBOR_FALSE);
    return;
  case LUA_TNUMBER:
    if (lua_isinteger(L, -1)) {
      lua_Integer n = lua_tointeger(L, -1);
      lua_Unsigned u = (lua_Unsigned)n;
      neapL_cbor_put_head(e, n < 0 ? NEAPL_CBOR_NEGATIVE : NEAPL_CBOR_POSITIVE,
                          n < 0 ? ~u : u);
    } else {
      unsigned first;
      uint64_t bits = neapL_cbor_shorten(lua_tonumber(L, -1), &first);
      neapL_cbor_put_float(e, first, bits);
    }
    return;
  case LUA_TSTRING: {
    size_t size;
    const char *text = lua_tolstring(L, -1, &size);
    bool is_text = neapL_utf8_is(text, size);
    neapL_cbor_put_string(e, is_text ? NEAPL_CBOR_TEXT : NEAPL_CBOR_BYTES, text,
                          size);
    return;
  }
  case LUA_TTABLE:
    write_table(e, in, depth);
    return;
  default:
    if (lua_touserdata(L, -1) == e->null)
      neapL_cbor_put_byte(e, NEAPL_CBOR_NULL);
    else
      refuse_type(e, in);
  }
}
