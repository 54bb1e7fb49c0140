/* The classes whose objects CBOR can hold.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_CBOR_CLASSES_H
#define NEAP_BINDINGS_CBOR_CLASSES_H

#include <lua.h>

/* What is known of a class: a list in Lua. `save` and `load` are false if its
 * objects are saved by their fields. */
enum {
  NEAPL_CBOR_CLASS_NAME = 1,
  NEAPL_CBOR_CLASS_META,
  NEAPL_CBOR_CLASS_SAVE,
  NEAPL_CBOR_CLASS_LOAD
};

/* type(name, class, { save = f, load = f }): from now on objects with the
 * metatable `class` are written as `save(object)`, and `load(saved)` makes them
 * again; without these two, by their fields. A name and a class are registered
 * once in a state; the same again changes the functions. Not for sandboxed
 * scripts. */
int neapL_cbor_type(lua_State *L);

/* Pushes the tables of the classes by their metatables, and by their names.
 * [-0, +1, m] */
void neapL_cbor_classes_push_by_meta(lua_State *L);
void neapL_cbor_classes_push_by_name(lua_State *L);

/* Registers the classes of neap itself. [-0, +0, m] */
void neapL_cbor_classes_open(lua_State *L);

#endif
