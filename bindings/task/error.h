/* Error objects: the tables that neap raises when something outside fails.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_ERROR_H
#define NEAP_BINDINGS_TASK_ERROR_H

#include <lua.h>
#include <stdbool.h>

/* The metatable of every error object, in the registry. lua/neap/error.lua
 * gives it __tostring and __index. */
#define NEAPL_ERROR_META "neap.error"

/* The registry's key of the function (error, origin) -> error object of
 * lua/neap/error.lua, which is called for each error that leaves a run. */
#define NEAPL_ERROR_WRAP "neap.error.wrap"

/* Pushes a new error object { code =, message = }, to which the caller may add
 * fields before it calls lua_error. `format` is that of lua_pushfstring.
 * [-0, +1, m] */
void neapL_error_push(lua_State *L, const char *code, const char *format, ...);

/* The same for a status of the engine and its detail: the message is "WHAT:
 * WHY". If the system has refused something, the object has `errno`.
 * [-0, +1, m] */
void neapL_error_push_status(lua_State *L, const char *code, const char *what,
                             int status, int detail);

/* Pushes such an error object, and raises it. [-0, +0, v] */
int neapL_error_raise(lua_State *L, const char *code, const char *format, ...);

/* Pushes the text of any value at `index`: what its __tostring gives, or else
 * its field `message`, or "a table" after its type. It never shows an address.
 * [-0, +1, m] */
const char *neapL_error_text(lua_State *L, int index);

/* From now on neapL_error_text calls no metamethods in this state. [-0, +0, m]
 */
void neapL_error_read_raw(lua_State *L);

/* True when the value at `index` is an error object. [-0, +0, -] */
bool neapL_error_is(lua_State *L, int index);

/* Raises Lua's error for a lack of memory. [-0, +0, v] */
_Noreturn void neapL_error_no_memory(lua_State *L);

/* Registers the metatable. [-0, +0, m] */
void neapL_error_open(lua_State *L);

#endif
