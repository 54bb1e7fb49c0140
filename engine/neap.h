/* neap: a small flow engine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_H
#define NEAP_H

/* neap.h is the public interface of the engine: everything that a host may use,
 * and all that the Lua binding uses. It is one long header, so that you find
 * everything in one place. The engine knows neither Lua nor what your nodes
 * compute. It knows which node comes next, when to try again, what time it is,
 * and how to wait for timers, files and the network.
 *
 * Three ideas carry the interface.
 *
 *   An *engine* (neap_engine) owns an event loop, a clock and the queue of
 *   what is ready. Only neap_poll() and neap_slice() call you back. Exceptions
 *   are the option `wakeup`, and what frees: the `cancel` of a phase that goes
 *   on and the `drop` of a node or a result may be called from there.
 *
 *   An *operation* (neap_op) is one thing to wait for. You own its memory; you
 *   start it, and a later poll or slice calls its `done` exactly once,
 *   never from inside the function that started or cancelled it, and never
 *   from beneath a callback of libuv or libcurl. `done` may start operations,
 *   cancel others and free its own.
 *
 *   A *run* (neap_run) walks a *flow* (neap_flow), a graph of nodes. A run is
 *   passive: neap_run_step() says what to do (call this phase of this node,
 *   wait until then, fetch an item). You do it in whatever way suits you and
 *   answer with the outcome, which leads to the next step. A run performs no
 *   I/O and calls nobody.
 *
 * You need not drive runs yourself: where the phases of nodes are functions in
 * C, neap_start has the engine do it, which calls them from polls and slices.
 *
 * Threads: an engine and all that belongs to it are used from one thread at a
 * time. Any thread may call neap_wake, neap_complete and neap_cancel, until the
 * host frees the engine: a host that has given the engine to other threads
 * joins them, or has them let go of it, before neap_engine_free or lua_close.
 * A token may be stale, but not the engine. While a
 * thread is inside neap_poll or neap_slice, the calls of others are refused
 * with NEAP_EINVAL. At any other time the engine may go over to another thread,
 * by a lock or a queue of the host's: nothing in it belongs to a thread.
 * Engines are independent of each other; flows are immutable once sealed and
 * may be shared by runs of the same thread.
 *
 * Forks: in the child of a fork an engine is the parent's still, and stays as
 * it is there. The child can only free it and its objects; each call is refused
 * with NEAP_EFORK (see neap_after_fork). It can make an engine of its own.
 *
 * The parts, each with a title:
 *   Version and statuses, Memory, Grants, The engine, Operations, Driving,
 *   Nodes and flows, Runs, Where a run is, Events,
 *   Runs from C, Values, Runs that others drive,
 *   Files, Open files, Watching files, Streams, The network, Processes, HTTP.
 *
 * Lifetimes: an object that is *owned* by the host has to be freed by the host,
 * before or after the engine that it was made with, in any order. When an
 * engine is freed, it closes what belongs to it: descriptors, programs,
 * requests. An object that outlives its engine keeps what it knows (a result, a
 * path). A call that would start or move something then does nothing and
 * returns a status, NEAP_ECLOSED unless its comment names another. An allocator
 * must outlive all memory that came from it. When an engine is freed,
 * operations that were pending become idle; one that was held (neap_op_hold)
 * may be forgotten, but no longer be settled.
 *
 * Compatibility: every options struct begins with `size`, to be set to the
 * sizeof the struct that the host was compiled with (the NEAP_*_OPTS_INIT
 * macros do); zero in any other field means the default. NEAP_EINVAL refuses a
 * struct that is smaller than in version 0.1, as one is whose size has not been
 * set, and one of a later version in which a field is set that this version
 * does not know. A struct that the library makes, and only shows (neap_step,
 * neap_event), may get further fields at its end. One in the host's memory that
 * has no `size`, such as neap_failure or neap_file_stat, stays as it is: what
 * there is to add will come in another.
 *
 * Misuse: a function that returns a status refuses with NEAP_EINVAL a pointer
 * that is NULL, unless its comment says what NULL means, and an operation that
 * is active, or has not been initialized with a `done`. Nothing has changed
 * then. One that returns none ignores NULL, and one that tells something says
 * that there is nothing: 0, false, "" or NULL.
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

/* What the NEAP_*_OPTS_INIT macros stand for: an initializer of a struct that
 * begins with `size`, with zero in all else. C++17 has no designated ones. */
#ifdef __cplusplus
extern "C++" template <class Opts> inline Opts neap_opts_init() {
  Opts opts = Opts();
  opts.size = sizeof(Opts);
  return opts;
}
#define NEAP_OPTS_INIT(type) neap_opts_init<type>()
#else
#define NEAP_OPTS_INIT(type)                                                   \
  { .size = sizeof(type) }
#endif

/* ---- Version and statuses ------------------------------------------------ */

#define NEAP_VERSION "0.1.0"

/* The same as a number, for comparisons: 0xMMmmpp has two hexadecimal digits
 * each of the major, the minor and the patch number. */
#define NEAP_VERSION_NUMBER 0x000100

/* Returns the version of the engine that is linked, as in NEAP_VERSION. */
NEAP_API const char *neap_version(void);

/* The same as a number, as in NEAP_VERSION_NUMBER. */
NEAP_API uint32_t neap_version_number(void);

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
  X(EAGAIN, -15, "not ready yet")                                              \
  X(EPERM, -16, "not granted")                                                 \
  X(ESTALE, -17, "what was named is gone")                                     \
  X(ENOVALUE, -18, "there is no such value")                                   \
  X(ETYPE, -19, "the value is of another type")                                \
  X(EFORK, -20, "the engine belongs to the process that was forked")           \
  X(EFENCED, -21, "it is another's by now")                                    \
  X(EEXISTS, -22, "there is another one of that name")                         \
  X(EFULL, -23, "there is no more room")                                       \
  X(EENDED, -24, "the run has ended")                                          \
  X(ENORUN, -25, "there is no such run")                                       \
  X(ESTORE, -26, "the store could not do it now")                              \
  X(EDAMAGED, -27, "what is stored is damaged")                                \
  X(ENEWER, -28, "it is of a later version of neap")                           \
  X(EREADONLY, -29, "it can only be read")                                     \
  X(ESTUCK, -30, "the saved run does not fit the flow")

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

/* ---- Memory -------------------------------------------------------------- */

/* All memory of the engine comes from one function in the manner of Lua's:
 * `fn(ud, ptr, old_size, new_size)` grows, shrinks or moves `ptr` (NULL when
 * old_size is 0), frees it when new_size is 0, and returns NULL when it cannot
 * (never when it frees or shrinks). Memory that libuv, libcurl and the system
 * allocate for themselves does not come from it. */
typedef void *(*neap_alloc_fn)(void *ud, void *ptr, size_t old_size,
                               size_t new_size);

typedef struct neap_alloc {
  neap_alloc_fn fn; /* NULL: realloc and free of the C library */
  void *ud;
} neap_alloc;

/* ---- Grants -------------------------------------------------------------- */

typedef struct neap_engine neap_engine;

/* What the code that uses an engine may do outside. An engine without grants
 * may do all that the process may. One that has some is *restricted*: it
 * refuses what they do not allow, where that would be done and whoever asks.
 *
 * Each grant is a text:
 *   files=DIR     use what is in a folder; with ":ro" behind it, only read
 *   net=HOST:PORT connect to a host, a name or an address in digits; without
 *                 ":PORT", to all of its ports
 *   net-listen=ADDRESS:PORT  listen there; without ":PORT", at any port
 *   unix=PATH     connect to the local socket at a path, or listen there
 *   process       start programs, which are restricted by nothing
 *   env=NAME      see a variable of the environment, and hand it to programs
 *   clock         ask for the time of day
 *   input         read the standard input
 *   llm=NAME      use a model under a name that the host has set up
 * The engine enforces all but `clock` and `llm`, of which it has nothing; the
 * host asks neap_is_granted for these.
 *
 * Files: a folder is opened when the engine is made, and stays the one that was
 * granted, whatever its path leads to later. Paths are resolved beneath it, so
 * that neither "..", nor a link, nor a folder that is moved meanwhile leads out
 * of it; a link to an absolute path does. Relative paths begin in the first
 * folder. The folder itself cannot be removed or renamed.
 *
 * The network: a name is looked up only when it is granted, each address that
 * this gives is checked, and the connection is made to the checked address. An
 * address that is not of the public network (loopback, private, link-local,
 * multicast, metadata services, ...) has to be granted by its digits as well,
 * in whatever way it is spelled or wrapped. The same is true of each redirect.
 * A proxy has to be granted like any host; it looks up names by itself. The
 * environment's proxy is not used.
 *
 * What is refused ends with NEAP_EPERM, and the detail of that, in the
 * operation or in the *detail of a call that waits for nothing, is a number for
 * neap_refusal_text. Whether a name that is refused exists makes no difference.
 */
typedef struct neap_grants {
  size_t size;
  const char *const *list;  /* texts, then NULL; NULL: nothing is granted */
  uint32_t max_descriptors; /* files, streams, listeners, programs and watches
                               that are open at a time, and connections of HTTP
                               besides; 0: 256 */
  uint32_t max_temporary;   /* temporary files and directories that are there
                               at a time; 0: 64 */
} neap_grants;

#define NEAP_GRANTS_INIT NEAP_OPTS_INIT(neap_grants)

/* Returns what neap_engine_new would return for these grants: 0, NEAP_EINVAL
 * when one of them is none, NEAP_ESYS when a folder cannot be opened,
 * NEAP_ENOMEM. After a failure a sentence is in `why`; 256 bytes are enough.
 * Refused are also a folder with ":ro" that lies in one without: what is in it
 * could be changed through the other. */
NEAP_API int neap_grants_check(const neap_grants *grants, char *why,
                               size_t why_size);

/* Whether an engine has grants, even if these allow nothing. */
NEAP_API bool neap_is_restricted(const neap_engine *engine);

/* Whether a grant ("clock", "env=HOME") is in the list of the engine, as a
 * text; true for an engine that is not restricted. From any thread. */
NEAP_API bool neap_is_granted(const neap_engine *engine, const char *grant);

/* A variable of the environment, if the engine may see it; else NULL. */
NEAP_API const char *neap_getenv(const neap_engine *engine, const char *name);

/* A sentence about a refusal: what was refused, and which grant would allow it.
 * `detail` is that of an operation, or of a call, that has ended with
 * NEAP_EPERM. It is kept for the last 16 refusals of the engine; for others the
 * sentence says no more than that something is not granted. Valid until the
 * next call of the engine. */
NEAP_API const char *neap_refusal_text(const neap_engine *engine, int detail);

/* The path of the first folder that is granted, in which relative paths begin
 * and temporary files should be; NULL when there is none, or the engine is not
 * restricted. Valid as long as the engine. */
NEAP_API const char *neap_first_folder(const neap_engine *engine);

/* ---- The engine ---------------------------------------------------------- */

typedef enum neap_clock {
  NEAP_CLOCK_REAL = 0, /* the system's monotonic clock */
  NEAP_CLOCK_VIRTUAL,  /* starts at 0; jumps to the next timer when nothing
                          else is left to do, so sleeping costs nothing.
                          Before each jump, sockets, pipes and HTTP requests
                          that are waited for get 50 ms of real time, files and
                          programs as long as they need */
  NEAP_CLOCK_HOST,     /* starts at 0; goes when the host has it advance, as the
                          time of a game does */
} neap_clock;

typedef struct neap_engine_opts {
  size_t size;
  neap_alloc alloc;
  neap_clock clock;
  /* *Kept*: the path of the HTTP library, loaded when the first request is
   * made. NULL: beside the file that holds the engine, then where the system
   * looks for shared libraries. */
  const char *http_library;
  const neap_grants *grants; /* *borrowed*: what it may do outside; NULL: all */
  /* *Kept*: a loop of libuv's that the host runs, and that is to say when the
   * engine wants a slice, by `wakeup`; see "Driving". NULL: none. */
  struct uv_loop_s *loop;
  /* Called when a slice is wanted; see "Driving". NULL: it is not told. */
  void (*wakeup)(void *ud);
  void *wakeup_ud; /* *kept*, yours */
} neap_engine_opts;

#define NEAP_ENGINE_OPTS_INIT NEAP_OPTS_INIT(neap_engine_opts)

/* Makes an engine with an event loop of its own. `opts` may be NULL. On
 * success *out is *owned*; free it with neap_engine_free. Returns 0,
 * NEAP_EINVAL (also for a `loop` without `wakeup`), NEAP_ENOMEM, or NEAP_ESYS
 * when there are no descriptors left or a folder that is granted cannot be
 * opened (see neap_grants_check). */
NEAP_API int neap_engine_new(const neap_engine_opts *opts, neap_engine **out);

/* Frees an engine. Operations that are pending are dropped: their `done` is not
 * called. It may have to wait for file operations that a thread of the pool has
 * begun, and for programs that were asked to end, for no longer than these were
 * given. No other thread may be in a call on the engine then, or make one
 * later: join those that call neap_complete, neap_cancel or neap_wake first.
 * Does nothing when it is called from inside `done`: neap_poll would go on with
 * what is freed. NULL is ignored. */
NEAP_API void neap_engine_free(neap_engine *engine);

/* Lets the engine of the parent go, in the child of a fork: closes the child's
 * copies of its descriptors, and forgets all operations. Nothing that the
 * parent has is touched: its connections, programs and files go on as if there
 * were no child. The engine still has to be freed. Objects that were made with
 * it are from then on those of an engine that has been freed.
 *
 * Any other call on such an engine or its objects does this as well, before it
 * returns NEAP_EFORK, or does nothing where it returns no status. So a child
 * that only frees what it has inherited, or frees nothing, does no harm either.
 * neap_poll returns NEAP_EFORK in the child, too, when a `done` has forked. A
 * callback of libuv must not return in the child.
 *
 * What libuv and libcurl have allocated stays allocated in the child, in pages
 * that it shares with the parent. A loop that the host has lent to the engine
 * must not be run in the child. Returns 0, or NEAP_EINVAL in the process that
 * has made the engine. */
NEAP_API int neap_after_fork(neap_engine *engine);

/* The engine's clock in nanoseconds; monotonic, its zero is arbitrary. */
NEAP_API uint64_t neap_now(neap_engine *engine);

/* The time at which the loop last looked at the clock. It costs next to
 * nothing, and lags behind by the time that has been computed since. */
NEAP_API uint64_t neap_tick(neap_engine *engine);

#define NEAP_FOREVER UINT64_MAX

/* Delivers the operations that are ready. When none is, waits at most
 * `max_wait_ns` (0: not at all, NEAP_FOREVER: as long as it takes) for a timer
 * or for I/O, and delivers what has become ready. The virtual clock jumps by at
 * most `max_wait_ns`; with 0, to the next timer, since that costs no time.
 * Returns without waiting when nothing is pending that could end by itself.
 *
 * Returns the number of operations delivered (0 or more), or NEAP_EBUSY when
 * called from inside `done` or a callback of libuv. */
NEAP_API int neap_poll(neap_engine *engine, uint64_t max_wait_ns);

/* Called from `done`: makes neap_poll return after this `done`. Other
 * operations that are ready are left to the next neap_poll. */
NEAP_API void neap_break(neap_engine *engine);

/* The number of operations that the engine will complete by itself: those that
 * are ready, owed (neap_owe), timers and I/O. Operations that are held
 * (neap_op_hold) do not count. When it is 0, neap_poll will deliver nothing
 * until you settle an operation or start one. */
NEAP_API size_t neap_pending(const neap_engine *engine);

/* Has a NEAP_CLOCK_HOST advance: what sleeps until then, or has a time limit
 * that is over then, is delivered by the next poll or slice. One call is one
 * step: who is woken by it sees the time at its end. Returns 0, or NEAP_EINVAL
 * for an engine with another clock. */
NEAP_API int neap_clock_advance(neap_engine *engine, uint64_t ns);

#define NEAP_CLOCK_MAX_SCALE 1e6

/* Has a real clock go `factor` times as fast from now on: 0.5 is slow motion, 0
 * a pause. It goes on from what it says. Returns 0, or NEAP_EINVAL for an
 * engine with another clock, and when `factor` is not between 0 and the
 * maximum.
 *
 * Sleeps, the time limits of nodes and runs and the waits between attempts
 * follow the clock of the engine, whichever it is. The time limits of I/O are
 * real: a server does not pause with a game. Neither do budgets of slices and
 * the `max_wait_ns` of neap_poll. */
NEAP_API int neap_clock_scale(neap_engine *engine, double factor);

/* Whether the clock stands until the host does something: a NEAP_CLOCK_HOST, or
 * a real one with the factor 0. What waits for a time cannot end by itself
 * then. So it does not count in neap_pending, and neap_poll does not wait for
 * it. */
NEAP_API bool neap_clock_is_stopped(const neap_engine *engine);

/* Makes the clock virtual or the host's, beginning at 0, or real. What is left
 * of each sleep stays the same. Returns 0, or NEAP_EINVAL when there is no such
 * clock. */
NEAP_API int neap_set_clock(neap_engine *engine, neap_clock clock);

/* The loop of libuv on which the engine does its I/O, for handles and requests
 * of your own: neap_poll calls their callbacks. Only the engine runs and closes
 * the loop. From this call on, while any of your handles is active and
 * referenced, they count as one pending operation. When the engine is freed, it
 * closes handles that you have not closed, without a callback. */
NEAP_API struct uv_loop_s *neap_uv_loop(neap_engine *engine);

/* Whether handles or requests of yours keep that loop alive. A handle of the
 * engine's own counts, too, from its closing until the next neap_poll. */
NEAP_API bool neap_uv_alive(const neap_engine *engine);

/* Makes a neap_poll that waits return soon, makes neap_fd readable, and calls
 * `wakeup`. May be called from any thread, and is the only function that may be
 * called from a signal handler (where `wakeup` must be able to run there). */
NEAP_API void neap_wake(neap_engine *engine);

/* ---- Operations ---------------------------------------------------------- */

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

/* Prepares an operation; it is idle then. Must not be called for one that is
 * active. */
NEAP_API void neap_op_init(neap_op *op, neap_op_fn done, void *data);

/* True from the start of an operation until just before its `done`. */
NEAP_API bool neap_op_active(const neap_op *op);

/* Begins a wait that you end yourself with neap_op_settle. Returns 0 or
 * NEAP_EINVAL. */
NEAP_API int neap_op_hold(neap_engine *engine, neap_op *op);

/* Says that somebody outside of the engine will settle `op`, which is held, or
 * idle and begins such a wait now. The operation counts as pending then, so
 * that neap_poll waits and no deadlock is seen; another thread has whoever
 * polls settle it, by neap_wake. The virtual clock treats it as a socket.
 * Returns 0, or NEAP_EINVAL when `op` waits for something else. */
NEAP_API int neap_owe(neap_engine *engine, neap_op *op);

/* Ends a wait begun with neap_op_hold or neap_owe: the next neap_poll calls
 * `done` with this status. Settled a second time it keeps the first outcome.
 * Returns 0, or NEAP_EINVAL when it was not held. */
NEAP_API int neap_op_settle(neap_op *op, int status);

/* Drops what the operation waits for, at once, and has the next neap_poll call
 * `done` with `status` (usually NEAP_ECANCELED). An operation that is ready
 * already keeps its outcome; one that is idle stays idle. Returns 0, or
 * NEAP_EINVAL when it has not been initialized. */
NEAP_API int neap_op_cancel(neap_op *op, int status);

/* Starts `op`, which ends with detail 1 after exactly one other operation has
 * been delivered. So tests go step by step. When no other is ready, not even
 * I/O that has just ended, `op` ends with detail 0. With `may_wait` it does so
 * only when none is pending either; until then neap_poll waits, and the virtual
 * clock jumps, as always. NEAP_EBUSY when there is such an operation already.
 */
NEAP_API int neap_turn(neap_engine *engine, neap_op *op, bool may_wait);

/* Starts `op`, which ends when no other operation is pending (that of neap_turn
 * does not count), so that nothing is left that could end by itself. NEAP_EBUSY
 * when there is such an operation already. */
NEAP_API int neap_wait_idle(neap_engine *engine, neap_op *op);

/* Drops the operation without ever calling `done`; it is idle afterwards. For
 * owners that are about to free it. */
NEAP_API void neap_op_forget(neap_op *op);

/* Starts `op`, which ends when none of the handles that others have put on
 * neap_uv_loop is active any more; at once when there is none. Returns 0. */
NEAP_API int neap_uv_wait(neap_engine *engine, neap_op *op);

/* Makes uv call the close callbacks of handles that others have put on
 * neap_uv_loop and are closing. Call it before you take down what these
 * callbacks need. Other callbacks of such handles that are due are called, too;
 * the engine's own operations are not delivered. It does not wait, so a handle
 * whose closing takes a thread or time may still be closing afterwards. */
NEAP_API void neap_uv_settle(neap_engine *engine);

/* Starts `op`, which ends with status 0 when neap_now() is at least
 * `deadline_ns`; never early. Returns 0: there is nothing that could fail.
 * The real clock is served to the millisecond, the virtual one exactly.
 * Operations that are due together are delivered in the order of their
 * deadlines, those with equal ones in the order in which they were started. One
 * with the deadline 0 is ready at once. */
NEAP_API int neap_sleep_until(neap_engine *engine, neap_op *op,
                              uint64_t deadline_ns);

/* ---- Driving ------------------------------------------------------------- */

/* A host with a loop of its own drives an engine a *slice* at a time: once a
 * frame, or whenever there is something to do. A slice is a part of one
 * thread's time, with a budget. There are three ways to know that there is
 * something to do:
 *
 *   neap_fd and neap_timeout_ms, for a loop that waits for descriptors;
 *
 *   the option `wakeup` of an engine, a function that is called when a slice is
 *   wanted, and not again before the next slice or poll has begun. What makes
 *   it called: neap_wake, in the thread that calls that; an operation that
 *   becomes ready by a call of the host's, outside of slices; a slice or poll
 *   that leaves work, in itself. I/O and timers do not by themselves, for
 *   nobody looks for them between slices;
 *
 *   the option `loop`, a loop of libuv's that the host runs. The engine puts
 *   three handles there, which do not keep that loop alive. While the loop
 *   runs, `wakeup` is called for I/O and timers as well, from a callback of
 *   libuv. No operation is delivered and no I/O done there: that is for slices.
 *
 * `wakeup` may only note that a slice is wanted, by a flag, uv_async_send, an
 * event in a queue. A slice or poll from inside it is refused with NEAP_EBUSY,
 * where the engine's own thread is amid something.
 *
 * An engine with a `loop` still has the loop of neap_uv_loop for itself, and
 * neap_poll works as ever; while that waits, the host's loop does not run.
 * neap_engine_free may be called from a callback of the host's loop, and ends
 * all that the engine does before it returns. The three handles close then;
 * their memory, which is from the engine's allocator, is freed when the host's
 * loop has called their close callbacks, in its next turn. So run the loop once
 * more before uv_loop_close, which is UV_EBUSY until then. */

/* What a slice did. Set `size` before; the rest is written by neap_slice. */
typedef struct neap_slice_info {
  size_t size;
  uint64_t delivered;     /* how often a `done` was called */
  uint64_t used_ns;       /* time that the slice took, by the monotonic clock */
  bool more;              /* work is left that another slice could do at once */
  bool preempted;         /* it ended by neap_preempt, and has to go on there */
  bool overran;           /* it ended later than its budget says, by more than a
                             tenth and more than 50 us */
  const char *in_the_way; /* when it overran: what could not be cut short, as
                             neap_note_overrun has named it; else "done" of an
                             operation, "http" (libcurl, or loading it), or "io"
                             (the system).
                             A string that stays. NULL: it did not overrun */
} neap_slice_info;

#define NEAP_SLICE_INFO_INIT NEAP_OPTS_INIT(neap_slice_info)

/* Receives I/O and delivers what is ready, for `budget_ns` (NEAP_FOREVER: until
 * nothing is ready). It never waits. The budget is looked at before each
 * `done`, so a slice takes longer than that by what the last of them takes, and
 * a slice whose budget is used by I/O still calls one. The virtual clock jumps
 * as with neap_poll and 0. `info` may be NULL.
 *
 * Returns the number of operations delivered, as far as an int can tell, or a
 * status, and nothing has happened: NEAP_EINVAL for a budget of 0 or an `info`
 * whose size is not set, NEAP_EBUSY when called from inside `done`, a callback
 * of libuv, or another slice. */
NEAP_API int neap_slice(neap_engine *engine, uint64_t budget_ns,
                        neap_slice_info *info);

/* A descriptor that is readable when the engine has I/O or a wake-up for its
 * next slice. It is the engine's: watch it for reading, level-triggered, and do
 * nothing else with it. It stays the same, and valid until the engine is
 * freed; stop watching before that. NEAP_EINVAL for NULL. */
NEAP_API int neap_fd(const neap_engine *engine);

/* How long the host may wait for neap_fd before it has to give a slice, in
 * milliseconds as poll and epoll_wait take them: 0 when something is ready, no
 * more than until a timer is due, rounded up, or -1 when only neap_fd can tell.
 * Ask anew before each wait: what the host starts or settles changes it, and
 * what has been started may need one slice before neap_fd sees it (then it is
 * 0). It is not 0 otherwise, so a loop that waits so does not spin.
 * NEAP_EINVAL, which is negative as well, for NULL. */
NEAP_API int neap_timeout_ms(neap_engine *engine);

/* When the slice in force is to end, on the monotonic clock in nanoseconds
 * (clock_gettime with CLOCK_MONOTONIC, uv_hrtime); NEAP_FOREVER for a slice
 * with that budget. 0 outside of slices, for neap_poll has no budget. */
NEAP_API uint64_t neap_slice_deadline(const neap_engine *engine);

/* Called from `done` of `op`, which is idle then, inside a slice: what `op`
 * stands for has been cut short. The slice ends with this `done`. In the next
 * slice or poll, `done` of `op` is called before all others, with its status
 * and detail as they are, and no other operation is delivered until it has
 * returned without calling neap_preempt again. I/O goes on being received. The
 * operation is active meanwhile and counts as pending; cancelling it changes
 * nothing, and forgetting it ends the preemption.
 *
 * Returns 0, NEAP_EINVAL for an operation that is not idle, or NEAP_EBUSY
 * outside of a slice, or when another operation has been made the next. */
NEAP_API int neap_preempt(neap_engine *engine, neap_op *op);

/* Names what keeps the slice in force from ending: "string.rep", "__gc". The
 * string is *kept*. The first of a slice counts; without effect outside of
 * slices. It shows in neap_slice_info if the slice overruns its budget. */
NEAP_API void neap_note_overrun(neap_engine *engine, const char *what);

/* ---- Nodes and flows ----------------------------------------------------- */

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

/* The phases of a node. As bits they say which of them a node has; one that it
 * lacks is passed over. Exec needs its bit only where it is a call. */
typedef enum neap_phase {
  NEAP_PREP = 0,
  NEAP_EXEC,
  NEAP_FALLBACK,
  NEAP_POST,
} neap_phase;

/* Returns "prep", "exec", "fallback" or "post"; "unknown" for any other number.
 */
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
  bool strict;           /* of a flow: an action that leads nowhere is a
                            failure */
  void *data;            /* *kept*, yours */
  uint64_t max_retry_after_ns; /* a failure that asks for a longer wait ends the
                                  attempts; 0: 120 s, NEAP_FOREVER: none does */
} neap_node_opts;

#define NEAP_NODE_OPTS_INIT NEAP_OPTS_INIT(neap_node_opts)

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
 * belong to this flow. A branch is one visit: successors that the node has in
 * other walks do not count there. NEAP_ENOMEM leaves the node as it was. */
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

/* Seals the flow. NEAP_ENOSTART when a node that walks has no start, or a
 * parallel has no branch. */
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
  bool item;               /* answers FETCH: what was fetched cannot be used. It
                              counts as an item that has failed without an
                              attempt, so a batch that collects goes on, even
                              where `caught` of the step is false */
  uint64_t retry_after_ns; /* the next attempt waits at least this long */
} neap_failure;

/* Whether another attempt follows attempt `attempt` (from 0), which failed:
 * there is one left, the failure is not final, and the wait that it asks for is
 * no longer than max_retry_after. NULL stands for a failure that says nothing.
 * Runs decide by this function; a host can use it to repeat work of its own by
 * the same rules. */
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

/* ---- Runs ---------------------------------------------------------------- */

/* One walk through a flow, as a state machine that is asked and told.
 *
 * A run works on *visits*. The visit of the root has depth 0, the visits inside
 * a flow are one deeper than the visit of that flow, an item of a batch is one
 * deeper than the visit of the batch, and the visits inside an item one deeper
 * again. At any time there is at most one visit at each depth, so a host can
 * keep what belongs to them (results, parameters) in an array.
 *
 * A parallel is a batch whose items are its branches: item `index` is branch
 * `index`, and inside it is the visit of that node. All that is said of batches
 * applies to it, such as attempts, time limits and fallback of each item. */
typedef struct neap_run neap_run;

typedef enum neap_do {
  /* A visit of `node` begins at `depth`. What the host has kept for this depth
   * and all deeper ones is of no more use. Answer: ok. */
  NEAP_DO_ENTER,
  /* Call `phase` of `node` (attempt `attempt`, from 0). Answer: ok or fail;
   * post is answered with action instead of ok, the fallback of a node that
   * walks with either. */
  NEAP_DO_CALL,
  /* The walk inside the visit at `depth` has ended, or the visit inside the
   * branch: its result is `action`, that of the visit at depth + 1. Answer: ok.
   */
  NEAP_DO_RETURN,
  /* Attempt `attempt` failed; wait `delay_ns`, then answer: ok. */
  NEAP_DO_WAIT,
  /* Let a run of its own (neap_run_new with NEAP_ROOT_ATTEMPT) make this
   * attempt of exec, and stop it when neap_node_timeout has passed. Answer: ok,
   * or action for a node that walks; or fail. */
  NEAP_DO_ATTEMPT,
  /* The items of the batch at `depth` begin. Answer: items or fail; for a
   * parallel, whose branches are known, ok or fail. */
  NEAP_DO_ITEMS,
  /* Start `count` runs (NEAP_ROOT_WORKER) that share the items of the batch.
   * Where the number of items is unknown, this is also the step of a worker
   * (then `depth` is 0) when all have an item: start one more worker of its
   * parent, and keep what was fetched for depth 1. Answer: ok, or fail when
   * that is impossible. */
  NEAP_DO_FORK,
  /* Wait until one of these runs has ended; `failed` if one has failed already.
   * Answer: ok, or fail when that run failed. The first failure counts. */
  NEAP_DO_JOIN,
  /* Cancel those of these runs that have not ended. Answer: ok. */
  NEAP_DO_STOP,
  /* Fetch item `index` (from 0) for depth + 1. Answer: ok, none, or fail; for a
   * parallel, where there is nothing to fetch, ok or fail. */
  NEAP_DO_FETCH,
  /* Another run is fetching from the same batch; wait until it has. Answer:
   * ok. */
  NEAP_DO_TURN,
  /* Item `index`, a visit at `depth`, has ended, and the walk inside it;
   * `failed` says how. Answer: ok. */
  NEAP_DO_ITEM_END,
  /* No successor for the action of the visit at `depth`, though `node` has
   * some: warn the user. The walk that the visit is part of ends here, unless
   * `phase` is exec. Then the walk inside the visit has ended with that action,
   * and `node`, which has no post, goes on with "default" instead. Answer: ok.
   */
  NEAP_DO_WARN,
  /* The run itself fails with `status` at the visit of `node`. Answer: fail. */
  NEAP_DO_RAISE,
  /* The run has ended: it has `failed`, or it has the action `action`. */
  NEAP_DO_END,
  /* The visit at `depth`, which is watched (neap_run_watch), has ended: it has
   * `failed`, or it has the action `action`. Answer: ok. */
  NEAP_DO_LEAVE,
  /* Only of a run that has been loaded (neap_run_load): the visit at `depth`,
   * whose prep has been done, goes on. Get back what has been kept of it, which
   * takes the place of ENTER and of the call of prep. `phase` is post if that
   * of exec has been kept as well. Answer: ok, or fail. */
  NEAP_DO_RESUME,
} neap_do;

typedef struct neap_step {
  neap_do what;
  neap_phase phase;
  const neap_node *node;
  uint64_t *note; /* of the visit, as neap_run_note gives it */
  union {
    uint64_t index;    /* of an item; of FETCH: the item to fetch; of FORK by a
                          worker: the item that waits; of other visits 0 */
    uint64_t delay_ns; /* of WAIT; of ENTER: not 0 where a visit begins again
                          that was waiting for its next attempt */
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
  NEAP_ROOT_ATTEMPT,   /* one attempt of its exec, for the step ATTEMPT */
  NEAP_ROOT_WORKER,    /* items of its batch, for the step FORK */
} neap_root;

typedef struct neap_run_opts {
  size_t size;
  neap_root root;
  neap_run *parent;   /* *kept*: for ATTEMPT and WORKER the run whose step it
                         was; where that is a worker itself, its parent */
  uint64_t max_steps; /* visits, items of batches included; 0: no limit. It
                         applies to this run and those that have it as parent
                         together. Once it is passed, no attempt, fallback or
                         batch catches a failure */
  uint64_t seed;      /* for jitter */
  void *data;         /* *kept*, yours */
} neap_run_opts;

#define NEAP_RUN_OPTS_INIT NEAP_OPTS_INIT(neap_run_opts)

/* Makes a run of `node`, which belongs to the sealed `flow` (*kept*). For
 * ATTEMPT and WORKER `node` is ignored: it is the parent's. *out is *owned*.
 * NEAP_EINVAL when the flow is not sealed, there is no node, or the step of the
 * parent is not one for such a run. */
NEAP_API int neap_run_new(neap_flow *flow, const neap_node *node,
                          const neap_run_opts *opts, neap_run **out);
NEAP_API void neap_run_free(neap_run *run);

/* Returns the step that is to be answered. The answers below return the next
 * step. A step belongs to the run and is valid until the next answer.
 *
 * An answer that the step does not allow ends the run: the next step is END,
 * `failed`, with the status NEAP_EINVAL. A run that has ended stays so,
 * whatever it is answered. */
NEAP_API const neap_step *neap_run_step(neap_run *run);

NEAP_API const neap_step *neap_run_ok(neap_run *run);
NEAP_API const neap_step *neap_run_none(neap_run *run);

/* Answers post. The bytes must stay where they are until the depth of the visit
 * is entered again, or the walk that it is part of has returned. A flow without
 * post passes on the action of its walk: then the bytes must stay until the
 * same is true of that flow. NULL means "default". */
NEAP_API const neap_step *neap_run_action(neap_run *run, const char *action,
                                          size_t size);

#define NEAP_UNCOUNTED UINT64_MAX

/* Answers ITEMS with their number; NEAP_UNCOUNTED if only fetching can tell. */
NEAP_API const neap_step *neap_run_items(neap_run *run, uint64_t count);

/* Answers with a failure; NULL stands for a failure that says nothing. */
NEAP_API const neap_step *neap_run_fail(neap_run *run,
                                        const neap_failure *failure);

/* Where a run is, or where it was when it failed: visit, phase and attempt. */
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

/* The attempt of exec that the visit at a depth is at, from 0. */
NEAP_API uint32_t neap_run_attempt(const neap_run *run, uint32_t depth);

/* A number for the host's use that each visit has; 0 when the visit begins.
 * NULL where no visit has been so deep. */
NEAP_API uint64_t *neap_run_note(neap_run *run, uint32_t depth);

/* Watches the visit that begins, while the step is ENTER, or the visit that
 * goes on, while it is RESUME: its end will be a step as well, LEAVE, however
 * it ends. Returns the number of the visit, from 1, which no other visit has of
 * this run, of the one that it works for and of others that do; a visit that
 * has been loaded has its number already. `time_ns` is yours: neap_run_visit
 * returns it. Returns 0 at any other step. */
NEAP_API uint64_t neap_run_watch(neap_run *run, uint64_t time_ns);

/* The number of the visit at a depth; 0 if it was not watched. An item has that
 * of its batch. *time_ns is what was given to neap_run_watch. */
NEAP_API uint64_t neap_run_visit(const neap_run *run, uint32_t depth,
                                 uint64_t *time_ns);

/* No longer watches the visit at a depth. False if it was not watched, or its
 * LEAVE has come. Before it frees a run that has not ended, a host learns from
 * this which visits end there. */
NEAP_API bool neap_run_unwatch(neap_run *run, uint32_t depth);

/* The visits made so far, items included, as `max_steps` counts them: those of
 * the runs that it works for, and of others that do, are among them. */
NEAP_API uint64_t neap_run_steps(const neap_run *run);

/* How many items a batch at this depth has had, and how many of them failed. */
NEAP_API void neap_run_counts(const neap_run *run, uint32_t depth,
                              uint64_t *items, uint64_t *failed);

/* The run that it works for; NULL: none, or it has been freed. */
NEAP_API neap_run *neap_run_parent(const neap_run *run);
NEAP_API void *neap_run_data(const neap_run *run);

/* ---- Where a run is ------------------------------------------------------ */

/* A run can be saved, which gives a few bytes (10 to 60 for most), and loaded
 * from them, in this process or in another, on any machine. The bytes say where
 * the run is: which visits have begun, by the names of their nodes, with
 * attempts, indices of items and counters. They hold no values. What the nodes
 * have computed is the host's to keep, together with the bytes; a host that
 * keeps it in one transaction with them loses no visit that has ended.
 *
 * A run may be saved at any step. Most hosts do at ENTER, since there a visit
 * has ended and the next has not begun. What is under way begins again when it
 * is loaded: the call of exec or post of a plain node with the visit of that
 * node, that of an item with the item. What has visits inside goes on where
 * they are. So a flow, a batch or a parallel calls its prep no second time once
 * something inside has begun: keep what that gave, as the step RESUME asks for
 * it. neap_run_keep says that more has been kept.
 *
 * Loading builds nothing but the run of the root. It is driven as ever, and
 * goes inwards step by step: RESUME for each visit around the places where it
 * was, FETCH for each item (neap_run_redoes says that it had begun), ATTEMPT
 * and FORK for runs that shall work for it. These are made by neap_run_new, and
 * go on from where their like were. A loaded run may be saved at any time.
 *
 * Time: a wait for an attempt is a step again, with its whole `delay_ns`; a
 * time limit begins anew. Hosts that know since when can shorten both. */

/* Writes where a run is into `room` bytes at `bytes`, with the runs that it
 * works for and all that do; *size becomes how many bytes there are. Does not
 * allocate, and changes nothing.
 *
 * NEAP_ETOOBIG when the room is too small: *size is what is needed, and what
 * has been written is of no use; `bytes` may be NULL then. NEAP_EAGAIN while a
 * failure is under way that nothing has caught yet, or while a branch whose
 * time is limited has ended of which the result has not been kept: it can be
 * saved some steps later. NEAP_EENDED when the run, or the one that it works
 * for, has ended. */
NEAP_API int neap_run_save(const neap_run *run, void *bytes, size_t room,
                           size_t *size);

/* Says that the host has kept what the visit or the item of the step has given
 * so far, in what it will save with the run: a loaded run goes on behind that.
 *
 * At the call of exec or of the fallback, at ATTEMPT, ITEMS or WAIT: the result
 * of prep. The visit will go on with exec. At the call of post: the result of
 * exec, too. The visit will go on with post. At ITEM_END: the result or the
 * error of the item, which will not be fetched again. NEAP_EINVAL at any other
 * step. */
NEAP_API int neap_run_keep(neap_run *run);

/* A visit, or an item of the batch around it, as saved bytes tell of it. */
typedef struct neap_saved {
  const char *name; /* of the node, not terminated; NULL for an item */
  size_t name_size;
  size_t offset;    /* where the next one begins; 0 before the first */
  uint64_t index;   /* of an item, from 0 */
  uint64_t visit;   /* its number (neap_run_watch); 0: it was not watched */
  uint32_t depth;   /* from 0, items included */
  uint32_t attempt; /* from 0 */
  neap_kind kind;   /* of the node; of no meaning for an item */
  bool is_item;
  bool begins; /* with prep */
} neap_saved;

/* Moves *at to the next visit or item in saved bytes, the outer before the
 * inner. Begin with a struct that is 0. It needs no flow: a tool can show where
 * runs are. `name` points into the bytes. NEAP_ENOVALUE: there are no more.
 * NEAP_EDAMAGED: the bytes are none that a run was saved as. NEAP_ENEWER: by a
 * later version. */
NEAP_API int neap_saved_next(const void *bytes, size_t size, neap_saved *at);

typedef struct neap_load_opts {
  size_t size;
  uint64_t max_steps; /* as in neap_run_opts: visits before it was saved count
                         as well */
  void *data;         /* *kept*, yours */
  /* Returns the name that the node of a saved visit has today; NULL: the same
   * name. What it returns has to stay until the run has been loaded. */
  const char *(*rename)(void *rename_data, const neap_saved *visit);
  void *rename_data;
} neap_load_opts;

#define NEAP_LOAD_OPTS_INIT NEAP_OPTS_INIT(neap_load_opts)

typedef enum neap_stuck_why {
  NEAP_STUCK_GONE = 0, /* no node has the name */
  NEAP_STUCK_TWICE,    /* several have it */
  NEAP_STUCK_KIND,     /* the node with the name is of another kind */
  NEAP_STUCK_BRANCHES, /* the parallel has fewer branches */
} neap_stuck_why;

/* What of a saved run does not fit the flow: which visit, and why. */
typedef struct neap_stuck {
  neap_stuck_why why;
  neap_kind kind;   /* that its node had */
  const char *name; /* that its node had, not terminated: *borrowed*, from the
                       saved bytes or from `rename` */
  size_t name_size;
  size_t number; /* how many visits and items neap_saved_next gives before it */
  const neap_node *inside; /* the flow, batch or parallel in which the node was
                              looked for; NULL: it is that of the root */
  uint32_t depth;
} neap_stuck;

/* Makes a run of `node`, which belongs to the sealed `flow` (*kept*), that goes
 * on where another was saved. `opts` may be NULL. *out is *owned*; its step is
 * RESUME or ENTER. The random state for jitter is that of the saved run; runs
 * that work for it have their own seeds.
 *
 * Nodes are looked up by their names: that of the root is the name of `node`,
 * and that of a visit is looked for among the nodes that its walk can come to,
 * whatever has become of the rest of the flow. A branch is the one of the same
 * index. NEAP_ESTUCK when a node is not there, or is of another kind: *stuck,
 * unless it is NULL, says which. NEAP_EDAMAGED for bytes that no run was
 * saved as, NEAP_ENEWER for those of a later version. NEAP_ENOMEM. */
NEAP_API int neap_run_load(neap_flow *flow, const neap_node *node,
                           const void *bytes, size_t size,
                           const neap_load_opts *opts, neap_stuck *stuck,
                           neap_run **out);

/* Whether the step is done again: ENTER of a visit that had begun when the run
 * was saved, or FETCH of such an item. Items come again before others, by
 * ascending index: what fetches by going forward, such as an iterator, passes
 * over those between. They are not counted again (neap_run_steps). */
NEAP_API bool neap_run_redoes(const neap_run *run);

/* Checks that the names of nodes suffice to find them again: that no walk of
 * the sealed flow can come to two nodes of one name. NEAP_ESTUCK when one can;
 * *out, unless `out` is NULL, is the second of them. NEAP_ENOMEM. */
NEAP_API int neap_flow_check_names(const neap_flow *flow,
                                   const neap_node **out);

/* ---- Events -------------------------------------------------------------- */

/* What happens in runs. The host that drives a run reports it with neap_emit,
 * as the Lua binding does, to the function that watches the engine. */
#define NEAP_EVENT_MAP(X)                                                      \
  X(NODE_START, "node_start")   /* the visit at `depth` begins */              \
  X(RETRY, "retry")             /* `attempt` failed; the next in `delay_ns` */ \
  X(FALLBACK, "fallback")       /* `attempt` failed, the last */               \
  X(BATCH_START, "batch_start") /* of `count` items, if known */               \
  X(ITEM_START, "item_start")   /* item `index` of the batch at `depth` */     \
  X(ITEM_END, "item_end")       /* the item has ended; it may have `failed` */ \
  X(WARNING, "warning")         /* `message` */                                \
  X(BRANCH_END, "branch_end")   /* branch `index`, at `depth`, has ended */    \
  X(SPAWN, "spawn")             /* the run has begun a task */                 \
  X(WAIT, "wait")               /* the run will wait for `message` */          \
  X(WAKE, "wake")               /* the wait for `message` is over */           \
  X(CANCEL, "cancel")           /* the run learns that it is cancelled */      \
  X(NODE_END, "node_end")       /* the visit at `depth` has ended */           \
  X(EMIT, "emit")               /* the script's own, of the kind `message` */

typedef enum neap_event_kind {
#define NEAP_EVENT_ENUM(name, text) NEAP_EVENT_##name,
  NEAP_EVENT_MAP(NEAP_EVENT_ENUM)
#undef NEAP_EVENT_ENUM
} neap_event_kind;

/* Returns the name of a kind ("node_start"); "unknown" for any other number. */
NEAP_API const char *neap_event_name(neap_event_kind kind);

typedef struct neap_event {
  size_t size;
  neap_event_kind kind;
  uint32_t depth;
  const neap_run *run;
  uint64_t time_ns; /* on the engine's clock; set by neap_emit */
  uint64_t index;   /* from 0 */
  uint64_t count;   /* NEAP_UNCOUNTED: unknown */
  uint64_t delay_ns;
  uint32_t attempt;     /* from 0 */
  uint32_t concurrency; /* of a batch */
  bool failed;
  const char *message; /* borrowed, for the call; of RETRY: what is tried again,
                          NULL for exec of the node */
  uint64_t visit;      /* the number of the visit; 0: not known */
  uint64_t spent_ns;   /* of NODE_END: how long the visit took */
  const char *action;  /* borrowed, for the call; of NODE_END unless `failed`;
                          NULL: "default" */
  size_t action_size;
} neap_event;

/* Called by neap_emit, in its thread and on its stack. It must not call
 * neap_poll or answer a step. */
typedef void (*neap_event_fn)(void *ud, const neap_event *event);

/* Makes `fn` the function that watches the engine: it is called for each event
 * of its runs. NULL ends the watching. */
NEAP_API void neap_on_event(neap_engine *engine, neap_event_fn fn, void *ud);

/* Whether the engine is watched. */
NEAP_API bool neap_is_watched(const neap_engine *engine);

/* Reports an event: sets its `size` and `time_ns`, and calls the function that
 * watches, if there is one. */
NEAP_API void neap_emit(neap_engine *engine, neap_event *event);

/* ---- Runs from C --------------------------------------------------------- */

/* A node whose phases are functions in C, and runs that the engine drives by
 * itself: neap_flow_add_ops makes the node, neap_start the run. From neap_poll,
 * the engine then calls the phases, waits between attempts, keeps the time
 * limits, has items and branches run side by side, and reports the end.
 *
 * Of a run, the host holds a *token*, and so it does of a phase that goes on
 * after it has returned. A token is a number: it is stale when what it stood
 * for is over, or when it is that of another engine. Every function that takes
 * one then returns NEAP_ESTALE. 0 is stale always. */
typedef uint64_t neap_token;

/* What the phase of a node returns when it goes on: see neap_later. */
#define NEAP_LATER 1

/* The call of one phase, as the phase sees it. It is valid until the phase has
 * ended: it has returned something else than NEAP_LATER, or it went on and has
 * been completed or cancelled. Only the thread of the engine may use it. */
typedef struct neap_call neap_call;

/* A phase returns 0 when it has done its work, NEAP_LATER when it goes on, or a
 * negative status when it has failed (neap_call_fail gives reasons). Any of the
 * functions may be NULL; a phase that is NULL is passed over. */
typedef struct neap_node_ops {
  size_t size;
  int (*prep)(neap_call *call);
  int (*exec)(neap_call *call);
  int (*fallback)(neap_call *call);
  int (*post)(neap_call *call);
  /* The phase that went on is given up, as its time is over, or the run has
   * been cancelled. Its token is stale, and `call` is valid during this call.
   * What works for the phase should end soon. It must not touch results any
   * more that the engine has been given. */
  void (*cancel)(neap_call *call);
  /* Called once, with `self`, when the node is freed. */
  void (*drop)(void *self);
  /* Called when the phase that went on has been completed with `status`, to set
   * its results in the thread of the engine. Returns as a phase does, also
   * NEAP_LATER after another neap_later. NULL: `status` is the outcome. */
  int (*resume)(neap_call *call, int status);
  /* Of a batch whose prep has set no items: sets item neap_call_index with
   * neap_call_set_item, or leaves that out when there are no more. Returns as a
   * phase does. */
  int (*fetch)(neap_call *call);
} neap_node_ops;

#define NEAP_NODE_OPS_INIT NEAP_OPTS_INIT(neap_node_ops)

/* Adds a node as neap_flow_add does. `opts->methods` is ignored: the node has
 * the phases that are not NULL in `ops`, which is copied. `self` is *kept*
 * until `drop`. Returns what neap_flow_add does, and NEAP_EINVAL for `ops` that
 * are none; then `drop` is not called. */
NEAP_API int neap_flow_add_ops(neap_flow *flow, const neap_node_opts *opts,
                               const neap_node_ops *ops, void *self,
                               neap_node **out);

/* The functions of a node that neap_flow_add_ops has made; NULL for others. */
NEAP_API const neap_node_ops *neap_node_get_ops(const neap_node *node);

/* What phases share: either a plain pointer of the host's, which is `self` then
 * and `ops` NULL, or something that has values by path, such as a table of Lua:
 * see "Values". */
typedef struct neap_value {
  const struct neap_value_ops *ops;
  void *self;
} neap_value;

typedef struct neap_start_opts {
  size_t size;
  const neap_node *node; /* the root; NULL: the node that was added first */
  neap_value shared;     /* *kept* until the run has ended */
  neap_value params;     /* *kept* as well */
  uint64_t max_steps;    /* visits, items of batches included; 0: no limit */
  uint64_t timeout_ns; /* of the whole run, which is cancelled then; 0: none */
  uint64_t seed;       /* for jitter; 0: by chance */
  void *data;          /* *kept*, yours: the report has it */
  /* For neap_lua_start alone: how long each task of the run may compute without
   * a wait, as `compute_limit_ns` of neap_lua_opts, which it replaces: it may
   * be more. 0: what that says. */
  uint64_t compute_limit_ns;
} neap_start_opts;

#define NEAP_START_OPTS_INIT NEAP_OPTS_INIT(neap_start_opts)

/* Starts a run of a sealed flow (*kept* until the run has ended). Nothing is
 * called before the next neap_poll. Returns 0 with the token of the run in
 * *run; NEAP_EINVAL when the flow is not sealed or has no node, or `opts` have
 * a `compute_limit_ns`; or NEAP_ENOMEM. `opts` may be NULL.
 *
 * Every run that has been started is reported, once; the memory for that is
 * taken here. A run that neap_engine_free meets is not: it is cancelled, and
 * its engine is gone. */
NEAP_API int neap_start(neap_engine *engine, neap_flow *flow,
                        const neap_start_opts *opts, neap_token *run);

/* Called by a phase before it returns NEAP_LATER: gives the token by which it
 * is completed. Returns 0, NEAP_ENOMEM, or NEAP_EBUSY when the phase has called
 * it before. When the phase returns something else, the token is stale. */
NEAP_API int neap_later(neap_call *call, neap_token *token);

/* Completes the phase that went on, with 0 or a negative status. May be called
 * from any thread, also before the phase has returned; the engine goes on with
 * the run in its next neap_poll, which it wakes. Completed a second time before
 * that, the phase keeps the first outcome, and the call returns 0.
 *
 * Returns 0, NEAP_ESTALE when the phase is over, or NEAP_EINVAL for a status
 * above 0 or the token of a run. The engine must not be freed meanwhile, nor
 * before: a stale token is told, an engine that is no more is not. */
NEAP_API int neap_complete(neap_engine *engine, neap_token token, int status);

/* Cancels a run, whoever drives it: its waits are given up in the next
 * neap_poll, which it wakes, and the run is reported with NEAP_ECANCELED. May
 * be called from any thread. Returns 0, also the second time, NEAP_ESTALE when
 * the run has ended, or NEAP_EINVAL for a token of a phase. The engine must not
 * be freed meanwhile. */
NEAP_API int neap_cancel(neap_engine *engine, neap_token run);

/* How a run has ended. The strings are never NULL, and valid until the next
 * neap_next_report, or during the callback. */
typedef struct neap_report {
  size_t size;
  neap_token run; /* stale by now */
  void *data;     /* of neap_start_opts */
  int status;     /* 0, or what the run failed with: NEAP_ECANCELED when it was
                     cancelled, NEAP_ETIMEDOUT after its time, NEAP_EMAXSTEPS,
                     NEAP_EACTION, NEAP_ENOMEM, or what a phase returned */
  const char *code;   /* the kind of failure: "cancelled", "timeout", or what
                         neap_call_fail was given; "" after success */
  const char *action; /* after success: "default" unless another was set */
  size_t action_size; /* it may have zeros in it; one comes after it */
  const char *path;   /* of the node that failed, as "order > charge[2]"; items
                         are counted from 1. "" where none did */
  const char *phase;  /* "exec", ...; "" where none failed */
  uint32_t attempt;   /* of exec, from 0 */
  const char *error;  /* a sentence about the failure */
} neap_report;

#define NEAP_REPORT_INIT NEAP_OPTS_INIT(neap_report)

/* Takes the report of the run that ended first of those not taken. Returns 0,
 * NEAP_EAGAIN when there is none, or NEAP_EINVAL for a report whose size has
 * not been set.
 *
 * Where memory has run out, texts are shortened. An action is not: when it has
 * no room, the status is NEAP_ENOMEM. */
NEAP_API int neap_next_report(neap_engine *engine, neap_report *report);

typedef void (*neap_report_fn)(void *ud, const neap_report *report);

/* Has reports given to `fn`, from neap_poll, instead of neap_next_report. It
 * may do what `done` of an operation may. NULL ends that. */
NEAP_API void neap_on_report(neap_engine *engine, neap_report_fn fn, void *ud);

/* What a phase may ask of its call. */
NEAP_API neap_engine *neap_call_engine(const neap_call *call);
NEAP_API const neap_node *neap_call_node(const neap_call *call);
NEAP_API void *neap_call_self(const neap_call *call); /* of neap_flow_add_ops */
NEAP_API neap_phase neap_call_phase(const neap_call *call);
NEAP_API uint32_t neap_call_attempt(const neap_call *call); /* from 0 */

/* The store of the run, and the params of the visit. In a run of neap_start
 * these are what was given to it; inside a batch flow, `self` of the params is
 * the item. */
NEAP_API neap_value neap_call_shared(const neap_call *call);
NEAP_API neap_value neap_call_params(const neap_call *call);

/* The token of the run; 0 where it has none, as runs that Lua code began. */
NEAP_API neap_token neap_call_run(const neap_call *call);

/* Whether the run has been cancelled, which the phase learns by `cancel` as
 * soon as it goes on. For a phase that computes for long. */
NEAP_API bool neap_call_is_cancelled(const neap_call *call);

/* Writes the path of the visit ("order > charge[2]") into a buffer, always
 * terminated; returns the length that it has in full. */
NEAP_API size_t neap_call_path(const neap_call *call, char *path, size_t size);

/* Batches. Prep says that the items are `count` elements of `item_size` bytes
 * from `base` (*kept* until the visit ends; NULL: each item is NULL).
 * NEAP_EINVAL outside of the prep of a batch. */
NEAP_API int neap_call_set_items(neap_call *call, void *base, size_t item_size,
                                 uint64_t count);

/* Fetch gives the item. `drop` may be NULL, or is called with it when the item
 * has ended. NEAP_EINVAL outside of fetch. */
NEAP_API int neap_call_set_item(neap_call *call, void *item,
                                void (*drop)(void *item));

/* The item that the phase works on, and its index from 0: that of the batch of
 * its node; else, inside a batch flow, the item of that. Of a run of
 * neap_start, `self` is the pointer; it is NULL where there is no item. */
NEAP_API neap_value neap_call_item(const neap_call *call);
NEAP_API uint64_t neap_call_index(const neap_call *call);

/* Results go from prep to exec, and from these to post, as pointers. Prep, exec
 * and fallback set theirs; one that was set before is dropped. `drop` may be
 * NULL, or is called with the result when the visit has ended, or the attempt
 * has failed. Returns 0; NEAP_EINVAL in post, where the result is an action. */
NEAP_API int neap_call_set_result(neap_call *call, void *result,
                                  void (*drop)(void *result));

/* The result of prep; in post also that of exec, and in post of a batch those
 * of the items, NULL for one that failed or has set none. Counts of items. */
NEAP_API void *neap_call_prep_result(const neap_call *call);
NEAP_API void *neap_call_exec_result(const neap_call *call);
NEAP_API void *neap_call_item_result(const neap_call *call, uint64_t index);
NEAP_API void neap_call_counts(const neap_call *call, uint64_t *items,
                               uint64_t *failed);

/* Sets the action, in post, or in the fallback of a node that walks. The bytes
 * are copied. NULL means "default". NEAP_ENOMEM, or NEAP_EINVAL elsewhere. */
NEAP_API int neap_call_set_action(neap_call *call, const char *action,
                                  size_t size);

/* Says why the phase fails, and returns `status`, so that a phase may end with
 * `return neap_call_fail(...)`. `code` names the kind of failure for programs,
 * `text` says it in a sentence; both are copied, and what has no room is left
 * out. NULL: those of the status. */
NEAP_API int neap_call_fail(neap_call *call, int status, const char *code,
                            const char *text);

/* Says more of the failure: that no attempt should follow, or when. */
NEAP_API void neap_call_set_failure(neap_call *call,
                                    const neap_failure *failure);

/* In fallback: how the last attempt failed. The strings are never NULL. */
NEAP_API int neap_call_failure(const neap_call *call, const char **code,
                               const char **text);

/* ---- Values -------------------------------------------------------------- */

/* A path leads from a value to one inside of it. It has names with dots between
 * them, and indices in brackets, which count from 1 as in Lua:
 *
 *   npc.mood   npc.bag[2].name   ["a name with. dots"].x   [1]
 *
 * A name is any bytes but "." and "[". In brackets and quotes it is any bytes
 * but the quote; the empty path is the value itself.
 *
 * Each function returns 0; NEAP_EINVAL when the path is none (a pointer is
 * NULL, ...) or the value is a plain pointer, which has no values by path;
 * NEAP_ENOVALUE when there is nothing at the path; NEAP_ETYPE when there is a
 * value of another type, or for set one that is in the way; or NEAP_ENOMEM. */
NEAP_API int neap_get_number(neap_value value, const char *path, double *out);
NEAP_API int neap_get_integer(neap_value value, const char *path, int64_t *out);
NEAP_API int neap_get_bool(neap_value value, const char *path, bool *out);
/* A string is *borrowed* until the value at the path changes, or the phase
 * returns. One zero, which *size does not count, follows it. */
NEAP_API int neap_get_string(neap_value value, const char *path,
                             const char **out, size_t *size);
/* The value as JSON; *borrowed* until the next call with this value. */
NEAP_API int neap_get_json(neap_value value, const char *path, const char **out,
                           size_t *size);
NEAP_API int neap_set_number(neap_value value, const char *path, double number);
NEAP_API int neap_set_integer(neap_value value, const char *path,
                              int64_t number);
NEAP_API int neap_set_bool(neap_value value, const char *path, bool boolean);
NEAP_API int neap_set_string(neap_value value, const char *path,
                             const char *text, size_t size);
/* NEAP_EINVAL also for a text that is no JSON. */
NEAP_API int neap_set_json(neap_value value, const char *path, const char *json,
                           size_t size);
/* Removes what is at the path, if anything is. */
NEAP_API int neap_set_nil(neap_value value, const char *path);

/* One step of a path: a name, or where `name` is NULL an index from 1. */
typedef struct neap_key {
  const char *name; /* not terminated */
  size_t size;
  int64_t index;
} neap_key;

typedef enum neap_type {
  NEAP_TYPE_NIL = 0,
  NEAP_TYPE_BOOL,
  NEAP_TYPE_NUMBER,  /* `number` */
  NEAP_TYPE_INTEGER, /* `integer` */
  NEAP_TYPE_STRING,  /* `text`, `size` */
  NEAP_TYPE_JSON,    /* the same; asked for, and set */
  NEAP_TYPE_OTHER,   /* a table, ...: only JSON can say more */
} neap_type;

typedef struct neap_datum {
  neap_type type;
  bool boolean;
  double number;
  int64_t integer;
  const char *text;
  size_t size;
} neap_datum;

/* What has values by path: the Lua binding has these functions for tables. The
 * keys are valid during the call. */
typedef struct neap_value_ops {
  size_t size;
  /* Gets what is at the keys. As JSON if `out->type` is NEAP_TYPE_JSON. Returns
   * 0 with *out filled, NIL where there is nothing, or a negative status. */
  int (*get)(void *self, const neap_key *keys, size_t count, neap_datum *out);
  /* Sets it, with the tables on the way that are not there. */
  int (*set)(void *self, const neap_key *keys, size_t count,
             const neap_datum *datum);
} neap_value_ops;

/* ---- Runs that others drive ---------------------------------------------- */

/* For a binding: what code that drives a neap_run by itself needs so that its
 * runs have tokens and reports as those of neap_start have, and so that it can
 * call nodes in C. The engine's own driver uses the same functions.
 *
 * A *ticket* is the place of a run in its engine: it has the token, and the
 * memory for the report. */
typedef struct neap_ticket neap_ticket;

/* Makes a ticket. When somebody calls neap_cancel with its token, `cancel` is
 * called once, from neap_poll, with `self`; it should make the run end soon.
 * *out is valid until neap_ticket_end or neap_ticket_drop. NEAP_ENOMEM. */
NEAP_API int neap_ticket_new(neap_engine *engine, void (*cancel)(void *self),
                             void *self, neap_ticket **out, neap_token *token);

/* The run has ended: hands in its report, which is copied. `run` and `size` in
 * it are set by the ticket; strings that are NULL are "", an action that is
 * NULL is "default". Cannot fail, and calls nobody: reports are given out by
 * neap_next_report, or from neap_poll. */
NEAP_API void neap_ticket_end(neap_ticket *ticket, const neap_report *report);

/* Gives a ticket back without a report, for a run that could not be started. */
NEAP_API void neap_ticket_drop(neap_ticket *ticket);

/* True once neap_cancel has been called with the token. */
NEAP_API bool neap_ticket_is_cancelled(const neap_ticket *ticket);

typedef struct neap_call_opts {
  size_t size;
  neap_ticket *ticket; /* *kept*; NULL: the run has none */
  neap_call *outer; /* *kept*: of an item, the call of its batch; of an attempt
                       by a run of its own, the call that it is made for, of
                       a visit or an item; NULL: it is neither */
  neap_value shared;
  neap_value params;
  neap_value item; /* what neap_call_item gives; where it is empty, an item
                      takes what its batch has fetched */
  bool is_item;
  uint64_t index; /* of that item */
} neap_call_opts;

#define NEAP_CALL_OPTS_INIT NEAP_OPTS_INIT(neap_call_opts)

/* Makes the call of a visit, of an item or of an attempt, of a node with ops:
 * the results of its phases are kept there. *out is *owned*. That of an item is
 * made when the item has been fetched, before the step is answered.
 * NEAP_ENOMEM.
 */
NEAP_API int neap_call_new(neap_engine *engine, const neap_call_opts *opts,
                           neap_call **out);

/* Cancels what goes on, drops the results, and frees the call. */
NEAP_API void neap_call_free(neap_call *call);

/* Does the step that `run` is at: NEAP_DO_CALL, NEAP_DO_ITEMS or NEAP_DO_FETCH.
 * The latter two are done with the call of the batch. Returns 0, the status of
 * a failure, or NEAP_LATER. Runs code of the host's. */
NEAP_API int neap_call_do(neap_call *call, neap_run *run);

/* After NEAP_LATER: starts `op`, which ends when the phase has been completed;
 * then neap_call_settle has to be called. Returns 0. Cancelling `op` does not
 * end the phase: neap_call_cancel does. */
NEAP_API int neap_call_wait(neap_call *call, neap_op *op);

/* In `done` of that: returns the outcome of the phase as neap_call_do does;
 * after NEAP_LATER it waits again. Runs code of the host's. */
NEAP_API int neap_call_settle(neap_call *call);

/* Gives up a phase that goes on: `cancel` of its node is called. Does nothing
 * when none does. */
NEAP_API void neap_call_cancel(neap_call *call);

/* Answers the step that was done with success, and returns the next. */
NEAP_API const neap_step *neap_call_answer(neap_call *call, neap_run *run);

/* The action that has been set, in place of neap_call_answer where the call
 * ends before the bytes are of no more use. False, and NULL, for "default". */
NEAP_API bool neap_call_action(const neap_call *call, const char **action,
                               size_t *size);

/* Takes over the result of exec: into the call of a batch that of an item which
 * has ended, into the call of a visit or an item that of the attempt which has
 * succeeded. Runs code of the host's. */
NEAP_API void neap_call_adopt(neap_call *outer, neap_call *inner);

/* Before the step of a fallback: how the last attempt failed. */
NEAP_API void neap_call_note_failure(neap_call *call, int status,
                                     const char *code, const char *text);

/* How the step failed: *failure is for neap_run_fail. Returns the status; the
 * strings are never NULL, and valid until the next neap_call_do. */
NEAP_API int neap_call_why(const neap_call *call, neap_failure *failure,
                           const char **code, const char **text);

/* ---- Files --------------------------------------------------------------- */

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

/* The result of a file operation. It is *owned* by the caller, to be freed with
 * neap_fs_free when the operation has ended, even with a failure. */
typedef struct neap_fs_result neap_fs_result;

/* Each starts `op` and returns 0, or a negative status without having started
 * it. Paths are copied. In `done` op->status is 0 or NEAP_ESYS (op->detail for
 * neap_sys_describe), NEAP_ETOOBIG, NEAP_ENOMEM or NEAP_ECANCELED, and *result
 * is valid when it is 0; a cancelled operation leaves *result NULL. Cancelling
 * ends the operation at once; a system call that the thread pool has begun
 * completes without notice.
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
 * links. A directory that could not be removed is not emptied either. So a path
 * whose last name is "." or "..", or that has no name ("/"), is refused with
 * EINVAL; and a directory on which something is mounted, or which is in one
 * that must not be written to, with the system's code. A removal that is
 * cancelled stops soon, and leaves the rest. */
NEAP_API int neap_fs_mkdir(neap_engine *engine, neap_op *op, const char *path,
                           uint32_t mode, bool parents,
                           neap_fs_result **result);
NEAP_API int neap_fs_remove(neap_engine *engine, neap_op *op, const char *path,
                            bool recursive, neap_fs_result **result);

/* Removes like neap_fs_remove, before it returns. It is for the end of a
 * program, when no operation can be waited for. `engine` is the one whose
 * grants are to be respected; NULL: none. Returns 0, NEAP_ESYS with the code of
 * the system in *detail (which may be NULL), or NEAP_EPERM with 0 there. From
 * any thread. */
NEAP_API int neap_fs_remove_now(const neap_engine *engine, const char *path,
                                bool recursive, int *detail);

/* rename: gives a file or directory another name on the same file system, and
 * replaces a file that has that name. copy: copies a file with its mode, and
 * replaces a file that has the name; a copy that fails is removed. link: gives
 * a file a second name. symlink: makes `path` a link that leads to `target`,
 * which need not be there. readlink gives where a link leads, realpath the
 * absolute path without links, both in neap_fs_bytes. chmod: sets the
 * permission bits. */
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

/* Writes a file so that a reader, even after a crash, finds either the old
 * contents or all of `bytes` (copied): writes them to a file beside it, brings
 * that to the disk, and renames it. A file that is replaced keeps its mode, but
 * not its owner, and must be a regular one (EINVAL). Where the path is a link,
 * the file that it leads to is replaced. An operation that fails or is
 * cancelled leaves nothing behind. A file that a killed process has left behind
 * is removed by the next replace in that folder. */
NEAP_API int neap_fs_replace(neap_engine *engine, neap_op *op, const char *path,
                             const void *bytes, size_t size,
                             neap_fs_result **result);

/* Makes a directory whose path, in neap_fs_bytes, is `prefix` and six further
 * characters, for its owner only (mode 0700). It is yours to remove. */
NEAP_API int neap_fs_tempdir(neap_engine *engine, neap_op *op,
                             const char *prefix, neap_fs_result **result);

/* The bytes of a read, readlink, realpath or tempdir, and their number. They
 * are valid until neap_fs_free. */
NEAP_API const char *neap_fs_bytes(const neap_fs_result *result, size_t *size);
/* What stat or lstat has found. */
NEAP_API void neap_fs_get_stat(const neap_fs_result *result,
                               neap_file_stat *out);
/* The entry at `index` (from 0) of what list found; false beyond the last. */
NEAP_API bool neap_fs_entry(const neap_fs_result *result, size_t index,
                            neap_file_entry *out);
/* NULL is ignored. */
NEAP_API void neap_fs_free(neap_fs_result *result);

/* ---- Open files ---------------------------------------------------------- */

/* A file that is open. Operations on it are carried out one after the other, in
 * the order in which they were started. The operations above have no more than
 * 64 files open at a time; handles do not count there, so any number of them
 * holds up none of these. If the system has no descriptors left, opening ends
 * with NEAP_ESYS and the code of EMFILE. */
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
 * range, NEAP_ENOMEM. The result is *owned*, as that of neap_fs_read.
 * Cancelling ends the operation at once; a system call that the pool has begun
 * completes without notice, and only then the next operation begins.
 *
 * read: at most 64 KiB from the position on, in neap_fs_bytes; none at the end.
 * Bytes that a cancelled read has taken from a pipe are given to the next one.
 * write: all of `bytes`, which are copied. A write that fails or is cancelled
 * may have written a part; the position is then behind that part. sync: brings
 * all that has been written to the disk. fstat: as neap_fs_stat. truncate: to
 * `size` bytes, which may be more; the position stays. close: waits for
 * operations under way; its failure may be that of an earlier write. No
 * operation can be started after it. A close that is cancelled goes on without
 * notice. */
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

/* Moves the position to `offset` bytes from `whence`; neap_fs_offset then gives
 * it from the start. A pipe or a terminal has no position: ESPIPE. A position
 * before the start is EINVAL. Starts and ends like the operations above. */
NEAP_API int neap_file_seek(neap_file *file, neap_op *op, neap_seek whence,
                            int64_t offset, neap_fs_result **result);
NEAP_API uint64_t neap_fs_offset(const neap_fs_result *result);

/* Takes back the result of a read (*transferred*) whose bytes were not used.
 * The next read gives them again. */
NEAP_API void neap_file_put_back(neap_file *file, neap_fs_result *read);

/* Moves the position back, at once, over `size` bytes that were read too early.
 * False, and nothing has changed, where there is no position. */
NEAP_API bool neap_file_back(neap_file *file, uint64_t size);

/* The path with which a file was opened, or which a temporary file was given.
 * Valid until neap_file_free. */
NEAP_API const char *neap_file_path(const neap_file *file);

/* False once neap_file_close has been called, or the engine freed. */
NEAP_API bool neap_file_is_open(const neap_file *file);

/* Frees the handle. A thread closes the file when the operations on it have
 * ended. A failure of that is only told by neap_file_close; neap_engine_free
 * waits until it is done. NULL is ignored. May be called after
 * neap_engine_free, which closes all files. */
NEAP_API void neap_file_free(neap_file *file);

/* ---- Watching files ------------------------------------------------------ */

/* Watches a file, or a directory without those below it, for changes. Up to
 * 1024 of them are kept until they are taken. */
typedef struct neap_watch neap_watch;

typedef enum neap_change_kind {
  NEAP_CHANGE_CONTENT = 0, /* content, mode or times */
  NEAP_CHANGE_NAME,        /* made, removed, or moved to or from its path */
  NEAP_CHANGE_OVERFLOW,    /* there were too many: some have been lost */
} neap_change_kind;

typedef struct neap_change {
  neap_change_kind kind;
  const char *path; /* that is watched; in a directory, of the entry; NULL for
                       an overflow. Valid until the next take, or free */
} neap_change;

/* Begins to watch, without waiting. What is watched of a file is its path: the
 * file may be removed, replaced and made again, and links that lead to it may
 * be made to point elsewhere. Returns 0, NEAP_ENOMEM, or NEAP_ESYS with the
 * system's code in *detail (which may be NULL): ENOENT where the path leads
 * nowhere, ENOSPC when the system allows the user no more watches. *watch is
 * *owned*. */
NEAP_API int neap_watch_new(neap_engine *engine, const char *path, int *detail,
                            neap_watch **watch);

/* The same for a path that may be missing, now or later, and so may directories
 * above it. It is watched as soon as it is made. The watch only ends when it is
 * closed. */
NEAP_API int neap_watch_missing(neap_engine *engine, const char *path,
                                int *detail, neap_watch **watch);

/* Starts `op`, which ends with status 0 when there may be a change to take, or
 * the watch has ended. Several operations may wait; all end then. Returns 0, or
 * NEAP_EINVAL when the watch has been closed. */
NEAP_API int neap_watch_wait(neap_watch *watch, neap_op *op);

/* Takes the oldest change; false when there is none. A change that equals the
 * last one is only kept when that has been taken. */
NEAP_API bool neap_watch_take(neap_watch *watch, neap_change *out);

/* True when there is nothing to take and never will be: the watch has been
 * closed, or the directory (of a file, the directory that has it) has been
 * moved or removed, and no link leads there. */
NEAP_API bool neap_watch_has_ended(const neap_watch *watch);

/* Ends the watching. Operations that wait end; changes that were not taken are
 * lost. Does nothing the second time. */
NEAP_API void neap_watch_close(neap_watch *watch);

/* Frees a watch, closed or not. NULL is ignored. May be called after
 * neap_engine_free, which closes it. */
NEAP_API void neap_watch_free(neap_watch *watch);

/* ---- Streams ------------------------------------------------------------- */

/* Bytes that come and go through a pipe, a socket or a terminal. */
typedef struct neap_stream neap_stream;

/* Makes a stream of a descriptor, which belongs to the stream from then on. The
 * descriptor is made non-blocking, and programs that are started do not inherit
 * it. `shared` says that other processes have the same open file, such as the
 * standard input of a program that was started in a shell; then it stays
 * blocking if it was.
 *
 * *out is *owned*. NEAP_EINVAL when `fd` is not open, or is a socket that is
 * not one of streams. After a failure, also NEAP_ENOMEM, the descriptor is
 * still the caller's. */
NEAP_API int neap_stream_open(neap_engine *engine, int fd, bool shared,
                              neap_stream **out);

/* Makes two streams, each of which gives what is written to the other. Both are
 * *owned*. NEAP_ESYS when there are no descriptors left. */
NEAP_API int neap_stream_pair(neap_engine *engine, neap_stream *out[2]);

/* Closes the descriptor and frees the stream. Operations on it end with
 * NEAP_ECLOSED. Bytes that were not yet written are dropped; neap_stream_end
 * waits for them. NULL is ignored. May be called after neap_engine_free, which
 * closes the descriptor. */
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
 * *borrowed* until the next take, close, or peek at any stream of this engine.
 * A size of 0 is the end. NEAP_EAGAIN when nothing has come at the moment
 * (rarely even after a read has ended), NEAP_ESYS, NEAP_ENOMEM, NEAP_ECLOSED.
 */
NEAP_API int neap_stream_peek(neap_stream *stream, const char **bytes,
                              size_t *size);

/* How many bytes can be read at this moment without waiting; 0 where the system
 * does not tell. */
NEAP_API size_t neap_stream_available(const neap_stream *stream);

/* Takes the first `size` of the bytes that peek has given. The next peek begins
 * with the rest. */
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

/* ---- The network --------------------------------------------------------- */

/* Connections, which are streams. An address is a port and a host, or the path
 * of a local socket (AF_UNIX). */
typedef struct neap_net_opts {
  size_t size;
  const char *path; /* of a local socket; NULL: TCP */
  const char *host; /* digits or, to connect, a name; NULL: "127.0.0.1" */
  uint16_t port;    /* 0: one that is free, to listen at */
  bool delays;      /* gather small writes (Nagle's algorithm, RFC 896) */
  int backlog;      /* of a listener: how many connections may wait to be
                       accepted; 0: 511 */
} neap_net_opts;

#define NEAP_NET_OPTS_INIT NEAP_OPTS_INIT(neap_net_opts)

/* Starts `op`, which connects: it looks the name up and tries its addresses,
 * one after the other. It ends with NEAP_ESYS when that fails, with the code of
 * the lookup, or of the last address. In `done`, when op->status is 0, *result
 * is set and *owned*. An operation that is cancelled leaves *result NULL.
 * Returns 0, or without having started `op` NEAP_EINVAL or NEAP_ENOMEM. */
NEAP_API int neap_net_connect(neap_engine *engine, neap_op *op,
                              const neap_net_opts *opts, neap_stream **result);

/* Looks up the addresses of a host, on the thread pool. Returns and ends like
 * neap_net_connect. *result is to be freed with neap_addresses_free. */
typedef struct neap_addresses neap_addresses;
NEAP_API int neap_net_lookup(neap_engine *engine, neap_op *op, const char *host,
                             neap_addresses **result);

/* Writes the address at `index` (from 0) in digits; false beyond the last. */
NEAP_API bool neap_addresses_get(const neap_addresses *addresses, size_t index,
                                 char *text, size_t size);
NEAP_API void neap_addresses_free(neap_addresses *addresses);

/* Writes the address of one end of a socket: "127.0.0.1:80", "[::1]:80", or a
 * path; "" for a local socket without a path. 128 bytes are enough. Returns 0,
 * or NEAP_ESYS when the socket is not connected. */
NEAP_API int neap_net_name(int fd, bool peer, char *text, size_t size);

/* Listens for connections from now on. The host has to be in digits (else
 * NEAP_EINVAL); without one it is 127.0.0.1. The file of a local socket at
 * which nobody answers any more is replaced; any other file, and a link, stays
 * (EADDRINUSE). *out is *owned*; neap_engine_free closes listeners that are
 * left. Returns 0, NEAP_ENOMEM, or NEAP_ESYS with the system's code in *detail.
 */
typedef struct neap_listener neap_listener;
NEAP_API int neap_net_listen(neap_engine *engine, const neap_net_opts *opts,
                             int *detail, neap_listener **out);

/* Starts `op`, which ends with 0 when there may be a connection to accept, or
 * with NEAP_ECLOSED. Several operations may wait; they end in turn. Returns 0,
 * or NEAP_ECLOSED without having started `op` when the engine has been freed.
 */
NEAP_API int neap_listener_wait(neap_listener *listener, neap_op *op);

/* Takes a connection: *out is *owned*. NEAP_EAGAIN when there is none, because
 * it failed or was taken meanwhile; NEAP_ESYS with the system's code in
 * *detail, such as EMFILE, while the connection still waits; NEAP_ENOMEM, after
 * which the connection is lost; NEAP_ECLOSED. */
NEAP_API int neap_listener_accept(neap_listener *listener, int *detail,
                                  neap_stream **out);

/* The socket, still the listener's; -1 when the engine has been freed. */
NEAP_API int neap_listener_fd(const neap_listener *listener);

/* Closes and frees the listener, and removes the file of a local socket.
 * Operations that wait for it end with NEAP_ECLOSED; accepted connections go
 * on. NULL is ignored. */
NEAP_API void neap_listener_close(neap_listener *listener);

/* ---- Processes ----------------------------------------------------------- */

/* A program that was started. */
typedef struct neap_process neap_process;

/* What a program gets as its standard input, output or error. */
typedef enum neap_stdio {
  NEAP_STDIO_PIPE = 0, /* a stream of the host's at the other end */
  NEAP_STDIO_INHERIT,  /* that of the host */
  NEAP_STDIO_NULL,     /* nothing: /dev/null */
  NEAP_STDIO_FILE,     /* the file at `paths`; outputs replace its contents */
  NEAP_STDIO_APPEND,   /* for outputs: the file, whose contents stay */
  NEAP_STDIO_OUTPUT,   /* for error: where standard output goes */
} neap_stdio;

typedef struct neap_process_opts {
  size_t size;
  const char *const
      *argv;              /* the program and its arguments, then NULL. A program
                             without a slash is searched for in the host's PATH
                           */
  const char *const *env; /* "NAME=value", then NULL; NULL: the host's */
  const char *cwd;        /* the folder it runs in; NULL: the host's */
  neap_stdio stdio[3];
  const char *paths[3]; /* of FILE and APPEND, seen from the host */
  bool same_group; /* the program stays in the process group of the host, as
                      it must to use the terminal. Then neap_process_kill
                      reaches it alone, not what it has started */
} neap_process_opts;

#define NEAP_PROCESS_OPTS_INIT NEAP_OPTS_INIT(neap_process_opts)

typedef enum neap_process_part {
  NEAP_PROCESS_PROGRAM = 0,
  NEAP_PROCESS_CWD,
  NEAP_PROCESS_STDIN,
  NEAP_PROCESS_STDOUT,
  NEAP_PROCESS_STDERR,
} neap_process_part;

/* Why a program was not started: what the system has refused, and its code. */
typedef struct neap_process_failure {
  neap_process_part part;
  int detail;
} neap_process_failure;

/* Starts a program, without a shell, and returns as soon as it has been loaded.
 * The program gets no descriptors but the three, blocks no signals, and SIGPIPE
 * ends it. It leads a process group of its own unless `same_group` is set.
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

/* Starts `op`, which ends with 0 when the program has ended; with NEAP_ESYS and
 * ECHILD when another part of the process has waited for it, as the system does
 * where SIGCHLD is ignored. Any number of operations may wait. Returns 0, or
 * NEAP_ECLOSED without having started `op` when the engine has been freed: then
 * the program has ended. */
NEAP_API int neap_process_wait(neap_process *process, neap_op *op);

/* How a program has ended: its exit code, and the signal that has ended it
 * (else 0). False when it has not ended. */
NEAP_API bool neap_process_result(const neap_process *process, int *code,
                                  int *signal);

/* Sends a signal to the program and to its group. NEAP_ECLOSED when the program
 * has ended; NEAP_ESYS, with the system's code in *detail, when the system
 * refuses. */
NEAP_API int neap_process_kill(neap_process *process, int signal, int *detail);

/* Ends the program and its group: sends SIGTERM, and SIGKILL if the program has
 * not ended within `grace_ns` (0: at once). When the program has ended, now or
 * before, what is left of its group gets SIGKILL. Does nothing the second time.
 *
 * Until this or neap_process_free is called, programs that the program has
 * started go on when it has ended, and it stays in the system's table of
 * processes. */
NEAP_API void neap_process_stop(neap_process *process, uint64_t grace_ns);

/* Frees a process. If it has not been stopped, it is, with a grace of 2 s. The
 * engine waits for its end without notice. Operations that wait for it end with
 * NEAP_ECLOSED. NULL is ignored. */
NEAP_API void neap_process_free(neap_process *process);

/* Stops all processes of an engine and waits until they have ended, for no
 * longer than they were given. Operations that wait for them are forgotten.
 * neap_engine_free does this as well. A host calls it that exits without
 * freeing its engine, because that might have to wait for other things. */
NEAP_API void neap_end_processes(neap_engine *engine);

/* ---- HTTP ---------------------------------------------------------------- */

typedef struct neap_http_header {
  const char *name;
  const char *value;
} neap_http_header;

/* Cookies that are kept between requests; see neap_http_jar_new. */
typedef struct neap_http_jar neap_http_jar;

/* The body of a request, written while it is sent; see neap_http_upload_new. */
typedef struct neap_http_upload neap_http_upload;

/* Whether a request may be sent again when it is unknown what became of it,
 * since sending it twice does no more than sending it once. BY_METHOD means
 * that GET, HEAD, PUT, DELETE, OPTIONS and TRACE may. */
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
  uint64_t max_body;           /* bytes of the decoded body; 0: 64 MiB, or no
                                  limit for a body that is streamed */
  const char *ca_file;         /* PEM; NULL: the system's */
  neap_http_jar *jar;          /* *kept* while it is under way; NULL: none */
  const char *proxy;           /* URL: http, https, socks5, socks5h (it resolves
                                  names); "": none; NULL: the environment's */
  const char *cert_file;       /* PEM, for servers that want one; NULL: none */
  const char *key_file;        /* its key; NULL: it is in cert_file */
  const char *key_password;    /* of the key; NULL: it has none */
  bool stream;                 /* end with the head of the response */
  neap_http_upload *upload; /* *kept* while it is under way, instead of `body`;
                               NULL: none. For one request only */
  neap_http_idempotence idempotence; /* whether it may be sent twice */
  const char *unix_socket; /* path of the local socket to connect to, whatever
                              the host is; NULL: none. Not with `proxy` */
  bool fresh_connection;   /* it is not sent on a connection that was kept */
  uint64_t max_idle_ns;    /* it is not sent on a connection that has been idle
                              for longer, in whole seconds; 0: 118 s */
} neap_http_opts;

#define NEAP_HTTP_OPTS_INIT NEAP_OPTS_INIT(neap_http_opts)

/* A response; after a failure, what has come of it. */
typedef struct neap_http_response neap_http_response;

/* Starts `op`, which sends a request, follows redirects, and receives the whole
 * response. Returns 0, or a negative status without having started `op`:
 * NEAP_EINVAL when something is wrong with the request (a control character in
 * a header or the method, a scheme other than http and https, ...), NEAP_EPERM
 * when the engine is restricted and the host, or a file or a proxy of the
 * options, is not granted, NEAP_ENOLIB when the HTTP library cannot be loaded,
 * NEAP_ENOMEM. neap_http_why then has a sentence.
 *
 * In `done` op->status is 0 for any response that arrived whole, whatever its
 * status code; NEAP_ETIMEDOUT, NEAP_ETOOBIG, NEAP_EHTTP (connection refused,
 * name not found, TLS not verified, cut short, not decodable, not HTTP, ...),
 * NEAP_EPERM (an address or a redirect is not granted, which neap_http_error
 * tells), NEAP_ENOMEM or NEAP_ECANCELED. *response is set by then and *owned*
 * by the caller, except after NEAP_ECANCELED: NULL.
 *
 * With `stream` the operation ends as soon as the head of the last response has
 * come. The body is then read with neap_http_read. neap_http_peek reports a
 * later failure.
 *
 * Certificates are always verified. Without `proxy` the environment variables
 * for proxies are honoured, as curl does.
 *
 * The engine keeps connections and reuses them. Over TLS, where the server
 * speaks HTTP/2, many requests share one. When a connection that was kept ends
 * before the first byte of an answer, the request is sent on another if it is
 * idempotent and its body can be sent from the beginning; otherwise it fails.
 * There are at most half as many connections as the process may open files, and
 * no more than 1024. Other requests wait in line, which counts for `timeout_ns`
 * only. The time to connect includes the name lookup and TLS. The idle time
 * counts from when there is a connection. All three are real time, even on a
 * virtual clock.
 *
 * A redirect to another origin takes along neither user nor password nor client
 * certificate, and of the headers only Accept*, Cache-Control, Content-*, If-*,
 * Range and User-Agent. Content-Length and Transfer-Encoding are set by the
 * engine. Cookie headers and the cookies of a jar are sent as one header. */
NEAP_API int neap_http_send(neap_engine *engine, neap_op *op,
                            const neap_http_opts *opts,
                            neap_http_response **response);

/* Starts `op`, which loads the HTTP library in a thread of the pool and gets
 * libcurl ready, so that the first request need not: that takes some 20 ms
 * otherwise, in the call of neap_http_send. It ends with 0, at once when all of
 * that has been done; with NEAP_ENOLIB when the library cannot be loaded
 * (neap_http_why has a sentence), or NEAP_ENOMEM. Cancelling it does not stop
 * the thread. Returns 0, NEAP_EINVAL, NEAP_ENOMEM or NEAP_ESYS. */
NEAP_API int neap_http_preload(neap_engine *engine, neap_op *op);

/* Why the last neap_http_send of this engine refused; "" if it did not. */
NEAP_API const char *neap_http_why(const neap_engine *engine);

/* A sentence about the failure, without query string, user or password of the
 * URL; and in *transient whether the same request may well succeed later (after
 * a refused or broken connection, or a timeout). "" and false after success. */
NEAP_API const char *neap_http_error(const neap_http_response *response,
                                     bool *transient);

/* Whether the request failed because a connection that was kept had died, and
 * was not sent again for one reason alone: its upload could not be sent from
 * the beginning. Sending it anew does no harm. */
NEAP_API bool neap_http_is_stale(const neap_http_response *response);
NEAP_API int neap_http_status(const neap_http_response *response); /* 0: none */
NEAP_API const char *neap_http_url(const neap_http_response *response);
/* The header at `index` (from 0) of the last response, in the order in which
 * they came; the name is in lower case. False beyond the last. */
NEAP_API bool neap_http_get_header(const neap_http_response *response,
                                   size_t index, neap_http_header *out);
/* The part of the body that has come and was not taken. */
NEAP_API const char *neap_http_body(const neap_http_response *response,
                                    size_t *size);
/* Frees a response. If its body is still coming, the connection is closed, and
 * an operation that reads it ends with NEAP_ECLOSED. NULL is ignored. */
NEAP_API void neap_http_free(neap_http_response *response);

/* Starts `op`, which ends with 0 when neap_http_peek has something to give:
 * bytes, the end or an error; or with NEAP_ECLOSED. Cancelling it loses
 * nothing. A response that was not streamed can be read as well; all of it is
 * there.
 *
 * Returns 0, or NEAP_EBUSY without having started `op` when another operation
 * waits to read. */
NEAP_API int neap_http_read(neap_engine *engine, neap_op *op,
                            neap_http_response *response);

/* Gives the bytes that have come, without taking them. They are *borrowed*
 * until the next poll, take or free. A size of 0 is the end. NEAP_EAGAIN when
 * nothing has come at the moment. Behind the last byte of a body that broke
 * off, the status with which neap_http_send would have ended; then
 * neap_http_error has a sentence. NEAP_ECLOSED when the engine has been freed.
 */
NEAP_API int neap_http_peek(const neap_http_response *response,
                            const char **bytes, size_t *size);

/* Takes the first `size` of the bytes that peek has given. No more than about
 * 256 KiB are received ahead, so bytes that are not taken hold up the server.
 * The time of that does not count for `idle_timeout_ns`. */
NEAP_API void neap_http_take(neap_http_response *response, size_t size);

/* Replaces the `idle_timeout_ns` of a response from now on; 0: none. Without
 * effect once the body has come whole. */
NEAP_API void neap_http_limit_idle(neap_http_response *response, uint64_t ns);

#define NEAP_HTTP_SIZE_UNKNOWN UINT64_MAX

/* Makes a body of `size` bytes, for one request. It is written with
 * neap_http_upload_write while the request is sent, and is *owned* by the
 * caller. Where the size is unknown it is sent in chunks, which servers of
 * HTTP/1.0 do not take.
 *
 * A server may answer before it has the whole body. If the status is 300 or
 * more, the rest is not sent. A redirect for which the body would have to be
 * sent again fails, since it is gone. Returns 0 or NEAP_ENOMEM. */
NEAP_API int neap_http_upload_new(neap_engine *engine, uint64_t size,
                                  neap_http_upload **out);

/* Writes bytes, which are copied. If there is room for more, *written is set,
 * and `op` has not been started. Otherwise `op` is started, and ends with 0
 * when there is room, or with NEAP_ECLOSED when the request has ended.
 * Cancelling it does not take the bytes back.
 *
 * Returns 0; or a negative status without having written anything: NEAP_ECLOSED
 * when the request has ended or the end has been written, NEAP_EBUSY when
 * another operation waits for room, NEAP_EINVAL when the body would become
 * larger than its size, NEAP_ENOMEM. */
NEAP_API int neap_http_upload_write(neap_engine *engine, neap_op *op,
                                    neap_http_upload *upload, const void *bytes,
                                    size_t size, bool *written);

/* Writes the end. NEAP_EINVAL when fewer bytes than the size have been written;
 * NEAP_ECLOSED as above. */
NEAP_API int neap_http_upload_end(neap_http_upload *upload);

/* Frees a body. If its end has been written, what is left of it is still sent;
 * otherwise the request fails. NULL is ignored. */
NEAP_API void neap_http_upload_free(neap_http_upload *upload);

/* Makes an empty jar, *owned* by the caller. A request with a jar sends the
 * cookies that the jar has for it, and keeps there those that the server sets,
 * in redirects too, as RFC 6265 says. Requests without a jar ignore cookies.
 * Any number of requests of the engine may use a jar at once. Returns 0,
 * NEAP_ENOLIB or NEAP_ENOMEM. */
NEAP_API int neap_http_jar_new(neap_engine *engine, neap_http_jar **out);

/* Frees a jar. Requests that use it keep what they need. NULL is ignored. */
NEAP_API void neap_http_jar_free(neap_http_jar *jar);

/* Gives all cookies that have not expired, each on a line of its own in the
 * format of Netscape's cookie file: seven fields with tabs between them. These
 * are the domain, whether subdomains get it, the path, whether it is only for
 * https, when it expires in seconds since 1970 (0: with the session), the name
 * and the value. "#HttpOnly_" precedes the domain of a cookie that is HttpOnly.
 * The text belongs to the jar and is valid until the next call. Returns 0 or
 * NEAP_ENOMEM. */
NEAP_API int neap_http_jar_text(neap_http_jar *jar, const char **text);

/* Adds the cookies of such a text. Empty lines, comments and cookies without a
 * name are ignored. Returns 0, NEAP_ENOMEM, or NEAP_EINVAL when a line is not a
 * cookie; those before it have been added. */
NEAP_API int neap_http_jar_add(neap_http_jar *jar, const char *text);

/* Removes all cookies. Returns 0 or NEAP_ENOMEM. */
NEAP_API int neap_http_jar_clear(neap_http_jar *jar);

#ifdef __cplusplus
}
#endif

#endif
