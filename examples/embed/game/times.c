/* A distribution, in steps of 10 us. SPDX-License-Identifier: MIT */
#include "times.h"

#include <inttypes.h>

#define STEP_NS  10000
#define FRAME_NS 16700000

void times_add(times *t, uint64_t ns) {
  uint64_t step = ns / STEP_NS;
  t->steps[step < TIMES_STEPS ? step : TIMES_STEPS - 1]++;
  t->last_ms[t->frames++ % TIMES_LAST] = (float)ns / 1e6F;
  t->over += ns > FRAME_NS;
  if (ns > t->longest_ns)
    t->longest_ns = ns;
}

double times_part(const times *t, double part) {
  uint64_t seen = 0;
  for (int step = 0; step < TIMES_STEPS; step++) {
    seen += t->steps[step];
    if (seen > 0 && (double)seen >= part * (double)t->frames) {
      double ms = (step + 1) * (STEP_NS / 1e6),
             most = (double)t->longest_ns / 1e6;
      return ms < most ? ms : most;
    }
  }
  return 0;
}

uint64_t times_between(const times *t, double from, double to) {
  uint64_t count = 0;
  for (int step = 0; step < TIMES_STEPS; step++) {
    double ms = step * (STEP_NS / 1e6);
    if (ms >= from && ms < to)
      count += t->steps[step];
  }
  return count;
}

void times_print(const times *t, const char *what, FILE *file) {
  fprintf(file,
          "%s, ms: median %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  longest %.2f  "
          "over 16.7: %" PRIu64 " of %" PRIu64 " frames\n",
          what, times_part(t, 0.5), times_part(t, 0.9), times_part(t, 0.99),
          times_part(t, 0.999), (double)t->longest_ns / 1e6, t->over,
          t->frames);
}
