/* What the C tests of I/O share: somebody who waits for one operation, an
 * engine whose allocations are counted, and how many files are open.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SPEC_WAITER_H
#define NEAP_SPEC_WAITER_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "neap.h"

typedef struct waiter {
  neap_op op;
  neap_fs_result *result; /* of an operation on files */
  int calls;              /* how often it was done */
  int status, detail;
} waiter;

static inline void waiter_done(neap_op *op) {
  waiter *w = op->data;
  w->calls++;
  w->status = op->status;
  w->detail = op->detail;
}

static inline void prepare(waiter *w) {
  *w = (waiter){0};
  neap_op_init(&w->op, waiter_done, w);
}

/* How many descriptors this process has open. */
static inline int count_open_files(void) {
  int count = 0;
  DIR *folder = opendir("/proc/self/fd");
  assert_non_null(folder);
  while (readdir(folder))
    count++;
  closedir(folder);
  return count;
}

/* Makes an engine whose allocation `fail_at` fails, from 1; 0: none does. NULL
 * when it needed that one itself. */
static inline neap_engine *new_engine(failing_state *memory, long fail_at) {
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.alloc = failing_alloc(memory, fail_at);
  neap_engine *engine = NULL;
  int status = neap_engine_new(&opts, &engine);
  assert_int_equal(engine ? 0 : NEAP_ENOMEM, status);
  return engine;
}

#endif
