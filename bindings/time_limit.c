/* Time limits of tasks, of which a task may have several.
 * SPDX-License-Identifier: MIT */
#include "time_limit.h"

#include "error.h"
#include "wait.h"

struct neap__time_limit {
  neap_op op;
  neap__time_limit *next; /* of the same task */
  neap__task *task;
  double seconds;
  bool wakes; /* it counts as something that could wake somebody */
};

static void time_out(neap_op *op) {
  neap__time_limit *limit = op->data;
  neap__task *task = limit->task;
  if (!limit->wakes)
    task->host->idle--;
  if (task->cancel_status == 0)
    task->limit = limit->seconds;
  neap__task_cancel(task, NEAP_ETIMEDOUT);
}

void neap__time_limit_set(lua_State *L, neap__task *task, double seconds,
                          bool wakes) {
  if (neap__task_has_ended(task))
    return; /* nobody would free it */
  neap__time_limit *limit = neap__host_allocate(L, sizeof *limit);
  if (!limit) {
    neap__task_cancel(task, NEAP_ECANCELED);
    neap__error_no_memory(L);
  }
  *limit = (neap__time_limit){.next = task->time_limits,
                              .task = task,
                              .seconds = seconds,
                              .wakes = wakes};
  neap_op_init(&limit->op, time_out, limit);
  task->time_limits = limit;
  if (!wakes)
    task->host->idle++;
  neap_engine *engine = task->host->engine;
  neap_sleep_until(engine, &limit->op, neap__deadline(engine, seconds));
}

void neap__time_limit_end(neap__task *task) {
  neap__host *host = task->host;
  while (task->time_limits) {
    neap__time_limit *limit = task->time_limits;
    task->time_limits = limit->next;
    if (neap_op_active(&limit->op) && !limit->wakes)
      host->idle--;
    neap_op_forget(&limit->op);
    neap__host_release(host->scratch, limit, sizeof *limit);
  }
}
