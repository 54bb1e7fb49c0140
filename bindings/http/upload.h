/* Bodies of requests that are written while they are sent.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_HTTP_UPLOAD_H
#define NEAP_BINDINGS_HTTP_UPLOAD_H

#include <lua.h>

#include "neap.h"

/* Returns the upload at `arg`, borrowed until something runs Lua. [-0, +0, v]
 */
neap_http_upload *neapL_http_upload_check(lua_State *L, int arg);

/* Adds the function upload to the table on top. upload(size) makes a body of
 * `size` bytes, or of unknown size for nil, for the option `upload` of a
 * request. The body has write(bytes), which waits until there is room for more,
 * finish() and close(). [-0, +0, m] */
void neapL_http_upload_open(lua_State *L);

#endif
