/* Deadlocks: tasks wait, and nothing is left that could wake one.
 * SPDX-License-Identifier: MIT */
#include "deadlock.h"

#include "dump.h"
#include "error.h"

bool neapL_deadlock_is_here(const neapL_host *host) {
  /* Those that are idle wait for the clock. */
  size_t idle = neap_clock_is_stopped(host->engine) ? 0 : host->idle;
  return neap_pending(host->engine) == idle;
}

/* Runs below lua_pcall: makes the error of a deadlock. */
static int make_deadlock(lua_State *L) {
  neapL_task_dump(L);
  neapL_error_push(L, "deadlock",
                   "deadlock: nothing is left that could wake a task\n%s",
                   lua_tostring(L, -1));
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "retryable");
  return 1;
}

/* The same: makes the error of a wait that cannot end. */
static int make_refusal(lua_State *L) {
  neapL_error_push(L, "unyieldable", "a finalizer cannot wait");
  return 1;
}

/* Ends the wait of a task as a cancellation does, but with the kept error.
 * [-0, +0, -] */
static void end_wait(neapL_task *task) {
  task->stuck = true;
  neapL_task_end_wait(task);
}

/* Keeps the error that `make` returns, for a wait that is about to end with it.
 * [-0, +0, -] */
static void keep_error(const neapL_host *host, lua_CFunction make) {
  lua_State *S = host->scratch;
  lua_pushcfunction(S, make);
  lua_pcall(S, 0, 1, 0); /* without memory, it is Lua's own message */
  lua_xmove(S, host->values, 1);
  lua_replace(host->values, NEAPL_HOST_DEADLOCK);
}

void neapL_deadlock_tell(neapL_task *task) {
  keep_error(task->host, make_deadlock);
  /* A finalizer may have ended the deadlock meanwhile. */
  if (neapL_deadlock_is_here(task->host))
    end_wait(task);
}

void neapL_deadlock_refuse(neapL_task *task) {
  keep_error(task->host, make_refusal);
  end_wait(task);
}
