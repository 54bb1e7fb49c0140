/* Values that C holds by a number.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_ANCHOR_H
#define NEAP_BINDINGS_TASK_ANCHOR_H

#include <lua.h>

/* Each `key`, by its address, stands for a set of values of one kind. */

/* Keeps the value on top, and returns its number, from 1. [-1, +0, m] */
int neapL_anchor_put(lua_State *L, const void *key);

/* Pushes the value with a number; another number gives a value that is no
 * userdata. Runs no Lua and allocates nothing. [-0, +1, -] */
void neapL_anchor_push(lua_State *L, const void *key, lua_Integer number);

/* Lets go of a value. Its number will be given again. [-0, +0, -] */
void neapL_anchor_drop(lua_State *L, const void *key, int number);

#endif
