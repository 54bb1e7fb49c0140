/* Measures one piece of work and prints what it took, as all programs of the
 * bench do.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BENCH_MEASURE_H
#define NEAP_BENCH_MEASURE_H

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

typedef struct measure {
  double wall, cpu; /* seconds */
  long peak;        /* bytes */
} measure;

static inline measure measure_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  return (measure){
      .wall = (double)time.tv_sec + (double)time.tv_nsec / 1e9,
      .cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
             (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6,
      .peak = use.ru_maxrss * 1024,
  };
}

/* Prints what has been used since; `what` says by what, with its version. */
static inline void measure_print(const measure *since, const char *what) {
  measure now = measure_now();
  printf("wall %.6f cpu %.6f memory %ld %s\n", now.wall - since->wall,
         now.cpu - since->cpu, now.peak - since->peak, what);
}

#endif
