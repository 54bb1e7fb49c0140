/* Waiting: how a C function of the binding suspends its coroutine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_WAIT_H
#define NEAP_BINDINGS_WAIT_H

#include <lua.h>

#include "host.h"
#include "neap.h"

/* A function that waits does so in four steps:
 *
 *   1. check all arguments and make what holds the result, on the stack: all
 *      that allocates, for it may run a finalizer;
 *   2. op = neap__wait_begin(L, "http.get"): the operation to start. Raises,
 *      before anything has been started, where this coroutine cannot be
 *      suspended, and where it has been cancelled already. Nothing of Lua's
 *      runs in it, and nothing may until 4, or a cancellation would be lost;
 *   3. look at the object that the operation is on (object.h), and start op (a
 *      status < 0 means it was not started: raise an error);
 *   4. return neap__wait(L, k): k runs when op has ended, with the stack as it
 *      was. It begins with op = neap__wait_end(L), which raises the
 *      cancellation if that is what ended the wait; else op->status and
 *      op->detail are the outcome. Meanwhile, and in neap__wait_end, anything
 *      may have been closed: k looks again.
 *
 * In a task the coroutine is suspended between 3 and 4. In the main chunk of a
 * plain Lua interpreter the loop is driven there instead. */
neap_op *neap__wait_begin(lua_State *L, const char *what); /* [-0, +0, v] */
int neap__wait(lua_State *L, lua_KFunction k);
neap_op *neap__wait_end(lua_State *L); /* [-0, +0, v] */

/* Where what is waited for has an outcome of its own also when the task has
 * been cancelled meanwhile, the task is `lasting` from neap__wait on, and k
 * does not call neap__wait_end at once:
 *
 *   neap__wait_is_over tells whether the task has been cancelled, or waits in a
 *      deadlock: whether what it waits for should come to an end;
 *   neap__wait_again waits for that end, as neap__wait does;
 *   neap__wait_settle ends the wait with its outcome, as if nobody had
 * cancelled it: the task is told of that when it waits the next time. */
bool neap__wait_is_over(const neap__task *task);
int neap__wait_again(lua_State *L, lua_KFunction k);
void neap__wait_settle(lua_State *L);

/* The task that runs begins a wait that is allowed although it has been
 * cancelled: its operation. Raises where it could not wait in any case.
 * [-0, +0, v] */
neap_op *neap__wait_shielded(lua_State *L, const char *what);

/* What somebody in line is given, or has to give, is at an index of the stack
 * of its coroutine `co`, which is suspended. The main chunk of a plain Lua
 * interpreter, the root, is not: callbacks and finalizers run in its coroutine
 * while it waits, so for the root it is on the shelf meanwhile.
 *
 * neap__wait_offer is called before the wait and neap__wait_accept when it is
 * over, by the task that waits; neap__wait_put replaces the value by that on
 * top of L, and neap__wait_take pushes it and leaves nil, from outside. */
static inline void neap__wait_offer(lua_State *L, const neap__task *task,
                                    int index); /* [-0, +0, -] */
static inline void neap__wait_accept(lua_State *L, const neap__task *task,
                                     int index); /* [-0, +0, -] */
void neap__wait_put(lua_State *L, const neap__task *task, lua_State *co,
                    int index); /* [-1, +0, -] */
void neap__wait_take(lua_State *L, const neap__task *task, lua_State *co,
                     int index); /* [-0, +1, -] */

static inline void neap__wait_offer(lua_State *L, const neap__task *task,
                                    int index) {
  if (task != &task->host->root)
    return;
  lua_pushvalue(L, index);
  neap__wait_put(L, task, L, index);
}

static inline void neap__wait_accept(lua_State *L, const neap__task *task,
                                     int index) {
  if (task != &task->host->root)
    return;
  neap__wait_take(L, task, L, index);
  lua_replace(L, index);
}

/* True when a protected call must not catch the error on top: it ends a task
 * that was told of its cancellation, and has waited again. [-0, +0, -] */
bool neap__wait_must_pass(lua_State *L);

/* Suspends this coroutine on behalf of the engine: yields a token of ours, so
 * that nobody takes it for a yield of the user's. Whoever resumes it has to pop
 * the token first. */
int neap__suspend(lua_State *L, lua_KContext context, lua_KFunction k);

/* True for a coroutine that has been suspended by neap__suspend.
 * [-0, +0, -] */
bool neap__is_suspended(lua_State *co);

/* Pushes the error of a task that has been cancelled. [-0, +1, m] */
void neap__wait_push_end(lua_State *L, const neap__task *task);

/* The time `seconds` from now, as neap_sleep_until takes it: 0, which is past,
 * for none, NEAP_FOREVER for more than the clock can hold. */
uint64_t neap__deadline(neap_engine *engine, double seconds);

/* The engine of this Lua state. [-0, +0, v] */
neap_engine *neap__engine(lua_State *L);

#endif
