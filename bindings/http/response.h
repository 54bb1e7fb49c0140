/* Responses, until Lua has all of them.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_HTTP_RESPONSE_H
#define NEAP_BINDINGS_HTTP_RESPONSE_H

#include <lua.h>

#include "neap.h"

/* What holds a response: a userdata, so that the collector frees it whatever is
 * raised. */
typedef struct neapL_http_held {
  neap_http_response *response; /* *owned*; NULL: none yet, or closed */
  const char *what;             /* has asked for it: "http.get" */
  uint64_t taken;               /* how often bytes were taken from it */
} neapL_http_held;

/* Pushes an empty holder. `what` lasts. [-0, +1, m] */
neapL_http_held *neapL_http_hold(lua_State *L, const char *what);

/* Raises unless the holder at `index` holds a response. [-0, +0, v] */
void neapL_http_check(lua_State *L, int index);

/* Frees what it holds. */
void neapL_http_release(neapL_http_held *held);

/* Pushes the response as a table: what, status, ok, headers, url, and body
 * unless `streamed`. [-0, +1, m] */
void neapL_http_push(lua_State *L, const neapL_http_held *held, bool streamed);

/* Raises an error object for a status, with what is known about it from the
 * response at `index`; without one it says `text`. [-0, +0, v] */
int neapL_http_fail(lua_State *L, int index, int status, const char *text);

/* Makes the metatable of holders, which are the handles of streamed responses:
 * receive() waits for the next bytes and gives nil at the end, close() drops
 * what is still to come. [-0, +0, m] */
void neapL_http_response_open(lua_State *L);

#endif
