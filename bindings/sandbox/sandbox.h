/* Lua states in which code that nobody trusts runs.
 * SPDX-License-Identifier: MIT
 *
 * Such a state has no function that could do harm to the program around it. Its
 * scripts do not meet each other either: each has tables of globals of its own,
 * and neap's modules of its own. They share neap.core, which is functions in C,
 * and the metatables, which are closed. */
#ifndef NEAP_BINDINGS_SANDBOX_SANDBOX_H
#define NEAP_BINDINGS_SANDBOX_SANDBOX_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "neap_lua.h"

/* Makes a sandbox of a state in which all libraries and neap have been opened,
 * and no script was run. [-0, +0, v] */
void neapL_sandbox_open(lua_State *L, const neap_lua_opts *opts);

/* Whether a state is a sandbox. [-0, +0, -] */
bool neapL_sandbox_is(lua_State *L);

#endif
