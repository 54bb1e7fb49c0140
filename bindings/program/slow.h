/* Warnings of nodes that compute for long without a wait.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_PROGRAM_SLOW_H
#define NEAP_BINDINGS_PROGRAM_SLOW_H

#include <lua.h>

/* slow(seconds): has whatever computes for so long without a wait be warned of,
 * each node once. To be called at most once in a process, by its main thread:
 * the timer is a signal's, SIGVTALRM. It ends with the Lua state. Where the
 * system has no such timer, nothing is watched. */
int neapL_slow(lua_State *L);

#endif
