/* The tree of tasks: who they are, what they wait for, and whose they are.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_TASK_H
#define NEAP_BINDINGS_TASK_TASK_H

#include <lua.h>

#include "base/list.h"
#include "belonging.h"
#include "host.h"
#include "neap.h"

/* The metatable of task objects, in the registry. */
#define NEAPL_TASK_META "neap.task"

/* The user values of a task object. */
enum {
  NEAPL_TASK_RESULT = 1, /* results or error; before: the reason to cancel */
  NEAPL_TASK_ORIGIN = 2, /* of an error: a table that says where it arose */
  NEAPL_TASK_EVENTS = 3, /* of a run that is observed: its on_event */
};

typedef enum neapL_task_state {
  NEAPL_TASK_READY,   /* has not begun */
  NEAPL_TASK_RUNNING, /* has begun; it runs or waits */
  NEAPL_TASK_ENDING,  /* has ended, but tasks of its own have not */
  NEAPL_TASK_DONE,
  NEAPL_TASK_FAILED,
  NEAPL_TASK_CANCELLED,
} neapL_task_state;

/* Somebody who waits for the end of a task, in memory of his own. */
typedef struct neapL_join {
  neap_link link; /* in `waiters` of the task that is waited for */
  /* Called when that has ended; the link is no longer in its list. */
  void (*ended)(struct neapL_join *join, neapL_task *task);
} neapL_join;

/* Tasks that are part of another's run: attempts, workers of a batch. */
typedef struct neapL_workers {
  neap_link ended; /* those that have ended and were not yet taken */
  neap_link turns; /* the line of those who wait to fetch an item */
} neapL_workers;

typedef struct neapL_time_limit neapL_time_limit;

/* What the code of tasks asks of a run, of which it knows nothing: the part
 * that drives runs sets it in the host. */
typedef struct neapL_runs {
  /* Pushes the path of the node that the run is at. [-0, +1, m] */
  void (*push_path)(lua_State *L, const neap_run *run);
  /* Adds to the table on top where the run is. [-0, +0, m] */
  void (*note_place)(lua_State *L, const neap_run *run);
  /* Tells those who watch the run of the task of an event. They may do anything
   * but wait. [-0, +0, -] */
  void (*tell)(neapL_task *task, neap_event_kind kind);
} neapL_runs;

/* A task is a userdata. While it lives, or has failed and nobody has heard of
 * it, the host anchors it. */
struct neapL_task {
  neap_op op; /* what it waits for, and its place in the ready queue */
  neapL_host *host;
  lua_State *L; /* its coroutine, kept until the host lets go of it */
  neapL_task *parent;
  neap_link sibling;  /* in the parent's `children` or `ended` */
  neap_link children; /* tasks that live, or failed unheard */
  neap_link waiters;
  neap_link line;         /* its place in a line; itself when it is in none */
  neapL_workers *workers; /* those that work for its run; NULL: none yet */
  neapL_belonging *belongings; /* what else ends with it, the last first */
  neap_run *run;               /* NULL for a function */
  const char *what;            /* what it waits for, in words */
  uint64_t since;              /* when it began to, as neap_tick; slow.c marks
                                  there one that runs */
  const char *atomic;         /* the node whose method must not wait, or NULL */
  void (*drop)(neapL_task *); /* gives up what it holds its operation for */
  void *dropped;              /* what `drop` needs */
  neapL_time_limit *time_limits;
  double limit;           /* the one that it has been cancelled for */
  uint32_t slot;          /* where the host anchors it */
  uint32_t serial;        /* the parent's count of tasks when it was spawned */
  uint32_t spawned;       /* its own count of tasks */
  uint32_t live_children; /* how many of `children` have not ended */
  int results;            /* how many values are in NEAPL_TASK_RESULT */
  int cancel_status;      /* 0, NEAP_ECANCELED or NEAP_ETIMEDOUT */
  uint8_t state;
  uint8_t outcome;    /* while ending: the state to come */
  bool waiting;       /* it has yielded to the engine */
  bool told;          /* of the cancellation */
  bool killed;        /* it waited again after that: it is being ended */
  bool internal;      /* a part of its parent's run */
  bool hands_over;    /* then: if it ends well, the parent gets its tasks */
  uint8_t root;       /* then: which, as a neap_root */
  uint8_t first_self; /* then: where the self of its first visit is */
  bool exposed;       /* code of the user's has its coroutine */
  bool protests;      /* it was cancelled, but ended with another error */
  bool broken;        /* its coroutine has been ended from outside */
  bool observed;      /* its run, or that it works for, has an on_event */
  bool joining;       /* it waits until a task of its own has ended */
  bool lasting;       /* what it waits for outlasts its own cancellation */
  bool stuck;         /* what it waits for has turned out to be a deadlock */
  uint16_t kills;     /* how often it has waited although it was told */
  uint8_t noted; /* how much of its error has been noted, in task_error.c */
  bool detached; /* its failure is a warning */
};

/* The task that runs, the root when none does. */
neapL_task *neapL_task_current(lua_State *L); /* [-0, +0, v] */

/* Makes a task of this memory, which belongs to nobody and is in no list. Its
 * operation calls `done`. */
void neapL_task_init(neapL_task *task, neapL_host *host,
                     void (*done)(neap_op *op));

/* Has a task that has just been spawned outlive its owner: it belongs to the
 * root, and when it fails and nobody waits for it, that is a warning. */
void neapL_task_detach(neapL_task *task);

/* Has a task give up what it waits for, where it holds that. */
void neapL_task_give_up(neapL_task *task);

/* Cancels a task that lives: what it waits for is dropped at once and the
 * reason raised where it waits. `status` is NEAP_ECANCELED, or NEAP_ETIMEDOUT
 * when its deadline has passed. Cancelling again changes nothing. A wait that
 * is `lasting` is not dropped, but goes on to its continuation, which decides.
 */
void neapL_task_cancel(neapL_task *task, int status);

/* Ends the wait of a task that has been cancelled, unless it has ended. */
void neapL_task_end_wait(neapL_task *task);

/* The seed for the jitter of a run that begins in this task. */
uint64_t neapL_task_seed(const neapL_task *task);

/* Sees to it that a task has `workers`. [-0, +0, v] */
void neapL_task_need_workers(lua_State *L, neapL_task *task);

/* Tells those who watch the run of a task, if it has one, that it has spawned
 * another, waits, has been woken, or is told of its cancellation. [-0, +0, -]
 */
static inline void neapL_task_tell(neapL_task *task, neap_event_kind kind) {
  if (task->run)
    task->host->runs->tell(task, kind);
}

/* Makes something belong to `task`: it ends with the task, or with the attempt
 * or item that it is in. */
void neapL_task_own(neapL_task *task, neapL_belonging *belonging);

/* Whether something belongs to a task: tasks of its own, or what is none. */
static inline bool neapL_task_owns_any(const neapL_task *task) {
  return task->children.next != &task->children || task->belongings;
}

/* Cancels the tasks that `task` spawned when its count was at least `serial`,
 * and ends what else belongs to it since. Returns how many of these tasks have
 * not ended yet. */
size_t neapL_task_cancel_since(neapL_task *task, uint32_t serial);

/* The first of the tasks spawned since that failed unheard; NULL when there is
 * none. */
neapL_task *neapL_task_first_failure(neapL_task *task, uint32_t serial);

/* Takes it, and pushes its error; false when there is none.
 * [-0, +(1|0), -] */
bool neapL_task_take_failure(lua_State *L, neapL_task *task, uint32_t serial);

/* Pushes the task object. [-0, +1, -] */
void neapL_task_push(lua_State *L, const neapL_task *task);

/* Lets go of a task that has ended: whatever list it is in, it leaves, and its
 * coroutine goes to the pool. */
void neapL_task_release(neapL_task *task);

static inline bool neapL_task_has_ended(const neapL_task *task) {
  return task->state >= NEAPL_TASK_DONE;
}

/* Begins to hold the task's operation, to be settled by an event of another
 * task; `drop` undoes what the caller has queued when it is cancelled first,
 * and is called as well when the operation has been settled but the task has
 * not run yet. */
void neapL_task_hold(neapL_task *task, void (*drop)(neapL_task *),
                     void *dropped);

/* The same for one of those in line for what another task will give.
 * neapL_task_leave is a `drop` for those who have nothing else to undo. */
void neapL_task_line_up(neapL_task *task, neap_link *line,
                        void (*drop)(neapL_task *), void *dropped);
void neapL_task_leave(neapL_task *task);

/* Takes the first out of a line; NULL when nobody is in it. */
neapL_task *neapL_task_next(neap_link *line);

#endif
