/* Tasks: coroutines that wait, who owns them, and how they end.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_H
#define NEAP_BINDINGS_TASK_H

#include <lua.h>

#include "list.h"
#include "neap.h"

typedef struct neap__host neap__host;
typedef struct neap__task neap__task;

/* The metatable of task objects, in the registry. */
#define NEAP__TASK_META "neap.task"

/* The user values of a task object. */
enum {
  NEAP__TASK_RESULT = 1, /* results or error; before: the reason to cancel */
  NEAP__TASK_ORIGIN = 2, /* of an error: a table that says where it arose */
  NEAP__TASK_VALUES = 2,
};

typedef enum neap__task_state {
  NEAP__TASK_READY,   /* has not begun */
  NEAP__TASK_RUNNING, /* has begun; it runs or waits */
  NEAP__TASK_ENDING,  /* has ended, but tasks of its own have not */
  NEAP__TASK_DONE,
  NEAP__TASK_FAILED,
  NEAP__TASK_CANCELLED,
} neap__task_state;

/* Somebody who waits for the end of a task, in memory of his own. */
typedef struct neap__join {
  neap_link link; /* in `waiters` of the task that is waited for */
  /* Called when that has ended; the link is no longer in its list. */
  void (*ended)(struct neap__join *join, neap__task *task);
} neap__join;

/* Somebody who waits in line for what another task will give. */
typedef struct neap__place {
  neap_link link; /* points at itself when it has left the line */
  neap__task *task;
} neap__place;

/* Tasks that are part of another's run: attempts, workers of a batch. */
typedef struct neap__crew {
  neap_link ended; /* those that have ended and were not yet taken */
  neap_link turns; /* neap__place of those who wait to fetch an item */
} neap__crew;

/* A task is a userdata. While it lives, or has failed and nobody has heard of
 * it, the host anchors it. */
struct neap__task {
  neap_op op; /* what it waits for, and its place in the ready queue */
  neap__host *host;
  lua_State *L; /* its coroutine, kept until the host lets go of it */
  neap__task *parent;
  neap_link sibling;  /* in the parent's `children` or `ended` */
  neap_link children; /* tasks that live, or failed unheard */
  neap_link waiters;
  neap__crew *crew;           /* those that work for its run; NULL: none yet */
  neap_run *run;              /* NULL for a function */
  const char *what;           /* what it waits for, in words */
  uint64_t since;             /* when it began to, as neap_tick */
  const char *atomic;         /* the node whose method must not wait, or NULL */
  void (*drop)(neap__task *); /* gives up what it holds its operation for */
  void *dropped;              /* what `drop` needs */
  struct deadline *deadline;
  uint32_t slot;          /* where the host anchors it */
  uint32_t serial;        /* the parent's count of tasks when it was spawned */
  uint32_t spawned;       /* its own count of tasks */
  uint32_t live_children; /* how many of `children` have not ended */
  int results;            /* how many values are in NEAP__TASK_RESULT */
  int cancel_status;      /* 0, NEAP_ECANCELED or NEAP_ETIMEDOUT */
  uint8_t state;
  uint8_t outcome;    /* while ending: the state to come */
  bool waiting;       /* it has yielded to the engine */
  bool told;          /* of the cancellation */
  bool killed;        /* it waited again after that */
  bool internal;      /* a part of its parent's run */
  uint8_t root;       /* then: which, as a neap_root */
  uint8_t first_self; /* then: where the self of its first visit is */
  bool exposed;       /* code of the user's has its coroutine */
  bool observed;      /* its run, or that it works for, has an on_event */
  bool joining;       /* it waits until a task of its own has ended */
  bool detached;      /* its failure is a warning */
};

/* What a Lua state knows of neap. */
struct neap__host {
  neap_engine *engine;
  lua_State *driver;   /* the coroutine from which the loop is driven */
  lua_State *scratch;  /* where ends of tasks are looked after */
  neap__task *current; /* whose coroutine runs */
  lua_State *running;  /* that coroutine, or the one of the user's inside it */
  bool can_yield;      /* false below a call that cannot be suspended */
  lua_State *blocked;  /* then: the coroutine in which that call is */
  const char *outside; /* who calls while no task runs; NULL: nobody */
  neap__task root;     /* the owner of tasks that no task has spawned, and the
                          one that waits when the loop is driven */
  size_t live;         /* tasks that have not ended */
  size_t idle;         /* operations that wake nobody who matters: time limits,
                          quiet sleeps */
  struct coroutine {
    lua_State *L;
    uint32_t slot;
  } * pool; /* free slots; their coroutines have ended well, or are NULL */
  size_t pooled, pool_capacity;
  uint32_t slots; /* in use in the table of anchors */
  uint64_t seed;  /* for the jitter of the next run; 0: a new one each time */
};

neap__host *neap__host_of(lua_State *L); /* [-0, +0, -] */

/* Makes the host of a Lua state and its engine. [-0, +0, v] */
void neap__task_open(lua_State *L);

/* The task that runs, the root when none does. */
neap__task *neap__task_current(lua_State *L); /* [-0, +0, -] */

/* Pushes a new task, owned by `parent`, that will call the function below the
 * `count` arguments on the stack. The function is a lua_CFunction of ours that
 * finds the arguments on its stack, may wait, and returns its results.
 * [-count, +1, v] */
neap__task *neap__task_spawn(lua_State *L, neap__task *parent,
                             lua_CFunction entry, int count);

/* Has a task that has just been spawned outlive its owner: it belongs to the
 * root, and when it fails and nobody waits for it, that is a warning. */
void neap__task_detach(neap__task *task);

/* Cancels a task that lives: what it waits for is dropped at once and the
 * reason raised where it waits. `status` is NEAP_ECANCELED, or NEAP_ETIMEDOUT
 * when its deadline has passed. Cancelling again changes nothing. */
void neap__task_cancel(neap__task *task, int status);

/* The seed for the jitter of a run that begins in this task. */
uint64_t neap__task_seed(const neap__task *task);

/* The time that a task was given, in seconds. */
double neap__task_time_limit(const neap__task *task);

/* Sees to it that a task has a crew. [-0, +0, v] */
void neap__task_need_crew(lua_State *L, neap__task *task);

/* Cancels a task when `seconds` have passed. [-0, +0, m] */
void neap__task_set_deadline(lua_State *L, neap__task *task, double seconds);

/* Cancels the tasks that `task` spawned when its count was at least `serial`.
 * Returns how many of them have not ended yet. */
size_t neap__task_cancel_since(neap__task *task, uint32_t serial);

/* Takes the first of the tasks spawned since that failed unheard, and pushes
 * its error; false when there is none. [-0, +(1|0), -] */
bool neap__task_take_failure(lua_State *L, neap__task *task, uint32_t serial);

/* Pushes the task object. [-0, +1, -] */
void neap__task_push(lua_State *L, const neap__task *task);

/* Lets go of a task that has ended: whatever list it is in, it leaves, and its
 * coroutine goes to the pool. */
void neap__task_release(neap__task *task);

/* Keeps the `count` values on top as the results of the task that runs.
 * [-count, +0, m] */
void neap__task_return(lua_State *L, neap__task *task, int count);

static inline bool neap__task_has_ended(const neap__task *task) {
  return task->state >= NEAP__TASK_DONE;
}

/* Begins to hold the task's operation, to be settled by an event of another
 * task; `drop` undoes what the caller has queued when it is cancelled first,
 * and is called as well when the operation has been settled but the task has
 * not run yet. */
void neap__task_hold(neap__task *task, void (*drop)(neap__task *),
                     void *dropped);

/* True when nothing is left that could wake anyone; idle operations do not
 * count. */
bool neap__task_stuck(const neap__host *host);

/* Drives the loop until `op` has ended. Raises a deadlock when nothing can end
 * it. Only where no task runs. [-0, +0, v] */
void neap__task_drive(lua_State *L, neap_op *op);

/* Pushes the text of neap.dump(): who waits, for what, since when and where.
 * [-0, +1, m] */
void neap__task_dump(lua_State *L);

/* Pushes the list of neap.tasks(): the same as tables. [-0, +1, m] */
void neap__task_list(lua_State *L);

#endif
