/* What neap.serve needs in C: heads of requests, chunks, dates.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_SERVE_SERVE_H
#define NEAP_BINDINGS_SERVE_SERVE_H

#include <lua.h>

/* Pushes a table of functions for lua/neap/serve/. Returns 1. [-0, +1, m]
 *
 * head(text) -> the head of the request at the beginning of `text`: a table
 * with `size` (bytes, its end included), `method`, `target`, `minor` (of the
 * version: 0 or 1), `headers` (by names in lower case; what was sent several
 * times is joined), `keeps_alive`, `continues`, and `chunked` or `length`.
 * Nothing when the text ends before the head does. Where the head is refused,
 * false, the status of the answer, and why.
 *
 * chunk(line) -> the bytes of the chunk that a line begins, nil for another
 * line
 *
 * date(seconds) -> the time, in seconds since 1970, as the header Date has it
 */
int neapL_serve_open(lua_State *L);

#endif
