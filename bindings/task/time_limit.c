/* The time limits of a task.
 * SPDX-License-Identifier: MIT */
#include "time_limit.h"

#include "error.h"
#include "wait.h"

struct neapL_time_limit {
  neap_op op;
  neapL_time_limit *next; /* of the same task */
  neapL_task *task;
  double seconds;
  uint64_t deadline;
  bool wakes; /* it counts as something that could end a deadlock */
};

static void time_out(neap_op *op) {
  neapL_time_limit *limit = op->data;
  neapL_task *task = limit->task;
  if (!limit->wakes)
    task->host->idle--;
  if (task->cancel_status == 0)
    task->limit = limit->seconds;
  neapL_task_cancel(task, NEAP_ETIMEDOUT);
}

void neapL_time_limit_set(lua_State *L, neapL_task *task, double seconds,
                          bool wakes) {
  if (neapL_task_has_ended(task))
    return; /* nothing would free the limit */
  neapL_time_limit *limit = neapL_host_allocate(L, sizeof *limit);
  if (!limit) {
    neapL_task_cancel(task, NEAP_ECANCELED);
    neapL_error_no_memory(L);
  }
  *limit = (neapL_time_limit){.next = task->time_limits,
                              .task = task,
                              .seconds = seconds,
                              .wakes = wakes};
  neap_op_init(&limit->op, time_out, limit);
  task->time_limits = limit;
  if (!wakes)
    task->host->idle++;
  neap_engine *engine = task->host->engine;
  limit->deadline = neapL_deadline(engine, seconds);
  neap_sleep_until(engine, &limit->op, limit->deadline);
}

void neapL_time_limit_check(neapL_task *task) {
  for (neapL_time_limit *limit = task->time_limits; limit;
       limit = limit->next) {
    if (!neap_op_active(&limit->op) ||
        neap_now(task->host->engine) < limit->deadline)
      continue;
    neap_op_forget(&limit->op);
    time_out(&limit->op);
  }
}

void neapL_time_limit_end(neapL_task *task) {
  neapL_host *host = task->host;
  while (task->time_limits) {
    neapL_time_limit *limit = task->time_limits;
    task->time_limits = limit->next;
    if (neap_op_active(&limit->op) && !limit->wakes)
      host->idle--;
    neap_op_forget(&limit->op);
    neapL_host_release(host->scratch, limit, sizeof *limit);
  }
}
