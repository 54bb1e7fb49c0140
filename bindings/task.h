/* The tree of tasks: who they are, what they wait for, and whose they are.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_H
#define NEAP_BINDINGS_TASK_H

#include <lua.h>

#include "belonging.h"
#include "host.h"
#include "list.h"
#include "neap.h"

/* The metatable of task objects, in the registry. */
#define NEAP__TASK_META "neap.task"

/* The user values of a task object. */
enum {
  NEAP__TASK_RESULT = 1, /* results or error; before: the reason to cancel */
  NEAP__TASK_ORIGIN = 2, /* of an error: a table that says where it arose */
  NEAP__TASK_EVENTS = 3, /* of a run that is observed: its on_event */
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

/* Tasks that are part of another's run: attempts, workers of a batch. */
typedef struct neap__workers {
  neap_link ended; /* those that have ended and were not yet taken */
  neap_link turns; /* the line of those who wait to fetch an item */
} neap__workers;

typedef struct neap__time_limit neap__time_limit;

/* What the code of tasks asks of a run, of which it knows nothing: the part
 * that drives runs sets it in the host. */
typedef struct neap__runs {
  /* Pushes the path of the node that the run is at. [-0, +1, m] */
  void (*push_path)(lua_State *L, const neap_run *run);
  /* Adds to the table on top where the run is. [-0, +0, m] */
  void (*note_place)(lua_State *L, const neap_run *run);
  /* Tells those who watch the run of the task of an event. They may do anything
   * but wait. [-0, +0, -] */
  void (*tell)(neap__task *task, neap_event_kind kind);
} neap__runs;

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
  neap_link line;         /* its place in a line; itself when it is in none */
  neap__workers *workers; /* those that work for its run; NULL: none yet */
  neap__belonging *belongings; /* what else ends with it, the last first */
  neap_run *run;               /* NULL for a function */
  const char *what;            /* what it waits for, in words */
  uint64_t since;              /* when it began to, as neap_tick; slow.c marks
                                  there one that runs */
  const char *atomic;         /* the node whose method must not wait, or NULL */
  void (*drop)(neap__task *); /* gives up what it holds its operation for */
  void *dropped;              /* what `drop` needs */
  neap__time_limit *time_limits;
  double limit;           /* the one that it has been cancelled for */
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
neap__task *neap__task_current(lua_State *L); /* [-0, +0, v] */

/* Makes a task of this memory, which belongs to nobody and is in no list. Its
 * operation calls `done`. */
void neap__task_init(neap__task *task, neap__host *host,
                     void (*done)(neap_op *op));

/* Has a task that has just been spawned outlive its owner: it belongs to the
 * root, and when it fails and nobody waits for it, that is a warning. */
void neap__task_detach(neap__task *task);

/* Has a task give up what it waits for, where it holds that. */
void neap__task_give_up(neap__task *task);

/* Cancels a task that lives: what it waits for is dropped at once and the
 * reason raised where it waits. `status` is NEAP_ECANCELED, or NEAP_ETIMEDOUT
 * when its deadline has passed. Cancelling again changes nothing. A wait that
 * is `lasting` is not dropped, but goes on to its continuation, which decides.
 */
void neap__task_cancel(neap__task *task, int status);

/* Ends the wait of a task that has been cancelled, unless it has ended. */
void neap__task_end_wait(neap__task *task);

/* The seed for the jitter of a run that begins in this task. */
uint64_t neap__task_seed(const neap__task *task);

/* Sees to it that a task has `workers`. [-0, +0, v] */
void neap__task_need_workers(lua_State *L, neap__task *task);

/* Tells those who watch the run of a task, if it has one, that it has spawned
 * another, waits, has been woken, or is told of its cancellation. [-0, +0, -]
 */
static inline void neap__task_tell(neap__task *task, neap_event_kind kind) {
  if (task->run)
    task->host->runs->tell(task, kind);
}

/* Makes something belong to `task`: it ends with the task, or with the attempt
 * or item that it is in. */
void neap__task_own(neap__task *task, neap__belonging *belonging);

/* Whether something belongs to a task: tasks of its own, or what is none. */
static inline bool neap__task_owns_any(const neap__task *task) {
  return task->children.next != &task->children || task->belongings;
}

/* Cancels the tasks that `task` spawned when its count was at least `serial`,
 * and ends what else belongs to it since. Returns how many of these tasks have
 * not ended yet. */
size_t neap__task_cancel_since(neap__task *task, uint32_t serial);

/* The first of the tasks spawned since that failed unheard; NULL when there is
 * none. */
neap__task *neap__task_first_failure(neap__task *task, uint32_t serial);

/* Takes it, and pushes its error; false when there is none.
 * [-0, +(1|0), -] */
bool neap__task_take_failure(lua_State *L, neap__task *task, uint32_t serial);

/* Pushes the task object. [-0, +1, -] */
void neap__task_push(lua_State *L, const neap__task *task);

/* Lets go of a task that has ended: whatever list it is in, it leaves, and its
 * coroutine goes to the pool. */
void neap__task_release(neap__task *task);

static inline bool neap__task_has_ended(const neap__task *task) {
  return task->state >= NEAP__TASK_DONE;
}

/* Begins to hold the task's operation, to be settled by an event of another
 * task; `drop` undoes what the caller has queued when it is cancelled first,
 * and is called as well when the operation has been settled but the task has
 * not run yet. */
void neap__task_hold(neap__task *task, void (*drop)(neap__task *),
                     void *dropped);

/* The same for one of those in line for what another task will give.
 * neap__task_leave is a `drop` for those who have nothing else to undo. */
void neap__task_line_up(neap__task *task, neap_link *line,
                        void (*drop)(neap__task *), void *dropped);
void neap__task_leave(neap__task *task);

/* Takes the first out of a line; NULL when nobody is in it. */
neap__task *neap__task_next(neap_link *line);

#endif
