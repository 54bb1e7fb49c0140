/* Objects of the binding: userdata with a class.
 * SPDX-License-Identifier: MIT
 *
 * Most objects hold something of the engine's, a file or a stream. The pointer
 * to it is their first field. It becomes NULL when the object is closed or
 * collected. That may happen whenever Lua runs: in a finalizer, which any
 * allocation may call, in the on_event of a run, in a <close> variable. So a
 * function that uses an object takes these steps:
 *
 *   1. It checks its arguments, and pushes all that it needs.
 *   2. It begins to wait, if it waits (wait.h).
 *   3. It checks the object: neapL_class_open returns it, or raises.
 *   4. It works on what the object holds, and pushes nothing before that.
 *
 * After anything that can run Lua, the object is checked again. */
#ifndef NEAP_BINDINGS_TASK_CLASS_H
#define NEAP_BINDINGS_TASK_CLASS_H

#include <lauxlib.h>

/* Pushes a new metatable, registered as `name`. The `functions` whose names
 * begin with "__" are its metamethods. The others are methods: they are in a
 * table of their own, so that no object has a method "__gc". That table is the
 * __index of the class, unless there is an __index among the metamethods.
 *
 * Upvalue 1 of all functions is the metatable. The next upvalues of a method
 * are the `count` values that were on top; of a metamethod, the table of
 * methods. [-count, +1, m] */
void neapL_class_define(lua_State *L, const char *name,
                        const luaL_Reg *functions, int count);

/* Pushes a new object of the class registered as `name`, which has a __gc. It
 * is zero, so that it holds nothing yet. `values` is the number of its user
 * values. [-0, +1, v] */
void *neapL_class_new(lua_State *L, const char *name, size_t size, int values);

/* Finalizes the objects that Lua does not: those made while the state is being
 * closed. Calls no code of the user's. [-0, +0, -] */
void neapL_class_end(lua_State *L);

/* Returns the object at `arg`, the first argument of a method of the class
 * registered as `name`. Raises when it is none. The metatable in upvalue 1
 * saves a look-up of the name. [-0, +0, v] */
void *neapL_class_check(lua_State *L, int arg, const char *name);

/* The same for an object that must be open. Raises an error of code "closed",
 * "WHAT: the stream has been closed", when it holds nothing any more, and when
 * neap has ended. `what` may be NULL. [-0, +0, v] */
void *neapL_class_open(lua_State *L, int arg, const char *name,
                       const char *what);

/* The same in a function that is no method of the class. [-0, +0, v] */
void *neapL_class_given(lua_State *L, int arg, const char *name,
                        const char *what);

/* Raises the error for a closed object. [-0, +0, v] */
int neapL_class_closed(lua_State *L, const char *name, const char *what);

/* Takes what the object at `arg` holds, and returns that; NULL when it holds
 * nothing. The caller closes it. Raises only when the argument is no object of
 * that class. [-0, +0, v] */
void *neapL_class_take(lua_State *L, int arg, const char *name);

/* Gives the object on top the metatable in upvalue 1. [-0, +0, -] */
void neapL_class_mark(lua_State *L);

#endif
