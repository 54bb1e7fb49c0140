/* Slices: an engine that is driven with a budget.
 * SPDX-License-Identifier: MIT */
#include <limits.h>

#include "base/units.h"
#include "http/load.h"
#include "idle.h"
#include "loop/clock.h"
#include "loop/engine.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "loop/timer.h"
#include "loop/wakeup.h"
#include "receive.h"

/* How much later than its budget says a slice may end without having overrun
 * it: a share of the budget, but at least so long. */
enum { TOLERANCE_SHARE = 10 };
#define TOLERANCE_NS UINT64_C(50000)

/* How often a quiet engine asks the system for I/O all the same. */
#define LOOK_EVERY_NS UINT64_C(1000000)

/* What a slice has done so far. */
typedef struct progress {
  uint64_t delivered;
  uint64_t now;      /* when the clock was looked at last */
  const char *phase; /* what was done before that */
} progress;

/* Nothing is ready: ends what waits for that, or moves the virtual clock. */
static void be_idle(neap_engine *engine) {
  size_t others = neap__idle_others(engine);
  if (!neap__idle_end_waiter(engine, others) && others > 0 &&
      engine->is_virtual)
    neap__idle_jump(engine, neap__idle_patience(engine, others), 0);
}

/* Whether nothing can have come, since nothing was waited for. */
static bool is_quiet(const neap_engine *engine) {
  const neap_link *const lists[] = {
      &engine->io,        &engine->work,    &engine->guests_over,
      &engine->streams,   &engine->watches, &engine->listeners,
      &engine->processes,
  };
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    if (!neap__list_empty(lists[i]))
      return false;
  return !engine->http && !engine->is_shared && !uv_loop_alive(&engine->uv) &&
         !atomic_load(&engine->is_woken);
}

/* Receives I/O. To ask the system costs more than all else in an idle slice, so
 * a quiet engine does it now and then only; timers need no such question. */
static void receive(neap_engine *engine, uint64_t now, uint64_t until) {
  if (now - engine->received_at < LOOK_EVERY_NS && is_quiet(engine)) {
    neap__timers_ring(engine, now);
    return;
  }
  engine->received_at = now;
  neap__receive(engine, 0, until);
}

/* When HTTP has to stop: it gets half of the time that is left, if anybody
 * waits for the other half. */
static uint64_t http_until(const neap_engine *engine, uint64_t now,
                           uint64_t until) {
  if (until == NEAP_FOREVER || !neap__loop_has_ready(engine))
    return until;
  return now + (until - now) / 2;
}

/* Receives and delivers in turns until the budget is used, or nothing is ready.
 */
static int work(neap_engine *engine, uint64_t until, progress *p) {
  do {
    p->phase = "io";
    receive(engine, p->now, http_until(engine, p->now, until));
    bool is_late = false;
    if (engine->http) {
      p->now = neap__clock_real_now();
      is_late = p->now >= until;
      p->phase = is_late ? "http" : p->phase;
    }
    int count = neap__loop_drain_until(engine, until, &p->now);
    if (count < 0)
      return count;
    if (count == 0) {
      if (!neap__has_work(engine))
        be_idle(engine);
      p->now = neap__clock_real_now();
      if (!neap__has_work(engine))
        return 0;
    } else {
      if (!is_late)
        p->phase = "done";
      p->delivered += (uint64_t)count;
      engine->idle_since = 0;
    }
  } while (!engine->broken && p->now < until);
  return 0;
}

static bool has_overrun(uint64_t used_ns, uint64_t budget_ns) {
  if (used_ns <= budget_ns)
    return false;
  uint64_t over = used_ns - budget_ns;
  return over > TOLERANCE_NS && over > budget_ns / TOLERANCE_SHARE;
}

int neap_slice(neap_engine *engine, uint64_t budget_ns, neap_slice_info *info) {
  if (!neap__home_allows(engine) || budget_ns == 0 ||
      (info && info->size < sizeof *info))
    return neap__home_fault(engine);
  if (engine->polling)
    return NEAP_EBUSY;
  uint64_t begin = neap__clock_real_now();
  uint64_t until = neap__time_after(begin, budget_ns);
  engine->polling = true;
  engine->slice_until = until;
  engine->in_the_way = NULL;
  neap__wakeup_begin(engine);
  progress p = {.now = begin};
  neap__home_enter(engine);
  int status = work(engine, until, &p);
  if (status < 0) {
    engine->slice_until = 0;
    engine->polling = false;
    neap__home_leave(engine);
    return status;
  }
  bool more = neap__has_work(engine);
  engine->slice_until = 0;
  neap__wakeup_end(engine, more);
  bool preempted = engine->preempted != NULL;
  const char *in_the_way = engine->in_the_way;
  engine->polling = false;
  neap__home_leave(engine);
  if (info) {
    uint64_t used = p.now - begin;
    bool overran = has_overrun(used, budget_ns);
    *info = (neap_slice_info){
        .size = info->size,
        .delivered = p.delivered,
        .used_ns = used,
        .more = more,
        .preempted = preempted,
        .overran = overran,
    };
    if (overran)
      info->in_the_way = in_the_way ? in_the_way : p.phase;
  }
  return p.delivered < INT_MAX ? (int)p.delivered : INT_MAX;
}

uint64_t neap_slice_deadline(const neap_engine *engine) {
  return engine ? engine->slice_until : 0;
}

int neap_preempt(neap_engine *engine, neap_op *op) {
  if (!neap__op_may_start(engine, op))
    return neap__home_fault(engine);
  if (engine->slice_until == 0 || engine->preempted)
    return NEAP_EBUSY;
  neap__op_preempt(engine, op);
  neap_break(engine);
  return 0;
}

void neap_note_overrun(neap_engine *engine, const char *what) {
  if (engine && engine->slice_until != 0 && !engine->in_the_way)
    engine->in_the_way = what;
}
