/* The tree of tasks: their states, their waits and their owners.
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
  NEAPL_TASK_RESULT = 1, /* results or error; until then the reason to cancel */
  NEAPL_TASK_ORIGIN = 2, /* a table that says where the error arose */
  NEAPL_TASK_EVENTS = 3, /* the on_event of a run that is observed */
  NEAPL_TASK_KEEPER = 4, /* what saves a run that is kept */
};

typedef enum neapL_task_state {
  NEAPL_TASK_READY,   /* has not begun */
  NEAPL_TASK_RUNNING, /* has begun; it runs or waits */
  NEAPL_TASK_ENDING,  /* its coroutine has ended, but children have not */
  NEAPL_TASK_DONE,
  NEAPL_TASK_FAILED,
  NEAPL_TASK_CANCELLED,
} neapL_task_state;

/* A wait for the end of a task. It lies in memory of the task that waits. */
typedef struct neapL_join {
  neap_link link; /* in `waiters` of the task that is waited for */
  /* Called when the task has ended. The link is in no list any more. */
  void (*ended)(struct neapL_join *join, neapL_task *task);
} neapL_join;

/* The workers of a task: other tasks that are part of its run. */
typedef struct neapL_workers {
  neap_link ended; /* workers that have ended and were not yet taken */
  neap_link turns; /* the line of workers that wait to fetch an item */
} neapL_workers;

typedef struct neapL_time_limit neapL_time_limit;

/* A task that waits again after it got its cancellation is ended by an error
 * that our pcall and xpcall pass on. Code that has Lua's own pcall, or whose
 * <close> variables raise, can still go on. After this number of waits no pcall
 * of ours catches anything in the task; after twice as many, its coroutine is
 * closed. */
enum { NEAPL_PATIENCE = 1000 };

/* Why a task is being ended, past all that could catch an error. */
typedef enum neapL_ending {
  NEAPL_ENDING_NOT = 0,
  NEAPL_ENDING_COMPUTE, /* it has computed for too long without a wait */
  NEAPL_ENDING_MEMORY,  /* it has grown most as the cap was reached */
} neapL_ending;

/* What tasks need to know of runs. The driver of runs sets these functions in
 * the host, so that the code of tasks depends on nothing of bindings/flow. */
typedef struct neapL_runs {
  /* Pushes the path of the node that the run is at. [-0, +1, m] */
  void (*push_path)(lua_State *L, const neap_run *run);
  /* Adds to the table on top where the run is. [-0, +0, m] */
  void (*note_place)(lua_State *L, const neap_run *run);
  /* Reports an event to the observers of the task's run. They may do anything
   * but wait. [-0, +0, -] */
  void (*tell)(neapL_task *task, neap_event_kind kind);
  /* Reports to them that the visits end which the run leaves behind: it ends
   * with the task's error. The same holds of them. [-0, +0, -] */
  void (*abandon)(neapL_task *task);
} neapL_runs;

/* A task is a userdata. The host anchors it while it lives, and while it has
 * failed unheard: its error has been raised nowhere. */
struct neapL_task {
  neap_op op; /* what it waits for, and its place in the ready queue */
  neapL_host *host;
  lua_State *L; /* its coroutine; NULL once the task has been released */
  neapL_task *parent;
  neap_link sibling;  /* in the parent's `children` or `ended` */
  neap_link children; /* those that live, or failed unheard */
  neap_link waiters;
  neap_link line;              /* its place in a line, if it stands in one */
  neapL_workers *workers;      /* NULL: it has had none */
  neapL_belonging *belongings; /* what else ends with it, newest first */
  neap_run *run;               /* NULL for a function */
  const char *what;            /* what it waits for, in words */
  uint64_t since;     /* the time at which the wait began, as neap_tick;
                         program/slow.c marks a running task here */
  const char *atomic; /* the node whose method must not wait; NULL: none */
  void (*drop)(neapL_task *); /* leaves what the operation is held for */
  void *dropped;              /* what `drop` needs */
  neapL_time_limit *time_limits;
  double limit;           /* the one that has cancelled it, in seconds */
  uint32_t slot;          /* where the host anchors it */
  uint32_t serial;        /* the parent's count of tasks when it was spawned */
  uint32_t spawned;       /* its own count of tasks */
  uint32_t live_children; /* the number of `children` that have not ended */
  int results;            /* the number of values in NEAPL_TASK_RESULT */
  int cancel_status;      /* 0, NEAP_ECANCELED or NEAP_ETIMEDOUT */
  uint8_t state;
  uint8_t outcome;    /* the state that follows NEAPL_TASK_ENDING */
  bool waiting;       /* it has yielded to the engine */
  bool told;          /* its cancellation has been raised in it */
  bool killed;        /* it waited again after that, and is being ended */
  bool internal;      /* it is a worker: a part of its parent's run */
  bool hands_over;    /* a worker that gives its children to its parent when it
                         succeeds */
  uint8_t root;       /* of a worker: which part, as a neap_root */
  uint8_t first_self; /* of a worker: the stack index of its first self */
  bool exposed;       /* the user's code may have its coroutine */
  bool protests;      /* it was cancelled, and ended with another error */
  bool broken;        /* its coroutine has been ended from outside */
  bool observed;      /* its run, or the one it works for, has an on_event */
  bool is_kept;       /* the same of a keeper (flow/keep.h) */
  bool joining;       /* it waits until a child has ended */
  bool lasting;       /* cancelling it does not drop its wait */
  bool stuck;         /* its wait has turned out to be a deadlock */
  bool shielded;      /* it goes on when its parent is cancelled: neap.shield */
  uint16_t kills;     /* the number of waits after `told` */
  uint8_t noted;      /* what task_error.c has noted of its error */
  bool detached;      /* if it fails unheard, that is a warning */
  neap_ticket *ticket; /* of a run that a host has started; else NULL */
  bool is_cut;         /* the budget has suspended it amid its code */
  bool knows;        /* it or an owner had been cancelled by then: its own code
                        may have done that, and goes on to its next wait */
  uint8_t ending;    /* a neapL_ending */
  uint8_t strikes;   /* how often that has been raised where it computed */
  uint32_t script;   /* the serial of the flow that a host has loaded, of whose
                        script it is; 0: it is of none */
  uint64_t computed; /* ns of processor time without a wait, under a budget */
  struct neapL_account *account; /* what it uses, where there is a cap */
  uint64_t allowance; /* how much that may be; 0: what the host allows. Tasks
                         that it spawns may as much */
};

/* Returns the task that runs, or the root when none does. */
neapL_task *neapL_task_current(lua_State *L); /* [-0, +0, v] */

/* Initialises a task that has no owner and is in no list. Its operation calls
 * `done`. */
void neapL_task_init(neapL_task *task, neapL_host *host,
                     void (*done)(neap_op *op));

/* Detaches a task that has just been spawned from its owner: it belongs to the
 * root. If it fails unheard, its error becomes a warning. */
void neapL_task_detach(neapL_task *task);

/* Makes a task leave what it holds its operation for, if it holds it. */
void neapL_task_give_up(neapL_task *task);

/* Cancels a task that has not ended: its wait is dropped at once, and an error
 * is raised there. A wait that is `lasting` is not dropped: its continuation
 * runs and decides. `status` is NEAP_ECANCELED, or NEAP_ETIMEDOUT when a time
 * limit has passed. Cancelling again changes nothing. */
void neapL_task_cancel(neapL_task *task, int status);

/* Cancels a task and all tasks below it at once, but none that neap.shield
 * protects. Otherwise those below would be cancelled only after their owner has
 * run once more, and it may compute without an end. Needs no memory, and no
 * more stack for a deeper tree. */
void neapL_task_cancel_all(neapL_task *root);

/* Ends the wait of a cancelled task, unless the wait has ended already. */
void neapL_task_end_wait(neapL_task *task);

/* Ends a task, and the run that it is a part of, by errors that no pcall of
 * ours catches. The caller raises it in the task that runs, if that is among
 * them.
 */
void neapL_task_end(neapL_task *task, neapL_ending ending);

/* The same for a part alone. It fails, or, if `status` is NEAP_ECANCELED, it
 * ends quietly: another task tells of the error. */
void neapL_task_end_part(neapL_task *part, neapL_ending ending, int status);

/* Whether it ends quietly. */
static inline bool neapL_task_is_quiet(const neapL_task *task) {
  return task->ending && task->cancel_status == NEAP_ECANCELED;
}

/* Returns the seed for the jitter of a run that begins in this task. */
uint64_t neapL_task_seed(const neapL_task *task);

/* Makes `workers` of a task, unless it has them. [-0, +0, v] */
void neapL_task_need_workers(lua_State *L, neapL_task *task);

/* Reports to the observers of a task's run that the task has spawned another,
 * waits, has been woken, or gets its cancellation. Does nothing without a run.
 * [-0, +0, -] */
static inline void neapL_task_tell(neapL_task *task, neap_event_kind kind) {
  if (task->run)
    task->host->runs->tell(task, kind);
}

/* Makes something belong to `task`. It ends with the task, or with the attempt
 * or item in which it came. */
void neapL_task_own(neapL_task *task, neapL_belonging *belonging);

/* Whether a task owns anything: children, or other things that end with it. */
static inline bool neapL_task_owns_any(const neapL_task *task) {
  return task->children.next != &task->children || task->belongings;
}

/* Cancels the children that `task` spawned when its count was at least
 * `serial`, and ends what else came to belong to it since. Returns how many of
 * these children have not ended yet. */
size_t neapL_task_cancel_since(neapL_task *task, uint32_t serial);

/* Returns the first child spawned since then that failed unheard, or NULL. */
neapL_task *neapL_task_first_failure(neapL_task *task, uint32_t serial);

/* Takes that child from the list and pushes its error. Returns false when there
 * is none. [-0, +(1|0), -] */
bool neapL_task_take_failure(lua_State *L, neapL_task *task, uint32_t serial);

/* Returns the task that a part of a run works for; itself, if it is no part. */
static inline neapL_task *neapL_task_whole(neapL_task *task) {
  while (task->internal)
    task = task->parent;
  return task;
}

/* Returns how many ns of processor time a task may use without a wait. */
static inline uint64_t neapL_task_compute_limit(const neapL_task *task) {
  return task->allowance ? task->allowance : task->host->budget.limit;
}

/* Pushes the object of a task. [-0, +1, -] */
void neapL_task_push(lua_State *L, const neapL_task *task);

/* Releases a task that has ended: it leaves its list, and its coroutine goes to
 * the pool. */
void neapL_task_release(neapL_task *task);

static inline bool neapL_task_has_ended(const neapL_task *task) {
  return task->state >= NEAPL_TASK_DONE;
}

/* Begins to hold the task's operation, which an event of another task will
 * settle. `drop` undoes what the caller has queued. It is called when the task
 * is cancelled before it runs again, also when the operation has been settled
 * by then. */
void neapL_task_hold(neapL_task *task, void (*drop)(neapL_task *),
                     void *dropped);

/* The same for a task that stands in line for what another task will give.
 * neapL_task_leave is a `drop` for a task that has nothing else to undo. */
void neapL_task_line_up(neapL_task *task, neap_link *line,
                        void (*drop)(neapL_task *), void *dropped);
void neapL_task_leave(neapL_task *task);

/* Takes the first task out of a line, and returns it; NULL when the line is
 * empty. */
neapL_task *neapL_task_next(neap_link *line);

#endif
