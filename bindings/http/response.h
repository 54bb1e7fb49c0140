/* Responses, as long as Lua has not taken all of them.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_HTTP_RESPONSE_H
#define NEAP_BINDINGS_HTTP_RESPONSE_H

#include <lua.h>

#include "neap.h"

/* A holder of a response: a userdata, so that the collector frees the response
 * whatever is raised. */
typedef struct neapL_http_held {
  neap_http_response *response; /* *owned*; NULL: none yet, or closed */
  const char *what; /* the function that has requested it: "http.get" */
  uint64_t taken;   /* the number of times that bytes were taken */
} neapL_http_held;

/* Pushes an empty holder. `what` must last as long as the holder. [-0, +1, m]
 */
neapL_http_held *neapL_http_hold(lua_State *L, const char *what);

/* Raises unless the holder at `index` holds a response. [-0, +0, v] */
void neapL_http_check(lua_State *L, int index);

/* Frees what a holder holds. */
void neapL_http_release(neapL_http_held *held);

/* Pushes the response as a table: what, status, ok, headers, url, and body
 * unless `streamed`. [-0, +1, m] */
void neapL_http_push(lua_State *L, const neapL_http_held *held, bool streamed);

/* Raises an error object for a status, with what the response at `index` tells
 * about it. Without a response, its message is `text`. [-0, +0, v] */
int neapL_http_fail(lua_State *L, int index, int status, const char *text);

/* Registers the class of holders, which are the handles of streamed responses.
 * receive() waits for the next bytes and returns them, nil at the end; close()
 * drops what is still to come. [-0, +0, m] */
void neapL_http_response_open(lua_State *L);

#endif
