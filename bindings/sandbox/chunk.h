/* `load` of a sandbox.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_SANDBOX_CHUNK_H
#define NEAP_BINDINGS_SANDBOX_CHUNK_H

#include <lua.h>
#include <stddef.h>

enum { NEAPL_CHUNK_LARGEST = 1024 * 1024 /* bytes of source text */ };

/* Pushes the function of a chunk of source text, with the table at `globals` as
 * its globals. Returns LUA_OK; or another status, with a message on top.
 * [-0, +1, v] */
int neapL_chunk_push(lua_State *L, const char *text, size_t size,
                     const char *name, int globals);

/* load(chunk [, name [, mode [, globals]]]): upvalue 1 is the table of globals
 * of a chunk for which none is given. */
int neapL_chunk_load(lua_State *L);

#endif
