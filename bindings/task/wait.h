/* Waiting: how a C function of the binding suspends its coroutine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_WAIT_H
#define NEAP_BINDINGS_TASK_WAIT_H

#include <lua.h>

#include "task.h"

/* A function that waits does so in four steps:
 *
 *   1. check all arguments and make what holds the result, on the stack: all
 *      that allocates, for it may run a finalizer;
 *   2. op = neapL_wait_begin(L, "http.get"): the operation to start, and what
 *      is waited for, in words that last as long. Raises, before anything has
 *      been started, where this coroutine cannot be suspended, and where it has
 *      been cancelled already. Nothing of Lua's runs in it, and nothing may
 *      until 4, or a cancellation would be lost;
 *   3. look at the object that the operation is on (object.h), and start op;
 *   4. return neapL_wait(L, op, started, &then). `started` is 0 when op has
 *      been started. Otherwise nobody waits: a status < 0 says why not, 1 that
 *      it was done at once.
 *
 * In a task the coroutine is suspended then. In the main chunk of a plain Lua
 * interpreter the loop is driven there instead. Who watches the run is told of
 * each wait and of its end. */
neap_op *neapL_wait_begin(lua_State *L, const char *what); /* [-0, +0, v] */

/* What comes after a wait. The stack is as it was, but meanwhile anything may
 * have been closed: look again. NULL stands for what does nothing. */
typedef struct neapL_wait_then {
  /* Returns as a lua_CFunction does. op->status and op->detail are the outcome,
   * also when op was not started. [-0, +n, v] */
  int (*finish)(lua_State *L, const neap_op *op);
  /* Is called instead where the task has been cancelled, which neapL_wait then
   * raises: gives back what op may have brought, for nobody will get it.
   * [-0, +0, m] */
  void (*discard)(lua_State *L);
} neapL_wait_then;

/* Waits for op and returns what `finish` does. [-0, +n, v] */
int neapL_wait(lua_State *L, neap_op *op, int started,
               const neapL_wait_then *then);

/* What works for the one who waits has an outcome of its own also when that
 * task has been cancelled meanwhile. Such a task may be `lasting`, and waits by
 * `return neapL_wait_started(L, k)`. Then k asks neapL_wait_is_over whether the
 * task has been cancelled, or waits in a deadlock: whether what it waits for
 * should come to an end. It
 *
 *   waits for that, as at first, by neapL_wait_again;
 *   or ends the wait by neapL_wait_end, which raises the cancellation if there
 *      is one, and else gives the operation;
 *   or ends it by neapL_wait_settle as if nobody had cancelled the task, which
 *      is told of that when it waits the next time. */
int neapL_wait_started(lua_State *L, lua_KFunction k);
bool neapL_wait_is_over(const neapL_task *task);
int neapL_wait_again(lua_State *L, lua_KFunction k);
neap_op *neapL_wait_end(lua_State *L); /* [-0, +0, v] */
void neapL_wait_settle(lua_State *L);

/* The task that runs begins a wait that is allowed although it has been
 * cancelled: its operation. Raises where it could not wait in any case.
 * [-0, +0, v] */
neap_op *neapL_wait_shielded(lua_State *L, const char *what);

/* What somebody in line is given, or has to give, is at an index of the stack
 * of its coroutine `co`, which is suspended. The main chunk of a plain Lua
 * interpreter, the root, is not: callbacks and finalizers run in its coroutine
 * while it waits, so for the root it is kept by the host meanwhile.
 *
 * neapL_wait_offer is called before the wait and neapL_wait_accept when it is
 * over, by the task that waits; neapL_wait_put replaces the value by that on
 * top of L, and neapL_wait_take pushes it and leaves nil, from outside. */
static inline void neapL_wait_offer(lua_State *L, const neapL_task *task,
                                    int index); /* [-0, +0, -] */
static inline void neapL_wait_accept(lua_State *L, const neapL_task *task,
                                     int index); /* [-0, +0, -] */
void neapL_wait_put(lua_State *L, const neapL_task *task, lua_State *co,
                    int index); /* [-1, +0, -] */
void neapL_wait_take(lua_State *L, const neapL_task *task, lua_State *co,
                     int index); /* [-0, +1, -] */

static inline void neapL_wait_offer(lua_State *L, const neapL_task *task,
                                    int index) {
  if (task != task->host->root)
    return;
  lua_pushvalue(L, index);
  neapL_wait_put(L, task, L, index);
}

static inline void neapL_wait_accept(lua_State *L, const neapL_task *task,
                                     int index) {
  if (task != task->host->root)
    return;
  neapL_wait_take(L, task, L, index);
  lua_replace(L, index);
}

/* Pushes the error of a task that has been cancelled. [-0, +1, m] */
void neapL_wait_push_end(lua_State *L, const neapL_task *task);

/* The time `seconds` from now, as neap_sleep_until takes it: 0, which is past,
 * for none, NEAP_FOREVER for more than the clock can hold. */
uint64_t neapL_deadline(neap_engine *engine, double seconds);

/* The engine of this Lua state. [-0, +0, v] */
neap_engine *neapL_engine(lua_State *L);

#endif
