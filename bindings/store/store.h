/* Stores from Lua: what lua/neap/durable/ keeps runs in.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_STORE_STORE_H
#define NEAP_BINDINGS_STORE_STORE_H

#include <lua.h>

/* Registers the class of stores, and pushes a table with the function
 * open(opts) -> store, pending. `opts` has `kind`, `path`, `sync`, `read_only`
 * and `beside`. What is wrong with the store its first method raises, and so
 * does store:opened(). Returns 1. [-0, +1, m]
 *
 * The methods are the calls of neap_store.h, and wait. The tables that they are
 * given and give have the fields of the structs there, by the same names;
 * absent is what NULL or 0 is. They are made by neap's own modules, which check
 * the values. Where the structs have arrays, the tables have
 *
 *   vars, parts, tags   values by name
 *   changes             kind, name, value, kind, name, value, ...
 *   rooms               the room by the name of the queue
 *   statuses            a list
 *
 * A failure raises an error object, whose code is "fenced", "exists", "full",
 * "ended", "run" (there is none), "damaged", "newer", "read_only", "value" (not
 * kept) or "store". The last is the only one that is retryable. */
int neapL_store_open(lua_State *L);

#endif
