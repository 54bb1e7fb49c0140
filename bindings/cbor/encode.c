/* CBOR for Lua: encode.
 * SPDX-License-Identifier: MIT */
#include "encode.h"

#include <string.h>

#include <lauxlib.h>

#include "classes.h"
#include "flow/params.h"
#include "json/utf8.h"
#include "json/values.h"
#include "keys.h"
#include "task/check.h"
#include "task/error.h"

#define ENCODER_META "neap.cbor.encoder"

/* The slots of a pass: what it encodes, the classes by metatable, what was
 * saved of objects, a list for those of which nothing is saved yet, and the
 * names that are left out. */
enum { ENCODER = 1, VALUE, CLASSES, SAVED, UNSAVED, LEFT_OUT };

static void write_value(neapL_cbor_encoder *e, const neapL_json_place *in,
                        int depth);

/* Writes the items of the list on top. [-0, +0, v] */
static void write_list(neapL_cbor_encoder *e, const neapL_json_place *in,
                       int depth, size_t length) {
  neapL_json_place here = {.up = in, .depth = in == NULL ? 1 : in->depth + 1};
  neapL_cbor_put_head(e, NEAPL_CBOR_ARRAY, length);
  for (size_t i = 1; i <= length; i++) {
    here.index = (lua_Integer)i;
    lua_rawgeti(e->L, -1, here.index);
    write_value(e, &here, depth);
    lua_pop(e->L, 1);
  }
}

/* Writes the key and the value that are on top. [-0, +0, v] */
static void write_member(neapL_cbor_encoder *e, neapL_json_place *here,
                         int depth, const neapL_cbor_member *member) {
  char literal[NEAPL_CBOR_LITERAL];
  neapL_cbor_place_key(e, here, member, literal);
  neapL_cbor_put_key(e, member);
  write_value(e, here, depth);
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
    lua_rawseti(e->L, UNSAVED, e->unsaved);
  }
  neapL_cbor_put_byte(e, NEAPL_CBOR_NULL);
}

/* Writes what was saved of the object on top, which was noted last.
 * [-0, +0, v] */
static void write_saved(neapL_cbor_encoder *e, const neapL_json_place *in,
                        int depth) {
  lua_State *L = e->L;
  uint32_t number = neapL_cbor_seen_count(&e->seen) - 1;
  if (lua_isnil(L, SAVED)) {
    note_unsaved(e);
    return;
  }
  lua_pushvalue(L, -1);
  if (lua_rawget(L, SAVED) == LUA_TNIL) {
    lua_pop(L, 1);
    note_unsaved(e);
    return;
  }
  neapL_cbor_seen_at(&e->seen, number)->open = true;
  write_value(e, in, depth);
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
  if (lua_rawget(L, CLASSES) != LUA_TTABLE) {
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

/* Writes the value on top, the current member of `in`, which is `depth` tables
 * deep. [-0, +0, v] */
static void write_value(neapL_cbor_encoder *e, const neapL_json_place *in,
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

/* Writes the value on top as the variable that begins at `e->begin`. Returns
 * the size. [-0, +0, v] */
static size_t write_variable(neapL_cbor_encoder *e,
                             const neapL_json_place *in) {
  uint32_t first = neapL_cbor_seen_count(&e->seen);
  e->begin = e->bytes.used;
  e->outermost = in;
  write_value(e, in, 0);
  if (!neapL_cbor_seen_weave(e->L, &e->seen, first, &e->bytes))
    neapL_cbor_give_up(e);
  size_t size = e->bytes.used - e->begin;
  if (size > NEAPL_CBOR_MAX_SIZE)
    neapL_cbor_refuse(e, in, "is larger than 16 MiB");
  return size;
}

/* A pass over one value. */
static int pass_value(lua_State *L) {
  lua_pushvalue(L, VALUE);
  write_variable(lua_touserdata(L, ENCODER), NULL);
  return 0;
}

/* Adds a variable, whose name is at an index. [-0, +0, v] */
static void add_variable(neapL_cbor_encoder *e, const neapL_json_place *here) {
  enum { FIRST = 16 };
  neapL_cbor_block *block = &e->variables;
  neapL_cbor_variable variable = {.name = e->bytes.used,
                                  .name_size = here->key_size};
  if (block->size - block->used < sizeof(variable)) {
    size_t size = block->size > 0 ? block->size * 2 : FIRST * sizeof(variable);
    if (!neapL_cbor_block_grow(e->L, block, size))
      neapL_cbor_give_up(e);
  }
  e->begin = variable.name;
  e->outermost = here;
  memcpy(neapL_cbor_reserve(e, here->key_size), here->key, here->key_size);
  e->bytes.used += here->key_size;
  size_t at = block->used;
  block->used += sizeof(variable);
  memcpy(block->bytes + at, &variable, sizeof(variable));
  variable.at = e->bytes.used;
  variable.size = write_variable(e, here);
  memcpy(block->bytes + at, &variable, sizeof(variable));
  e->variable++;
}

/* Whether the key below the top is to be left out. [-0, +0, -] */
static bool is_left_out(lua_State *L) {
  if (lua_isnil(L, LEFT_OUT))
    return false;
  lua_pushvalue(L, -2);
  bool left_out = lua_rawget(L, LEFT_OUT) != LUA_TNIL;
  lua_pop(L, 1);
  return left_out;
}

/* A pass over the fields of a table. */
static int pass_variables(lua_State *L) {
  neapL_cbor_encoder *e = lua_touserdata(L, ENCODER);
  for (lua_pushnil(L); lua_next(L, VALUE); lua_pop(L, 1)) {
    if (is_left_out(L))
      continue;
    int index = lua_gettop(L) - 1;
    neapL_json_place here = {.depth = 1};
    if (lua_type(L, index) != LUA_TSTRING)
      neapL_cbor_refuse(e, NULL, "has a %s as the name of a variable",
                        luaL_typename(L, index));
    here.key = lua_tolstring(L, index, &here.key_size);
    add_variable(e, &here);
  }
  return 0;
}

/* Calls the `save` of the class of the object at the index `object`, and keeps
 * what it gives in the table at `saved`. [-0, +0, v] */
static void save_object(lua_State *L, const neapL_cbor_encoder *e, int classes,
                        int saved, int object) {
  if (!lua_getmetatable(L, object) || lua_rawget(L, classes) != LUA_TTABLE)
    return; /* no more: the next pass will see it */
  lua_rawgeti(L, -1, NEAPL_CBOR_CLASS_SAVE);
  if (!lua_toboolean(L, -1))
    return;
  lua_pushvalue(L, object);
  lua_call(L, 1, 1); /* class saved */
  if (lua_isnil(L, -1)) {
    lua_rawgeti(L, -2, NEAPL_CBOR_CLASS_NAME);
    neapL_error_raise(L, e->code, "save of the class %s has given nil",
                      lua_tostring(L, -1));
  }
  lua_pushvalue(L, object);
  lua_insert(L, -2);
  lua_rawset(L, saved);
}

/* Saves the objects that the last pass has noted, and makes room for noting
 * those that it could not. The tables of the pass begin at the index `classes`.
 * [-0, +0, v] */
static void save_objects(lua_State *L, neapL_cbor_encoder *e, int classes) {
  int saved = classes + SAVED - CLASSES, unsaved = classes + UNSAVED - CLASSES;
  lua_Integer count = e->unsaved, room = e->room;
  for (lua_Integer i = 1; i <= count && i <= room; i++) {
    int top = lua_gettop(L);
    lua_rawgeti(L, unsaved, i);
    save_object(L, e, classes, saved, top + 1);
    lua_settop(L, top);
  }
  if (lua_isnil(L, saved)) {
    lua_newtable(L);
    lua_replace(L, saved);
  }
  if (count > room) {
    lua_createtable(L, (int)count, 0);
    lua_replace(L, unsaved);
    e->room = count;
  }
}

/* Prepares the encoder for a pass. */
static void begin(lua_State *L, neapL_cbor_encoder *e, neapL_cbor_names names) {
  e->L = L;
  e->code = names.code;
  e->root = names.root;
  e->bytes.used = e->members.used = e->variables.used = 0;
  e->begin = 0;
  e->outermost = NULL;
  e->variable = 0;
  e->unsaved = 0;
  e->is_short = !neapL_cbor_seen_begin(L, &e->seen);
}

/* Each pass finds objects in what was saved after the last one, which is one
 * level deeper each time. More passes than there are levels mean that `save`
 * adds objects to what was read already. */
enum { MOST_PASSES = NEAPL_CBOR_MAX_DEPTH + 2 };

/* Repeats a pass until nothing was missing. Lua collects its garbage when an
 * allocation has failed, and tries again; so does this. [-0, +0, v] */
static void run(lua_State *L, neapL_cbor_encoder *e, neapL_cbor_names names,
                lua_CFunction pass, int value, int left_out) {
  int top = lua_gettop(L), classes = top + 1;
  bool has_collected = false;
  int passes = 0;
  e->room = 0;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  neapL_cbor_classes_push_by_meta(L);
  lua_settop(L, classes + UNSAVED - CLASSES);
  for (;;) {
    begin(L, e, names);
    int status = LUA_ERRRUN;
    if (!e->is_short) {
      lua_pushcfunction(L, pass);
      lua_pushlightuserdata(L, e);
      lua_pushvalue(L, value);
      for (int i = CLASSES; i <= UNSAVED; i++)
        lua_pushvalue(L, classes + i - CLASSES);
      if (left_out != 0)
        lua_pushvalue(L, left_out);
      else
        lua_pushnil(L);
      status = lua_pcall(L, LEFT_OUT, 0, 0);
    }
    if (status == LUA_OK && e->unsaved == 0)
      break;
    if (status == LUA_OK) {
      if (++passes > MOST_PASSES)
        neapL_error_raise(L, names.code,
                          "%s has more objects each time that some are saved",
                          names.root);
      save_objects(L, e, classes);
      continue;
    }
    if (!e->is_short)
      lua_error(L);
    if (has_collected)
      neapL_error_no_memory(L);
    has_collected = true;
    lua_settop(L, classes + UNSAVED - CLASSES);
    lua_gc(L, LUA_GCCOLLECT, 0);
  }
  lua_settop(L, top);
}

const char *neapL_cbor_encode_value(lua_State *L, neapL_cbor_encoder *e,
                                    neapL_cbor_names names, int value,
                                    size_t *size) {
  run(L, e, names, pass_value, lua_absindex(L, value), 0);
  *size = e->bytes.used;
  return e->bytes.bytes;
}

const neapL_cbor_variable *neapL_cbor_encode_variables(lua_State *L,
                                                       neapL_cbor_encoder *e,
                                                       neapL_cbor_names names,
                                                       int shared, int left_out,
                                                       size_t *count) {
  run(L, e, names, pass_variables, lua_absindex(L, shared),
      left_out == 0 ? 0 : lua_absindex(L, left_out));
  *count = e->variable;
  return (const neapL_cbor_variable *)(const void *)e->variables.bytes;
}

neapL_cbor_encoder *neapL_cbor_encoder_new(lua_State *L) {
  neapL_cbor_encoder *e = lua_newuserdatauv(L, sizeof(*e), 0);
  *e = (neapL_cbor_encoder){.L = NULL};
  luaL_setmetatable(L, ENCODER_META);
  lua_getfield(L, LUA_REGISTRYINDEX, NEAPL_JSON_NULL_KEY);
  e->null = lua_touserdata(L, -1);
  luaL_getmetatable(L, NEAPL_JSON_ARRAY_META);
  e->array_meta = lua_topointer(L, -1);
  lua_pop(L, 2);
  return e;
}

/* Frees what is larger than `most` bytes. [-0, +0, -] */
static void trim(lua_State *L, neapL_cbor_encoder *e, size_t most) {
  neapL_cbor_block_trim(L, &e->bytes, most);
  neapL_cbor_block_trim(L, &e->members, most);
  neapL_cbor_block_trim(L, &e->variables, most);
  neapL_cbor_seen_trim(L, &e->seen, most);
}

void neapL_cbor_encoder_trim(lua_State *L, neapL_cbor_encoder *e) {
  enum { KEPT = 64 * 1024 };
  trim(L, e, KEPT);
}

static int encoder_gc(lua_State *L) {
  neapL_cbor_encoder *e = luaL_testudata(L, 1, ENCODER_META);
  if (e != NULL)
    trim(L, e, 0);
  return 0;
}

void neapL_cbor_encode_open(lua_State *L) {
  luaL_newmetatable(L, ENCODER_META);
  lua_pushcfunction(L, encoder_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}
