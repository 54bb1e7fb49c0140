/* Streams for Lua: what lua/neap/stream.lua is made of.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_IO_STREAM_H
#define NEAP_BINDINGS_IO_STREAM_H

#include <lua.h>

#include "neap.h"

/* Replaces the string on top, which says what the stream leads to ("stdin of
 * ls"), by a userdata for a stream, still without one: the caller puts it where
 * the result points. `code` (*kept*) is that of its errors. The userdata closes
 * the stream.
 *
 * Its methods: receive() waits for bytes and returns them, nil at the end;
 * write(bytes) and finish() wait until that has been done; close() and the
 * collector close. They raise an error object of `code` with `errno`; of code
 * "closed" when the stream has been, "busy" when somebody else waits to
 * receive. [-1, +1, m] */
neap_stream **neapL_stream_push(lua_State *L, const char *code);

/* Where the userdata at `index` has its stream. [-0, +0, -] */
neap_stream **neapL_stream_of(lua_State *L, int index);

/* Pushes the raw module table, for lua/neap/stream.lua only. [-0, +1, m]
 *
 * pair(): two streams, each of which gives what is written to the other.
 * input(): a stream of the standard input, which others may share. */
int neapL_stream_open(lua_State *L);

#endif
