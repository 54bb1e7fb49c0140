/* Where an engine may be used: in the process that made it, by one thread.
 * SPDX-License-Identifier: MIT */
#include "home.h"

#include <pthread.h>

unsigned neap__forks = 0;

static int watch_code;

static void count_fork(void) {
  neap__forks++;
}

/* The C library of GNU takes the handler back when the library is unloaded. */
static void watch_forks(void) {
  watch_code = pthread_atfork(NULL, NULL, count_fork);
}

int neap__home_open(neap_engine *engine) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_forks);
  engine->forks = neap__forks;
  return watch_code == 0 ? 0 : NEAP_ENOMEM;
}

int neap__home_fault(const neap_engine *engine) {
  if (!engine || !neap__home_is_left(engine))
    return NEAP_EINVAL;
  neap__home_look((neap_engine *)engine);
  return NEAP_EFORK;
}

void neap__home_look(neap_engine *engine) {
  if (engine && neap__home_is_left(engine) && !engine->disowned) {
    engine->disowned = true;
    engine->disown(engine);
  }
}

int neap__home_of(neap_engine *const *engine) {
  neap__home_look(*engine);
  if (!*engine)
    return NEAP_ECLOSED;
  return neap__home_allows(*engine) ? 0 : NEAP_EINVAL;
}
