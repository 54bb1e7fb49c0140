/* Warnings of nodes that compute for long without a wait.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_PROGRAM_SLOW_H
#define NEAP_BINDINGS_PROGRAM_SLOW_H

#include <lua.h>

/* slow(seconds): makes neap warn of each node that computes for so long without
 * a wait. It warns once for each node. To be called at most once in a process,
 * by its main thread, since the timer uses the signal SIGVTALRM. It ends with
 * the Lua state. Does nothing where the system has no such timer. */
int neapL_slow(lua_State *L);

#endif
