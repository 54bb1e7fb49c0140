/* neap for Lua 5.4: what a host needs to put neap into a Lua state.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_LUA_H
#define NEAP_LUA_H

#include "neap.h"

#ifdef __cplusplus
extern "C" {
#endif

#include <lua.h> /* which does not know of C++ */

/* Which scripts a Lua state is for. */
typedef enum neap_lua_profile {
  NEAP_TRUSTED = 0, /* they may do all that the process may */
  NEAP_UNTRUSTED,   /* nobody trusts them. They have no `io`, `debug` and
                       `package`, and of `os` what tells the time; they load
                       source text only; what library functions do is bounded;
                       and the engine does what its grants allow, without
                       grants nothing. docs/sandbox.md has all of it */
} neap_lua_profile;

typedef struct neap_lua_opts {
  size_t size;
  const neap_engine_opts *engine; /* of the state's engine; NULL: the defaults.
                                     Its `http_library` is *kept* as long as the
                                     state */
  /* How long a task may compute without a wait while it is driven by neap_slice
   * with a budget: processor time of the thread. Then its run is ended with an
   * error of code "compute", which no pcall of it catches. 0: 50 ms;
   * NEAP_FOREVER: no limit. A run that a host starts can have another. */
  uint64_t compute_limit_ns;
  neap_lua_profile profile; /* for neap_lua_new alone */
  /* For scripts that nobody trusts: what gets the text that they print, for
   * `fd` 1, or have to say about errors, for 2. `text` is *borrowed*. It must
   * not call into the state. NULL: stdout and stderr of the process. */
  void (*print)(void *ud, int fd, const char *text, size_t size);
  void *print_ud;
  uint64_t max_output;     /* bytes that they may print; 0: 1 MiB */
  uint32_t max_coroutines; /* that they may have at a time; 0: 10,000 */
  uint32_t max_tasks;      /* that they may have at a time; 0: 10,000 */
  /* Bytes that the state and its engine may use together, what they receive and
   * send included; 0: no limit. Only for neap_lua_new. When it is reached, the
   * run that uses most is ended with an error of code "memory", which no pcall
   * of it catches; all else goes on, if need be in 256 KB more. A single
   * request for more than the cap is an ordinary error of Lua's. */
  size_t memory_cap;
  /* A real-time signal, SIGRTMIN to SIGRTMAX, that is lent to the state until
   * it is closed; 0: none. A slice with a budget then interrupts Lua code by
   * it, so that code runs at full speed until the budget is over. neap sets its
   * handler, which needs to have none before, and gives it back its disposition
   * after the last state to which it has been lent. It comes to the thread that
   * is in neap_slice, only there, and restarts system calls. Where that thread
   * blocks it, slices go on without. */
  int preempt_signal;
} neap_lua_opts;

#define NEAP_LUA_OPTS_INIT NEAP_OPTS_INIT(neap_lua_opts)

/* Puts neap into a Lua state, with an engine of its own that lives as long as
 * the state. Afterwards `require "neap"` and its other modules need no file:
 * libneap_lua has them in it. The state needs to have the library `package`,
 * and the others that its scripts use, as luaL_openlibs opens them. `opts` may
 * be NULL. Raises nothing, and may be called outside of protected calls.
 *
 * Returns 0, NEAP_EBUSY when neap is open in the state already or the signal of
 * `opts` has a handler, NEAP_EINVAL when `opts` are wrong or the state is of
 * another version of Lua, NEAP_ENOMEM, or NEAP_ESYS when there are no more
 * descriptors. After a failure you can try again. [-0, +0, -] */
NEAP_API int neap_lua_open(lua_State *L, const neap_lua_opts *opts);

/* Makes a Lua state with the standard libraries and with neap, as
 * neap_lua_open puts it in. All memory of the state and of its engine comes
 * from the allocator of `opts->engine`, and is counted. `opts` may be NULL. The
 * state has no function that gets warnings, nor one for a panic: set yours,
 * with lua_setwarnf and lua_atpanic.
 *
 * On success *out is *owned*: end it with lua_close, which ends its engine as
 * well. Not from beneath a call into this state. Returns 0, NEAP_EINVAL when
 * `opts` or those of the engine are wrong, NEAP_EBUSY when the signal of `opts`
 * has a handler, NEAP_ENOMEM, or NEAP_ESYS when there
 * are no more descriptors. */
NEAP_API int neap_lua_new(const neap_lua_opts *opts, lua_State **out);

/* What a state that neap_lua_new has made, and its engine, use. Set `size`
 * before. */
typedef struct neap_lua_memory {
  size_t size;
  size_t used; /* bytes, garbage included */
  size_t peak; /* the most that was used */
  size_t cap;  /* 0: no limit */
  bool full;   /* the cap was reached, and runs used less than half: globals or
                  modules keep the rest, which stays when runs end */
} neap_lua_memory;

#define NEAP_LUA_MEMORY_INIT NEAP_OPTS_INIT(neap_lua_memory)

/* Returns 0, or NEAP_EINVAL when *out has no size, or neap has not made the
 * state. Allocates nothing. [-0, +0, -] */
NEAP_API int neap_lua_usage(lua_State *L, neap_lua_memory *out);

/* Opens `neap.core`, the part of neap that is written in C, and nothing else:
 * for a state that finds the Lua modules in `package.path`. A host calls it
 * through luaL_requiref or package.preload under the name "neap.core". Leaves
 * the module's table on the stack, and raises what goes wrong. [-0, +1, v] */
NEAP_API int luaopen_neap_core(lua_State *L);

/* The engine of a Lua state in which neap.core is open, *kept* by it: to be
 * driven by neap_slice or neap_poll, and for neap_on_event, neap_wake and the
 * like. Do not free it. NULL when neap is not open, or has ended because the
 * state is being closed. [-0, +0, -]
 *
 * A slice with a budget suspends Lua code amid its instructions when the budget
 * is over, and the next slice goes on there; until that task waits or ends, no
 * other one of the state runs. What cannot be suspended is what a C function
 * has called, such as the comparator of table.sort, an on_event, a finalizer, a
 * C function itself. Those called back, but not the others, can be ended. A
 * time limit that has passed and a cancellation end code that computes as well.
 */
NEAP_API neap_engine *neap_lua_engine(lua_State *L);

/* ---- Flows in Lua, driven by the host ------------------------------------ */

/* The functions of this part raise nothing, and may be called outside of
 * protected calls, also from a C function that a script has called. They leave
 * the stack as it was. L may be any coroutine of the state. They return
 * NEAP_EINVAL when L is NULL or neap is not open in its state, and NEAP_ENOMEM
 * when there is no memory; nothing has changed then. */

/* A flow that has been loaded into a Lua state: a number, which no other flow
 * of the state ever has. One that has been unloaded, or that is of another
 * state, is NEAP_ESTALE. */
typedef uint64_t neap_lua_flow;

/* Loads a script, whose `size` bytes at `text` return a flow or a node. It is
 * compiled at once. Then a task runs it, once, in the next polls or slices; it
 * may wait. It has globals of its own: what it reads is the state's, what it
 * sets is seen by no other script. `name` stands in messages for its file, and
 * is what it gets as `...`. `neap.is_main()` is false in it. Tasks that it
 * spawns end with it.
 *
 * Returns 0, and the flow in *out; NEAP_EINVAL when the text does not compile
 * or is bytecode; NEAP_EFAILED when neap's modules cannot be loaded.
 * neap_lua_why has a sentence then. *out is *owned*: it takes memory until it
 * is unloaded, or until another flow takes its name. [-0, +0, -] */
NEAP_API int neap_lua_load(lua_State *L, const char *name, const char *text,
                           size_t size, neap_lua_flow *out);

/* How far a flow is. Returns 0 when its script has returned a flow in which
 * nothing is missing; NEAP_EAGAIN while the script runs; NEAP_EFAILED when the
 * script has raised or has returned something else, and neap_lua_why says what;
 * or NEAP_ESTALE. [-0, +0, -] */
NEAP_API int neap_lua_loaded(lua_State *L, neap_lua_flow flow);

/* Why the last of these functions failed in this state, as one sentence; ""
 * when it did not or there is no more to say than the status does. It is valid
 * until the next call of one of them. [-0, +0, -] */
NEAP_API const char *neap_lua_why(lua_State *L);

/* Unloads a flow, and takes its name away if it has one. Runs of it go on to
 * their end. If its script runs, that is cancelled. Returns 0 or NEAP_ESTALE.
 * [-0, +0, -] */
NEAP_API int neap_lua_unload(lua_State *L, neap_lua_flow flow);

/* Gives a flow that has been loaded a name. A flow that had the name before is
 * unloaded: its runs end on what they have begun with, and runs that are
 * started by the name from now on are runs of the new one. Nothing is patched.
 *
 * Returns 0; NEAP_EAGAIN or NEAP_EFAILED when neap_lua_loaded does; NEAP_EBUSY
 * when the flow has another name; or NEAP_ESTALE. The former flow keeps the
 * name then. [-0, +0, -] */
NEAP_API int neap_lua_swap(lua_State *L, const char *name, neap_lua_flow flow);

/* Gives the flow that has a name now. Returns 0, or NEAP_ESTALE when none has.
 * [-0, +0, -] */
NEAP_API int neap_lua_find(lua_State *L, const char *name, neap_lua_flow *out);

/* Starts a run of a flow, as a task of the state. Nothing is called before the
 * next poll or slice of its engine. The value at the index `shared` of L is the
 * shared store of the run, and stays the host's: it can read and write it at
 * any time: a table, or a userdata. With 0 it is that of `opts`, or else a new
 * table. Pseudo-indices are refused. A run of a flow
 * whose script still runs begins when that has ended; it fails if that fails.
 *
 * Of `opts`, which may be NULL, `node` has to be NULL, and the values `shared`
 * and `params` are those of neap_lua_value_new; a plain pointer as `shared` is
 * a light userdata, and `params` have to be a table. `compute_limit_ns` limits
 * the run where the state's limit does. Everything else is as with
 * neap_start: the run has a token, neap_cancel cancels it, and its end is
 * reported by neap_next_report of the state's engine. The report has the code
 * of the error object with which the run ended, "user" if it was none.
 *
 * Returns 0 with the token in *run; NEAP_ESTALE when there is no such flow;
 * NEAP_EINVAL when nothing lies at the index, or what is no store; NEAP_EFAILED
 * when its script has failed, or a value of `opts` is none of this
 * state: neap_lua_why says more. [-0, +0, -] */
NEAP_API int neap_lua_start(lua_State *L, neap_lua_flow flow, int shared,
                            const neap_start_opts *opts, neap_token *run);

/* The same for the flow that has a name now. [-0, +0, -] */
NEAP_API int neap_lua_start_named(lua_State *L, const char *name, int shared,
                                  const neap_start_opts *opts, neap_token *run);

/* Makes *out stand for the value at an index, so that neap_get_number and its
 * like can read it, and set what is in it, by path. *out is *owned*: free it
 * with neap_lua_value_free, or close the state. Metamethods on the path are
 * called, and must not wait; in a state for scripts that nobody trusts they are
 * not called, since nothing could end them. What is neither nil nor a boolean,
 * number or string is given as JSON, as neap.json writes it. NEAP_EINVAL when
 * nothing lies on the stack at the index. [-0, +0, -] */
NEAP_API int neap_lua_value_new(lua_State *L, int index, neap_value *out);

/* Frees a value, which is empty then. It belongs to a state that has not been
 * closed. One that is empty or not of Lua's is ignored. [-0, +0, -] */
NEAP_API void neap_lua_value_free(neap_value *value);

/* Pushes what a value stands for: a plain pointer as a light userdata.
 * NEAP_EINVAL, and nothing is pushed, when it is a value of another state or
 * kind.
 * [-0, +(0|1), -] */
NEAP_API int neap_lua_value_push(lua_State *L, neap_value value);

/* ---- Functions and nodes in C, for Lua ----------------------------------- */

/* Makes a function in C a global of the state, which scripts call like any that
 * waits. Of `ops`, which is copied, `exec` is the function. It returns 0, a
 * negative status, which is raised as an error object with that `status`, or
 * NEAP_LATER after neap_later: then the task waits until neap_complete is
 * called, from any thread. `resume`, if there is one, is called then, in the
 * thread of the engine, and may give the results. `cancel` is called when the
 * task is cancelled while it waits, and `drop`, with `self`, when Lua has let
 * go of the function. The other functions are not called.
 *
 * The arguments are a list: neap_call_params(call) has the first at "[1]", and
 * their number at "n". The results are another list: see neap_lua_call_results.
 * A host that knows Lua finds the arguments on the stack of
 * neap_lua_call_state.
 *
 * The function must not raise. It raises for its caller where Lua cannot be
 * suspended, as sleep does.
 *
 * Returns 0, or NEAP_EFAILED for `ops` that are none or have no exec, and
 * neap_lua_why says more; `drop` is not called then. [-0, +0, -] */
NEAP_API int neap_lua_register(lua_State *L, const char *name,
                               const neap_node_ops *ops, void *self);

/* Makes a node in C known to scripts: neap.native(name, opts) is a node with
 * these functions, as neap_flow_add_ops makes one, which can be wired, retried
 * and timed like any node of Lua. neap_call_shared of its calls is the shared
 * store of the run, neap_call_params its params. `drop` is called when no flow
 * has the node any more and another has taken its name, or when the state is
 * closed. The node is no batch: `fetch` is not called. Returns what
 * neap_lua_register does. [-0, +0, -] */
NEAP_API int neap_lua_register_node(lua_State *L, const char *name,
                                    const neap_node_ops *ops, void *self);

/* Of a function's call: the coroutine that has called it. Its arguments are on
 * the stack from index 1 on; leave the stack as it is but for what
 * neap_lua_call_return takes. NULL for other calls. */
NEAP_API lua_State *neap_lua_call_state(const neap_call *call);

/* Of a function's call: the list of its results, to be set by path, "[1]" being
 * the first. With an element "n" it has so many, nil included. An empty value
 * for other calls. */
NEAP_API neap_value neap_lua_call_results(const neap_call *call);

/* Makes the `count` values on top of that stack the results, and pops them.
 * NEAP_EINVAL for other calls and a wrong count; NEAP_ENOMEM, and they are
 * popped. To be called in exec or resume. [-count, +0, -] */
NEAP_API int neap_lua_call_return(const neap_call *call, int count);

/* Adds a flow in Lua to a flow in C, as a node: its exec is a run of the flow
 * of this name at that time, or without a name (NULL) of the flow `lua`. The
 * node ends with the action of that run, and fails as it does. Of a run in C
 * whose shared store is a value of this state, the run in Lua has the same
 * table; a plain pointer is a light userdata there. `opts` are those of
 * neap_flow_add, for a node of the kind NEAP_NODE. The runs in C are started on
 * the engine of the state. The node has its memory from the allocator of the
 * state, also to the end of the flow: where the state is not from neap_lua_new,
 * that has to last so long. Returns what neap_flow_add_ops does. [-0, +0, -] */
NEAP_API int neap_lua_add_node(lua_State *L, neap_flow *flow,
                               const neap_node_opts *opts, const char *name,
                               neap_lua_flow lua, neap_node **out);

#ifdef __cplusplus
}
#endif

#endif
