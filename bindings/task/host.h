/* The host of a Lua state: its engine, and the task that runs.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_HOST_H
#define NEAP_BINDINGS_TASK_HOST_H

#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "neap.h"

typedef struct neapL_host neapL_host;
typedef struct neapL_task neapL_task;

/* The budget in force; budget.c keeps it. */
typedef struct neapL_budget {
  uint64_t until;   /* the slice ends then, by the monotonic clock; 0: there is
                       no budget in force; NEAP_FOREVER: only a cap of memory */
  uint64_t look_at; /* nothing has to be done before that */
  uint64_t seen;    /* when the hook first looked since the task was resumed, or
                       since `used` was counted; 0: not yet */
  uint64_t used;    /* the thread's processor time then; 0: not known */
  uint64_t last;    /* when the hook was called last; 0: not yet */
  int haste;        /* the stride of the hook is halved so often */
  int calm;         /* how often little time had passed, one after another */
  uint64_t outside; /* when it first looked while no task ran; 0: not yet */
  uint64_t limit; /* ns of processor time that a task may use without a wait */
  struct neapL_armed
      *volatile top; /* the innermost coroutine under the budget */
  struct neapL_alarm
      *alarm;         /* by a signal that was lent; NULL: there is none */
  uint64_t begun;     /* when the hook first looked since the task was
                         resumed, or since it tried to set the alarm */
  bool is_set;        /* the alarm is, and no hook needed meanwhile */
  atomic_bool is_due; /* it has rung */
  lua_State
      *bare;     /* the coroutine that a hook has suspended, without a token */
  bool is_cut;   /* the task that runs has been suspended by the budget */
  bool is_fresh; /* it has made no progress since it was resumed */
  bool interrupts; /* it has been cancelled where it was suspended */
  bool is_blocked; /* it cannot be suspended where it is; that has been named */
} neapL_budget;

struct neapL_host {
  neap_engine *engine;
  lua_State *driver;   /* the coroutine from which the loop is driven */
  lua_State *scratch;  /* a coroutine in which the ends of tasks are handled */
  lua_State *teller;   /* a coroutine in which events of waits are reported */
  neapL_task *current; /* the task that runs; NULL: none does */
  lua_State *running; /* its coroutine, or the user's one that it has resumed */
  bool can_yield;     /* false below a call that cannot be suspended */
  lua_State *blocked; /* the coroutine in which that call is */
  const char *outside; /* what calls Lua while no task runs; NULL: nothing */
  bool telling;        /* an on_event is being called */
  lua_State *closing;  /* the coroutine that is being closed by an error */
  neapL_task *root;    /* the owner of tasks that no task has spawned. It waits
                          where the loop is driven by a plain interpreter */
  neapL_task *script; /* the task of the script, in the executable; else NULL */
  size_t live;        /* tasks that have not ended */
  size_t idle;        /* pending operations that end no deadlock: time limits,
                         quiet sleeps */
  const struct neapL_runs *runs; /* what tasks need to know of runs */
  struct neapL_coroutine {
    lua_State *L;
    uint32_t slot;
  } * pool; /* free slots; a coroutine in it can be used again; or NULL */
  size_t pooled, pool_capacity;
  uint32_t slots;    /* in use in the table of anchors */
  lua_State *values; /* a coroutine; its stack holds what is always needed */
  unsigned forks;    /* before it was made */
  bool is_sandbox;   /* its scripts are trusted by nobody */
  size_t max_tasks;  /* how many may live at a time; 0: any number */
  uint64_t epoch;    /* where the clock that scripts see begins, in ns */
  uint64_t seed;     /* for the jitter of the next run; 0: by chance */
  uint32_t serial;   /* of the flow that was loaded last */
  lua_State *peek;   /* a coroutine in which values are read and set for C */
  lua_CFunction wrapped; /* what coroutine.wrap returns */
  neapL_budget budget;
  struct neapL_memory *memory; /* what has a cap; NULL: there is none */
  bool to_end; /* what uses most of it has been chosen to be ended: biggest.h */
};

/* The stack of `values`. */
enum {
  NEAPL_HOST_SELF = 1, /* the host itself */
  NEAPL_HOST_ANCHORS,  /* the table of tasks and their coroutines: host.c */
  NEAPL_HOST_META,     /* the metatable of tasks */
  NEAPL_HOST_KILLS,    /* the errors that end tasks: a table with weak keys */
  NEAPL_HOST_DEADLOCK, /* the error of the last deadlock */
  NEAPL_HOST_OFFER,  /* the value for which the root waits, or which it sends */
  NEAPL_HOST_MEMORY, /* the error of what was ended last for its memory */
  NEAPL_HOST_OBSTACLE, /* the name of what could not be cut short last */
};

/* Returns the host of a Lua state in which neap is open. When Lua closes the
 * state, neap ends. Objects that are older than neap are finalized after that;
 * there this function raises an error of code "closed". Nearly all functions of
 * neap call it, so that no other check is needed. [-0, +0, v] */
neapL_host *neapL_host_of(lua_State *L);

/* The same where nothing may be raised. Returns NULL before neapL_open and when
 * neap has ended. [-0, +0, -] */
neapL_host *neapL_host_find(lua_State *L);

/* Whether the host was made by a process of which this one is a forked child.
 * It has ended here. The other tells the same of the host of a state, if that
 * has one. [-0, +0, -] */
bool neapL_host_is_left(const neapL_host *host);
bool neapL_host_was_forked(lua_State *L);

/* Notes which coroutine is about to run; NULL: none that is known. */
void neapL_host_run(neapL_host *host, lua_State *L);

/* Pushes a value from the stack of `values`. [-0, +1, -] */
void neapL_host_push(lua_State *L, const neapL_host *host, int place);

/* True when the Lua state has a host. Raises when that has ended. [-0, +0, v]
 */
bool neapL_host_is_open(lua_State *L);

/* Pushes a new host: a userdata of `size` bytes, which begins with it. It has
 * no engine yet, and neapL_host_of does not find it. `task_meta` is the name of
 * the metatable of tasks. [-0, +1, v] */
neapL_host *neapL_host_new(lua_State *L, size_t size, const char *task_meta);

/* Registers the host on top, which is complete now. [-1, +0, m] */
void neapL_host_open(lua_State *L);

/* Unregisters the host, and returns its engine. The caller frees the engine
 * first; then neapL_host_free frees the rest. [-0, +0, -] */
neap_engine *neapL_host_close(neapL_host *host);
void neapL_host_free(lua_State *L, neapL_host *host);

/* The coroutines of tasks are kept in slots. A slot belongs to a task, or lies
 * in the pool. */

/* Makes sure that the slot on top of the pool has a coroutine. [-0, +0, m] */
void neapL_host_fill_pool(lua_State *L, neapL_host *host);

/* Takes that slot for the task on top of the stack, which it anchors. Returns
 * the slot. [-0, +0, -] */
uint32_t neapL_host_take(lua_State *L, neapL_host *host);

/* Pushes the task that is anchored in a slot. [-0, +1, -] */
void neapL_host_push_task(lua_State *L, const neapL_host *host, uint32_t slot);

/* Releases the task in a slot, and returns the slot to the pool. `co` is its
 * coroutine if that can be used again, else NULL. [-0, +0, -] */
void neapL_host_give(neapL_host *host, uint32_t slot, lua_State *co);

/* Pushes a new table that does not keep its keys ("k") or values ("v") from
 * being collected. [-0, +1, m] */
void neapL_host_push_weak(lua_State *L, const char *mode);

/* Allocates memory of the state's that is no object of Lua's. Returns NULL when
 * there is none. [-0, +0, -] */
void *neapL_host_allocate(lua_State *L, size_t size);

/* Frees it; `ptr` may be NULL. [-0, +0, -] */
void neapL_host_release(lua_State *L, void *ptr, size_t size);

#endif
