/* Nodes in C that are part of a flow in Lua.
 * SPDX-License-Identifier: MIT
 *
 * The self of such a visit is its call (native.h), which keeps the results of
 * the phases. On the stack, these are nil. An attempt with a time limit uses
 * the call of its visit: the visit does nothing else meanwhile.
 */
#include "native_node.h"

#include <string.h>

#include "drive.h"
#include "task/error.h"
#include "task/wait.h"

void neapL_native_enter(lua_State *L, const neapL_task *task, int params) {
  neapL_call_new(L, task, SHARED, params, 0);
}

static neapL_call *call_of(lua_State *L, neapL_task *task) {
  const neap_step *step = neap_run_step(task->run);
  return lua_touserdata(L, self_of(*step->note));
}

/* True when the step goes on with the visit of the run at a depth. */
static bool goes_on(const neap_step *step, uint32_t depth) {
  return step->depth == depth &&
         (step->what == NEAP_DO_CALL || step->what == NEAP_DO_WAIT ||
          step->what == NEAP_DO_ATTEMPT);
}

static bool is_attempt(const neapL_task *task, uint32_t depth) {
  return task->internal && task->root == NEAP_ROOT_ATTEMPT && depth == 0;
}

/* Fails the step with the error on top, and ends the call unless the visit goes
 * on. [-1, +0, v] */
static const neap_step *fail(lua_State *L, neapL_task *task, neapL_call *c) {
  const neap_step *step = neap_run_step(task->run);
  uint32_t depth = step->depth;
  bool is_visit = !is_attempt(task, depth);
  if (is_visit && (task->cancel_status != 0 || !step->caught))
    neapL_call_end(c);
  const neap_step *next = neapL_drive_fail(L, task);
  if (is_visit && !goes_on(neap_run_step(task->run), depth))
    neapL_call_end(c);
  return next;
}

/* The phase is over, with a status of 0. */
static const neap_step *succeed(lua_State *L, neapL_task *task, neapL_call *c) {
  const neap_step *step = neap_run_step(task->run);
  if (step->phase != NEAP_POST) {
    lua_pushnil(L);
    if (step->phase == NEAP_PREP) /* exec's tasks count from here on */
      set_note(task, step->note, self_of(*step->note));
    return neap_run_ok(task->run);
  }
  size_t size;
  const char *action;
  if (neap_call_action(c->call, &action, &size))
    action = lua_pushlstring(L, action, size);
  else
    lua_pushnil(L);
  neapL_call_end(c);
  return neap_run_action(task->run, action, size);
}

static const neap_step *outcome(lua_State *L, neapL_task *task, neapL_call *c,
                                int status);

static int settle(lua_State *L, const neap_op *op) {
  neapL_task *task = op->data;
  neapL_call *c = call_of(L, task);
  return neapL_drive(L, task, outcome(L, task, c, neap_call_settle(c->call)));
}

static void give_up(lua_State *L) {
  neapL_task *task = neapL_task_current(L);
  neap_call_cancel(call_of(L, task)->call);
}

/* Waits for a phase that goes on. */
static const neap_step *wait_for(lua_State *L, neapL_task *task,
                                 neapL_call *c) {
  static const neapL_wait_then then = {.finish = settle, .discard = give_up};
  const neap_node *node = neap_run_step(task->run)->node;
  const char *atomic = record_of(node)->atomic;
  if (atomic) {
    neap_call_cancel(c->call);
    neapL_error_push(L, "atomic", "it would wait, and %s is atomic", atomic);
    return fail(L, task, c);
  }
  if (task->cancel_status != 0)
    neap_call_cancel(c->call); /* the wait raises */
  neap_op *op = neapL_wait_begin(L, neap_node_name(node));
  neapL_wait(L, op, neap_call_wait(c->call, op), &then);
  return NULL;
}

static const neap_step *outcome(lua_State *L, neapL_task *task, neapL_call *c,
                                int status) {
  if (status == NEAP_LATER)
    return wait_for(L, task, c);
  if (status == 0)
    return succeed(L, task, c);
  neapL_call_push_error(L, c, NULL);
  return fail(L, task, c);
}

/* Tells the fallback how the last attempt has failed: the error is at ERROR.
 * [-0, +0, m] */
static void note_failure(lua_State *L, const neapL_call *c) {
  int top = lua_gettop(L);
  int status = NEAP_EFAILED;
  const char *code = "user";
  if (neapL_error_is(L, ERROR)) {
    lua_getfield(L, ERROR, "status");
    if (lua_isinteger(L, -1) && lua_tointeger(L, -1) < 0)
      status = (int)lua_tointeger(L, -1);
    if (lua_getfield(L, ERROR, "code") == LUA_TSTRING)
      code = lua_tostring(L, -1);
    if (status == NEAP_EFAILED && strcmp(code, "timeout") == 0)
      status = NEAP_ETIMEDOUT;
    lua_getfield(L, ERROR, "message");
  } else {
    neapL_error_text(L, ERROR);
  }
  neap_call_note_failure(c->call, status, code, lua_tostring(L, -1));
  lua_settop(L, top);
}

const neap_step *neapL_native_call(lua_State *L, neapL_task *task,
                                   const neap_step *step) {
  int self = self_of(*step->note);
  neapL_call *c = lua_touserdata(L, self);
  static const int slots[] = {PREP, EXEC, EXEC, ACTION};
  lua_settop(L, self + slots[step->phase] - 1 - SELF);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (step->phase == NEAP_EXEC)
    set_note(task, step->note, self);
  if (step->phase == NEAP_FALLBACK)
    note_failure(L, c);
  return outcome(L, task, c, neap_call_do(c->call, task->run));
}
