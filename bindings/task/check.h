/* Checks of arguments, as lauxlib does them, but with stable names.
 * SPDX-License-Identifier: MIT
 *
 * lauxlib names a function as the code of the caller does. Where that has no
 * name for it, as in pcall(neap.sleep, -1), it takes any name that a loaded
 * module has. Here a function always has its name in the manual. A method
 * counts its arguments without the object, however it was called. */
#ifndef NEAP_BINDINGS_TASK_CHECK_H
#define NEAP_BINDINGS_TASK_CHECK_H

#include <stdbool.h>

#include <lua.h>

/* Raises "bad argument #ARG to 'sleep' (REASON)". [-0, +0, v] */
int neapL_check_fail(lua_State *L, int arg, const char *reason);

/* The same with the reason "EXPECTED expected, got TYPE". Of a number, it tells
 * the value. [-0, +0, v] */
int neapL_check_type_fail(lua_State *L, int arg, const char *expected);

/* The same for a method whose first argument is no object of `class`. Says how
 * to call it: as "channel:..." for the class "neap.channel". [-0, +0, v] */
int neapL_check_self_fail(lua_State *L, const char *class);

/* The registry's key of the function that says what is wrong with options. */
#define NEAPL_CHECK_COMPLAINT "neap.complaint"

/* Raises what that function says of the options at `arg`, which are read in C
 * and have turned out to be wrong. `function` is its name in
 * lua/neap/base/schema/. [-0, +0, v] */
int neapL_check_options_fail(lua_State *L, int arg, const char *function);

/* Each does what the function of that name in lauxlib does. [-0, +0, v] */
void neapL_check_that(lua_State *L, bool holds, int arg, const char *reason);
void neapL_check_any(lua_State *L, int arg);
void neapL_check_type(lua_State *L, int arg, int type);
lua_Integer neapL_check_integer(lua_State *L, int arg);
lua_Number neapL_check_number(lua_State *L, int arg);
const char *neapL_check_string(lua_State *L, int arg);
const char *neapL_check_lstring(lua_State *L, int arg, size_t *size);
int neapL_check_option(lua_State *L, int arg, const char *fallback,
                       const char *const *names);
lua_Integer neapL_opt_integer(lua_State *L, int arg, lua_Integer fallback);
lua_Number neapL_opt_number(lua_State *L, int arg, lua_Number fallback);
const char *neapL_opt_string(lua_State *L, int arg, const char *fallback);

#endif
