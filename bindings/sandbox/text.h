/* The rest of `string`, `utf8` and tostring of a sandbox.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_SANDBOX_TEXT_H
#define NEAP_BINDINGS_SANDBOX_TEXT_H

#include <lua.h>
#include <stdint.h>

/* Sets the random number that hides the addresses. Comes first. [-0, +0, m] */
void neapL_text_open(lua_State *L, uint64_t mask);

/* Does what luaL_tolstring does, but shows no address: of objects it gives a
 * number that differs from object to object. [-0, +1, v] */
const char *neapL_text_push(lua_State *L, int index, size_t *size);

/* tostring(value) */
int neapL_text_tostring(lua_State *L);

/* Replaces the functions of the table `string` on top by bounded ones.
 * [-0, +0, v] */
void neapL_text_bound_string(lua_State *L);

/* The same for `utf8`. [-0, +0, v] */
void neapL_text_bound_utf8(lua_State *L);

/* The same for `date` of the table `os` on top. [-0, +0, v] */
void neapL_text_bound_date(lua_State *L);

/* The same for `tonumber` of the globals on top. [-0, +0, v] */
void neapL_text_bound_tonumber(lua_State *L);

#endif
