/* What a Lua state knows of neap: its engine, and who runs.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_HOST_H
#define NEAP_BINDINGS_TASK_HOST_H

#include <lua.h>
#include <stdbool.h>

#include "neap.h"

typedef struct neapL_host neapL_host;
typedef struct neapL_task neapL_task;

struct neapL_host {
  neap_engine *engine;
  lua_State *driver;   /* the coroutine from which the loop is driven */
  lua_State *scratch;  /* where ends of tasks are looked after */
  lua_State *teller;   /* where whoever watches a run is told of waits */
  neapL_task *current; /* whose coroutine runs */
  lua_State *running;  /* that coroutine, or the one of the user's inside it */
  bool can_yield;      /* false below a call that cannot be suspended */
  lua_State *blocked;  /* then: the coroutine in which that call is */
  const char *outside; /* who calls while no task runs; NULL: nobody */
  bool telling;        /* whoever watches a run is being told of an event */
  lua_State *closing;  /* the coroutine that an error of ours is closing */
  neapL_task *root;    /* the owner of tasks that no task has spawned, and the
                          one that waits when the loop is driven */
  neapL_task *script;  /* of the executable: the task that the script is */
  size_t live;         /* tasks that have not ended */
  size_t idle;         /* operations that wake nobody who matters: time limits,
                          quiet sleeps */
  const struct neapL_runs *runs; /* what the code of tasks asks of runs */
  struct neapL_coroutine {
    lua_State *L;
    uint32_t slot;
  } * pool; /* free slots; their coroutines have ended well, or are NULL */
  size_t pooled, pool_capacity;
  uint32_t slots;    /* in use in the table of anchors */
  lua_State *values; /* its stack holds what is needed all the time: */
  uint64_t seed; /* for the jitter of the next run; 0: a new one each time */
};

/* What is where on the stack of `values`. */
enum {
  NEAPL_HOST_SELF = 1, /* the host itself */
  NEAPL_HOST_ANCHORS,  /* see host.c */
  NEAPL_HOST_META,     /* the metatable of tasks */
  NEAPL_HOST_KILLS,    /* the errors that end a task: a table with weak keys */
  NEAPL_HOST_DEADLOCK, /* the error of the last deadlock */
  NEAPL_HOST_OFFER,    /* what the root is given, or gives, while it waits */
};

/* The host of a Lua state, after neapL_open. When Lua closes the state
 * neap ends before what was there before it, whose finalizers run later: there
 * this raises an error of code "closed". Nearly all that neap does asks for the
 * host, so that nothing else needs to look for the end. [-0, +0, v] */
neapL_host *neapL_host_of(lua_State *L);

/* The same where nothing may be raised; NULL before neapL_open and when
 * neap has ended. [-0, +0, -] */
neapL_host *neapL_host_find(lua_State *L);

/* Notes that a coroutine is about to run, or is not known any more (NULL). */
void neapL_host_run(neapL_host *host, lua_State *L);

/* Pushes the value that is at this place of `values`. [-0, +1, -] */
void neapL_host_push(lua_State *L, const neapL_host *host, int place);

/* True when the Lua state has a host. Raises when that has ended.
 * [-0, +0, v] */
bool neapL_host_is_open(lua_State *L);

/* Pushes the host of a Lua state that has none, a new userdata of `size` bytes
 * that begins with it. It has no engine yet, and nobody finds it. `task_meta`
 * is the name of the metatable of tasks. [-0, +1, v] */
neapL_host *neapL_host_new(lua_State *L, size_t size, const char *task_meta);

/* Has the host on top, which is whole now, be found. [-1, +0, m] */
void neapL_host_open(lua_State *L);

/* Has nobody find the host any more. Its engine, which is given back, is to be
 * freed before neapL_host_free frees the rest. [-0, +0, -] */
neap_engine *neapL_host_close(neapL_host *host);
void neapL_host_free(lua_State *L, neapL_host *host);

/* The coroutines of tasks are kept in slots: with the task that uses it, or in
 * the pool, until one is taken from there again. */

/* Sees to it that the pool has a coroutine on top. [-0, +0, m] */
void neapL_host_fill_pool(lua_State *L, neapL_host *host);

/* Takes it from there for the task on top, which is anchored in the same slot.
 * Returns that. [-0, +0, -] */
uint32_t neapL_host_take(lua_State *L, neapL_host *host);

/* Pushes the task that is anchored in a slot. [-0, +1, -] */
void neapL_host_push_task(lua_State *L, const neapL_host *host, uint32_t slot);

/* Lets go of the task in a slot, and gives the slot back to the pool, with its
 * coroutine, if that can be used again, or without (NULL). [-0, +0, -] */
void neapL_host_give(neapL_host *host, uint32_t slot, lua_State *co);

/* Pushes a new table that does not keep its keys ("k") or values ("v") from
 * being collected. [-0, +1, m] */
void neapL_host_push_weak(lua_State *L, const char *mode);

/* Memory of the state's that is no object of Lua's; NULL when it is refused.
 * [-0, +0, -] */
void *neapL_host_allocate(lua_State *L, size_t size);

/* Frees it; `ptr` may be NULL. [-0, +0, -] */
void neapL_host_release(lua_State *L, void *ptr, size_t size);

#endif
