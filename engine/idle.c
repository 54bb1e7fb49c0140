/* What is done when nothing is ready: who waits for that, and the virtual
 * clock. SPDX-License-Identifier: MIT */
#include "idle.h"

#include "base/units.h"
#include "io/process.h"
#include "loop/engine.h"
#include "loop/loop.h"
#include "loop/timer.h"

#define PATIENCE_NS (50 * NEAP__NS_PER_MS)

size_t neap__idle_others(const neap_engine *engine) {
  return neap_pending(engine) - (engine->turn != NULL) -
         (engine->idler != NULL);
}

bool neap__idle_end_waiter(neap_engine *engine, size_t others) {
  if (engine->turn && (!engine->turn_may_wait || others == 0)) {
    neap_op_cancel(engine->turn, 0);
    return true;
  }
  if (others == 0 && engine->idler) {
    neap_op_cancel(engine->idler, 0);
    return true;
  }
  return false;
}

/* Threads and programs end by themselves, but a peer may be waiting for the
 * clock. */
uint64_t neap__idle_patience(const neap_engine *engine, size_t others) {
  size_t timers = neap__timers_count(engine);
  if (others == timers)
    return 0;
  if (timers == 0 || !neap__list_empty(&engine->work) ||
      neap__processes_awaited(engine))
    return NEAP_FOREVER;
  return PATIENCE_NS;
}

/* Whether less real time than `patience` has passed since polls without a wait
 * found nothing ready. */
static bool is_patient(neap_engine *engine, uint64_t patience) {
  uint64_t now = neap__loop_real_now();
  if (engine->idle_since == 0)
    engine->idle_since = now;
  return now - engine->idle_since < patience;
}

void neap__idle_jump(neap_engine *engine, uint64_t patience,
                     uint64_t max_wait_ns) {
  if (patience == NEAP_FOREVER ||
      (max_wait_ns == 0 && is_patient(engine, patience)))
    return;
  uint64_t now = neap_now(engine);
  uint64_t next = neap__timers_next(engine);
  if (next == NEAP_FOREVER && max_wait_ns == 0)
    return;
  if (max_wait_ns > 0 && next > now && next - now > max_wait_ns)
    next = now + max_wait_ns;
  if (next > now)
    neap__loop_set_now(engine, next);
  neap__timers_expire(engine);
}
