/* The life of a task: how it begins, goes on, and ends.
 * SPDX-License-Identifier: MIT
 *
 * `wake` is the only function that resumes a task: the one door into Lua.
 * neap_poll calls it for operations that have ended.
 *
 * The first function of a task's coroutine is `task_main`. It calls the task's
 * function under a protected call, for two reasons: an error unwinds inside of
 * the coroutine, so that <close> variables may wait; and the results or the
 * error are kept before the coroutine ends. What is left to do then allocates
 * nothing, or runs under lua_pcall in a coroutine of the host's. So nothing in
 * `wake` can raise.
 */
#include "task_life.h"

#include <lauxlib.h>
#include <string.h>

#include "budget.h"
#include "coroutine.h"
#include "error.h"
#include "memory.h"
#include "protect.h"
#include "task_error.h"
#include "time_limit.h"
#include "wait.h"

static void wake(neap_op *op);
static void end_task(neapL_task *task, neapL_task_state outcome);

/* Keeps the `count` values on top as the results of a task. [-count, +0, m] */
static void keep_results(lua_State *L, neapL_task *task, int count) {
  if (count > 1) {
    lua_createtable(L, count, 0);
    lua_insert(L, -count - 1);
    for (int i = count; i >= 1; i--)
      lua_rawseti(L, -i - 1, i);
  }
  if (count > 0) {
    neapL_task_push(L, task);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, NEAPL_TASK_RESULT);
    lua_pop(L, 1);
  }
  task->results = count;
}

/* The function of a task has returned or raised. */
static int finish(lua_State *L, int status, lua_KContext context) {
  (void)context;
  neapL_task *task = neapL_task_current(L);
  if (status == LUA_OK || status == LUA_YIELD) {
    keep_results(L, task, lua_gettop(L) - 1);
    task->outcome = NEAPL_TASK_DONE;
  } else {
    task->outcome = task->cancel_status == NEAP_ECANCELED ? NEAPL_TASK_CANCELLED
                                                          : NEAPL_TASK_FAILED;
    if (task->ending)
      neapL_task_push_end(L, task); /* whatever its code has made of that */
    neapL_task_keep_error(L, task);
  }
  return 0;
}

/* The first function of a task's coroutine. On its stack are the message
 * handler, the function to call, and the arguments. */
static int task_main(lua_State *L) {
  int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 1, 0, finish);
  return finish(L, status, 0);
}

neapL_task *neapL_task_spawn(lua_State *L, neapL_task *parent, int count,
                             int last) {
  neapL_host *host = parent->host;
  neapL_task *task = lua_newuserdatauv(L, sizeof *task, last);
  neapL_task_init(task, host, wake);
  task->state = NEAPL_TASK_DONE; /* until it is in the tree */
  neapL_host_push(L, host, NEAPL_HOST_META);
  lua_setmetatable(L, -2);
  neapL_host_fill_pool(L, host);
  /* From here on nothing runs Lua, which could change what is checked. */
  if (parent != host->root && parent->state != NEAPL_TASK_RUNNING)
    neapL_error_raise(L, "closed",
                      "a task that has ended cannot spawn another");
  if (host->current && host->current->ending == NEAPL_ENDING_MEMORY) {
    neapL_task_push_end(L, host->current);
    neapL_protect_let_pass(L);
    lua_error(L);
  }
  if (host->max_tasks > 0 && host->live >= host->max_tasks)
    neapL_error_raise(L, "limit", "more than %d tasks have not ended",
                      (int)host->max_tasks);
  lua_State *thread = host->pool[host->pooled - 1].L;
  if (!lua_checkstack(thread, count + LUA_MINSTACK))
    luaL_error(L, "too many arguments for a task");
  task->parent = parent;
  if (host->memory && !neapL_memory_open(host->memory, task))
    neapL_error_no_memory(L);
  /* From here on nothing fails. */
  task->slot = neapL_host_take(L, host);
  lua_insert(L, -count - 2); /* task function arguments */
  lua_pushcfunction(thread, task_main);
  lua_pushcfunction(thread, neapL_task_trace);
  lua_xmove(L, thread, count + 1);
  task->results = count + 2; /* until it begins, the number of arguments */
  task->L = thread;
  task->serial = parent->spawned++;
  const neapL_task *spawner = host->current ? host->current : parent;
  task->script = spawner->script;
  task->allowance = spawner->allowance;
  task->state = NEAPL_TASK_READY;
  neap__list_append(&parent->children, &task->sibling);
  host->live++;
  parent->live_children++;
  neap_op_hold(host->engine, &task->op);
  neap_op_settle(&task->op, 0);
  return task;
}

/* The host ends tasks while none of them runs. Code of the user's that is
 * called then, a __tostring or a finalizer, may not wait. A task that it spawns
 * belongs to the script. */
static const char *begin_outside(neapL_host *host, const char *who) {
  const char *before = host->outside;
  host->outside = who;
  return before;
}

/* Runs below lua_pcall: makes the error of a task (at 1) that ends before it
 * has begun, or that has yielded without waiting for the engine. */
static int make_end(lua_State *L) {
  neapL_task *task = lua_touserdata(L, 1);
  if (task->cancel_status == 0 && !task->ending)
    neapL_error_push(L, "yield",
                     "coroutine.yield outside a coroutine of the script");
  else
    neapL_task_push_end(L, task);
  return 1;
}

static void push_end(neapL_task *task) {
  lua_State *S = task->host->scratch;
  lua_pushcfunction(S, make_end);
  lua_pushlightuserdata(S, task);
  lua_pcall(S, 1, 1, 0);
}

/* Ends a task whose coroutine cannot go on, with the error that is the only
 * value on the host's scratch stack. The user's code that is called for <close>
 * variables counts as the task's, and may not wait. */
static void break_off(neapL_task *task) {
  neapL_host *host = task->host;
  lua_State *S = host->scratch;
  host->current = task;
  host->can_yield = false;
  host->blocked = task->L;
  /* As in Lua, what a <close> variable raises takes the place of the error. */
  if (neapL_coroutine_end(S, task->L)) {
    lua_xmove(task->L, S, 1);
    lua_replace(S, 1);
  }
  task->broken = true;
  if (task->ending) {
    push_end(task);
    lua_replace(S, 1);
  }
  neapL_task_keep_error(S, task);
  host->current = NULL;
  host->can_yield = true;
  lua_settop(S, 0);
  end_task(task, task->cancel_status == NEAP_ECANCELED ? NEAPL_TASK_CANCELLED
                                                       : NEAPL_TASK_FAILED);
}

/* Ends a task that was cancelled before it began. */
static void end_early(neapL_task *task) {
  lua_State *S = task->host->scratch;
  const char *before = begin_outside(task->host, "a finalizer");
  push_end(task);
  neapL_task_keep_error(S, task);
  lua_settop(S, 0);
  task->host->outside = before;
  end_task(task, task->cancel_status == NEAP_ECANCELED ? NEAPL_TASK_CANCELLED
                                                       : NEAPL_TASK_FAILED);
}

/* Runs below lua_pcall: warns that the script has ended before a child of it
 * (at 1) began. */
static int warn_of_unbegun(lua_State *L) {
  const neapL_task *task = lua_touserdata(L, 1);
  if (task->run) {
    task->host->runs->push_path(L, task->run);
  } else {
    lua_Debug ar;
    lua_pushvalue(task->L,
                  3); /* task_main, the message handler, the function */
    lua_xmove(task->L, L, 1);
    lua_getinfo(L, ">S", &ar);
    lua_pushfstring(L, "the function at %s:%d", ar.short_src, ar.linedefined);
  }
  lua_warning(L, "neap: ", 1);
  lua_warning(L, lua_tostring(L, -1), 1);
  lua_warning(L,
              " was spawned, but the script ended before it began; await the "
              "task",
              0);
  return 0;
}

void neapL_task_warn_unbegun(neapL_task *owner) {
  lua_State *S = owner->host->scratch;
  for (neap_link *link = owner->children.next; link != &owner->children;
       link = link->next) {
    neapL_task *task = NEAP__ITEM(link, neapL_task, sibling);
    if (task->state != NEAPL_TASK_READY || task->cancel_status != 0)
      continue;
    lua_pushcfunction(S, warn_of_unbegun);
    neapL_task_push(S, task);
    lua_pcall(S, 1, 0, 0);
    lua_settop(S, 0);
  }
}

/* Whether a task has been cancelled, or an owner that it will end with. */
static bool is_cancelled(const neapL_task *task) {
  while (task->cancel_status == 0 && !task->shielded && task->parent)
    task = task->parent;
  return task->cancel_status != 0;
}

/* The slice that a task was suspended for has gone on. Time limits of the task,
 * and of those that own it, have had no chance to pass; and an owner may have
 * been cancelled. Then the task is cancelled as well: it will learn of it where
 * it computes. */
static void check_owners(neapL_task *task) {
  for (neapL_task *owner = task; owner; owner = owner->parent) {
    neapL_time_limit_check(owner);
    if (owner->shielded)
      break;
  }
  if (!task->knows && is_cancelled(task))
    neapL_task_cancel(task, NEAP_ECANCELED);
}

/* Resumes a task. Returns true if it has been cut short, and has to be resumed
 * again. */
static bool go_on(neapL_task *task) {
  neapL_host *host = task->host;
  int count = 0;
  if (task->state == NEAPL_TASK_READY) {
    if (task->cancel_status != 0) {
      end_early(task);
      return false;
    }
    count = task->results;
    task->results = 0;
    task->state = NEAPL_TASK_RUNNING;
  } else {
    /* The token, which marked the coroutine as waiting for the engine. */
    lua_pop(task->L, 1);
  }
  task->waiting = false;
  neapL_host_run(host, task->L);
  host->current = task;
  host->can_yield = true;
  int results;
  int status =
      neapL_budget_resume(host, task->L, host->driver, count, &results);
  host->current = NULL; /* first: the handler of a signal looks at it */
  neapL_host_run(host, NULL);
  if (status == LUA_OK) {
    end_task(task, task->outcome);
  } else if (status != LUA_YIELD) {
    /* A copy: the end of the coroutine needs the error where it is. */
    lua_pushvalue(task->L, -1);
    lua_xmove(task->L, host->scratch, 1);
    break_off(task);
  } else if (host->budget.is_cut) {
    neapL_coroutine_mark(host, task->L);
    task->is_cut = true;
    task->knows = is_cancelled(task);
    return true;
  } else if (!task->waiting) {
    push_end(task);
    break_off(task);
  }
  return false;
}

/* A task is about to be resumed under a budget. What ends the task has it as
 * well. */
static void begin_budget(neapL_task *task, uint64_t until, neapL_armed *ends) {
  neapL_host *host = task->host;
  if (task->is_cut)
    check_owners(task);
  neapL_budget_begin(host, task, until);
  if (host->memory)
    neapL_memory_enter(host->memory, task);
  neapL_budget_arm(host, ends, host->scratch);
}

static void end_budget(neapL_host *host, neapL_task *task, neapL_armed *ends) {
  neapL_budget_end(host, task);
  if (host->memory)
    neapL_memory_leave(host->memory);
  neapL_budget_disarm(host, ends);
}

/* `done` of a task's operation: the only function that resumes a task. */
static void wake(neap_op *op) {
  neapL_task *task = op->data;
  neapL_host *host = task->host;
  uint64_t until = neapL_budget_until(host);
  neapL_armed ends;
  bool is_cut;
  do {
    if (until != 0)
      begin_budget(task, until, &ends);
    is_cut = go_on(task);
    if (until != 0)
      end_budget(host, task, &ends);
  } while (is_cut &&
           neap_preempt(op->engine, op) < 0); /* no slice: a build for tests */
}

/* Frees what a task has outside of its userdata; most have nothing, and three
 * calls are one per cent of such a task. */
static void strip(neapL_task *task) {
  if (task->time_limits)
    neapL_time_limit_end(task);
  if (task->workers)
    neapL_host_release(task->host->scratch, task->workers,
                       sizeof *task->workers);
  if (task->run)
    neap_run_free(task->run);
  if (task->account)
    neapL_memory_close(task->host->memory, task);
  task->workers = NULL;
  task->run = NULL;
}

void neapL_task_forget_all(neapL_task *root) {
  neapL_task *task = root;
  for (;;) {
    if (!neap__list_empty(&task->children)) {
      task = NEAP__ITEM(task->children.next, neapL_task, sibling);
      continue;
    }
    if (task == root)
      return;
    neap__list_remove(&task->sibling);
    neap__list_remove(&task->line);
    if (!neapL_task_has_ended(task)) {
      neap_op_forget(&task->op);
      strip(task);
    }
    task = task->parent;
  }
}

static void tell_waiters(neapL_task *task) {
  while (!neap__list_empty(&task->waiters)) {
    neapL_join *join = NEAP__ITEM(task->waiters.next, neapL_join, link);
    neap__list_remove(&join->link);
    join->ended(join, task);
  }
}

/* The task and its children have ended: wakes the tasks that wait for it. */
static void complete(neapL_task *task) {
  neapL_host *host = task->host;
  neapL_task *parent = task->parent;
  if (task->run && task->outcome != NEAPL_TASK_DONE)
    host->runs->abandon(task);
  strip(task);
  task->state = task->outcome;
  host->live--;
  parent->live_children--;
  bool heard = !neap__list_empty(&task->waiters);
  tell_waiters(task);
  if (task->internal) {
    neap__list_remove(&task->sibling);
    neap__list_append(&parent->workers->ended, &task->sibling);
  } else if (!heard && (task->state == NEAPL_TASK_FAILED ? task->detached
                                                         : task->protests)) {
    neapL_task_hear_of(task);
  } else if (task->state != NEAPL_TASK_FAILED) {
    neapL_task_release(task);
  } /* else it stays with its owner, which fails with it unless it is awaited */
  if (parent->joining)
    neap_op_settle(&parent->op, 0);
}

/* Takes over the failures of the children, and releases the workers. */
static void settle_children(neapL_task *task) {
  lua_State *S = task->host->scratch;
  const neapL_task *child;
  while ((child = neapL_task_first_failure(task, 0))) {
    if (child->cancel_status != 0 && task->outcome != NEAPL_TASK_DONE) {
      neapL_task_take_failure(S, task, 0); /* a time limit of the call */
    } else if (task->outcome == NEAPL_TASK_DONE) {
      task->outcome = NEAPL_TASK_FAILED;
      neapL_task_inherit(task, child);
    } else {
      neapL_task_drop(task);
    }
    lua_settop(S, 0);
  }
  neapL_workers *workers = task->workers;
  while (workers && !neap__list_empty(&workers->ended))
    neapL_task_release(NEAP__ITEM(workers->ended.next, neapL_task, sibling));
}

/* Gives the children of an attempt that succeeded to its parent. They go on, as
 * they do when exec is called without a time limit: they belong to the visit.
 */
static void hand_over(neapL_task *attempt) {
  neapL_task *parent = attempt->parent;
  for (neap_link *link = attempt->children.next; link != &attempt->children;
       link = link->next) {
    neapL_task *child = NEAP__ITEM(link, neapL_task, sibling);
    child->parent = parent;
    child->serial = parent->spawned++;
  }
  neap__list_splice(&parent->children, &attempt->children);
  neapL_belonging_move(&parent->belongings, &attempt->belongings,
                       parent->spawned++);
  parent->live_children += attempt->live_children;
  attempt->live_children = 0;
}

/* The coroutine of a task has ended: its children are cancelled. When the last
 * of them has ended, the task is complete. So are the owners that waited only
 * for it. */
static void end_task(neapL_task *task, neapL_task_state outcome) {
  neapL_host *host = task->host;
  task->outcome = (uint8_t)outcome;
  task->state = NEAPL_TASK_ENDING;
  if (task->hands_over && outcome == NEAPL_TASK_DONE &&
      task->parent->state == NEAPL_TASK_RUNNING)
    hand_over(task);
  if (task == host->script && outcome == NEAPL_TASK_DONE) {
    neapL_task_warn_unbegun(task);
    neapL_task_warn_unbegun(host->root); /* of detached tasks */
  }
  if (task->live_children > 0 || task->belongings)
    neapL_task_cancel_since(task, 0);
  const char *before = begin_outside(host, "the message of an error");
  while (task->state == NEAPL_TASK_ENDING && task->live_children == 0) {
    neapL_task *parent = task->parent;
    settle_children(task);
    complete(task);
    task = parent;
  }
  host->outside = before;
}
