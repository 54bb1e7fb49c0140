/* Nanoseconds, in which the engine counts time, and other units.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BASE_UNITS_H
#define NEAP_BASE_UNITS_H

#include "neap.h"

#define NEAP__NS_PER_MS UINT64_C(1000000)
#define NEAP__NS_PER_S  UINT64_C(1000000000)

/* A number as whole nanoseconds: 0 for less than none and for NaN, NEAP_FOREVER
 * for 2^63 (292 years) and more. Parts of a nanosecond are rounded up, so that
 * no wait ends early. A thousandth or less is dropped, for it comes from
 * computing: 0.07 * 1e9 is 70000000.00000001. */
static inline uint64_t neap__whole_ns(double ns) {
  if (!(ns > 0))
    return 0;
  if (ns >= 0x1p63)
    return NEAP_FOREVER;
  uint64_t whole = (uint64_t)ns;
  return whole + (ns - (double)whole > 1e-3 || whole == 0);
}

static inline uint64_t neap__ns_of_seconds(double seconds) {
  return neap__whole_ns(seconds * 1e9);
}

static inline double neap__seconds_of_ns(uint64_t ns) {
  return (double)ns / 1e9;
}

/* Rounded up, so that no wait ends early. */
static inline uint64_t neap__ms_of_ns(uint64_t ns) {
  return ns / NEAP__NS_PER_MS + (ns % NEAP__NS_PER_MS != 0);
}

/* The time `ns` after `at`; NEAP_FOREVER when the clock cannot hold it. */
static inline uint64_t neap__time_after(uint64_t at, uint64_t ns) {
  return ns < NEAP_FOREVER - at ? at + ns : NEAP_FOREVER;
}

#endif
