/* Objects of the binding: userdata, told apart by their metatables.
 * SPDX-License-Identifier: MIT
 *
 * Most of them hold something of the engine's, a file or a stream, by a pointer
 * that is their first field. It becomes NULL when the object is closed or
 * collected, and that may happen whenever Lua runs: in a finalizer, which any
 * allocation may call, in the on_event of a run, in a <close> variable. So a
 * function that uses an object does it in this order:
 *
 *   1. it checks its arguments, and pushes whatever it needs to push;
 *   2. it begins to wait, if it does (wait.h);
 *   3. it looks: neapL_class_open gives the object, or raises;
 *   4. it acts on what the object holds, and pushes nothing before it has.
 *
 * What was looked at is looked at again behind everything that can run Lua. */
#ifndef NEAP_BINDINGS_TASK_CLASS_H
#define NEAP_BINDINGS_TASK_CLASS_H

#include <lauxlib.h>

/* Pushes a new metatable, registered as `name`. Those of `functions` whose
 * names begin with "__" are its metamethods. The others are methods, in a table
 * of their own that is its __index unless there is one among the metamethods,
 * so that no object has a method "__gc". Upvalue 1 of all of them is the
 * metatable. The next are, for methods, the `count` values that were on top,
 * and for metamethods the table of the methods. [-count, +1, m] */
void neapL_class_define(lua_State *L, const char *name,
                        const luaL_Reg *functions, int count);

/* Pushes a new object of the class registered as `name`, which has a __gc: it
 * is zero, so that it holds nothing yet, and has so many user values.
 * [-0, +1, v] */
void *neapL_class_new(lua_State *L, const char *name, size_t size, int values);

/* Collects the objects that Lua will not: those made while the state is being
 * closed. Calls no code of the user's. [-0, +0, -] */
void neapL_class_end(lua_State *L);

/* Returns the object at `arg` of a method of the class registered as `name`;
 * raises an error when it is none. That the metatable is in upvalue 1 spares
 * the search for the name. [-0, +0, v] */
void *neapL_class_check(lua_State *L, int arg, const char *name);

/* The same for an object that holds something. Raises an error of code "closed"
 * when it holds nothing any more, "WHAT: the stream has been closed" (`what`
 * may be NULL), and when neap itself has ended. [-0, +0, v] */
void *neapL_class_open(lua_State *L, int arg, const char *name,
                       const char *what);

/* The same in a function that is no method of the class. [-0, +0, v] */
void *neapL_class_given(lua_State *L, int arg, const char *name,
                        const char *what);

/* Raises that error. [-0, +0, v] */
int neapL_class_closed(lua_State *L, const char *name, const char *what);

/* Takes from the object at `arg` what it holds, for whoever closes it, and
 * returns that; NULL when it holds nothing. Raises only when it is no object of
 * that class. [-0, +0, v] */
void *neapL_class_take(lua_State *L, int arg, const char *name);

/* Gives the object on top the metatable in upvalue 1. [-0, +0, -] */
void neapL_class_mark(lua_State *L);

#endif
