/* CBOR for Lua: the module.
 * SPDX-License-Identifier: MIT */
#include "cbor.h"

#include <lauxlib.h>

#include "classes.h"
#include "decode.h"
#include "encode.h"
#include "task/check.h"

#define CBOR "cbor"

/* The upvalue of functions that encode: false, or an encoder that is free. */
enum { FREE = lua_upvalueindex(1) };

/* Pushes an encoder that nobody else has meanwhile: what encodes may call
 * functions of Lua, and these may encode. [-0, +1, m] */
static neapL_cbor_encoder *take_encoder(lua_State *L) {
  lua_pushvalue(L, FREE);
  lua_pushboolean(L, false);
  lua_replace(L, FREE);
  neapL_cbor_encoder *e = lua_touserdata(L, -1);
  if (e != NULL)
    return e;
  lua_pop(L, 1);
  return neapL_cbor_encoder_new(L);
}

/* Gives the encoder at an index back. If something is raised before, the
 * collector has it. [-0, +0, -] */
static void give_encoder(lua_State *L, neapL_cbor_encoder *e, int index) {
  neapL_cbor_encoder_trim(L, e);
  lua_pushvalue(L, index);
  lua_replace(L, FREE);
}

/* encode(value): see cbor.h. */
static int encode(lua_State *L) {
  enum { VALUE = 1, ENCODER };
  neapL_check_any(L, VALUE);
  lua_settop(L, VALUE);
  neapL_cbor_encoder *e = take_encoder(L);
  size_t size;
  const char *bytes = neapL_cbor_encode_value(
      L, e, (neapL_cbor_names){CBOR, "$"}, VALUE, &size);
  lua_pushlstring(L, bytes, size);
  give_encoder(L, e, ENCODER);
  return 1;
}

/* variables(shared, left_out): see cbor.h. */
static int variables(lua_State *L) {
  enum { SHARED = 1, LEFT_OUT, ENCODER };
  neapL_check_type(L, SHARED, LUA_TTABLE);
  lua_settop(L, LEFT_OUT);
  if (!lua_isnil(L, LEFT_OUT))
    neapL_check_type(L, LEFT_OUT, LUA_TTABLE);
  neapL_cbor_encoder *e = take_encoder(L);
  size_t count;
  const neapL_cbor_variable *list = neapL_cbor_encode_variables(
      L, e, (neapL_cbor_names){"durable", "shared"}, SHARED,
      lua_isnil(L, LEFT_OUT) ? 0 : LEFT_OUT, &count);
  lua_createtable(L, 0, (int)count);
  for (size_t i = 0; i < count; i++) {
    lua_pushlstring(L, e->bytes.bytes + list[i].name, list[i].name_size);
    lua_pushlstring(L, e->bytes.bytes + list[i].at, list[i].size);
    lua_rawset(L, -3);
  }
  give_encoder(L, e, ENCODER);
  return 1;
}

/* decode(bytes): see cbor.h. */
static int decode(lua_State *L) {
  neapL_check_type(L, 1, LUA_TSTRING);
  lua_settop(L, 1);
  size_t size;
  const char *bytes = lua_tolstring(L, 1, &size);
  neapL_cbor_decode(L, CBOR, bytes, size);
  return 1;
}

int neapL_cbor_open(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"decode", decode}, {"type", neapL_cbor_type}, {NULL, NULL}};
  neapL_cbor_encode_open(L);
  neapL_cbor_classes_open(L);
  luaL_newlib(L, functions);
  lua_pushboolean(L, false);
  lua_pushcclosure(L, encode, 1);
  lua_setfield(L, -2, "encode");
  lua_pushboolean(L, false);
  lua_pushcclosure(L, variables, 1);
  lua_setfield(L, -2, "variables");
  return 1;
}
