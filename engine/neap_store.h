/* neap: stores, which keep runs.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_STORE_H
#define NEAP_STORE_H

/* neap_store.h is the public interface of stores. A store keeps where runs are,
 * and the values that they have, so that another process goes on with them when
 * this one is gone. It knows neither flows nor what the bytes mean that it is
 * given: frames, values and parts are the host's.
 *
 * There are two stores: "memory" keeps runs while the store is open, "sqlite"
 * in a file that processes of one machine may share. The library libneap_sqlite
 * is loaded when the first file is opened.
 *
 * Every call that reads or writes is an operation: it returns at once, and a
 * later poll calls `done` of the operation. Its status is that of the call.
 * What has ended with 0 is *saved*: the store has confirmed it as far as its
 * durability goes (neap_store_durability). All or nothing of a call is saved.
 * Writes take effect in the order of the calls. All that a call is given is
 * copied before it returns.
 *
 * The last parameter of a call, `result`, is where the answer goes. It may be
 * NULL: nobody wants to know. Otherwise *result is NULL until the operation has
 * ended, and then *owned*, after most failures as well: neap_store_why says
 * what was wrong. It has to stay valid until then. A call that returns a
 * negative status has not begun, and *result is NULL. An operation that is
 * cancelled or forgotten gets no result; whether the store has done what was
 * asked is then unknown. neap_store_result_free frees a result, before or after
 * its store.
 *
 * The life of a run:
 *
 *   neap_store_start makes it. It is *queued*, or *waiting* if it has a delay.
 *
 *   neap_store_claim gives queued runs to a worker, an owner that has joined
 *   (neap_store_join) and says again and again that it lives (neap_store_beat).
 *   Each claim has a new random token. A worker that has not been heard of for
 *   the length of its lease has lost its runs: neap_store_due queues them
 * again.
 *
 *   neap_store_save writes down how far the run has got. It needs the token of
 *   the claim and the sequence number of the last save, and is refused with
 *   NEAP_EFENCED if either is another. So one owner counts, however many
 *   believe that they own the run.
 *
 *   The status of a save says who goes on: with NEAP_STORE_RUNNING the owner,
 *   with any other nobody, until the run is claimed again or for good.
 *
 * Times are milliseconds since 1970 by the clock of the store, and durations
 * milliseconds. What is to happen later is told as a duration, since the clock
 * of a server need not be the host's.
 *
 * Statuses of their own:
 *   NEAP_EFENCED    the run is another's by now; nothing has changed
 *   NEAP_EEXISTS    there is a run of that id which was started otherwise
 *   NEAP_EFULL      there is no more room in the queue
 *   NEAP_EENDED     the run has ended
 *   NEAP_ENORUN     there is no such run
 *   NEAP_ESTORE     the store could not do it now (the disk is full, the file
 *                   busy, ...). Trying again later makes sense
 *   NEAP_EDAMAGED   what is stored is damaged
 *   NEAP_ENEWER     it is of a later version of neap, and can only be read
 *   NEAP_EREADONLY  the store was opened for reading
 */

#include "neap.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct neap_store neap_store;
typedef struct neap_store_result neap_store_result;

/* Bytes. `bytes` may be NULL when `size` is 0. Those of a result have one zero
 * after them, which `size` does not count. */
typedef struct neap_span {
  const char *bytes;
  size_t size;
} neap_span;

/* ---- Opening and closing ------------------------------------------------- */

typedef struct neap_store_opts {
  size_t size;
  const char *kind; /* "memory" or "sqlite" */
  const char *path; /* of "sqlite": the file, made if it is not there */
  const char *sync; /* of "sqlite": "full" (also NULL), which survives power
                       cuts, or "normal", which may lose the last saves then
                       but never tears one */
  bool read_only;   /* nothing can be written; a file of a later version can be
                       opened */
  /* Of "memory": the store that has the runs; this one is a second way to them,
   * of the same engine. NULL: it has its own. */
  neap_store *beside;
  /* The clock, in ms since 1970, called from any thread. NULL: the system's; of
   * "memory" in an engine whose clock is not real, the engine's. */
  int64_t (*clock)(void *ud);
  void *clock_ud;
  /* *Kept*: the path of libneap_sqlite. NULL: it is looked for as the HTTP
   * library is. */
  const char *library;
} neap_store_opts;

#define NEAP_STORE_OPTS_INIT NEAP_OPTS_INIT(neap_store_opts)

/* Opens a store. *store is *owned*, and can be used at once: what is asked of
 * it is done once it is open. If opening fails, `op` and all that is asked of
 * the store end with that status; it still has to be freed. *result then says
 * why. A file is checked if it has not been closed properly.
 *
 * Returns 0, NEAP_EINVAL, NEAP_EPERM (a restricted engine opens no file),
 * NEAP_ENOMEM, NEAP_ENOLIB or NEAP_ESYS. `op` ends with 0, NEAP_ESTORE,
 * NEAP_EDAMAGED, NEAP_ENEWER, or NEAP_EINVAL for a file that is none of neap's
 * or lies on a network. */
NEAP_API int neap_store_open(neap_engine *engine, neap_op *op,
                             const neap_store_opts *opts, neap_store **store,
                             neap_store_result **result);

/* Frees a store. Operations that have not ended are cancelled: they end with
 * NEAP_ECLOSED. It waits for what is being written, for no longer than one
 * commit and one checkpoint take. When its engine is freed first, the store is
 * closed then. NULL is ignored. */
NEAP_API void neap_store_free(neap_store *store);

/* What survives once it has been saved: "none" (what is in memory), "disk" (the
 * end of the process and power cuts) or "process" (the end of the process; a
 * power cut may take back the last saves). "" of NULL. */
NEAP_API const char *neap_store_durability(const neap_store *store);

/* How many operations of the store have not ended. */
NEAP_API size_t neap_store_pending(const neap_store *store);

/* ---- Results ------------------------------------------------------------- */

/* Frees a result with all that it shows. NULL is ignored. */
NEAP_API void neap_store_result_free(neap_store_result *result);

/* What was wrong, as a sentence; "" when nothing was, or there is no result. */
NEAP_API const char *neap_store_why(const neap_store_result *result);

/* A number that the call tells of; see there. */
NEAP_API int64_t neap_store_number(const neap_store_result *result);

/* The clock of the store when the call was done. */
NEAP_API int64_t neap_store_time(const neap_store_result *result);

/* Where a run is. The numbers stay what they are: they are in files. */
typedef enum neap_store_status {
  NEAP_STORE_QUEUED = 0,  /* to be claimed */
  NEAP_STORE_RUNNING = 1, /* has an owner */
  NEAP_STORE_WAITING = 2, /* for its time or a signal */
  NEAP_STORE_PAUSED = 3,
  NEAP_STORE_STUCK = 4, /* the owner could not go on; until it is resumed */
  /* It has ended: */
  NEAP_STORE_DONE = 7,
  NEAP_STORE_FAILED = 8,
  NEAP_STORE_CANCELLED = 9,
  NEAP_STORE_POISONED = 10, /* it was given up */
} neap_store_status;

/* What is asked of a run from outside. */
typedef enum neap_store_mark {
  NEAP_STORE_UNMARKED = 0,
  NEAP_STORE_CANCEL = 1,
  NEAP_STORE_PAUSE = 2,
} neap_store_mark;

/* A value under a name: a variable or a part. */
typedef struct neap_store_value {
  neap_span name, value;
} neap_store_value;

typedef struct neap_store_tag {
  const char *key, *value;
} neap_store_tag;

typedef struct neap_store_signal {
  int64_t number; /* grows with each signal of a run */
  const char *name;
  neap_span value;
  int64_t at; /* when it came */
} neap_store_signal;

/* A run, as far as the call tells; all else is 0 or NULL. */
typedef struct neap_store_run {
  int64_t number; /* by which the store knows it; grows from run to run */
  const char *id, *flow;
  int64_t version;
  neap_store_status status;
  int64_t seq;       /* how often it has been saved */
  uint8_t token[16]; /* of the claim; in answers to neap_store_claim only */
  const char *queue, *owner; /* NULL: it has no owner */
  int priority;
  int64_t claims; /* claims since it last got on, this one included */
  neap_store_mark mark;
  neap_span reason;   /* of the mark */
  int64_t due;        /* when its delay is over; 0: it has none */
  const char *waits;  /* the name of the signal that it waits for; NULL: none */
  int64_t unread;     /* how many signals have not been taken */
  int64_t keep;       /* as it was started with */
  int64_t keep_until; /* when it may be pruned; 0: it has not ended */
  int64_t parent, parent_seq; /* of a fork; parent 0: it is none */
  const char *parent_id;      /* NULL: none, or the parent is gone */
  int64_t created, updated;
  neap_span frames, params, result;
  const neap_store_value *vars, *parts;
  size_t var_count, part_count;
  const neap_store_signal *signals; /* not taken yet, in their order */
  size_t signal_count;
  const neap_store_tag *tags;
  size_t tag_count;
} neap_store_run;

/* How many runs a result has, and the one at `index` (from 0); NULL when there
 * are no more. It is the result's. */
NEAP_API size_t neap_store_run_count(const neap_store_result *result);
NEAP_API const neap_store_run *
neap_store_run_at(const neap_store_result *result, size_t index);

/* A step that a run has made. */
typedef struct neap_store_step {
  int64_t seq; /* of the save that told of it */
  const char *node, *action, *worker;
  uint32_t attempt;
  int64_t at, took;    /* when it was saved, and how long it had taken; ms */
  bool has_values;     /* the run can be read as it was then */
  const char *changed; /* the names of variables that changed, each followed by
                          a zero; names with a zero in them are left out */
  size_t changed_size;
} neap_store_step;

/* The same for the steps of neap_store_history. */
NEAP_API size_t neap_store_step_count(const neap_store_result *result);
NEAP_API const neap_store_step *
neap_store_step_at(const neap_store_result *result, size_t index);

/* A worker, a schedule, or a count of runs. */
typedef struct neap_store_row {
  const char *name; /* of the owner, or of the schedule */
  const char *host;
  int64_t pid;
  int64_t time;   /* until when the lease goes, or when it is due next */
  int64_t number; /* how many runs the worker has; runs counted */
  neap_store_status status; /* of the runs counted */
  neap_span value;          /* the schedule */
} neap_store_row;

/* The same for the rows of neap_store_workers, _schedules and _count. */
NEAP_API size_t neap_store_row_count(const neap_store_result *result);
NEAP_API const neap_store_row *
neap_store_row_at(const neap_store_result *result, size_t index);

/* ---- Starting ------------------------------------------------------------ */

typedef struct neap_store_start_opts {
  size_t size;
  const char *id, *flow; /* at most 1,000 bytes each, not empty */
  int64_t version;
  neap_span params;
  const neap_store_value *vars; /* names differ */
  size_t var_count;
  const char *queue;  /* NULL: "default" */
  int priority;       /* 0 to 9, which goes first */
  int64_t delay;      /* ms until it is queued; 0: at once */
  int64_t keep;       /* told again in neap_store_run; the store ignores it */
  int64_t max_queued; /* NEAP_EFULL if as many are queued there; 0: no bound */
  const neap_store_tag *tags; /* keys differ */
  size_t tag_count;
  /* Of a fork: where the run is, and what it has there, as neap_store_read
   * tells of the parent. */
  int64_t parent, parent_seq;
  neap_span frames;
  const neap_store_value *parts;
  size_t part_count;
} neap_store_start_opts;

#define NEAP_STORE_START_OPTS_INIT NEAP_OPTS_INIT(neap_store_start_opts)

/* Makes a run. If there is one of this id, it stays as it is and is told:
 * starting twice is starting once. NEAP_EEXISTS when that one was started with
 * another flow, params or vars, or is a fork from elsewhere.
 *
 * The result has the run (number, id, status, seq); its number is 1 when the
 * run was there. Ends with 0, NEAP_EEXISTS, NEAP_EFULL, or a failure. */
NEAP_API int neap_store_start(neap_store *store, neap_op *op,
                              const neap_store_start_opts *opts,
                              neap_store_result **result);

/* ---- Working ------------------------------------------------------------- */

typedef struct neap_store_join_opts {
  size_t size;
  const char *owner; /* a name that no other has: random, new at each start */
  int64_t lease;     /* ms */
} neap_store_join_opts;

#define NEAP_STORE_JOIN_OPTS_INIT NEAP_OPTS_INIT(neap_store_join_opts)

/* Makes a worker known. What workers have whose process has ended on this
 * machine is queued again at once, by the process number and the time of its
 * start. The number of the result is how many runs these were. NEAP_EEXISTS if
 * the owner is known. */
NEAP_API int neap_store_join(neap_store *store, neap_op *op,
                             const neap_store_join_opts *opts,
                             neap_store_result **result);

/* Says that a worker lives: its lease goes on for `lease` ms from now. The
 * result has those of its runs that there is news of: which have a mark, or
 * signals that have not been taken (number, id, mark, reason, unread). They are
 * told each time. NEAP_EFENCED when the worker has been given up: it has lost
 * all of its runs, and must join under another name. */
NEAP_API int neap_store_beat(neap_store *store, neap_op *op, const char *owner,
                             int64_t lease, neap_store_result **result);

/* Takes leave of a worker: what it still has is queued again. Ends with 0 also
 * when it is not known. */
NEAP_API int neap_store_leave(neap_store *store, neap_op *op, const char *owner,
                              neap_store_result **result);

/* A queue, and how many runs of it there is room for. */
typedef struct neap_store_room {
  const char *queue;
  uint32_t room;
} neap_store_room;

/* Gives queued runs to a worker: per queue, those of the highest priority
 * first, then those that have waited longest. The result has them, with all but
 * tags and result. NEAP_EFENCED when the worker has not joined, or has been
 * given up. */
NEAP_API int neap_store_claim(neap_store *store, neap_op *op, const char *owner,
                              const neap_store_room *rooms, size_t room_count,
                              neap_store_result **result);

typedef enum neap_store_change_kind {
  NEAP_STORE_SET = 0,    /* a variable has this value */
  NEAP_STORE_APPEND,     /* these bytes are added to that of a variable */
  NEAP_STORE_GONE,       /* there is no such variable any more */
  NEAP_STORE_PART,       /* a part has this value */
  NEAP_STORE_PARTS_GONE, /* there are no more parts whose names begin so */
} neap_store_change_kind;

/* One change, in the order in which they are made. Adding to a variable that
 * is not there makes it. */
typedef struct neap_store_change {
  neap_store_change_kind kind;
  neap_span name, value;
} neap_store_change;

typedef struct neap_store_save_opts {
  size_t size;
  int64_t run; /* its number */
  uint8_t token[16];
  int64_t seq; /* as told by the claim or the last save */
  neap_store_status status;
  int64_t delay;     /* with a status of WAITING or RUNNING: ms until it is due;
                        0: it waits for no time */
  const char *waits; /* the same: the signal that it waits for; NULL: none */
  neap_span frames;
  const neap_store_change *changes;
  size_t change_count;
  int64_t taken; /* the number of a signal that is used up by this; 0: none */
  bool stays;    /* it has not got on: claims are not set to 0 */
  bool has_flow_version;
  int64_t version;  /* if that is true: the version that it has from now on */
  neap_span result; /* kept from now on, if it is not empty */
  int64_t keep;     /* of one that ends: for how long it is kept at least; ms */
  /* A row of the history; NULL: none is written. */
  const char *node;
  const char *action; /* may be NULL */
  uint32_t attempt;
  int64_t took; /* ms */
  bool values;  /* values are kept, so that the run can be read as it is now; of
                   all saves of a run, or of none */
} neap_store_save_opts;

#define NEAP_STORE_SAVE_OPTS_INIT NEAP_OPTS_INIT(neap_store_save_opts)

/* Writes down where a run is. The number of the result is the new sequence
 * number; its run has status, mark, reason and unread as they are then. A run
 * that is given up by this (any status but RUNNING) and has a mark is paused or
 * cancelled instead of QUEUED, WAITING or STUCK. One that waits for a signal
 * which is there already is queued, or if it goes on, told so by `unread`.
 *
 * Parts of a run that is done or cancelled are gone. Ends with 0, NEAP_EFENCED,
 * or a failure after which the run is where it was. */
NEAP_API int neap_store_save(neap_store *store, neap_op *op,
                             const neap_store_save_opts *opts,
                             neap_store_result **result);

/* A claim that is given back. */
typedef struct neap_store_held {
  int64_t run;
  uint8_t token[16];
} neap_store_held;

/* Queues runs again, where their last save has left them; this claim does not
 * count. The number of the result is how many; what is another's by now is
 * passed over. */
NEAP_API int neap_store_release(neap_store *store, neap_op *op,
                                const neap_store_held *held, size_t count,
                                neap_store_result **result);

/* Does what time has brought: queues waiting runs that are due, and runs of
 * workers whose lease is over, at most `limit` of each (0: 1,000). To be called
 * each second, by every worker. The number of the result is how many it has
 * queued; its time is the clock, and its only row's `time` when something will
 * be due next, 0 if nothing is. */
NEAP_API int neap_store_due(neap_store *store, neap_op *op, uint32_t limit,
                            neap_store_result **result);

/* ---- From outside -------------------------------------------------------- */

/* Sends a run a signal. `dedupe` may be NULL; a second signal of the same
 * `dedupe` is the first. A run that waits for the name is queued. The number of
 * the result is that of the signal; its run has number, status, owner and
 * unread. NEAP_ENORUN, NEAP_EENDED. */
NEAP_API int neap_store_send(neap_store *store, neap_op *op, const char *id,
                             const char *name, const char *dedupe,
                             neap_span value, neap_store_result **result);

/* What can be asked of a run. */
typedef enum neap_store_wish {
  NEAP_STORE_WISH_CANCEL = 1,
  NEAP_STORE_WISH_PAUSE,
  NEAP_STORE_WISH_RESUME, /* one that is paused or stuck, or shall pause */
  NEAP_STORE_WISH_RETRY,  /* one that has failed, or was given up */
} neap_store_wish;

/* Cancels a run, ... One that is running gets a mark, which its owner learns of
 * by a beat or save; others change at once. `reason` is kept with the mark, or
 * as the result of a run that is cancelled; `keep` is as for a save. The run of
 * the result has number, status, owner and mark. NEAP_ENORUN; NEAP_EENDED when
 * it has ended (for a retry, when it is done or cancelled); NEAP_EBUSY when
 * there is nothing to resume or retry. */
NEAP_API int neap_store_wish_for(neap_store *store, neap_op *op, const char *id,
                                 neap_store_wish wish, neap_span reason,
                                 int64_t keep, neap_store_result **result);

/* Which parts of a run neap_store_read tells. */
enum {
  NEAP_STORE_VARS = 1,
  NEAP_STORE_PARTS = 2,
  NEAP_STORE_SIGNALS = 4,
  NEAP_STORE_TAGS = 8,
};

/* Reads a run: all of it but what `parts` (an or of the above) leaves out. If
 * `seq` is not -1, as it was when it had been saved with that number: frames
 * and vars of then, no parts and signals. NEAP_ENORUN; NEAP_ENOVALUE when the
 * values of then are not kept. The last save can always be read so.
 *
 * A fork is a read and a start: what the read tells goes into
 * neap_store_start_opts, with `parent` and `parent_seq`. */
NEAP_API int neap_store_read(neap_store *store, neap_op *op, const char *id,
                             unsigned parts, int64_t seq,
                             neap_store_result **result);

/* Reads the steps of a run after number `after`, at most `limit` (0: 500).
 * NEAP_ENORUN. */
NEAP_API int neap_store_history(neap_store *store, neap_op *op, const char *id,
                                int64_t after, uint32_t limit,
                                neap_store_result **result);

typedef struct neap_store_list_opts {
  size_t size;
  const char *flow;  /* NULL: any */
  unsigned statuses; /* 1 << NEAP_STORE_DONE | ...; 0: any. A run that waits for
                        a signal is waiting here, also with an owner */
  const neap_store_tag *tags; /* it has all of these */
  size_t tag_count;
  int64_t since;  /* it was made then or later */
  int64_t after;  /* the number of the last run of the page before; 0: none */
  uint32_t limit; /* 0: 100 */
} neap_store_list_opts;

#define NEAP_STORE_LIST_OPTS_INIT NEAP_OPTS_INIT(neap_store_list_opts)

/* Reads a page of runs, the newest first, with all but frames, params, vars,
 * parts and signals. The number of the result is `after` for the next page; 0
 * when this is the last. */
NEAP_API int neap_store_list(neap_store *store, neap_op *op,
                             const neap_store_list_opts *opts,
                             neap_store_result **result);

/* Counts runs, `after` and `limit` aside: a row for each status of which there
 * are any. The number of the result is the sum. */
NEAP_API int neap_store_count(neap_store *store, neap_op *op,
                              const neap_store_list_opts *opts,
                              neap_store_result **result);

/* Removes runs that have ended: before the time `ended_before`, or if that is
 * 0, those whose time to be kept is over. At most `limit` (0: 1,000). The
 * number of the result is how many. */
NEAP_API int neap_store_prune(neap_store *store, neap_op *op,
                              int64_t ended_before, uint32_t limit,
                              neap_store_result **result);

/* The workers there are. */
NEAP_API int neap_store_workers(neap_store *store, neap_op *op,
                                neap_store_result **result);

/* ---- Schedules ----------------------------------------------------------- */

/* Notes when something is to be done next. `expected` is the time that was
 * noted before, 0 if none was, or -1 for whichever; with another the call ends
 * with NEAP_EFENCED, so that one of many advances it. `next` of 0 removes the
 * schedule. */
NEAP_API int neap_store_schedule(neap_store *store, neap_op *op,
                                 const char *name, neap_span spec,
                                 int64_t expected, int64_t next,
                                 neap_store_result **result);

/* The schedules there are, by name. */
NEAP_API int neap_store_schedules(neap_store *store, neap_op *op,
                                  neap_store_result **result);

/* ---- Maintenance --------------------------------------------------------- */

/* Writes a copy of all that is saved to a file that is not there yet, while
 * others go on. NEAP_EINVAL of "memory". */
NEAP_API int neap_store_backup(neap_store *store, neap_op *op, const char *path,
                               neap_store_result **result);

/* Checks the whole store. NEAP_EDAMAGED, and the result says where. */
NEAP_API int neap_store_check(neap_store *store, neap_op *op,
                              neap_store_result **result);

#ifdef __cplusplus
}
#endif

#endif
