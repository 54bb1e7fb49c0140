/* Checking arguments: lauxlib's functions, with names that stay the same.
 * SPDX-License-Identifier: MIT
 *
 * lauxlib calls a function by the name that it finds in the code of its caller;
 * where there is none, as in pcall(neap.sleep, -1), by one of those that the
 * loaded modules have for it, whichever comes first. Here it has one name,
 * which is that of the manual, and a method counts its arguments without the
 * object, however it was called. */
#ifndef NEAP_BINDINGS_TASK_CHECK_H
#define NEAP_BINDINGS_TASK_CHECK_H

#include <stdbool.h>

#include <lua.h>

/* Raises "bad argument #ARG to 'sleep' (REASON)". [-0, +0, v] */
int neapL_check_fail(lua_State *L, int arg, const char *reason);

/* The same: "EXPECTED expected, got string"; a number is told itself.
 * [-0, +0, v] */
int neapL_check_type_fail(lua_State *L, int arg, const char *expected);

/* The same for a method whose object is none: tells how to call it, "channel"
 * for one of the class "neap.channel". [-0, +0, v] */
int neapL_check_self_fail(lua_State *L, const char *class);

/* The registry's key for the function that says what is wrong with options. */
#define NEAPL_CHECK_COMPLAINT "neap.complaint"

/* Raises what it says of the options at `arg` of a function, by its name in
 * lua/neap/base/schema.lua: of options that are read in C and have turned out
 * to be wrong. [-0, +0, v] */
int neapL_check_options_fail(lua_State *L, int arg, const char *function);

/* Each does what the function of its name in lauxlib does. [-0, +0, v] */
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
