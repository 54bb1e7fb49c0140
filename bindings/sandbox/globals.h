/* The globals of sandboxed scripts.
 * SPDX-License-Identifier: MIT
 *
 * A state has a template of them, in which each function is bounded, harmless
 * or denied. Each script gets a copy. */
#ifndef NEAP_BINDINGS_SANDBOX_GLOBALS_H
#define NEAP_BINDINGS_SANDBOX_GLOBALS_H

#include <lua.h>
#include <stdbool.h>

#include "neap_lua.h"

/* Makes the template, of the libraries and of neap.core as they are in the
 * state. [-0, +0, v] */
void neapL_globals_open(lua_State *L, const neap_lua_opts *opts);

/* Pushes the template. Returns false, and pushes nil, when the state has none.
 * [-0, +1, -] */
bool neapL_globals_push_template(lua_State *L);

/* Sets the template's functions and libraries in the table on top, where Lua
 * looks for the names of functions in messages. [-0, +0, v] */
void neapL_globals_name(lua_State *L);

/* Pushes a copy of the template with itself as _G, for a script. [-0, +1, v] */
void neapL_globals_push(lua_State *L);

/* As neapL_globals_push, for neap's own modules: they see closed metatables,
 * and close those that they set. [-0, +1, v] */
void neapL_globals_push_own(lua_State *L);

/* Pushes the key of a metatable which says that its finalizer calls no code of
 * a script. Scripts must never get it. [-0, +1, -] */
void neapL_globals_push_calm(lua_State *L);

/* Pushes a copy of a table: tables in it that have no metatable are copied as
 * well, down to `depth`. [-0, +1, v] */
void neapL_globals_push_copy(lua_State *L, int index, int depth);

/* Sets in the table on top a function that refuses `what`. [-0, +0, m] */
void neapL_globals_set_denied(lua_State *L, const char *name, const char *what);

#endif
