/* Objects of the binding: userdata, told apart by their metatables.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_OBJECT_H
#define NEAP_BINDINGS_OBJECT_H

#include <lauxlib.h>

/* Pushes a new metatable, registered as `name`, which is its own __index and
 * has `functions`: methods and metamethods. Upvalue 1 of all of them is the
 * metatable, the next are the `count` values that were on top. [-count, +1, m]
 */
void neap__object_class(lua_State *L, const char *name,
                        const luaL_Reg *functions, int count);

/* Returns the object at `arg` of a function whose upvalue 1 is the metatable,
 * registered as `name`; raises an error when it is none. This spares
 * luaL_checkudata the search for the name. [-0, +0, v] */
void *neap__object_check(lua_State *L, int arg, const char *name);

/* Gives the object on top the metatable in upvalue 1. [-0, +0, -] */
void neap__object_mark(lua_State *L);

#endif
