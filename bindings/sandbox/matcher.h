/* Lua's patterns, matched in steps that are counted.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_SANDBOX_MATCHER_H
#define NEAP_BINDINGS_SANDBOX_MATCHER_H

#include <stddef.h>

#include "work.h"

enum {
  NEAPL_MATCHER_CAPTURES = 32, /* the most of a pattern, as in Lua */
  NEAPL_MATCHER_POSITION = -2, /* the size of a capture that is a position */
};

typedef struct neapL_matcher {
  neapL_work work;
  const char *subject, *subject_end;
  const char *pattern, *pattern_end; /* without the ^ of an anchor */
  int depth;                         /* of nested calls */
  int count;                         /* of captures */
  struct {
    const char *at;
    ptrdiff_t size; /* or NEAPL_MATCHER_POSITION; -1 while it is open */
  } captures[NEAPL_MATCHER_CAPTURES];
} neapL_matcher;

/* Begins to match a subject with a pattern, both *kept*. `what` is the function
 * that does. */
void neapL_matcher_begin(neapL_matcher *m, lua_State *L, const char *what,
                         const char *subject, size_t subject_size,
                         const char *pattern, size_t pattern_size);

/* Returns the end of the match that begins at `at`; NULL when there is none.
 * Raises when the pattern is malformed or the work too much. [-0, +0, v] */
const char *neapL_matcher_match(neapL_matcher *m, const char *at);

/* Pushes capture `index`, from 0, of the match from `at` to `end`. Capture 0 of
 * a pattern without captures is the whole match. [-0, +1, v] */
void neapL_matcher_push(neapL_matcher *m, int index, const char *at,
                        const char *end);

/* Pushes all captures; with `at` that is not NULL and without captures, the
 * whole match. Returns how many. [-0, +*, v] */
int neapL_matcher_push_all(neapL_matcher *m, const char *at, const char *end);

#endif
