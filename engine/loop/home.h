/* Where an engine may be used: in the process that made it, by one thread.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_LOOP_HOME_H
#define NEAP_LOOP_HOME_H

#include "engine.h"

/* How many forks lie between the first process that used neap and this one. It
 * is written in the child of a fork, before that has a second thread. */
extern unsigned neap__forks;

/* Makes this process the engine's. NEAP_ENOMEM. */
int neap__home_open(neap_engine *engine);

/* A number that no other living thread has, and that is not 0. */
static inline uintptr_t neap__home_thread(void) {
  return (uintptr_t)__builtin_thread_pointer();
}

/* Notes that this thread polls the engine, and that it no longer does. */
static inline void neap__home_enter(neap_engine *engine) {
  atomic_store_explicit(&engine->poller, neap__home_thread(),
                        memory_order_relaxed);
}
static inline void neap__home_leave(neap_engine *engine) {
  atomic_store_explicit(&engine->poller, 0, memory_order_relaxed);
}

/* Whether this is the child of a fork, and the engine its parent's. */
static inline bool neap__home_is_left(const neap_engine *engine) {
  return engine->forks != neap__forks;
}

/* Whether an engine may be used here and now: it is this process's, and no
 * other thread is polling it. Of NULL that is not true. */
static inline bool neap__home_allows(const neap_engine *engine) {
  if (!engine || neap__home_is_left(engine))
    return false;
  uintptr_t poller =
      atomic_load_explicit(&engine->poller, memory_order_relaxed);
  return poller == 0 || poller == neap__home_thread();
}

/* The status of a call that is refused, since neap__home_allows is false or an
 * argument is wrong. In the child of a fork the engine is disowned by it. */
int neap__home_fault(const neap_engine *engine);

/* Disowns the engine of an object in the child of a fork: there the object is
 * one whose engine has ended. NULL is ignored. */
void neap__home_look(neap_engine *engine);

/* Looks likewise. Returns 0 if the object may be used: *engine is not NULL.
 * Otherwise NEAP_ECLOSED, or NEAP_EINVAL while another thread is polling. */
int neap__home_of(neap_engine *const *engine);

#endif
