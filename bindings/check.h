/* Checking arguments: lauxlib's functions, with names that stay the same.
 * SPDX-License-Identifier: MIT
 *
 * lauxlib calls a function by the name that it finds in the code of its caller;
 * where there is none, as in pcall(neap.sleep, -1), by one of those that the
 * loaded modules have for it, whichever comes first. Here it has one name,
 * which is that of the manual, and a method counts its arguments without the
 * object, however it was called. */
#ifndef NEAP_BINDINGS_CHECK_H
#define NEAP_BINDINGS_CHECK_H

#include <stdbool.h>

#include <lua.h>

/* Raises "bad argument #ARG to 'sleep' (REASON)". [-0, +0, v] */
int neap__check_fail(lua_State *L, int arg, const char *reason);

/* The same: "EXPECTED expected, got string"; a number is told itself.
 * [-0, +0, v] */
int neap__check_type_fail(lua_State *L, int arg, const char *expected);

/* The same for a method whose object is none: tells how to call it, "channel"
 * for one of the class "neap.channel". [-0, +0, v] */
int neap__check_self_fail(lua_State *L, const char *class);

/* The registry's key for the function that says what is wrong with options. */
#define NEAP__CHECK_COMPLAINT "neap.complaint"

/* Raises what it says of the options at `arg` of a function, by its name in
 * lua/neap/schema.lua: of options that are read in C and have turned out to be
 * wrong. [-0, +0, v] */
int neap__check_options_fail(lua_State *L, int arg, const char *function);

/* Each does what the function of its name in lauxlib does. [-0, +0, v] */
void neap__check_that(lua_State *L, bool holds, int arg, const char *reason);
void neap__check_any(lua_State *L, int arg);
void neap__check_type(lua_State *L, int arg, int type);
lua_Integer neap__check_integer(lua_State *L, int arg);
lua_Number neap__check_number(lua_State *L, int arg);
const char *neap__check_string(lua_State *L, int arg);
const char *neap__check_lstring(lua_State *L, int arg, size_t *size);
int neap__check_option(lua_State *L, int arg, const char *fallback,
                       const char *const *names);
lua_Integer neap__opt_integer(lua_State *L, int arg, lua_Integer fallback);
lua_Number neap__opt_number(lua_State *L, int arg, lua_Number fallback);
const char *neap__opt_string(lua_State *L, int arg, const char *fallback);

#endif
