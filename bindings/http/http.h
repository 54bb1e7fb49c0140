/* HTTP for Lua: what lua/neap/http/init.lua is made of.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_HTTP_HTTP_H
#define NEAP_BINDINGS_HTTP_HTTP_H

#include <lua.h>

/* Pushes the raw module table, for lua/neap/http/init.lua only. [-0, +1, m]
 *
 * request(what, { url =, method =, headers = { name, value, ... }, body =,
 * timeout =, connect_timeout =, idle_timeout =, max_redirects =, max_body =,
 * ca_file =, proxy =, cert_file =, key_file =, key_password =, jar =, upload =,
 * stream =, idempotent =, unix_socket =, fresh_connection =, max_idle = },
 * url): waits for a response and returns { what =, status =, ok =, headers =,
 * body =, url = }, with `stream` a `handle` instead of the body: see
 * neapL_http_response_open. `headers` has the values by names in lower case; of
 * one that came several times they are joined with ", ", of set-cookie they are
 * a list. `what` is "http.request", "http.get" or of another method. `url` may
 * be nil when the options have it.
 *
 * Returns nil and a sentence when the request is malformed. Raises an error
 * object of code "http", or "timeout", with `url` (no query, no user) and
 * `retryable` when there is no response. */
int neapL_http_open(lua_State *L);

#endif
