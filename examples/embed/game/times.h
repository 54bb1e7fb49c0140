/* How long neap has taken in each frame. SPDX-License-Identifier: MIT */
#ifndef TIMES_H
#define TIMES_H

#include <stdint.h>
#include <stdio.h>

enum { TIMES_LAST = 116, TIMES_STEPS = 20000 }; /* steps of 10 us */

typedef struct times {
  uint64_t frames, over, longest_ns; /* over: longer than a frame, 16.7 ms */
  uint32_t steps[TIMES_STEPS];
  float last_ms[TIMES_LAST]; /* a ring; the next is at frames % TIMES_LAST */
} times;

void times_add(times *t, uint64_t ns);

/* The time in ms that such a part of the frames (0 to 1) did not exceed. */
double times_part(const times *t, double part);

/* The number of frames from one time to below another, in ms. */
uint64_t times_between(const times *t, double from, double to);

/* Prints the distribution as one line. */
void times_print(const times *t, const char *what, FILE *file);

#endif
