/* CBOR for Lua: encode.
 * SPDX-License-Identifier: MIT */
#include "encode.h"

#include <string.h>

#include <lauxlib.h>

#include "classes.h"
#include "json/values.h"
#include "task/error.h"
#include "write.h"

#define ENCODER_META "neap.cbor.encoder"

/* Writes the value on top as the variable that begins at `e->begin`. Returns
 * the size. [-0, +0, v] */
static size_t write_variable(neapL_cbor_encoder *e,
                             const neapL_json_place *in) {
  uint32_t first = neapL_cbor_seen_count(&e->seen);
  e->begin = e->bytes.used;
  e->outermost = in;
  neapL_cbor_write(e, in, 0);
  if (!neapL_cbor_seen_weave(e->L, &e->seen, first, &e->bytes))
    neapL_cbor_give_up(e);
  size_t size = e->bytes.used - e->begin;
  if (size > NEAPL_CBOR_MAX_SIZE)
    neapL_cbor_refuse(e, in, "is larger than 16 MiB");
  return size;
}

/* A pass over one value. */
static int pass_value(lua_State *L) {
  lua_pushvalue(L, NEAPL_CBOR_VALUE);
  write_variable(lua_touserdata(L, NEAPL_CBOR_ENCODER), NULL);
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
  if (lua_isnil(L, NEAPL_CBOR_LEFT_OUT))
    return false;
  lua_pushvalue(L, -2);
  bool left_out = lua_rawget(L, NEAPL_CBOR_LEFT_OUT) != LUA_TNIL;
  lua_pop(L, 1);
  return left_out;
}

/* A pass over the fields of a table. */
static int pass_variables(lua_State *L) {
  neapL_cbor_encoder *e = lua_touserdata(L, NEAPL_CBOR_ENCODER);
  for (lua_pushnil(L); lua_next(L, NEAPL_CBOR_VALUE); lua_pop(L, 1)) {
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
  int saved = classes + NEAPL_CBOR_SAVED - NEAPL_CBOR_CLASSES,
      unsaved = classes + NEAPL_CBOR_UNSAVED - NEAPL_CBOR_CLASSES;
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
  lua_settop(L, classes + NEAPL_CBOR_UNSAVED - NEAPL_CBOR_CLASSES);
  for (;;) {
    begin(L, e, names);
    int status = LUA_ERRRUN;
    if (!e->is_short) {
      lua_pushcfunction(L, pass);
      lua_pushlightuserdata(L, e);
      lua_pushvalue(L, value);
      for (int i = NEAPL_CBOR_CLASSES; i <= NEAPL_CBOR_UNSAVED; i++)
        lua_pushvalue(L, classes + i - NEAPL_CBOR_CLASSES);
      if (left_out != 0)
        lua_pushvalue(L, left_out);
      else
        lua_pushnil(L);
      status = lua_pcall(L, NEAPL_CBOR_LEFT_OUT, 0, 0);
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
    lua_settop(L, classes + NEAPL_CBOR_UNSAVED - NEAPL_CBOR_CLASSES);
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
