/* What lua/neap/testing/init.lua is made of.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_TESTING_H
#define NEAP_BINDINGS_TASK_TESTING_H

#include <lua.h>

/* Pushes the raw module table, for lua/neap/testing/init.lua only. [-0, +1, m]
 *
 * set_clock(virtual): the engine's clock becomes virtual, from 0 on, or real.
 * seed(n): the jitter of runs that begin from now on follows from n, which is
 * not 0; without n it is different each time.
 * turn(may_wait): waits until one other operation has been delivered: true; or
 * until there is none that could be, see neap_turn: false.
 * wait_idle(): waits until nobody else is left whom anything could wake.
 * others(): how many tasks live that are neither the one that runs nor one of
 * its owners.
 * cancel_others(): cancels those that belong to nobody. */
int neapL_testing_open(lua_State *L);

#endif
