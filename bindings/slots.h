/* Where the coroutines of tasks are kept, and taken from again.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_SLOTS_H
#define NEAP_BINDINGS_SLOTS_H

#include "host.h"

/* Pushes a new table of anchors, for the shelf. [-0, +1, m] */
void neap__slots_open(lua_State *L);

/* Frees what the host has of it. [-0, +0, -] */
void neap__slots_close(lua_State *L, neap__host *host);

/* Sees to it that the host's pool has a coroutine on top. [-0, +0, m] */
void neap__slots_fill(lua_State *L, neap__host *host);

/* Anchors the task on top in a slot. [-0, +0, -] */
void neap__slots_anchor(lua_State *L, const neap__host *host, uint32_t slot);

/* Pushes the task that is anchored in a slot. [-0, +1, -] */
void neap__slots_push(lua_State *L, const neap__host *host, uint32_t slot);

/* Lets go of the task in a slot, and gives the slot back to the pool, with its
 * coroutine, if that can be used again, or without (NULL). [-0, +0, -] */
void neap__slots_give(neap__host *host, uint32_t slot, lua_State *co);

#endif
