/* The clock of an engine: the system's, or one that is kept here.
 * SPDX-License-Identifier: MIT */
#include "clock.h"

#include <assert.h>

#include "base/units.h"
#include "engine.h"

void neap__clock_set(neap_engine *engine, neap_clock clock) {
  engine->is_virtual = clock == NEAP_CLOCK_VIRTUAL;
  engine->is_kept = clock != NEAP_CLOCK_REAL;
  engine->clock_at = engine->clock_set = 0;
  engine->clock_scale = engine->is_kept ? 0 : 1;
}

uint64_t neap__clock_real_now(void) {
  return uv_hrtime();
}

/* What a clock that is kept says at this real time. */
static uint64_t said_at(const neap_engine *engine, uint64_t real) {
  if (engine->clock_set == 0 || real <= engine->clock_set)
    return engine->clock_at;
  double passed = (double)(real - engine->clock_set) * engine->clock_scale;
  return passed < 0x1p63 ? neap__time_after(engine->clock_at, (uint64_t)passed)
                         : NEAP_FOREVER;
}

uint64_t neap_now(neap_engine *engine) {
  if (!engine)
    return 0;
  return engine->is_kept ? said_at(engine, uv_hrtime()) : uv_hrtime();
}

uint64_t neap_tick(neap_engine *engine) {
  if (!engine)
    return 0;
  uint64_t real = uv_now(&engine->uv) * NEAP__NS_PER_MS;
  return engine->is_kept ? said_at(engine, real) : real;
}

void neap__clock_move(neap_engine *engine, uint64_t now) {
  assert(engine->clock_set == 0 && now >= engine->clock_at);
  engine->clock_at = now;
}

bool neap_clock_is_stopped(const neap_engine *engine) {
  return engine && engine->clock_scale == 0 && !engine->is_virtual;
}

uint64_t neap__clock_left(neap_engine *engine, uint64_t at_ns) {
  if (engine->clock_scale == 0 || at_ns == NEAP_FOREVER)
    return NEAP_FOREVER;
  uint64_t now = neap_now(engine), left = at_ns > now ? at_ns - now : 0;
  return engine->is_kept ? neap__whole_ns((double)left / engine->clock_scale)
                         : left;
}
