/* How long a task may compute without a wait, and how one is ended that does
 * for longer.
 * SPDX-License-Identifier: MIT
 *
 * It is ended by errors that the hook raises: no pcall of ours catches them
 * (protect.c), and whatever else does gets the next one soon. Its <close>
 * variables are called. They may compute for a while, and wait where
 * neap.shield lets them.
 */
#include "compute.h"

#include <time.h>

#include "biggest.h"
#include "error.h"
#include "task_error.h"

/* How exactly processor time is counted, unless the limit is small: asking for
 * it is a system call. */
#define GRAIN_NS UINT64_C(1000000)

/* How long a task may compute after it has been told to end: the first time,
 * and the second time, as shares of the limit. Then it may not any more. */
enum { FIRST_SHARE = 8, SECOND_SHARE = 64 };
#define MOST_GRACE_NS UINT64_C(50000000)

static uint64_t smaller(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* Returns the processor time that this thread has used. */
static uint64_t read_used(void) {
  struct timespec used;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

static uint64_t grain_of(const neapL_task *task) {
  return smaller(GRAIN_NS, neapL_task_compute_limit(task) / 8 + 1);
}

/* How long a task may still compute, from when it was last told to end. */
static uint64_t allowance_of(const neapL_task *task) {
  uint64_t limit = neapL_task_compute_limit(task);
  if (task->strikes > 0)
    limit = smaller(limit, MOST_GRACE_NS);
  switch (task->strikes) {
  case 0:
    return limit;
  case 1:
    return limit / FIRST_SHARE;
  case 2:
    return limit / SECOND_SHARE;
  default:
    return 0;
  }
}

/* Counts what the task has computed since the last look that counted. */
static void count(neapL_budget *budget, neapL_task *task, uint64_t now) {
  uint64_t grain = grain_of(task);
  if (budget->seen == 0) {
    budget->seen = now;
  } else if (now - budget->seen >= grain) {
    uint64_t used = read_used();
    task->computed += budget->used ? used - budget->used : grain;
    budget->used = used;
    budget->seen = now;
  }
}

void neapL_compute_count_rest(const neapL_budget *budget, neapL_task *task,
                              uint64_t now) {
  if (budget->used)
    task->computed += read_used() - budget->used;
  else if (budget->seen)
    task->computed += smaller(now - budget->seen, grain_of(task));
}

uint64_t neapL_compute_next_look(const neapL_host *host) {
  const neapL_budget *budget = &host->budget;
  const neapL_task *task = host->current;
  if (!task)
    return budget->limit == NEAP_FOREVER
               ? budget->until
               : smaller(budget->until,
                         budget->outside + budget->limit / FIRST_SHARE);
  if (neapL_task_compute_limit(task) == NEAP_FOREVER && !task->ending)
    return budget->until;
  uint64_t allowance = allowance_of(task);
  uint64_t left = allowance > task->computed ? allowance - task->computed : 0;
  if (left < grain_of(task) || !budget->used)
    left = grain_of(task);
  return smaller(budget->until, budget->seen + left);
}

/* Pushes the cancellation of a task that computes. */
static void interrupt(lua_State *L, neapL_host *host, neapL_task *task) {
  host->budget.interrupts = false;
  task->told = true;
  task->what = "its slice";
  neapL_task_push_end(L, task);
}

/* Pushes the error that ends the task. */
static void strike(lua_State *L, neapL_task *task, neapL_ending ending) {
  if (task->strikes < UINT8_MAX)
    task->strikes++;
  task->computed = 0;
  if (!task->ending) {
    task->noted = 0; /* its error is this one now */
    neapL_task_end(task, ending);
  }
  neapL_task_push_end(L, task);
}

/* Ends code of the user's that is called while no task runs: a __tostring, an
 * on_event that is told of the end of a task. */
static bool has_to_end_outside(lua_State *L, neapL_host *host, uint64_t now) {
  neapL_budget *budget = &host->budget;
  if (budget->limit == NEAP_FOREVER)
    return false;
  if (budget->outside == 0)
    budget->outside = now;
  if (now - budget->outside < budget->limit / FIRST_SHARE)
    return false;
  neapL_error_push(L, "compute", "%s has computed for too long",
                   host->outside ? host->outside : "on_event");
  return true;
}

bool neapL_compute_has_to_end(lua_State *L, neapL_host *host, uint64_t now) {
  neapL_budget *budget = &host->budget;
  neapL_task *task = host->current;
  if (!task)
    return has_to_end_outside(L, host, now);
  if (budget->interrupts && !host->telling) {
    interrupt(L, host, task);
    return true;
  }
  if (host->to_end && !task->ending && neapL_biggest_has(task)) {
    strike(L, task, NEAPL_ENDING_MEMORY);
    return true;
  }
  if (budget->until == NEAP_FOREVER && !task->ending)
    return false; /* no time is limited */
  if (neapL_task_compute_limit(task) == NEAP_FOREVER && !task->ending)
    return false;
  count(budget, task, now);
  if (task->computed < allowance_of(task))
    return false;
  strike(L, task, NEAPL_ENDING_COMPUTE);
  return true;
}
