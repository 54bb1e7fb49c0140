/* Waiting: how a C function of the binding suspends its coroutine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_WAIT_H
#define NEAP_BINDINGS_TASK_WAIT_H

#include <lua.h>

#include "task.h"

/* A function that waits takes four steps:
 *
 *   1. It checks all arguments, and makes what will hold the result on the
 *      stack. All allocations are here, for any of them may run a finalizer.
 *   2. op = neapL_wait_begin(L, "http.get") gives the operation to start. The
 *      string says what is waited for, and must last as long as the wait. The
 *      function raises, before anything has been started, where this coroutine
 *      cannot be suspended, and where its task has been cancelled already. It
 *      runs no Lua. Nor may anything between it and step 4, or a cancellation
 *      would be lost.
 *   3. It checks the object of the operation again (class.h), and starts op.
 *   4. return neapL_wait(L, op, started, &then). `started` is 0 when op has
 *      been started. Otherwise there is no wait: a status < 0 says why, and 1
 *      that the result is there at once.
 *
 * In a task, step 4 suspends the coroutine. In the main chunk of a plain Lua
 * interpreter it drives the loop. The observers of the run get an event for
 * each wait and for its end. */
neap_op *neapL_wait_begin(lua_State *L, const char *what); /* [-0, +0, v] */

/* What comes after a wait. The stack is as it was. Any object may have been
 * closed meanwhile, so it must be checked again. A NULL function does nothing.
 */
typedef struct neapL_wait_then {
  /* Returns as a lua_CFunction does. op->status and op->detail are the outcome,
   * also when op was not started. [-0, +n, v] */
  int (*finish)(lua_State *L, const neap_op *op);
  /* Called instead when the task has been cancelled. Frees or gives back what
   * op may have brought, for nothing else will take it. neapL_wait then raises
   * the cancellation. [-0, +0, m] */
  void (*discard)(lua_State *L);
} neapL_wait_then;

/* Waits for op and returns what `finish` does. [-0, +n, v] */
int neapL_wait(lua_State *L, neap_op *op, int started,
               const neapL_wait_then *then);

/* A wait may be `lasting`: cancelling its task does not drop it. That is for
 * what works for the task, and has an outcome even when the task has been
 * cancelled.
 *
 * Such a wait begins with `return neapL_wait_started(L, k)`. The continuation k
 * calls neapL_wait_is_over: true when the task has been cancelled or waits in a
 * deadlock, so that what it waits for should be ended. Then k does one of three
 * things:
 *
 *   - neapL_wait_again waits once more, as at first.
 *   - neapL_wait_end ends the wait. It raises the cancellation if there is one;
 *     otherwise it returns the operation.
 *   - neapL_wait_settle ends the wait as if there were no cancellation. The
 *     task gets that at its next wait. */
int neapL_wait_started(lua_State *L, lua_KFunction k);
bool neapL_wait_is_over(const neapL_task *task);
int neapL_wait_again(lua_State *L, lua_KFunction k);
neap_op *neapL_wait_end(lua_State *L); /* [-0, +0, v] */
void neapL_wait_settle(lua_State *L);

/* Begins a wait that is allowed although the current task has been cancelled,
 * and returns its operation. Raises where it could not wait in any case.
 * [-0, +0, v] */
neap_op *neapL_wait_shielded(lua_State *L, const char *what);

/* A task that stands in line waits for a value, or holds one that it sends. The
 * value lies at an index of the stack of its coroutine `co`, which is
 * suspended. The root, which is the main chunk of a plain Lua interpreter, is
 * an exception. Its coroutine is not suspended: callbacks and finalizers run in
 * it during the wait. So the host keeps the value of the root meanwhile.
 *
 * The task that waits calls neapL_wait_offer before the wait and
 * neapL_wait_accept after it. Other tasks call neapL_wait_put, which replaces
 * the value by that on top of L, and neapL_wait_take, which pushes it and
 * leaves nil. */
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

/* Returns the time `seconds` from now, as neap_sleep_until takes it. For 0 or
 * less that is 0, which is past; for more than the clock can hold,
 * NEAP_FOREVER. */
uint64_t neapL_deadline(neap_engine *engine, double seconds);

/* Returns the engine of this Lua state. [-0, +0, v] */
neap_engine *neapL_engine(lua_State *L);

#endif
