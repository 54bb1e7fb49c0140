/* What is done when nothing is ready: who waits for that, and the virtual
 * clock. SPDX-License-Identifier: MIT */
#include "idle.h"

#include "base/units.h"
#include "io/process.h"
#include "loop/clock.h"
#include "loop/engine.h"
#include "loop/home.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "receive.h"

#define PATIENCE_NS (50 * NEAP__NS_PER_MS)

size_t neap_pending(const neap_engine *engine) {
  if (!engine || neap__home_is_left(engine))
    return 0;
  bool stands = engine->is_kept && neap_clock_is_stopped(engine);
  return engine->pending - (stands ? neap__timers_count(engine) : 0) +
         neap_uv_alive(engine);
}

size_t neap__idle_others(const neap_engine *engine) {
  return neap_pending(engine) - (engine->turn != NULL) -
         (engine->idler != NULL);
}

neap_op *neap__idle_waiter(const neap_engine *engine, size_t others) {
  if (engine->turn && (!engine->turn_may_wait || others == 0))
    return engine->turn;
  return others == 0 ? engine->idler : NULL;
}

bool neap__idle_end_waiter(neap_engine *engine, size_t others) {
  neap_op *op = neap__idle_waiter(engine, others);
  if (op)
    neap_op_cancel(op, 0);
  return op != NULL;
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
  uint64_t now = neap__clock_real_now();
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
    neap__clock_move(engine, next);
  neap__timers_expire(engine);
}

/* The time that is left, in ms and rounded up, until a slice would let the
 * virtual clock jump; -1: it would not. */
static int time_to_jump(const neap_engine *engine, size_t others) {
  uint64_t patience = neap__idle_patience(engine, others);
  if (others == 0 || patience == NEAP_FOREVER)
    return -1;
  if (engine->idle_since == 0)
    return 0; /* a slice has to see that nothing is ready */
  uint64_t spent = neap__clock_real_now() - engine->idle_since;
  return spent < patience ? (int)neap__ms_of_ns(patience - spent) : 0;
}

int neap_timeout_ms(neap_engine *engine) {
  if (!neap__home_allows(engine))
    return neap__home_fault(engine);
  size_t others = neap__idle_others(engine);
  if (neap__has_work(engine) || neap__idle_waiter(engine, others))
    return 0;
  int ms = neap__loop_timeout(engine);
  int jump = engine->is_virtual ? time_to_jump(engine, others) : -1;
  return jump >= 0 && (ms < 0 || jump < ms) ? jump : ms;
}
