/* How much of a thread's time, and of the wall's, each of many pieces of work
 * took: the pieces that took longest count, so the mean says little.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BENCH_DISTRIBUTION_H
#define NEAP_BENCH_DISTRIBUTION_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { DISTRIBUTION_MAX = 1 << 20 };

typedef struct moment {
  double wall, cpu; /* seconds */
} moment;

typedef struct distribution {
  size_t count;
  moment begun;
  double wall[DISTRIBUTION_MAX], cpu[DISTRIBUTION_MAX];
} distribution;

static inline double distribution_clock(clockid_t id) {
  struct timespec time;
  clock_gettime(id, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static inline moment moment_now(void) {
  return (moment){.wall = distribution_clock(CLOCK_MONOTONIC),
                  .cpu = distribution_clock(CLOCK_THREAD_CPUTIME_ID)};
}

static inline void distribution_begin(distribution *d) {
  d->begun = moment_now();
}

/* Notes what has been used since distribution_begin, by each of `pieces`. */
static inline void distribution_end(distribution *d, size_t pieces) {
  moment now = moment_now();
  if (d->count == DISTRIBUTION_MAX)
    return;
  d->wall[d->count] = (now.wall - d->begun.wall) / (double)pieces;
  d->cpu[d->count++] = (now.cpu - d->begun.cpu) / (double)pieces;
}

static inline int distribution_compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static inline double distribution_at(const double *sorted, size_t count,
                                     double share) {
  size_t index = (size_t)(share * (double)count);
  return sorted[index < count ? index : count - 1];
}

/* Prints a line for each figure, to stand before that of measure_print. */
static inline void distribution_print(distribution *d) {
  struct {
    const char *name;
    double *list;
  } const kinds[] = {{"wall", d->wall}, {"cpu", d->cpu}};
  for (size_t i = 0; d->count > 0 && i < 2; i++) {
    double *list = kinds[i].list;
    qsort(list, d->count, sizeof *list, distribution_compare);
    const char *name = kinds[i].name;
    printf("%s p50: %.9f\n", name, distribution_at(list, d->count, 0.5));
    printf("%s p99: %.9f\n", name, distribution_at(list, d->count, 0.99));
    printf("%s p99.9: %.9f\n", name, distribution_at(list, d->count, 0.999));
    printf("%s max: %.9f\n", name, list[d->count - 1]);
  }
}

#endif
