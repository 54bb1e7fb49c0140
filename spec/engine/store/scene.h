/* What the cases for stores are written with.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SPEC_STORE_SCENE_H
#define NEAP_SPEC_STORE_SCENE_H

#include <stdio.h>
#include <string.h>

#include "store/conformance.h"

/* Ends the case when something is not so. */
#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      snprintf(s->why, sizeof s->why, "line %d: %s", __LINE__, #condition);    \
      longjmp(s->out, 1);                                                      \
    }                                                                          \
  } while (0)

#define EQUAL(expected, got)                                                   \
  do {                                                                         \
    long long expected_value = (expected), got_value = (got);                  \
    if (expected_value != got_value) {                                         \
      snprintf(s->why, sizeof s->why, "line %d: %s is %lld, not %lld (%s)",    \
               __LINE__, #got, got_value, expected_value,                      \
               neap_store_why(s->result));                                     \
      longjmp(s->out, 1);                                                      \
    }                                                                          \
  } while (0)

/* Makes a call, whose arguments behind the operation are given, and waits until
 * it has ended. Its status is that of the call or of the operation. */
#define CALL(function, ...)                                                    \
  (scene_prepare(s),                                                           \
   scene_finish(s, function(s->store, &s->op, __VA_ARGS__, &s->result)))
#define CALL_ALONE(function)                                                   \
  (scene_prepare(s), scene_finish(s, function(s->store, &s->op, &s->result)))

static inline void scene_prepare(scene *s) {
  neap_store_result_free(s->result);
  s->result = NULL;
  s->done = false;
}

static inline int scene_finish(scene *s, int status) {
  if (status < 0)
    return status;
  while (!s->done)
    neap_poll(s->engine, NEAP_FOREVER);
  return s->op.status;
}

static inline neap_span span_of(const char *text) {
  return (neap_span){.bytes = text, .size = text ? strlen(text) : 0};
}

static inline bool is_text(neap_span span, const char *text) {
  return span.size == strlen(text) &&
         (span.size == 0 || memcmp(span.bytes, text, span.size) == 0);
}

static inline const neap_store_run *first_run(const scene *s) {
  return neap_store_run_at(s->result, 0);
}

#endif
