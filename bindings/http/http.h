/* HTTP for Lua: the C functions for lua/neap/http/init.lua.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_HTTP_HTTP_H
#define NEAP_BINDINGS_HTTP_HTTP_H

#include <lua.h>

/* Pushes the table of these functions. [-0, +1, m]
 *
 * request(what, options, url): waits for a response and returns { what =,
 * status =, ok =, headers =, body =, url = }. With `stream` the response has a
 * `handle` instead of the body: see neapL_http_response_open.
 *
 * The options are those in the table `fields` of http.c; others are ignored.
 * `headers` is a list { name, value, ... }; `cookies` and `upload` are objects
 * of jar.h and upload.h.
 *
 * `headers` of a response has the values by their names in lower case. If a
 * name came several times, its values are joined with ", "; those of set-cookie
 * are a list. `what` is "http.request", "http.get" or the like for another
 * method. `url` may be nil when it is in the options.
 *
 * Returns nil and a sentence when the request is malformed. When there is no
 * response, raises an error object of code "http" or "timeout", with `url`
 * (without query and user) and `retryable`. */
int neapL_http_open(lua_State *L);

#endif
