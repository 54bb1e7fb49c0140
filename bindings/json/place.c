/* Where in a value that is being encoded the encoder is.
 * SPDX-License-Identifier: MIT */
#include "place.h"

#include <lauxlib.h>
#include <string.h>

/* Adds ".name", or ["name"] when the name is no identifier. It is shortened,
 * and has no control characters. [-0, +0, m] */
static void add_key(luaL_Buffer *b, const char *key, size_t size) {
  enum { SHOWN = 40 };
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz_"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  size_t shown = size < SHOWN ? size : SHOWN;
  while (shown > 0 && shown < size &&
         ((unsigned char)key[shown] & 0xC0) == 0x80)
    shown--;
  bool plain = size > 0 && strspn(key, letters) == size &&
               !(key[0] >= '0' && key[0] <= '9');
  luaL_addstring(b, plain ? "." : "[\"");
  for (size_t i = 0; i < shown; i++)
    luaL_addchar(b, (unsigned char)key[i] < ' ' ? '?' : key[i]);
  luaL_addstring(b, shown < size ? "..." : "");
  luaL_addstring(b, plain ? "" : "\"]");
}

/* Adds the members from the outermost to that of `in`. If there are many, it
 * adds the first and the last. [-0, +0, m] */
static void add_members(luaL_Buffer *b, const neapL_json_place *in, int depth) {
  enum { SHOWN = 10 };
  if (in == NULL)
    return;
  add_members(b, in->up, depth);
  if (in->depth > SHOWN && in->depth <= depth - SHOWN) {
    if (in->depth == SHOWN + 1)
      luaL_addstring(b, "...");
  } else if (in->is_literal) {
    lua_pushfstring(b->L, "[%s]", in->key);
    luaL_addvalue(b);
  } else if (in->key != NULL) {
    add_key(b, in->key, in->key_size);
  } else {
    lua_pushfstring(b->L, "[%I]", (LUAI_UACINT)in->index);
    luaL_addvalue(b);
  }
}

const char *neapL_json_place_push(lua_State *L, const char *root,
                                  const neapL_json_place *in) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, root);
  add_members(&b, in, in == NULL ? 0 : in->depth);
  luaL_pushresult(&b);
  return lua_tostring(L, -1);
}
