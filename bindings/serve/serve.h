/* What neap.serve needs in C: heads of requests, chunks, dates.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_SERVE_SERVE_H
#define NEAP_BINDINGS_SERVE_SERVE_H

#include <lua.h>

/* Pushes a table of functions for lua/neap/serve/. Returns 1. [-0, +1, m]
 *
 * head(text, from) -> the head of the request that begins at the byte `from`
 * (from 1) of `text`: a table with `method`, `path` and `query_string`, neither
 * of them decoded, and `next`, where the head has ended. Where the request has
 * them: `host`, `origin`, `authorization`; `left`, the bytes of its body, or
 * `chunked`; `is_old` (HTTP/1.0), `closes` (no other request will follow),
 * `continues` (the client waits for 100). Nothing when the text ends before the
 * head does. Where the head is refused, false, the status of the answer, and
 * why.
 *
 * fields(text, from) -> all fields of such a head, by their names in lower
 * case. What was sent several times is joined.
 *
 * chunk(line) -> the bytes of the chunk that a line begins, nil for another
 * line
 *
 * date(seconds) -> the time, in seconds since 1970, as the header Date has it
 */
int neapL_serve_open(lua_State *L);

#endif
