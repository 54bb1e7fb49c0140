/* Objects of the binding: userdata, told apart by their metatables.
 * SPDX-License-Identifier: MIT */
#include "object.h"

#include <stdbool.h>

void neap__object_class(lua_State *L, const char *name,
                        const luaL_Reg *functions, int count) {
  luaL_newmetatable(L, name);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_insert(L, -count - 1);
  lua_pushvalue(L, -count - 1);
  lua_insert(L, -count - 1); /* metatable, upvalues */
  luaL_setfuncs(L, functions, count + 1);
}

void *neap__object_check(lua_State *L, int arg, const char *name) {
  if (lua_getmetatable(L, arg)) {
    bool same = lua_rawequal(L, -1, lua_upvalueindex(1));
    lua_pop(L, 1);
    if (same)
      return lua_touserdata(L, arg);
  }
  return luaL_checkudata(L, arg, name);
}

void neap__object_mark(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setmetatable(L, -2);
}
