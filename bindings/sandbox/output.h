/* What scripts of a sandbox print: bounded, and given to the host.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_SANDBOX_OUTPUT_H
#define NEAP_BINDINGS_SANDBOX_OUTPUT_H

#include "neap_lua.h"

/* Notes where it goes, and how much may. [-0, +0, m] */
void neapL_output_open(lua_State *L, const neap_lua_opts *opts);

/* print(...), warn(...) */
int neapL_output_print(lua_State *L);
int neapL_output_warn(lua_State *L);

/* write(text), say(text): print a text as it is, say as an error. */
int neapL_output_write(lua_State *L);
int neapL_output_say(lua_State *L);

#endif
