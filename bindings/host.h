/* What a Lua state knows of neap: its engine, and who runs.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_HOST_H
#define NEAP_BINDINGS_HOST_H

#include "task.h"

struct neap__host {
  neap_engine *engine;
  lua_State *driver;   /* the coroutine from which the loop is driven */
  lua_State *scratch;  /* where ends of tasks are looked after */
  lua_State *teller;   /* where whoever watches a run is told of waits */
  neap__task *current; /* whose coroutine runs */
  lua_State *running;  /* that coroutine, or the one of the user's inside it */
  bool can_yield;      /* false below a call that cannot be suspended */
  lua_State *blocked;  /* then: the coroutine in which that call is */
  const char *outside; /* who calls while no task runs; NULL: nobody */
  bool telling;        /* whoever watches a run is being told of an event */
  lua_State *closing;  /* the coroutine that an error of ours is closing */
  neap__task root;     /* the owner of tasks that no task has spawned, and the
                          one that waits when the loop is driven */
  neap__task *script;  /* of the executable: the task that the script is */
  size_t live;         /* tasks that have not ended */
  size_t idle;         /* operations that wake nobody who matters: time limits,
                          quiet sleeps */
  struct coroutine {
    lua_State *L;
    uint32_t slot;
  } * pool; /* free slots; their coroutines have ended well, or are NULL */
  size_t pooled, pool_capacity;
  uint32_t slots;   /* in use in the table of anchors */
  lua_State *shelf; /* its stack holds what is needed all the time: */
  uint64_t seed;    /* for the jitter of the next run; 0: a new one each time */
};

/* What is where on the shelf. */
enum {
  NEAP__SHELF_HOST = 1, /* the host itself */
  NEAP__SHELF_ANCHORS,  /* see slots.c */
  NEAP__SHELF_META,     /* the metatable of tasks */
  NEAP__SHELF_KILLS,    /* the errors that end a task: a table with weak keys */
  NEAP__SHELF_DEADLOCK, /* the error of the last deadlock */
  NEAP__SHELF_VALUE,    /* what the root is given, or gives, while it waits */
};

/* The host of a Lua state, after neap__host_open. When Lua closes the state
 * neap ends before what was there before it, whose finalizers run later: there
 * this raises an error of code "closed". Nearly all that neap does asks for the
 * host, so that nothing else needs to look for the end. [-0, +0, v] */
neap__host *neap__host_of(lua_State *L);

/* The same where nothing may be raised; NULL before neap__host_open and when
 * neap has ended. [-0, +0, -] */
neap__host *neap__host_find(lua_State *L);

/* Notes that a coroutine is about to run, or is not known any more (NULL). */
void neap__host_run(neap__host *host, lua_State *L);

/* Makes the host of a Lua state and its engine, unless it has one.
 * [-0, +0, v] */
void neap__host_open(lua_State *L);

/* Pushes what is at this place of the shelf. [-0, +1, -] */
void neap__host_push(lua_State *L, const neap__host *host, int place);

/* True when nothing is left that could wake anyone; idle operations do not
 * count. */
bool neap__host_stuck(const neap__host *host);

/* Drives the loop until `op`, the root's, has ended; by a deadlock when nothing
 * else can end it. Only where no task runs. [-0, +0, v] */
void neap__host_drive(lua_State *L, neap_op *op);

/* Has `task` learn of a deadlock where it waits, with what all wait for now.
 * [-0, +0, -] */
void neap__host_break_deadlock(neap__task *task);

#endif
