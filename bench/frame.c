/* frame N WAITERS: what a game or a tool pays in each frame when nothing is to
 * be done: N polls that do not wait, so many operations waiting.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "measure.h"
#include "neap.h"

static void on_rung(neap_op *op) {
  fprintf(stderr, "frame: woken early, %p\n", (void *)op);
  exit(EXIT_FAILURE);
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fputs("usage: frame N WAITERS\n", stderr);
    return EXIT_FAILURE;
  }
  long count = strtol(argv[1], NULL, 10), waiters = strtol(argv[2], NULL, 10);
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  neap_engine *engine;
  neap_op *ops = calloc((size_t)waiters + 1, sizeof *ops);
  if (!ops || neap_engine_new(&opts, &engine) < 0)
    return EXIT_FAILURE;
  uint64_t hour = UINT64_C(3600000000000), start = neap_now(engine) + hour;
  for (long i = 0; i < waiters; i++) {
    neap_op_init(&ops[i], on_rung, NULL);
    neap_sleep_until(engine, &ops[i], start + (uint64_t)i * 1000000);
  }
  measure began = measure_now();
  for (long i = 0; i < count; i++)
    neap_poll(engine, 0);
  measure_print(&began, "neap");
  neap_engine_free(engine);
  free(ops);
  return 0;
}
