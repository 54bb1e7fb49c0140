/* The work that one call of a library function does in a sandbox.
 * SPDX-License-Identifier: MIT
 *
 * Lua's hooks see no C function while it runs. So those that a script could
 * make run for long count their steps, and look at the limits now and then. */
#ifndef NEAP_BINDINGS_SANDBOX_WORK_H
#define NEAP_BINDINGS_SANDBOX_WORK_H

#include <lua.h>
#include <stdint.h>

enum {
  /* The largest string that a library function takes or makes, in bytes. */
  NEAPL_WORK_LARGEST = 16 * 1024 * 1024,
  /* The number of steps between two looks. */
  NEAPL_WORK_PERIOD = 16384,
  /* The most steps of one call. */
  NEAPL_WORK_MOST = 1 << 24,
};

typedef struct neapL_work {
  lua_State *L;
  const char *what; /* "string.find" */
  uint64_t left;    /* steps until the call is refused, beyond `now` */
  int64_t now;      /* steps until the next look */
} neapL_work;

void neapL_work_begin(neapL_work *work, lua_State *L, const char *what);

/* Looks at the limits. Raises an error of code "limit" when the call has done
 * too much. [-0, +0, v] */
void neapL_work_look(neapL_work *work);

/* Counts steps. [-0, +0, v] */
static inline void neapL_work_add(neapL_work *work, uint64_t steps) {
  work->now -= (int64_t)steps;
  if (work->now < 0)
    neapL_work_look(work);
}

/* Raises an error of code "limit" unless a string of `size` bytes is small
 * enough. [-0, +0, v] */
void neapL_work_check_size(lua_State *L, const char *what, uint64_t size);

#endif
