/* neap: a small flow engine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_H
#define NEAP_H

/* neap.h is the public interface of the engine: everything that a host may use,
 * and all that the Lua binding uses. It is one header, so that a host finds
 * everything in one place, and therefore long. The engine knows neither Lua nor
 * what your nodes compute. It knows which node comes next, when to try again,
 * what time it is, and how to wait for timers, files and the network.
 *
 * Three ideas carry the interface.
 *
 *   An *engine* (neap_engine) owns an event loop, a clock and the queue of
 *   what is ready. neap_poll() is the only function that calls you back.
 *
 *   An *operation* (neap_op) is one thing to wait for. You own its memory; you
 *   start it, and neap_poll() later calls its `done` exactly once,
 *   never from inside the function that started or cancelled it, and never
 *   from beneath a callback of libuv or libcurl. `done` may start operations,
 *   cancel others and free its own.
 *
 *   A *run* (neap_run) walks a *flow* (neap_flow), a graph of nodes. A run is
 *   passive: neap_run_next() says what to do (call this phase of this node,
 *   wait until then, fetch an item), you do it in whatever way suits you and
 *   report the outcome, and ask again. It performs no I/O and calls nobody.
 *
 * Threads: an engine and all that belongs to it are used from one thread at a
 * time. Engines are independent of each other; flows are immutable once
 * sealed and may be shared by runs of the same thread.
 *
 * The sections follow the ideas above: the engine, operations, flows and runs.
 * Files, streams, connections, processes and HTTP come last.
 *
 * Lifetimes: whatever is *owned* by the host may be freed before or after the
 * engine it was made with, in any order; the host has to free it. When an
 * engine is freed, what belongs to it is closed: descriptors, programs,
 * requests. An object that outlives its engine keeps what it knows (a result, a
 * path). A call that would start or move something then starts nothing and
 * returns a status, NEAP_ECLOSED unless its comment names another. An allocator
 * must outlive all that came from it. Operations are yours: those that were
 * pending are idle then, and one that was held (neap_op_hold) may be forgotten,
 * but no longer be settled.
 *
 * Compatibility: every options struct begins with `size`, to be set to the
 * sizeof the struct that the host was compiled with (the NEAP_*_OPTS_INIT
 * macros do); zero in any other field means the default.
 *
 * Pointers are *borrowed* (yours, read during the call only) unless a comment
 * says *kept* (yours, must outlive the object) or *owned* (the caller frees).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define NEAP_API __attribute__((visibility("default")))
#else
#define NEAP_API
#endif

#define NEAP_VERSION "0.1.0"

/* Returns the version of the engine that is linked, as in NEAP_VERSION. */
NEAP_API const char *neap_version(void);

/* Functions that can fail return 0 or one of these negative codes. */
#define NEAP_STATUS_MAP(X)                                                     \
  X(OK, 0, "success")                                                          \
  X(ENOMEM, -1, "out of memory")                                               \
  X(EINVAL, -2, "invalid argument")                                            \
  X(EBUSY, -3, "already in use")                                               \
  X(ECANCELED, -4, "cancelled")                                                \
  X(ETIMEDOUT, -5, "timed out")                                                \
  X(EFAILED, -6, "a step of the flow failed")                                  \
  X(EACTION, -7, "no successor for the action")                                \
  X(EMAXSTEPS, -8, "more steps than allowed")                                  \
  X(ENOSTART, -9, "the flow has no start")                                     \
  X(ESYS, -10, "the system refused")                                           \
  X(EHTTP, -11, "the HTTP transfer failed")                                    \
  X(ETOOBIG, -12, "larger than allowed")                                       \
  X(ENOLIB, -13, "a library could not be loaded")                              \
  X(ECLOSED, -14, "closed")                                                    \
  X(EAGAIN, -15, "not ready yet")

typedef enum neap_status {
#define NEAP_STATUS_ENUM(name, code, text) NEAP_##name = (code),
  NEAP_STATUS_MAP(NEAP_STATUS_ENUM)
#undef NEAP_STATUS_ENUM
} neap_status;

/* Returns the name of a status ("ENOMEM"), "EUNKNOWN" for any other number. */
NEAP_API const char *neap_status_name(int status);

/* Returns the sentence for a status, "unknown status" for any other number. */
NEAP_API const char *neap_status_text(int status);

/* Writes the system's name ("ENOENT") and sentence for the `detail` of an
 * operation that ended with NEAP_ESYS into the two buffers, always
 * terminated. Either buffer may be NULL. */
NEAP_API void neap_sys_describe(int detail, char *name, size_t name_size,
                                char *text, size_t text_size);

/* All memory of the engine comes from one function in the manner of Lua's:
 * `fn(ud, ptr, old_size, new_size)` grows, shrinks or moves `ptr` (NULL when
 * old_size is 0), frees it when new_size is 0, and returns NULL when it can
 * not (never when it frees or shrinks). Memory that libuv, libcurl and the
 * system allocate for themselves is not part of it. */
typedef void *(*neap_alloc_fn)(void *ud, void *ptr, size_t old_size,
                               size_t new_size);

typedef struct neap_alloc {
  neap_alloc_fn fn; /* NULL: realloc and free of the C library */
  void *ud;
} neap_alloc;

typedef struct neap_engine neap_engine;

typedef enum neap_clock {
  NEAP_CLOCK_REAL = 0, /* the system's monotonic clock */
  NEAP_CLOCK_VIRTUAL,  /* starts at 0; jumps to the next timer when nothing
                          else is left to do, so sleeping costs nothing. Peers
                          that others wait for (sockets, pipes, HTTP) get 50 ms
                          of real time before each jump, files and programs as
                          long as they need */
} neap_clock;

typedef struct neap_engine_opts {
  size_t size;
  neap_alloc alloc;
  neap_clock clock;
  /* *Kept*: the path of the HTTP library, loaded when the first request is
   * made. NULL: beside the file that holds the engine, then where the system
   * looks for shared libraries. */
  const char *http_library;
} neap_engine_opts;

#define NEAP_ENGINE_OPTS_INIT                                                  \
  { .size = sizeof(neap_engine_opts) }

/* Makes an engine with an event loop of its own. `opts` may be NULL. On
 * success *out is *owned*; free it with neap_engine_free. */
NEAP_API int neap_engine_new(const neap_engine_opts *opts, neap_engine **out);

/* Ends an engine: operations still pending are dropped without a call of
 * their `done`, the loop is closed, the memory returned. NULL is ignored. Not
 * from inside `done`. It may wait for file operations that a thread of the
 * pool has already begun, and for programs that were asked to end, as long as
 * they were given for that. */
NEAP_API void neap_engine_free(neap_engine *engine);

/* The engine's clock in nanoseconds; monotonic, its zero is arbitrary. */
NEAP_API uint64_t neap_now(neap_engine *engine);

/* The same, but as of when the loop last looked at it: costs next to nothing,
 * and lags behind by what has been computed since. */
NEAP_API uint64_t neap_tick(neap_engine *engine);

#define NEAP_FOREVER UINT64_MAX

/* Delivers what is ready. When nothing is, waits at most `max_wait_ns` (0: not
 * at all, NEAP_FOREVER: as long as it takes) for a timer or for I/O and
 * delivers what that made ready. The virtual clock jumps by at most
 * `max_wait_ns`; with 0, to the next timer, since that costs no time. Returns
 * without waiting when nothing is pending that the engine could wake by itself.
 *
 * Returns the number of operations delivered (0 or more), or NEAP_EBUSY when
 * called from inside `done`. */
NEAP_API int neap_poll(neap_engine *engine, uint64_t max_wait_ns);

/* Called from `done`: makes neap_poll return after this `done`. What else is
 * ready is left to the next neap_poll. */
NEAP_API void neap_break(neap_engine *engine);

/* The number of operations that the engine will complete by itself: those
 * ready, timers and I/O. Operations begun with neap_op_hold do not count. When
 * it is 0, neap_poll will never deliver anything again unless you settle
 * something. */
NEAP_API size_t neap_pending(const neap_engine *engine);

/* Makes the clock virtual, from 0 on, or real. Each wait for a time keeps the
 * rest that it had left. */
NEAP_API void neap_set_clock(neap_engine *engine, neap_clock clock);

/* The loop of libuv on which the engine does its I/O, for handles and requests
 * of your own: neap_poll calls their callbacks. Only the engine runs and closes
 * the loop. From this call on, while any of your handles is active and
 * referenced, they count as one pending operation. When the engine is freed, it
 * closes handles that you have not closed, without a callback. */
NEAP_API struct uv_loop_s *neap_uv_loop(neap_engine *engine);

/* Makes a neap_poll that waits return soon. The only function that may be
 * called from any thread and from a signal handler. */
NEAP_API void neap_wake(neap_engine *engine);

typedef struct neap_op neap_op;
typedef void (*neap_op_fn)(neap_op *op);

/* One thing to wait for. The struct is open so that it can be part of your
 * own; only the first group of fields is yours to touch. */
struct neap_op {
  neap_op_fn done; /* called by neap_poll when the operation has ended */
  void *data;      /* yours */
  int status;      /* in `done`: 0 or a negative neap_status */
  int detail;      /* in `done`: the code of the system behind NEAP_ESYS */

  /* Private to the engine. */
  int state;
  neap_engine *engine;
  neap_op_fn drop;
  struct neap_link {
    struct neap_link *next, *prev;
  } link;
  union {
    uint64_t deadline;
    void *request;
  } u;
};

/* Prepares an operation; it is idle then. `done` must not be NULL. */
NEAP_API void neap_op_init(neap_op *op, neap_op_fn done, void *data);

/* True from the start of an operation until just before its `done`. */
NEAP_API bool neap_op_active(const neap_op *op);

/* Begins a wait that you end yourself with neap_op_settle. */
NEAP_API void neap_op_hold(neap_engine *engine, neap_op *op);

/* Ends a wait begun with neap_op_hold: the next neap_poll calls `done` with
 * this status. Settled a second time it keeps the first outcome. */
NEAP_API void neap_op_settle(neap_op *op, int status);

/* Drops what the operation waits for, at once, and has the next neap_poll call
 * `done` with `status` (usually NEAP_ECANCELED). An operation that is ready
 * already keeps its outcome; one that is idle stays idle. */
NEAP_API void neap_op_cancel(neap_op *op, int status);

/* Starts `op`, which lets exactly one other operation be delivered and then
 * ends with detail 1. So tests go step by step. When nothing is ready, not even
 * I/O that has just ended, `op` ends with detail 0. With `may_wait` it does so
 * only when nothing is pending either; until then neap_poll waits, and the
 * virtual clock jumps, as ever. NEAP_EBUSY when there is such an operation
 * already. */
NEAP_API int neap_turn(neap_engine *engine, neap_op *op, bool may_wait);

/* Starts `op`, which ends when nothing else is pending (the operation of
 * neap_turn does not count): nothing is left that could end by itself.
 * NEAP_EBUSY when there is such an operation already. */
NEAP_API int neap_wait_idle(neap_engine *engine, neap_op *op);

/* Drops the operation without ever calling `done`; it is idle afterwards. For
 * owners that are about to free it. */
NEAP_API void neap_op_forget(neap_op *op);

/* Starts `op`, which ends when none of the handles that others have put on
 * neap_uv_loop is active any more; at once when there is none. */
NEAP_API void neap_uv_wait(neap_engine *engine, neap_op *op);

/* Makes uv call the close callbacks of handles that others have put on
 * neap_uv_loop and are closing. Call it before you take down what these
 * callbacks need. Other callbacks of such handles that are due are called, too;
 * the engine's own operations are not delivered. It does not wait, so a handle
 * whose closing takes a thread or time may still be closing afterwards. */
NEAP_API void neap_uv_settle(neap_engine *engine);

/* Waits until neap_now() is at least `deadline_ns`; never early. Cannot fail.
 * The real clock is served to the millisecond, the virtual one exactly.
 * Operations due together are delivered in the order of their deadlines,
 * equal ones in the order they were started; one with the deadline 0 at once,
 * in its turn among those that are ready. */
NEAP_API void neap_sleep_until(neap_engine *engine, neap_op *op,
                               uint64_t deadline_ns);
/* A flow is a graph of nodes, nested flows included. It is built, sealed, and
 * then only read. */
typedef struct neap_flow neap_flow;
typedef struct neap_node neap_node;

typedef enum neap_kind {
  NEAP_NODE = 0,   /* exec is a call */
  NEAP_FLOW,       /* exec is a walk from `start` */
  NEAP_BATCH_NODE, /* exec is a call for each item */
  NEAP_BATCH_FLOW, /* exec is a walk from `start` for each item */
  NEAP_PARALLEL,   /* exec is a visit of each branch, side by side */
} neap_kind;

/* The phases of a node, and as bits which of them it has. A phase that a node
 * lacks is passed over; exec needs a bit where it is a call only. */
typedef enum neap_phase {
  NEAP_PREP = 0,
  NEAP_EXEC,
  NEAP_FALLBACK,
  NEAP_POST,
} neap_phase;

/* Returns "prep", "exec", "fallback" or "post", "unknown" for what is none. */
NEAP_API const char *neap_phase_name(neap_phase phase);

typedef struct neap_node_opts {
  size_t size;
  neap_kind kind;
  const char *name;      /* copied; NULL: "" */
  unsigned methods;      /* 1 << NEAP_PREP | ... */
  uint32_t max_attempts; /* of exec; 0: 1 */
  uint64_t wait_ns;      /* before the second attempt */
  double backoff;        /* multiplies the wait after each; 0: 1 */
  uint64_t max_wait_ns;  /* caps the wait; 0: no cap */
  double jitter;         /* 0 to 1: the share of a wait taken off at random */
  uint64_t timeout_ns;   /* bounds one attempt of exec; 0: no bound */
  uint32_t concurrency;  /* of a batch: items at once; 0: 1. Of a parallel:
                            branches at once; 0: all */
  bool collect;          /* a batch goes on when an item has failed, a parallel
                            when a branch has */
  bool strict;           /* of a flow: an action that leads nowhere fails */
  void *data;            /* *kept*, yours */
  uint64_t max_retry_after_ns; /* a failure that asks for a longer wait ends the
                                  attempts; 0: 120 s, NEAP_FOREVER: none does */
} neap_node_opts;

#define NEAP_NODE_OPTS_INIT                                                    \
  { .size = sizeof(neap_node_opts) }

/* Makes an empty flow. `alloc` may be NULL. *out is *owned*. */
NEAP_API int neap_flow_new(const neap_alloc *alloc, neap_flow **out);

/* Frees the flow and its nodes, once the last run that walks it is freed. */
NEAP_API void neap_flow_free(neap_flow *flow);

/* Adds a node, which belongs to the flow. NEAP_EINVAL when an option is out of
 * its range, NEAP_EBUSY when the flow is sealed. */
NEAP_API int neap_flow_add(neap_flow *flow, const neap_node_opts *opts,
                           neap_node **out);

/* Makes `start` the first node inside `node`, which is of a kind that walks.
 * Both belong to this flow. */
NEAP_API int neap_flow_start(neap_flow *flow, neap_node *node,
                             neap_node *start);

/* Adds a branch to `node`, a NEAP_PARALLEL; a node may be added twice. Both
 * belong to this flow. A branch is visited alone: the successors that it has
 * for the walks that it is part of do not count. NEAP_ENOMEM leaves the node as
 * it was. */
NEAP_API int neap_flow_branch(neap_flow *flow, neap_node *node,
                              neap_node *branch);

/* Makes `to` the successor of `from` for an action of `size` bytes; NULL ends
 * the flow that `from` is in, on purpose. A later wire for the same action
 * replaces the earlier. When `keep` is true the bytes are *kept*, and an action
 * reported at this very address is recognised without comparing; else they are
 * copied. */
NEAP_API int neap_flow_wire(neap_flow *flow, neap_node *from,
                            const char *action, size_t size, bool keep,
                            neap_node *to);

/* Ends the building. NEAP_ENOSTART when a node that walks has no start, or a
 * parallel no branch. */
NEAP_API int neap_flow_seal(neap_flow *flow);

NEAP_API const char *neap_node_name(const neap_node *node);
NEAP_API neap_kind neap_node_kind(const neap_node *node);
/* How many items or branches at once. For a parallel that was given 0: 0 until
 * the flow is sealed, then the number of its branches. */
NEAP_API uint32_t neap_node_concurrency(const neap_node *node);
NEAP_API uint32_t neap_node_max_attempts(const neap_node *node);

/* What a host says of a failure. */
typedef struct neap_failure {
  bool final;              /* no further attempts; a fallback is still tried */
  bool item;               /* of FETCH: what was fetched is useless; it counts
                              as an item that has failed without an attempt. A
                              batch that collects goes on, whatever `caught`
                              says of the step */
  uint64_t retry_after_ns; /* the next attempt waits at least this long */
} neap_failure;

/* True when another attempt follows attempt `attempt` (from 0), which failed:
 * there is one left, the failure is not final and does not ask for a longer
 * wait than max_retry_after. NULL stands for a failure that says nothing. Runs
 * decide by this function; a host can use it to repeat work of its own by the
 * same rules. */
NEAP_API bool neap_may_retry(const neap_node_opts *opts, uint32_t attempt,
                             const neap_failure *failure);

/* The wait in ns after attempt `attempt` (from 0) failed: wait * backoff ^
 * attempt, capped by max_wait, less the share `jitter * random` (random in
 * [0, 1)), but at least `retry_after_ns`. Runs wait for so long; a host can use
 * it to repeat work of its own by the same rules. Other options are ignored. */
NEAP_API uint64_t neap_retry_delay(const neap_node_opts *opts, uint32_t attempt,
                                   double random, uint64_t retry_after_ns);
NEAP_API uint64_t neap_node_timeout(const neap_node *node); /* ns */
NEAP_API bool neap_node_collects(const neap_node *node);
NEAP_API void *neap_node_data(const neap_node *node);

/* The branch at `index` (from 0) of a parallel; NULL when there are no more. */
NEAP_API const neap_node *neap_node_branch(const neap_node *node, size_t index);

/* Copies the action at `index` (from 0) of those the node is wired for into
 * *action and *size; false when there are no more. */
NEAP_API bool neap_node_action(const neap_node *node, size_t index,
                               const char **action, size_t *size);

/* One walk through a flow, as a state machine that is asked and told.
 *
 * A run works on *visits*. The visit of the root has depth 0, the visits inside
 * a flow are one deeper than the visit of that flow, an item of a batch is one
 * deeper than the visit of the batch, and the visits inside an item one deeper
 * again. At any time there is at most one visit at each depth, so a host can
 * keep what belongs to them (results, parameters) in an array.
 *
 * A parallel is a batch whose items are its branches: item `index` is branch
 * `index`, and inside it is the visit of that node. All that is said of a batch
 * holds for it, attempts, time limits and fallback of each item included. */
typedef struct neap_run neap_run;

typedef enum neap_do {
  /* A visit of `node` begins at `depth`; what the host kept for this depth and
   * all deeper ones is over. Answer: ok. */
  NEAP_DO_ENTER,
  /* Call `phase` of `node` (attempt `attempt`, from 0). Answer: ok, after post
   * instead action, after the fallback of a node that walks either; or fail. */
  NEAP_DO_CALL,
  /* The walk inside the visit at `depth` has ended, or the visit inside the
   * branch: its result is `action`, that of the visit at depth + 1. Answer: ok.
   */
  NEAP_DO_RETURN,
  /* Attempt `attempt` failed; wait `delay_ns`, then answer: ok. */
  NEAP_DO_WAIT,
  /* Let a run of its own (neap_run_new with NEAP_ROOT_ATTEMPT) make this
   * attempt of exec, and stop it when neap_node_timeout has passed. Answer: ok,
   * of a node that walks instead action; or fail. */
  NEAP_DO_ATTEMPT,
  /* The items of the batch at `depth` begin. Answer: items or fail; of a
   * parallel, whose branches are known, ok or fail. */
  NEAP_DO_ITEMS,
  /* Start `count` runs (NEAP_ROOT_WORKER) that share the items of the batch.
   * Where the number of items is unknown, a worker (then `depth` is 0) asks for
   * one more worker of the same parent when all have an item. What was fetched
   * for depth 1 stays meanwhile. Answer: ok, or fail when that is impossible.
   */
  NEAP_DO_FORK,
  /* Wait until one of these runs has ended; `failed` when one has failed
   * already. Answer: ok, or fail when that run failed. The first failure
   * counts.
   */
  NEAP_DO_JOIN,
  /* Cancel all of these that have not ended. Answer: ok. */
  NEAP_DO_STOP,
  /* Fetch item `index` (from 0) for depth + 1. Answer: ok, none, or fail; of a
   * parallel, where there is nothing to be fetched, ok or fail. */
  NEAP_DO_FETCH,
  /* Another run is fetching from the same batch; wait until it has. Answer:
   * ok. */
  NEAP_DO_TURN,
  /* Item `index`, a visit at `depth`, has ended, `failed` or well. The walk
   * inside it is over, too. Answer: ok. */
  NEAP_DO_ITEM_END,
  /* No successor for the action of the visit at `depth`, though `node` has
   * some: warn the user. The walk that the visit is part of ends here, unless
   * `phase` is exec. Then the walk inside the visit has ended with that action,
   * and `node`, which has no post, goes on with "default" instead. Answer: ok.
   */
  NEAP_DO_WARN,
  /* The run itself fails with `status` at the visit of `node`. Answer: fail. */
  NEAP_DO_RAISE,
  /* The run has ended, `failed` or well and then with `action`. */
  NEAP_DO_END,
} neap_do;

typedef struct neap_step {
  neap_do what;
  neap_phase phase;
  const neap_node *node;
  uint64_t *note; /* of the visit, as neap_run_note gives it */
  union {
    uint64_t index;    /* of an item, also of that which FETCH is about or a
                          worker's FORK puts off; of other visits 0 */
    uint64_t delay_ns; /* of WAIT */
  };
  const char *action; /* as it was answered; NULL: "default" */
  size_t action_size;
  uint32_t depth;
  uint32_t attempt;
  union {
    uint32_t count; /* of FORK */
    int status;     /* of RAISE and END */
  };
  bool failed;
  bool caught; /* a failure of this step, unless it is final, would not end the
                  run */
} neap_step;

typedef enum neap_root {
  NEAP_ROOT_VISIT = 0, /* one visit of the node, with all its phases */
  NEAP_ROOT_ATTEMPT,   /* one attempt of its exec, as asked for by ATTEMPT */
  NEAP_ROOT_WORKER,    /* items of its batch, as asked for by FORK */
} neap_root;

typedef struct neap_run_opts {
  size_t size;
  neap_root root;
  neap_run *parent;   /* *kept*: of ATTEMPT and WORKER, who was asked; of a
                         worker that a worker asked for, the latter's parent */
  uint64_t max_steps; /* visits, items of batches included; 0: no limit. Runs
                         that have this one as parent share it. Once it is
                         passed, no attempt, fallback or batch catches a failure
                       */
  uint64_t seed;      /* for jitter */
  void *data;         /* *kept*, yours */
} neap_run_opts;

#define NEAP_RUN_OPTS_INIT                                                     \
  { .size = sizeof(neap_run_opts) }

/* Makes a run of `node`, which belongs to the sealed `flow` (*kept*). For
 * ATTEMPT and WORKER `node` is ignored: it is the parent's. *out is *owned*.
 * NEAP_EINVAL when the flow is not sealed, there is no node, or the parent has
 * not asked for such a run. */
NEAP_API int neap_run_new(neap_flow *flow, const neap_node *node,
                          const neap_run_opts *opts, neap_run **out);
NEAP_API void neap_run_free(neap_run *run);

/* Returns the step that the run waits for an answer to. The answers below
 * return the next one. The step is the run's, valid until the next answer.
 *
 * An answer that the step does not allow ends the run: the next step is END,
 * `failed`, with the status NEAP_EINVAL. A run that has ended stays so,
 * whatever it is answered. */
NEAP_API const neap_step *neap_run_step(neap_run *run);

NEAP_API const neap_step *neap_run_ok(neap_run *run);
NEAP_API const neap_step *neap_run_none(neap_run *run);

/* Answers post. The bytes must stay where they are until the visit's depth is
 * entered again or the walk it belongs to has returned; where a flow without
 * post hands its RETURN's action on, until the same is true of that flow. NULL
 * means "default". */
NEAP_API const neap_step *neap_run_action(neap_run *run, const char *action,
                                          size_t size);

#define NEAP_UNCOUNTED UINT64_MAX

/* Answers ITEMS: how many there are, NEAP_UNCOUNTED when fetching will tell. */
NEAP_API const neap_step *neap_run_items(neap_run *run, uint64_t count);

/* Answers with a failure; NULL stands for one that says nothing. */
NEAP_API const neap_step *neap_run_fail(neap_run *run,
                                        const neap_failure *failure);

/* Where a run is, or after a failure was: the visit, phase and attempt. */
typedef struct neap_place {
  uint32_t depth;
  neap_phase phase;
  uint32_t attempt;
} neap_place;
NEAP_API void neap_run_place(const neap_run *run, neap_place *out);

/* The node visited at a depth up to that of neap_run_place, and whether it is
 * an item of a batch, with its index. NULL where no visit has been so deep. */
NEAP_API const neap_node *neap_run_node_at(const neap_run *run, uint32_t depth,
                                           bool *is_item, uint64_t *index);

/* The attempt of exec that the visit at a depth has come to, from 0. */
NEAP_API uint32_t neap_run_attempt(const neap_run *run, uint32_t depth);

/* A number of the host's for each visit; 0 when the visit begins. NULL where no
 * visit has been so deep. */
NEAP_API uint64_t *neap_run_note(neap_run *run, uint32_t depth);

/* The visits made so far, items included, as `max_steps` counts them: those of
 * the runs that it works for, and of others that do, are among them. */
NEAP_API uint64_t neap_run_steps(const neap_run *run);

/* How many items a batch at this depth has had, and how many of them failed. */
NEAP_API void neap_run_counts(const neap_run *run, uint32_t depth,
                              uint64_t *items, uint64_t *failed);

NEAP_API neap_run *neap_run_parent(const neap_run *run);
NEAP_API void *neap_run_data(const neap_run *run);

/* What happens in runs, for those who watch. Whoever drives a run tells of it
 * with neap_emit; the Lua binding does. */
#define NEAP_EVENT_MAP(X)                                                      \
  X(NODE_START, "node_start")   /* the visit at `depth` begins */              \
  X(RETRY, "retry")             /* `attempt` failed; the next in `delay_ns` */ \
  X(FALLBACK, "fallback")       /* `attempt` failed, the last */               \
  X(BATCH_START, "batch_start") /* of `count` items, if known */               \
  X(ITEM_START, "item_start")   /* item `index` of the batch at `depth` */     \
  X(ITEM_END, "item_end")       /* it has ended, `failed` or well */           \
  X(WARNING, "warning")         /* `message` */                                \
  X(BRANCH_END, "branch_end")   /* branch `index`, at `depth`, has ended */    \
  X(SPAWN, "spawn")             /* it has begun a task */                      \
  X(WAIT, "wait")               /* it will wait for `message` */               \
  X(WAKE, "wake")               /* what it waited for, `message`, is there */  \
  X(CANCEL, "cancel")           /* it is told that it has been cancelled */

typedef enum neap_event_kind {
#define NEAP_EVENT_ENUM(name, text) NEAP_EVENT_##name,
  NEAP_EVENT_MAP(NEAP_EVENT_ENUM)
#undef NEAP_EVENT_ENUM
} neap_event_kind;

/* Returns the name of a kind ("node_start"), "unknown" for what is none. */
NEAP_API const char *neap_event_name(neap_event_kind kind);

typedef struct neap_event {
  size_t size;
  neap_event_kind kind;
  uint32_t depth;
  const neap_run *run;
  uint64_t time_ns; /* on the engine's clock; set by neap_emit */
  uint64_t index;   /* from 0 */
  uint64_t count;   /* NEAP_UNCOUNTED when nobody knows */
  uint64_t delay_ns;
  uint32_t attempt;     /* from 0 */
  uint32_t concurrency; /* of a batch */
  bool failed;
  const char *message; /* borrowed, for the call; of a RETRY: what is tried
                          again, NULL when that is exec of the node */
} neap_event;

/* Called by neap_emit, in the thread and on the stack of whoever drives the
 * run. It must not call neap_poll nor answer a step. */
typedef void (*neap_event_fn)(void *ud, const neap_event *event);

/* Has `fn` told of every event of this engine's runs; NULL ends that. */
NEAP_API void neap_on_event(neap_engine *engine, neap_event_fn fn, void *ud);

/* Whether somebody wants to be told. */
NEAP_API bool neap_is_watched(const neap_engine *engine);

/* Tells whoever watches. */
NEAP_API void neap_emit(neap_engine *engine, neap_event *event);

typedef enum neap_file_type {
  NEAP_FILE_OTHER = 0,
  NEAP_FILE_REGULAR,
  NEAP_FILE_DIRECTORY,
  NEAP_FILE_LINK,
} neap_file_type;

typedef struct neap_file_entry {
  const char *name;
  neap_file_type type;
} neap_file_entry;

typedef struct neap_file_stat {
  neap_file_type type;
  uint32_t mode; /* permission bits */
  uint64_t size; /* bytes */
  double mtime;  /* seconds since 1970 */
} neap_file_stat;

/* The result of a file operation; its memory is *owned* by the caller, who
 * returns it with neap_fs_free once the operation has ended, also badly. */
typedef struct neap_fs_result neap_fs_result;

/* Each starts `op` and returns 0, or a negative status without having started
 * it. Paths are copied. In `done` op->status is 0 or NEAP_ESYS (op->detail for
 * neap_sys_describe), NEAP_ETOOBIG, NEAP_ENOMEM or NEAP_ECANCELED, and *result
 * is valid when it is 0; a cancelled operation leaves *result NULL. Cancelling
 * takes effect at once for the waiter; a system call that the thread pool has
 * begun completes unseen.
 *
 * read: the whole file, up to `max_size` bytes (0: no limit), which need not be
 * a regular one. write: replaces the contents, or with `append` adds to them;
 * creates the file with mode 0666 less the umask; `bytes` are copied. stat
 * follows links, lstat tells of the link itself. list: the entries of a
 * directory but "." and "..", sorted by name bytewise. */
NEAP_API int neap_fs_read(neap_engine *engine, neap_op *op, const char *path,
                          uint64_t max_size, neap_fs_result **result);
NEAP_API int neap_fs_write(neap_engine *engine, neap_op *op, const char *path,
                           const void *bytes, size_t size, bool append,
                           neap_fs_result **result);
NEAP_API int neap_fs_stat(neap_engine *engine, neap_op *op, const char *path,
                          neap_fs_result **result);
NEAP_API int neap_fs_list(neap_engine *engine, neap_op *op, const char *path,
                          neap_fs_result **result);
NEAP_API int neap_fs_lstat(neap_engine *engine, neap_op *op, const char *path,
                           neap_fs_result **result);

/* mkdir: makes a directory with `mode` (0: 0777) less the umask. With `parents`
 * it also makes those above it that are missing, and a directory that is there
 * already is fine. remove: a file, a link itself, an empty directory, or with
 * `recursive` a directory and all that is in it, however deep; it never follows
 * links. What could not be removed in the end is not emptied: a path whose last
 * name is "." or "..", or that has none ("/"), is refused with EINVAL, and so
 * is a directory in one that must not be written to, or on which something is
 * mounted, with the system's code. A removal that is cancelled stops soon, amid
 * what it does. */
NEAP_API int neap_fs_mkdir(neap_engine *engine, neap_op *op, const char *path,
                           uint32_t mode, bool parents,
                           neap_fs_result **result);
NEAP_API int neap_fs_remove(neap_engine *engine, neap_op *op, const char *path,
                            bool recursive, neap_fs_result **result);

/* The same, and waits for it: for the end of things, where nobody can wait any
 * more. Returns 0, or NEAP_ESYS with the code of the system in *detail (which
 * may be NULL). From any thread. */
NEAP_API int neap_fs_remove_now(const char *path, bool recursive, int *detail);

/* rename: gives a file or directory another name on the same file system, and
 * replaces what has that name. copy: a file with its mode; replaces what has
 * the name; what a copy that fails has written is removed. link: a second name
 * for a file. symlink: makes `path` a link that leads to `target`, which need
 * not be there. readlink: where a link leads, realpath: the absolute path
 * without links; neap_fs_bytes has either. chmod: sets the permission bits. */
NEAP_API int neap_fs_rename(neap_engine *engine, neap_op *op, const char *from,
                            const char *to, neap_fs_result **result);
NEAP_API int neap_fs_copy(neap_engine *engine, neap_op *op, const char *from,
                          const char *to, neap_fs_result **result);
NEAP_API int neap_fs_link(neap_engine *engine, neap_op *op, const char *from,
                          const char *to, neap_fs_result **result);
NEAP_API int neap_fs_symlink(neap_engine *engine, neap_op *op,
                             const char *target, const char *path,
                             neap_fs_result **result);
NEAP_API int neap_fs_readlink(neap_engine *engine, neap_op *op,
                              const char *path, neap_fs_result **result);
NEAP_API int neap_fs_realpath(neap_engine *engine, neap_op *op,
                              const char *path, neap_fs_result **result);
NEAP_API int neap_fs_chmod(neap_engine *engine, neap_op *op, const char *path,
                           uint32_t mode, neap_fs_result **result);

/* Writes a file so that a reader, even after a crash, finds either what was
 * there or all of `bytes` (copied): writes them to a file beside it, brings
 * that to the disk, and renames it. A file that is replaced keeps its mode, not
 * its owner, and must be a regular one (EINVAL); where the path is a link, the
 * file it leads to is replaced. Nothing is left behind when the operation fails
 * or is cancelled. What a killed process leaves behind, the next replace in
 * that folder removes. */
NEAP_API int neap_fs_replace(neap_engine *engine, neap_op *op, const char *path,
                             const void *bytes, size_t size,
                             neap_fs_result **result);

/* Makes a directory whose path, in neap_fs_bytes, is `prefix` and six further
 * characters, for its owner only (mode 0700). Removing it is yours. */
NEAP_API int neap_fs_tempdir(neap_engine *engine, neap_op *op,
                             const char *prefix, neap_fs_result **result);

/* What read, readlink, realpath or tempdir has found (valid until
 * neap_fs_free), and its size. */
NEAP_API const char *neap_fs_bytes(const neap_fs_result *result, size_t *size);
/* What stat or lstat found. */
NEAP_API void neap_fs_get_stat(const neap_fs_result *result,
                               neap_file_stat *out);
/* The entry at `index` (from 0) of what list found; false beyond the last. */
NEAP_API bool neap_fs_entry(const neap_fs_result *result, size_t index,
                            neap_file_entry *out);
/* NULL is ignored. */
NEAP_API void neap_fs_free(neap_fs_result *result);

/* A file that is open. Operations on it are served one after the other, in the
 * order in which they were started. It does not count toward the files that the
 * whole-file operations above have open at a time, so that these go on however
 * many handles there are; a system without descriptors left is NEAP_ESYS with
 * the code of EMFILE. */
typedef struct neap_file neap_file;

/* Opens a file. `mode` is as for fopen: "r", "w", "a", each also with "+", to
 * read and write, and "b", which changes nothing; "w" also with "x": the file
 * must not be there. One that is created has mode 0666 less the umask.
 *
 * Returns 0, or a negative status without having started `op`: NEAP_EINVAL for
 * any other mode, NEAP_ENOMEM. In `done`, when op->status is 0, *file is set
 * and *owned*: to be freed with neap_file_free. An operation that has been
 * cancelled leaves *file NULL and closes what it has opened. */
NEAP_API int neap_file_open(neap_engine *engine, neap_op *op, const char *path,
                            const char *mode, neap_file **file);

/* The same for a new file whose path is `prefix` and six further characters, to
 * be read and written by its owner only (mode 0600). The file is removed when
 * it is closed, by neap_file_close, neap_file_free or the end of the engine, if
 * it still has that path. */
NEAP_API int neap_file_temp(neap_engine *engine, neap_op *op,
                            const char *prefix, neap_file **file);

/* Each of these starts `op` and returns 0, or a negative status without having
 * started it: NEAP_EINVAL when the file has been closed or a number is out of
 * range, NEAP_ENOMEM. The result is *owned*, as of neap_fs_read. Cancelling
 * gives up the wait at once; a system call that the pool has begun completes
 * unseen, and the next operation begins when it has.
 *
 * read: at most 64 KiB from the position on, in neap_fs_bytes; none at the end.
 * Bytes that a cancelled read has taken from a pipe are given to the next one.
 * write: all of `bytes`, which are copied. A write that fails or is cancelled
 * may have written a part; the position is then behind that part. sync: brings
 * all that has been written to the disk. fstat: as neap_fs_stat. truncate: to
 * `size` bytes, also to more; the position stays. close: waits for what is
 * under way; its failure may be that of an earlier write. After it nothing can
 * be started any more. A close that is cancelled goes on unseen. */
NEAP_API int neap_file_read(neap_file *file, neap_op *op,
                            neap_fs_result **result);
NEAP_API int neap_file_write(neap_file *file, neap_op *op, const void *bytes,
                             size_t size, neap_fs_result **result);
NEAP_API int neap_file_sync(neap_file *file, neap_op *op,
                            neap_fs_result **result);
NEAP_API int neap_file_fstat(neap_file *file, neap_op *op,
                             neap_fs_result **result);
NEAP_API int neap_file_truncate(neap_file *file, neap_op *op, uint64_t size,
                                neap_fs_result **result);
NEAP_API int neap_file_close(neap_file *file, neap_op *op,
                             neap_fs_result **result);

typedef enum neap_seek {
  NEAP_SEEK_SET = 0, /* from the start */
  NEAP_SEEK_CUR,     /* from the position */
  NEAP_SEEK_END,     /* from the end */
} neap_seek;

/* Moves the position to `offset` bytes from `whence`; neap_fs_offset then tells
 * where it is, from the start. A pipe or a terminal has no position: ESPIPE. A
 * place before the start is EINVAL. Starts and ends as the operations above. */
NEAP_API int neap_file_seek(neap_file *file, neap_op *op, neap_seek whence,
                            int64_t offset, neap_fs_result **result);
NEAP_API uint64_t neap_fs_offset(const neap_fs_result *result);

/* Takes back the result of a read (*transferred*) whose bytes nobody has used:
 * the next read gives them. */
NEAP_API void neap_file_put_back(neap_file *file, neap_fs_result *read);

/* Moves the position back, at once, over `size` bytes that have been read ahead
 * of need; false, and nothing has changed, where it cannot be moved. */
NEAP_API bool neap_file_back(neap_file *file, uint64_t size);

/* The path that it was opened with; of a temporary file the one made. Valid
 * until neap_file_free. */
NEAP_API const char *neap_file_path(const neap_file *file);

/* False once neap_file_close has been called, or the engine freed. */
NEAP_API bool neap_file_is_open(const neap_file *file);

/* Frees the handle. A thread closes the file when the operations on it have
 * ended. Only neap_engine_free waits for that, and nobody is told how it went;
 * neap_file_close tells. NULL is ignored. May be called after neap_engine_free,
 * which closes all files. */
NEAP_API void neap_file_free(neap_file *file);

/* Watching a file or a directory (not those within it) for changes, which are
 * kept, up to 1024, until they are taken. */
typedef struct neap_watch neap_watch;

typedef enum neap_change_kind {
  NEAP_CHANGE_CONTENT = 0, /* content, mode or times */
  NEAP_CHANGE_NAME,        /* made, removed, or moved to or from its path */
  NEAP_CHANGE_OVERFLOW,    /* more than were kept: some have been lost */
} neap_change_kind;

typedef struct neap_change {
  neap_change_kind kind;
  const char *path; /* that was watched; in a directory, of the entry. NULL for
                       an overflow. Valid until the next take, or free */
} neap_change;

/* Begins to watch; does not wait. Of a file the path is watched: it may be
 * removed, replaced, made again, and where links lead to it they may be made to
 * point elsewhere. Returns 0, NEAP_ENOMEM, or NEAP_ESYS with the system's code
 * in *detail (which may be NULL): ENOENT where there is nothing of that name,
 * ENOSPC when the system allows the user no more watches. *watch is *owned*. */
NEAP_API int neap_watch_new(neap_engine *engine, const char *path, int *detail,
                            neap_watch **watch);

/* The same for a path that may be missing, now and later, with the directories
 * above it; it is watched as soon as it is made. The watch only ends when it is
 * closed. */
NEAP_API int neap_watch_missing(neap_engine *engine, const char *path,
                                int *detail, neap_watch **watch);

/* Starts `op`, which ends with status 0 once there may be something to take or
 * the watch has ended; several may wait, and all are woken. Returns 0, or
 * NEAP_EINVAL when it has been closed. */
NEAP_API int neap_watch_wait(neap_watch *watch, neap_op *op);

/* Takes the oldest change; false when there is none. A change that equals the
 * last one is not kept again while that has not been taken. */
NEAP_API bool neap_watch_take(neap_watch *watch, neap_change *out);

/* True when there is nothing to take and will not be: it has been closed, or
 * the directory, of a file the one it is in, has been moved or removed, and no
 * link that is left leads there. */
NEAP_API bool neap_watch_has_ended(const neap_watch *watch);

/* Ends the watching. Those who wait are woken; changes not yet taken are lost.
 * Again does nothing. */
NEAP_API void neap_watch_close(neap_watch *watch);

/* Frees a watch, closed or not. NULL is ignored. May be called after
 * neap_engine_free, which closes it. */
NEAP_API void neap_watch_free(neap_watch *watch);

/* Bytes that come and go through a pipe, a socket or a terminal. */
typedef struct neap_stream neap_stream;

/* Makes a stream of a descriptor, which belongs to it from then on: it is made
 * non-blocking, and not inherited by programs that are started. Where `shared`
 * is true other processes have the same open file (the standard input of a
 * program that was started in a shell): then it stays as blocking as it was.
 *
 * *out is *owned*. NEAP_EINVAL when `fd` is not open, or a socket other than of
 * streams; the descriptor is still the caller's then, as after NEAP_ENOMEM. */
NEAP_API int neap_stream_open(neap_engine *engine, int fd, bool shared,
                              neap_stream **out);

/* Makes two streams, each of which gives what is written to the other. Both are
 * *owned*. NEAP_ESYS when there are no descriptors left. */
NEAP_API int neap_stream_pair(neap_engine *engine, neap_stream *out[2]);

/* Closes the descriptor and frees the stream. Operations on it end with
 * NEAP_ECLOSED; what was not yet written is dropped (neap_stream_end waits for
 * it). NULL is ignored. When its engine has been freed before, that has closed
 * the descriptor, and nothing can be read or written any more. */
NEAP_API void neap_stream_close(neap_stream *stream);

/* Starts `op`, which ends with 0 when neap_stream_peek has something to give:
 * bytes, the end or an error; or with NEAP_ECLOSED. Nothing is read before a
 * peek. So a peer that sends faster than you peek is held up, and cancelling
 * `op` loses nothing.
 *
 * Returns 0, or without having started `op` NEAP_EBUSY when another operation
 * waits to read, or NEAP_ECLOSED. */
NEAP_API int neap_stream_read(neap_stream *stream, neap_op *op);

/* Gives the bytes that have come, at most 64 KiB, without taking them. They are
 * *borrowed* until the next peek at any stream of this engine, take or close. A
 * size of 0 is the end. NEAP_EAGAIN when there is nothing at the moment (also,
 * though seldom, after a read has ended), NEAP_ESYS, NEAP_ENOMEM, NEAP_ECLOSED.
 */
NEAP_API int neap_stream_peek(neap_stream *stream, const char **bytes,
                              size_t *size);

/* How many bytes have come, at this moment, and can be read without waiting; 0
 * where the system does not tell. */
NEAP_API size_t neap_stream_available(const neap_stream *stream);

/* Takes the first `size` of the bytes that peek has given; what is left comes
 * first when it is peeked at again. */
NEAP_API void neap_stream_take(neap_stream *stream, size_t size);

/* Writes bytes, behind those of earlier writes that have not ended. Starts
 * `op`, which ends when the system has taken all of them, so a peer that does
 * not read holds up the writer. What the system does not take at once is
 * copied. `op` ends with NEAP_ESYS and EPIPE (never a signal) when nobody reads
 * any more.
 *
 * If `written` is not NULL, it is set to whether the system took all bytes at
 * once. Then `op` was not started, and there is nothing to wait for.
 *
 * A write that is cancelled before its first byte was written is not made. One
 * that is cancelled later is completed: the peer would take the next write for
 * the missing rest.
 *
 * Returns 0, NEAP_ECLOSED after neap_stream_end, or NEAP_ENOMEM. If memory is
 * missing for the rest of a write that was begun, all later writes fail, too.
 */
NEAP_API int neap_stream_write(neap_stream *stream, neap_op *op,
                               const void *bytes, size_t size, bool *written);

/* Writes the end, behind all that is being written: the peer reads it, and may
 * go on sending. Starts `op`, which ends when that has been done; cancelling
 * `op` does not stop it. Returns 0, NEAP_ENOMEM, or NEAP_ECLOSED when the
 * engine has been freed. */
NEAP_API int neap_stream_end(neap_stream *stream, neap_op *op);

/* The system's code behind the last NEAP_ESYS that neap_stream_peek returned,
 * for neap_sys_describe. */
NEAP_API int neap_stream_detail(const neap_stream *stream);

/* The descriptor, still the stream's; -1 when neap_stream_end closed it, as it
 * does with one that can only be written to, or the engine has been freed. */
NEAP_API int neap_stream_fd(const neap_stream *stream);

/* Connections, which are streams. An address is a port and a host, or the path
 * of a local socket (AF_UNIX). */
typedef struct neap_net_opts {
  size_t size;
  const char *path; /* of a local socket; NULL: TCP */
  const char *host; /* digits or, to connect, a name; NULL: "127.0.0.1" */
  uint16_t port;    /* to listen 0: one that is free */
  bool delays;      /* gather small writes (Nagle's algorithm, RFC 896) */
  int backlog;      /* of a listener: connections that nobody has accepted yet;
                       0: 511 */
} neap_net_opts;

#define NEAP_NET_OPTS_INIT                                                     \
  { .size = sizeof(neap_net_opts) }

/* Connects: looks the name up and tries its addresses, one after the other.
 * Returns 0, or NEAP_ENOMEM without having started `op`, which ends with
 * NEAP_ESYS when none of them would do (the last one's error; codes of lookups
 * among them). In `done`, when op->status is 0, *result is set and *owned*.
 * Cancelled it leaves *result NULL. */
NEAP_API int neap_net_connect(neap_engine *engine, neap_op *op,
                              const neap_net_opts *opts, neap_stream **result);

/* Looks up the addresses of a host, on the thread pool. Returns and ends as
 * neap_net_connect; *result is freed with neap_addresses_free. */
typedef struct neap_addresses neap_addresses;
NEAP_API int neap_net_lookup(neap_engine *engine, neap_op *op, const char *host,
                             neap_addresses **result);

/* Writes the address at `index` (from 0) in digits; false beyond the last. */
NEAP_API bool neap_addresses_get(const neap_addresses *addresses, size_t index,
                                 char *text, size_t size);
NEAP_API void neap_addresses_free(neap_addresses *addresses);

/* Writes the address of one end of a socket: "127.0.0.1:80", "[::1]:80", or
 * a path, "" for a local socket without one. 128 bytes are enough. Returns 0,
 * NEAP_ESYS when it is not connected. */
NEAP_API int neap_net_name(int fd, bool peer, char *text, size_t size);

/* Listens for connections, at once: the host has to be in digits (else
 * NEAP_EINVAL). Without a host in `opts` it listens on 127.0.0.1 only. The file
 * of a local socket at which nobody answers any more is replaced; any other
 * file, and a link, stays (EADDRINUSE). *out is *owned*; neap_engine_free
 * closes listeners that are left. Returns 0, NEAP_ENOMEM, or NEAP_ESYS with the
 * system's code in *detail. */
typedef struct neap_listener neap_listener;
NEAP_API int neap_net_listen(neap_engine *engine, const neap_net_opts *opts,
                             int *detail, neap_listener **out);

/* Starts `op`, which ends with 0 when there may be a connection to accept, or
 * with NEAP_ECLOSED. Several may wait and are told in turn. Returns 0, or
 * NEAP_ECLOSED without having started it when the engine has been freed. */
NEAP_API int neap_listener_wait(neap_listener *listener, neap_op *op);

/* Takes a connection: *out is *owned*. NEAP_EAGAIN when there is none, because
 * another has taken it or it failed before that; NEAP_ESYS with the system's
 * code in *detail, such as that of EMFILE, while the connection waits;
 * NEAP_ENOMEM, and the connection is lost; NEAP_ECLOSED. */
NEAP_API int neap_listener_accept(neap_listener *listener, int *detail,
                                  neap_stream **out);

/* The socket, still the listener's; -1 when the engine has been freed. */
NEAP_API int neap_listener_fd(const neap_listener *listener);

/* Closes and frees the listener, and removes the file of a local socket.
 * Operations that wait for it end with NEAP_ECLOSED; accepted connections go
 * on. NULL is ignored. */
NEAP_API void neap_listener_close(neap_listener *listener);
/* A program that was started. */
typedef struct neap_process neap_process;

/* What a program gets as its standard input, output or error. */
typedef enum neap_stdio {
  NEAP_STDIO_PIPE = 0, /* a stream of the host's at the other end */
  NEAP_STDIO_INHERIT,  /* what the host has */
  NEAP_STDIO_NULL,     /* nothing, /dev/null */
  NEAP_STDIO_FILE,     /* that at `paths`; outputs replace its contents */
  NEAP_STDIO_APPEND,   /* of outputs: what is there stays */
  NEAP_STDIO_OUTPUT,   /* of error: what standard output goes to */
} neap_stdio;

typedef struct neap_process_opts {
  size_t size;
  const char *const *argv; /* the program and its arguments, then NULL. Without
                              a slash it is looked for in the host's PATH */
  const char *const *env;  /* "NAME=value", then NULL; NULL: the host's */
  const char *cwd;         /* the folder it runs in; NULL: the host's */
  neap_stdio stdio[3];
  const char *paths[3]; /* of FILE and APPEND, seen from the host */
  bool same_group;      /* it stays in the process group of the host, as it must
                           to use the terminal; signals reach it alone then, and
                           not what it has started */
} neap_process_opts;

#define NEAP_PROCESS_OPTS_INIT                                                 \
  { .size = sizeof(neap_process_opts) }

typedef enum neap_process_part {
  NEAP_PROCESS_PROGRAM = 0,
  NEAP_PROCESS_CWD,
  NEAP_PROCESS_STDIN,
  NEAP_PROCESS_STDOUT,
  NEAP_PROCESS_STDERR,
} neap_process_part;

/* Why a program was not started: what the system refused, and its code. */
typedef struct neap_process_failure {
  neap_process_part part;
  int detail;
} neap_process_failure;

/* Starts a program, without a shell, and waits only until it has been loaded.
 * It gets no descriptors but the three, blocks no signals, and SIGPIPE ends it.
 * It leads a process group of its own unless `same_group`.
 *
 * Returns 0; then *out is *owned*, and so is each of `streams`, which are NULL
 * where there is no pipe. Or NEAP_ESYS with *failure, NEAP_EINVAL without a
 * program or with a `stdio` that makes no sense, NEAP_ENOMEM. Needs Linux 5.3;
 * no signal handler is installed. */
NEAP_API int neap_process_spawn(neap_engine *engine,
                                const neap_process_opts *opts,
                                neap_process **out, neap_stream *streams[3],
                                neap_process_failure *failure);

NEAP_API int neap_process_pid(const neap_process *process);

/* Starts `op`, which ends with 0 when the program has; with NEAP_ESYS and
 * ECHILD when somebody else has waited for it, as the system does where SIGCHLD
 * is ignored. Any number may wait. Returns 0, or NEAP_ECLOSED without having
 * started it when the engine has been freed: then the program has ended. */
NEAP_API int neap_process_wait(neap_process *process, neap_op *op);

/* How a program has ended: its exit code, or the signal that ended it (else 0).
 * False when it has not. */
NEAP_API bool neap_process_result(const neap_process *process, int *code,
                                  int *signal);

/* Sends a signal to the program and those of its group. NEAP_ECLOSED when it
 * has ended, NEAP_ESYS with *detail when the system refuses. */
NEAP_API int neap_process_kill(neap_process *process, int signal, int *detail);

/* Has the program end, and what it has started in its group: SIGTERM, and
 * SIGKILL when that has not helped within `grace_ns` (0: at once). What is left
 * of the group when the program has ended, now or before, gets SIGKILL at once.
 * Does nothing when that was asked before.
 *
 * Until this is called, or neap_process_free, what a program has started goes
 * on when the program has ended, and the program stays in the system's table.
 */
NEAP_API void neap_process_stop(neap_process *process, uint64_t grace_ns);

/* Lets go of a process: it is stopped, with a grace of 2 s, if it has not been,
 * and waited for unseen. Operations that wait for it end with
 * NEAP_ECLOSED. NULL is ignored. */
NEAP_API void neap_process_free(neap_process *process);

/* Ends all processes of an engine, with what they have started, and waits until
 * they have ended, no longer than they were given. Operations that wait for
 * them are forgotten. neap_engine_free does this, too; here it is for a host
 * that leaves without freeing its engine, since that may have to wait for
 * others. */
NEAP_API void neap_end_processes(neap_engine *engine);

typedef struct neap_http_header {
  const char *name;
  const char *value;
} neap_http_header;

/* Cookies that are kept between requests, see neap_http_jar_new. */
typedef struct neap_http_jar neap_http_jar;

/* The body of a request, written while it is sent; see neap_http_upload_new. */
typedef struct neap_http_upload neap_http_upload;

/* Whether a request may be sent again when nobody knows what became of it,
 * since sending it twice does no more than sending it once. By their method
 * GET, HEAD, PUT, DELETE, OPTIONS and TRACE may. */
typedef enum neap_http_idempotence {
  NEAP_HTTP_BY_METHOD,
  NEAP_HTTP_IDEMPOTENT,
  NEAP_HTTP_NOT_IDEMPOTENT,
} neap_http_idempotence;

/* A request; everything in it is copied by neap_http_send. */
typedef struct neap_http_opts {
  size_t size;
  const char *method; /* NULL: GET, or POST when there is a body */
  const char *url;    /* http or https */
  const neap_http_header *headers;
  size_t header_count;
  const void *body; /* NULL: none */
  size_t body_size;
  uint64_t connect_timeout_ns; /* 0: 30 s */
  uint64_t idle_timeout_ns;    /* without a byte moved; 0: none */
  uint64_t timeout_ns;         /* in all; 0: none */
  uint32_t max_redirects;      /* 0: follow none */
  uint64_t max_body;           /* bytes of the decoded body; 0: 64 MiB, of one
                                  that is streamed no limit */
  const char *ca_file;         /* PEM; NULL: the system's */
  neap_http_jar *jar;          /* *kept* while it is under way; NULL: none */
  const char *proxy;           /* URL: http, https, socks5, socks5h (it resolves
                                  names); "": none; NULL: the environment's */
  const char *cert_file;    /* PEM, to show to servers that ask; NULL: none */
  const char *key_file;     /* its key; NULL: it is in cert_file */
  const char *key_password; /* of the key; NULL: it has none */
  bool stream;              /* end with the head of the response */
  neap_http_upload *upload; /* *kept* while it is under way, instead of `body`;
                               NULL: none. For one request only */
  neap_http_idempotence idempotence; /* whether it may be sent twice */
  const char *unix_socket; /* path of the local socket to connect to, whatever
                              the host is; NULL: none. Not with `proxy` */
  bool fresh_connection;   /* not on a connection that was kept, */
  uint64_t max_idle_ns;    /* or not on one that has been idle for longer, in
                              whole seconds; 0: 118 s */
} neap_http_opts;

#define NEAP_HTTP_OPTS_INIT                                                    \
  { .size = sizeof(neap_http_opts) }

/* A response, or after a failure what is known about it. */
typedef struct neap_http_response neap_http_response;

/* Starts `op`: sends a request, follows redirects, receives the response
 * whole. Returns 0, or a negative status without having started `op`:
 * NEAP_EINVAL (neap_http_why tells, in a static buffer of the engine, what is
 * wrong with the request: a control character in a header or the method, a
 * scheme other than http and https, ...), NEAP_ENOLIB when the HTTP library
 * cannot be loaded, NEAP_ENOMEM.
 *
 * In `done` op->status is 0 for any response that arrived whole, whatever its
 * status code; NEAP_ETIMEDOUT, NEAP_ETOOBIG, NEAP_EHTTP (connection refused,
 * name not found, TLS not verified, cut short, not decodable, not HTTP, ...),
 * NEAP_ENOMEM or NEAP_ECANCELED. *response is set by then and *owned* by the
 * caller, except after NEAP_ECANCELED: NULL.
 *
 * With `stream` the operation ends as soon as the head of the last response is
 * there; its body is then read with neap_http_read. What goes wrong later,
 * neap_http_peek tells.
 *
 * Certificates are always verified. Without `proxy` the
 * environment variables for proxies are honoured as by curl. Connections are
 * kept and reused by the engine; over TLS many requests share one where the
 * server speaks HTTP/2. When one that was kept ends before the first byte of an
 * answer, a request that is idempotent and has a body that can be sent from its
 * beginning goes out on another; any other fails. There are at most half as
 * many at once as the process may open files, and no more than 1024; other
 * requests wait their turn, which counts for `timeout_ns` only. The time to
 * connect includes the name lookup and TLS; the idle time counts from when
 * there is a connection; all three are real time on a virtual clock, too. A
 * redirect to another origin takes neither user nor password along, no
 * certificate of ours, and of the headers only Accept*, Cache-Control,
 * Content-*, If-*, Range and User-Agent. Content-Length and Transfer-Encoding
 * are the engine's to set. Cookie headers and what a jar has are sent as one.
 */
NEAP_API int neap_http_send(neap_engine *engine, neap_op *op,
                            const neap_http_opts *opts,
                            neap_http_response **response);

/* Why the last neap_http_send of this engine refused; "" if it did not. */
NEAP_API const char *neap_http_why(const neap_engine *engine);

/* After a failure: one sentence, without query string, user or password of the
 * URL; and whether the same request may well succeed later (a refused or
 * broken connection, a timeout), "" and false after success. */
NEAP_API const char *neap_http_error(const neap_http_response *response,
                                     bool *transient);
NEAP_API int neap_http_status(const neap_http_response *response); /* 0: none */
NEAP_API const char *neap_http_url(const neap_http_response *response);
/* Of the last response, in order of arrival; names in lower case. False beyond
 * the last. */
NEAP_API bool neap_http_get_header(const neap_http_response *response,
                                   size_t index, neap_http_header *out);
/* The part of the body that is there and has not been taken. */
NEAP_API const char *neap_http_body(const neap_http_response *response,
                                    size_t *size);
/* One that is streamed is dropped, with its connection; operations that read it
 * end with NEAP_ECLOSED. NULL is ignored. */
NEAP_API void neap_http_free(neap_http_response *response);

/* Starts `op`, which ends with 0 when there is something for neap_http_peek to
 * give, bytes, the end or an error; or with NEAP_ECLOSED. Cancelled it loses
 * nothing. Any response can be read so, but of one that was not streamed all
 * is there.
 *
 * Returns 0, or without having started it NEAP_EBUSY when somebody else waits
 * to read. */
NEAP_API int neap_http_read(neap_engine *engine, neap_op *op,
                            neap_http_response *response);

/* Gives the bytes that have come, without taking them. They are *borrowed*
 * until the next poll, take or free. A size of 0 is the end. NEAP_EAGAIN when
 * there is nothing at the moment; behind the last byte of a body that broke off
 * the status of that, as neap_http_send would have ended with it: then
 * neap_http_error tells more. NEAP_ECLOSED when the engine has been freed. */
NEAP_API int neap_http_peek(const neap_http_response *response,
                            const char **bytes, size_t *size);

/* Takes the first `size` of the bytes that peek has given. What nobody takes
 * holds up the server: no more than about 256 KiB are received ahead, which
 * `idle_timeout_ns` does not count. */
NEAP_API void neap_http_take(neap_http_response *response, size_t size);

#define NEAP_HTTP_SIZE_UNKNOWN UINT64_MAX

/* Makes a body of `size` bytes that is *owned* by the caller, for one request,
 * and is written with neap_http_upload_write while that is sent. Without a
 * known size it is sent in chunks, which servers of HTTP/1.0 do not take.
 *
 * A server may answer before it has all: with a status from 300 on the rest is
 * not sent. A redirect that asks for the body again fails, since nobody has it.
 * NEAP_ENOMEM. */
NEAP_API int neap_http_upload_new(neap_engine *engine, uint64_t size,
                                  neap_http_upload **out);

/* Writes bytes, which are copied. When there is room for more *written is true
 * and `op` has not been started; else it is, and ends with 0 as soon as there
 * is room, or with NEAP_ECLOSED when the request has ended. Cancelled, the
 * bytes are sent all the same. One at a time.
 *
 * Returns 0, NEAP_ECLOSED when the request has ended or the end has been
 * written, NEAP_EBUSY when somebody else waits, NEAP_EINVAL when these are more
 * bytes than the size, NEAP_ENOMEM; without having written anything. */
NEAP_API int neap_http_upload_write(neap_engine *engine, neap_op *op,
                                    neap_http_upload *upload, const void *bytes,
                                    size_t size, bool *written);

/* Writes the end. NEAP_EINVAL when there have been fewer bytes than the size;
 * NEAP_ECLOSED as above. */
NEAP_API int neap_http_upload_end(neap_http_upload *upload);

/* Lets go of it. When its end has been written the rest is sent; without, the
 * request fails. NULL is ignored. */
NEAP_API void neap_http_upload_free(neap_http_upload *upload);

/* Makes an empty jar, *owned* by the caller. Requests that are given it send
 * the cookies that it has for them and keep there those that they are given, in
 * redirects too, as RFC 6265 says; other requests know nothing of cookies. A
 * jar may be used by any number of requests of its engine at once, and may
 * outlive it. NEAP_ENOLIB, NEAP_ENOMEM. */
NEAP_API int neap_http_jar_new(neap_engine *engine, neap_http_jar **out);

/* Requests under way keep what they need of it. NULL is ignored. */
NEAP_API void neap_http_jar_free(neap_http_jar *jar);

/* Writes to *text all cookies that have not expired, each on a line of its own
 * in the format of Netscape's cookie file: seven fields with tabs between,
 * domain, whether subdomains get it, path, whether only over https, when it
 * expires in seconds since 1970 (0: with the session), name, value. Before the
 * domain of one that is HttpOnly stands "#HttpOnly_". The text belongs to the
 * jar until the next call. NEAP_ENOMEM. */
NEAP_API int neap_http_jar_text(neap_http_jar *jar, const char **text);

/* Adds cookies from such a text; empty lines, comments and cookies without a
 * name are passed over.
 * NEAP_EINVAL when a line is none, with those before it added; NEAP_ENOMEM. */
NEAP_API int neap_http_jar_add(neap_http_jar *jar, const char *text);

/* Forgets all cookies. NEAP_ENOMEM. */
NEAP_API int neap_http_jar_clear(neap_http_jar *jar);

#ifdef __cplusplus
}
#endif

#endif
