/* The coroutines of scripts of a sandbox: a limited number.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_SANDBOX_COROUTINES_H
#define NEAP_BINDINGS_SANDBOX_COROUTINES_H

#include <lua.h>
#include <stdint.h>

/* Limits what create and wrap of the table `coroutine` on top make: not more
 * than `most` that were not collected. [-0, +0, v] */
void neapL_coroutines_bound(lua_State *L, uint32_t most);

#endif
