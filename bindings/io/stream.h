/* Streams for Lua: the C functions for lua/neap/stream.lua.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_IO_STREAM_H
#define NEAP_BINDINGS_IO_STREAM_H

#include <lua.h>

#include "neap.h"

/* Replaces the string on top, which says what the stream leads to ("stdin of
 * ls"), by a userdata without a stream. The caller puts the stream where the
 * result points. Then the userdata owns it. `code` (*kept*) is the code of its
 * errors.
 *
 * Its methods: receive() waits for bytes and returns them, nil at the end.
 * write(bytes) and finish() wait until that is done. close() closes the stream,
 * as the collector does. They raise an error object of `code` with `errno`; of
 * code "closed" when the stream has been closed; of code "busy" when another
 * task waits to receive. [-1, +1, m] */
neap_stream **neapL_stream_push(lua_State *L, const char *code);

/* Returns where the userdata at `index` has its stream. [-0, +0, -] */
neap_stream **neapL_stream_of(lua_State *L, int index);

/* Pushes the table of the other functions. [-0, +1, m]
 *
 * pair(): returns two streams, each of which receives what is written to the
 * other.
 * input(): returns a stream of the standard input, which other processes may
 * share. */
int neapL_stream_open(lua_State *L);

#endif
