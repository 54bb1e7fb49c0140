/* The C functions for lua/neap/testing/init.lua.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_TESTING_H
#define NEAP_BINDINGS_TASK_TESTING_H

#include <lua.h>

/* Pushes the table of these functions. [-0, +1, m]
 *
 * set_clock(virtual): makes the engine's clock virtual, from 0 on, or real.
 * seed(n): makes the jitter of runs that begin from now on follow from n, which
 * is not 0. Without n it is different each time.
 * turn(may_wait): waits until one other operation has been delivered, and
 * returns true; or until there is none that could be (see neap_turn), and
 * returns false.
 * wait_idle(): waits until nothing can wake any other task.
 * others(): returns the number of tasks other than the current one and its
 * owners.
 * cancel_others(): cancels the tasks that belong to the root, but for the one
 * that is or owns the current one. */
int neapL_testing_open(lua_State *L);

#endif
