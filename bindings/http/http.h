/* HTTP for Lua: what lua/neap/http/init.lua is made of.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_HTTP_HTTP_H
#define NEAP_BINDINGS_HTTP_HTTP_H

#include <lua.h>

/* Pushes the raw module table, for lua/neap/http/init.lua only. [-0, +1, m]
 *
 * request(what, options, url): waits for a response and returns { what =,
 * status =, ok =, headers =, body =, url = }, with `stream` a `handle` instead
 * of the body: see neapL_http_response_open. `headers` has the values by names
 * in lower case; of one that came several times they are joined with ", ", of
 * set-cookie they are a list. `what` is "http.request", "http.get" or of
 * another method. `url` may be nil when the options have it.
 *
 * The options are those in the table `fields` of http.c; others are ignored.
 * `headers` is a list { name, value, ... }, `cookies` and `upload` are objects
 * of jar.h and upload.h.
 *
 * Returns nil and a sentence when the request is malformed. Raises an error
 * object of code "http", or "timeout", with `url` (no query, no user) and
 * `retryable` when there is no response. */
int neapL_http_open(lua_State *L);

#endif
