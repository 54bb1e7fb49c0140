/* Cookies that are kept between requests, for Lua.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_HTTP_JAR_H
#define NEAP_BINDINGS_HTTP_JAR_H

#include <lua.h>

#include "neap.h"

/* Returns the jar at `arg`, borrowed until something runs Lua. [-0, +0, v] */
neap_http_jar *neapL_http_jar_check(lua_State *L, int arg);

/* Adds the function jar to the table on top. [-0, +0, m] */
void neapL_http_jar_open(lua_State *L);

#endif
