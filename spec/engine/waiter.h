/* What the C tests of I/O share: somebody who waits for one operation, an
 * engine whose allocations are counted, and how many files are open.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SPEC_WAITER_H
#define NEAP_SPEC_WAITER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>

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

/* Polls until an operation has ended, if it has been started; `started` is what
 * starting it returned. Frees its result. Returns its status. */
static inline int finish(neap_engine *engine, waiter *w, int started) {
  if (started < 0) {
    assert_false(neap_op_active(&w->op));
    return started;
  }
  while (w->calls == 0)
    neap_poll(engine, NEAP_FOREVER);
  assert_int_equal(1, w->calls);
  neap_fs_free(w->result);
  return w->status;
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
