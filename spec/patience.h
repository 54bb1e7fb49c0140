/* How many times as long as usual all may take, where a checker of memory or of
 * threads slows it down: budgets and limits in tests are multiplied by it, so
 * that what is done within them stays the same.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SPEC_PATIENCE_H
#define NEAP_SPEC_PATIENCE_H

#include <stdint.h>
#include <stdlib.h>

/* Reads it from NEAP_PATIENCE in the environment (spec/environment.in), at most
 * 1,000; 1 where that is not set. */
static inline uint64_t patience(void) {
  const char *text = getenv("NEAP_PATIENCE");
  unsigned long factor = text ? strtoul(text, NULL, 10) : 1;
  return factor >= 1 && factor <= 1000 ? factor : 1;
}

#endif
