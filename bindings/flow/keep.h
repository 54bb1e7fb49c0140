/* Keepers: what saves a run while it goes on.
 * SPDX-License-Identifier: MIT
 *
 * A keeper is a function in Lua that the driver of a run calls in the run's
 * coroutine, or in that of a worker of the run, at these moments:
 *
 *   keeper("enter", frames, beside)
 *     A visit begins. `frames` is where the run is, as neap_run_save has it.
 *     `beside` is true in a worker, where the number that the visit has got
 *     depends on what goes on beside it.
 *   keeper("left", path, action, attempt, seconds)
 *     A visit has ended with an action (nil: the default one). The path is that
 *     of error messages. Must not wait.
 *   keeper("prepared", path, prep_res, self)
 *     Prep of a visit has been called that will have others inside.
 *     Must not wait.
 *   keeper("item", frames, path, index, result, error)
 *     An item of a batch has ended, whose index is from 1.
 *   keeper("pause", frames, seconds)
 *     The run waits for its next attempt.
 *   keeper("name", path, visit) -> run_id, key
 *     A visit or an item begins or goes on. Gives two fields of its self. Must
 *     not wait.
 *   keeper("restore", path) -> prep_res, fields, results, errors
 *     A visit that was prepared before the run was loaded goes on. Gives what
 *     has been kept of it. Must not wait.
 *
 * What the others wait for holds up the run. An error that a keeper raises ends
 * the run, past all that could catch it. */
#ifndef NEAP_BINDINGS_FLOW_KEEP_H
#define NEAP_BINDINGS_FLOW_KEEP_H

#include <lua.h>

#include "task/task.h"

/* Each calls the keeper of a task that has one (task->is_kept); `k` goes on
 * after a wait. Where it does not wait, it returns. [-0, +0, v] */
void neapL_keep_enter(lua_State *L, neapL_task *task, lua_KFunction k);
void neapL_keep_pause(lua_State *L, neapL_task *task, const neap_step *step,
                      lua_KFunction k);

/* The same for an item that has ended. Its result is at `result`, its error at
 * `error`; 0: it has none. [-0, +0, v] */
void neapL_keep_item(lua_State *L, neapL_task *task, const neap_step *step,
                     int result, int error, lua_KFunction k);

/* These do not wait. [-0, +0, v] */
void neapL_keep_left(lua_State *L, neapL_task *task, const neap_step *step);
void neapL_keep_prepared(lua_State *L, neapL_task *task, const neap_step *step,
                         int self);

/* Gives the self at an index, of a visit or an item at a depth, its names.
 * [-0, +0, v] */
void neapL_keep_name(lua_State *L, neapL_task *task, uint32_t depth, int self);

/* Pushes what has been kept of the visit of the step: prep_res, a table of
 * fields of self, results and errors of items; each may be nil. [-0, +4, v] */
void neapL_keep_restore(lua_State *L, neapL_task *task, const neap_step *step);

/* Sets `keep` in the table on top: start(plan, shared, params, keeper, frames)
 * -> task, which raises code "stuck" where the run does not fit the flow any
 * more; and current() -> keeper, path, visit, attempt, alone of the run that
 * the current task belongs to; `alone` is false in a worker of it. [-0, +0, m]
 */
void neapL_keep_open(lua_State *L);

#endif
