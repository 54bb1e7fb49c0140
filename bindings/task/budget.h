/* The budget of a slice, where it runs Lua: how a task is cut short, and ended.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_BUDGET_H
#define NEAP_BINDINGS_TASK_BUDGET_H

#include <lua.h>
#include <stdbool.h>

#include "host.h"
#include "task.h"

/* A coroutine that runs under a budget. It lies in memory of whoever resumes
 * that, who is nested as these are. */
typedef struct neapL_armed {
  struct neapL_armed *outer; /* whoever has resumed this one */
  lua_State *L;
  lua_Hook former; /* the hook that it had; NULL: none */
  int former_mask, former_count;
  int left; /* instructions until its hook is called for a count */
} neapL_armed;

/* Has budgets of this host use a real-time signal, until neapL_alarm_free frees
 * host->budget.alarm. Returns what neapL_alarm_new does. [-0, +0, -] */
int neapL_budget_lend(lua_State *L, neapL_host *host, int number);

/* A task is about to be resumed, or to end, under a budget that lasts until
 * then; NEAP_FOREVER: under a cap of memory alone. */
void neapL_budget_begin(neapL_host *host, neapL_task *task, uint64_t until);

/* That is over. */
void neapL_budget_end(neapL_host *host, neapL_task *task);

/* Returns until when the budget in force lasts, 0 when there is none. */
static inline uint64_t neapL_budget_until(const neapL_host *host) {
#ifdef NEAP_PREEMPT_TEST
  (void)host;
  return 1; /* and is over always */
#else
  uint64_t until = neap_slice_deadline(host->engine);
  if (host->memory && until == 0)
    return NEAP_FOREVER;
  return until == NEAP_FOREVER && !host->memory ? 0 : until;
#endif
}

/* Resumes a coroutine under the budget in force. [-?, +?, -] */
int neapL_budget_resume_armed(neapL_host *host, lua_State *co, lua_State *from,
                              int count, int *results);

/* Resumes a coroutine, as lua_resume does: under the budget, if one is in
 * force. `from` must not be the one that has been cut short. [-?, +?, -] */
static inline int neapL_budget_resume(neapL_host *host, lua_State *co,
                                      lua_State *from, int count,
                                      int *results) {
  return host->budget.until == 0
             ? lua_resume(co, from, count, results)
             : neapL_budget_resume_armed(host, co, from, count, results);
}

/* Puts a coroutine under the budget, if one is in force, and takes it out
 * again: for code that cannot be cut short, but ended. [-0, +0, -] */
void neapL_budget_arm(neapL_host *host, neapL_armed *armed, lua_State *L);
void neapL_budget_disarm(neapL_host *host, neapL_armed *armed);

/* Sets the hook of a coroutine that has been armed, which another hook had
 * replaced meanwhile; removes any hook of a coroutine that is not.
 * [-0, +0, -] */
void neapL_budget_rearm(const neapL_host *host, lua_State *L);

/* Has the hook look at the next instruction of the coroutine that runs.
 * Allocates nothing. */
void neapL_budget_alarm(neapL_host *host);

/* Called in C code of a task, at a place where it can be suspended: whether it
 * has to be, because the budget is over. Raises when the task has to end.
 * [-0, +0, v] */
bool neapL_budget_is_over(lua_State *L);

/* Called now and then in C code that cannot be suspended: raises when the task
 * has to end, and names `what`, which is *kept*, as what is in the way of a
 * slice that is over. Where neap has ended, nothing. [-0, +0, v] */
void neapL_budget_look(lua_State *L, const char *what);

#endif
