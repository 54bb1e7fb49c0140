/* Tasks: coroutines that wait, who owns them, and how they end.
 * SPDX-License-Identifier: MIT
 *
 * This file holds the one door into Lua: `wake` is the only function that
 * resumes a task, called by neap_poll for operations that have ended. What a
 * task leaves behind when it fails is looked after by `fail`, in a coroutine
 * of the host's own and under lua_pcall, so nothing in `wake` can raise.
 */
#include "task.h"

#include <lauxlib.h>
#include <string.h>

#include "drive.h"
#include "error.h"
#include "host.h"
#include "slots.h"
#include "wait.h"

struct deadline {
  neap_op op;
  neap__task *task;
  double seconds;
};

static void wake(neap_op *op);
static void end_task(neap__task *task, neap__task_state outcome);

neap__task *neap__task_current(lua_State *L) {
  neap__host *host = neap__host_of(L);
  return host->current ? host->current : &host->root;
}

void neap__task_push(lua_State *L, const neap__task *task) {
  if (task == &task->host->root)
    neap__host_push(L, task->host, NEAP__SHELF_HOST);
  else
    neap__slots_push(L, task->host, task->slot);
}

neap__task *neap__task_spawn(lua_State *L, neap__task *parent,
                             lua_CFunction entry, int count) {
  neap__host *host = parent->host;
  if (parent->state == NEAP__TASK_ENDING)
    luaL_error(L, "a task that has ended spawns no more");
  neap__task *task = lua_newuserdatauv(L, sizeof *task, NEAP__TASK_VALUES);
  memset(task, 0, sizeof *task);
  task->host = host;
  neap_op_init(&task->op, wake, task);
  neap__list_init(&task->sibling);
  neap__list_init(&task->children);
  neap__list_init(&task->waiters);
  neap__list_init(&task->line);
  task->state = NEAP__TASK_DONE; /* until it lives, there is nothing to end */
  neap__host_push(L, host, NEAP__SHELF_META);
  lua_setmetatable(L, -2);
  neap__slots_fill(L, host);
  lua_State *thread = host->pool[host->pooled - 1].L;
  if (!lua_checkstack(thread, count + LUA_MINSTACK))
    luaL_error(L, "too many arguments for a task");
  uint32_t slot = host->pool[host->pooled - 1].slot;
  neap__slots_anchor(L, host, slot);
  /* From here on nothing fails. */
  host->pooled--;
  lua_insert(L, -count - 1); /* task arguments */
  lua_pushcfunction(thread, entry);
  lua_xmove(L, thread, count);
  task->results = count; /* until it begins: the number of arguments */
  task->L = thread;
  task->slot = slot;
  task->parent = parent;
  task->serial = parent->spawned++;
  task->state = NEAP__TASK_READY;
  neap__list_append(&parent->children, &task->sibling);
  host->live++;
  parent->live_children++;
  neap_op_hold(host->engine, &task->op);
  neap_op_settle(&task->op, 0);
  return task;
}

void neap__task_detach(neap__task *task) {
  neap__task *root = &task->host->root;
  neap__list_remove(&task->sibling);
  task->parent->live_children--;
  task->parent = root;
  task->serial = root->spawned++;
  task->detached = true;
  neap__list_append(&root->children, &task->sibling);
  root->live_children++;
}

void neap__task_return(lua_State *L, neap__task *task, int count) {
  task->results = count;
  if (count == 0)
    return;
  if (count > 1) {
    lua_createtable(L, count, 0);
    lua_insert(L, -count - 1);
    for (int i = count; i >= 1; i--)
      lua_rawseti(L, -i - 1, i);
  }
  neap__task_push(L, task);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, NEAP__TASK_RESULT);
  lua_pop(L, 1);
}

/* Runs below lua_pcall: notes on a task (at 1) that failed where that was. One
 * that was cancelled has no traceback: it would tell nobody anything, and
 * looking for the names of functions is most of what a cancellation would cost.
 */
static int locate(lua_State *L) {
  neap__task *task = lua_touserdata(L, 1);
  if (task->run) {
    neap__drive_locate(L, task);
  } else if (task->cancel_status != NEAP_ECANCELED &&
             lua_getiuservalue(L, 1, NEAP__TASK_ORIGIN) == LUA_TNIL) {
    lua_createtable(L, 0, 1);
    luaL_traceback(L, task->L, NULL, 0);
    lua_setfield(L, -2, "traceback");
    lua_setiuservalue(L, 1, NEAP__TASK_ORIGIN);
  }
  return 0;
}

/* The same: gives what a task of a run (at 1) raised (at 2) as it leaves the
 * run. */
static int wrap(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, NEAP__ERROR_WRAP);
  lua_pushvalue(L, 2);
  lua_getiuservalue(L, 1, NEAP__TASK_ORIGIN);
  lua_call(L, 2, 1);
  return 1;
}

/* Notes on a task that what is on top of `S` is its error. Needs no memory.
 * [-1, +0, -] */
static void set_error(lua_State *S, neap__task *task) {
  neap__task_push(S, task);
  lua_insert(S, -2);
  lua_setiuservalue(S, -2, NEAP__TASK_RESULT);
  lua_pop(S, 1);
  task->results = 1;
}

/* Code of the user's that the end of a task calls, in <close> variables and
 * __tostring, counts as the task's. It may not wait. */
static void begin_end(neap__task *task) {
  neap__host *host = task->host;
  host->current = task;
  host->can_yield = false;
  host->blocked = task->L;
}

static void finish_end(neap__host *host) {
  host->current = NULL;
  host->can_yield = true;
}

/* Makes what lies alone on the host's scratch stack the error of a task. */
static void keep_error(neap__task *task) {
  lua_State *S = task->host->scratch;
  if (task->run && !task->internal) {
    lua_pushcfunction(S, wrap);
    neap__task_push(S, task);
    lua_pushvalue(S, 1);
    lua_pcall(S, 2, 1, 0); /* no memory: the message is one made before */
  }
  set_error(S, task);
  lua_settop(S, 0);
}

/* Notes where the error arose that lies alone on the host's scratch stack. */
static void note_origin(neap__task *task) {
  lua_State *S = task->host->scratch;
  lua_pushcfunction(S, locate);
  neap__task_push(S, task);
  lua_pcall(S, 1, 0, 0);
  lua_settop(S, 1);
}

/* Ends a task with the error that lies alone on the host's scratch stack. */
static void fail(neap__task *task) {
  lua_State *S = task->host->scratch;
  begin_end(task);
  note_origin(task);
  /* As in Lua, what a <close> variable raises takes the place of the error. */
  if (lua_resetthread(task->L) != LUA_OK) {
    lua_xmove(task->L, S, 1);
    lua_replace(S, 1);
  }
  keep_error(task);
  finish_end(task->host);
  end_task(task, task->cancel_status == NEAP_ECANCELED ? NEAP__TASK_CANCELLED
                                                       : NEAP__TASK_FAILED);
}

/* Makes the error of a task (at 1) whose coroutine does not end by itself. */
static int make_end(lua_State *L) {
  neap__task *task = lua_touserdata(L, 1);
  if (task->cancel_status == 0)
    neap__error_push(L, "yield",
                     "coroutine.yield outside of a coroutine of one's own");
  else
    neap__wait_push_end(L, task);
  return 1;
}

static void kill(neap__task *task) {
  lua_State *S = task->host->scratch;
  lua_pushcfunction(S, make_end);
  lua_pushlightuserdata(S, task);
  lua_pcall(S, 1, 1, 0);
  fail(task);
}

/* `done` of a task's operation: the one place that resumes. */
static void wake(neap_op *op) {
  neap__task *task = op->data;
  neap__host *host = task->host;
  int count = 0;
  if (task->state == NEAP__TASK_READY) {
    if (task->cancel_status != 0) {
      kill(task);
      return;
    }
    count = task->results;
    task->results = 0;
    task->state = NEAP__TASK_RUNNING;
  } else {
    /* Until now the token told everyone whose the coroutine is. */
    lua_pop(task->L, 1);
  }
  task->waiting = false;
  host->running = task->L;
  host->current = task;
  host->can_yield = true;
  int results;
  int status = lua_resume(task->L, host->driver, count, &results);
  host->current = NULL;
  if (status == LUA_OK) {
    end_task(task, NEAP__TASK_DONE);
  } else if (status != LUA_YIELD) {
    /* lua_resetthread will need the error where it is. */
    lua_pushvalue(task->L, -1);
    lua_xmove(task->L, host->scratch, 1);
    fail(task);
  } else if (task->killed || !task->waiting) {
    kill(task);
  }
}

void neap__task_release(neap__task *task) {
  neap__host *host = task->host;
  neap__list_remove(&task->sibling);
  /* lua_resetthread leaves the message handler of the call that it ended behind
   * (it does in Lua 5.4.4), so only what ended by itself is used again; nor is
   * what code of the user's may still know. */
  bool again = task->state == NEAP__TASK_DONE && !task->exposed;
  neap__slots_give(host, task->slot, again ? task->L : NULL);
  task->L = NULL;
}

static void tell_waiters(neap__task *task) {
  while (!neap__list_empty(&task->waiters)) {
    neap__join *join = NEAP__ITEM(task->waiters.next, neap__join, link);
    neap__list_remove(&join->link);
    join->ended(join, task);
  }
}

/* Memory for what only some tasks have. [-0, +0, v] */
static void *allocate(lua_State *L, size_t size) {
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  void *ptr = alloc(ud, NULL, 0, size);
  if (!ptr)
    neap__error_no_memory(L);
  return ptr;
}

static void release(lua_State *L, void *ptr, size_t size) {
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  if (ptr)
    alloc(ud, ptr, size, 0);
}

void neap__task_need_crew(lua_State *L, neap__task *task) {
  if (task->crew)
    return;
  task->crew = allocate(L, sizeof *task->crew);
  neap__list_init(&task->crew->ended);
  neap__list_init(&task->crew->turns);
}

/* Frees what a task has outside of its userdata. */
static void strip(neap__task *task) {
  lua_State *S = task->host->scratch;
  if (task->deadline) {
    if (neap_op_active(&task->deadline->op))
      task->host->idle--;
    neap_op_forget(&task->deadline->op);
    release(S, task->deadline, sizeof *task->deadline);
    task->deadline = NULL;
  }
  release(S, task->crew, sizeof *task->crew);
  task->crew = NULL;
  neap_run_free(task->run);
  task->run = NULL;
}

/* Runs below lua_pcall: warns that a task (at 1) has failed, and where. */
static int warn_of_failure(lua_State *L) {
  lua_getiuservalue(L, 1, NEAP__TASK_RESULT);
  lua_warning(L, "neap: a detached task failed: ", 1);
  lua_warning(L, neap__error_text(L, -1), 1);
  if (lua_getiuservalue(L, 1, NEAP__TASK_ORIGIN) == LUA_TTABLE &&
      lua_getfield(L, -1, "traceback") == LUA_TSTRING) {
    lua_warning(L, "\n", 1);
    lua_warning(L, lua_tostring(L, -1), 1);
  }
  lua_warning(L, "", 0);
  return 0;
}

void neap__task_forget_all(neap__task *root) {
  neap__task *task = root;
  for (;;) {
    if (!neap__list_empty(&task->children)) {
      task = NEAP__ITEM(task->children.next, neap__task, sibling);
      continue;
    }
    if (task == root)
      return;
    neap__list_remove(&task->sibling);
    if (!neap__task_has_ended(task)) {
      neap_op_forget(&task->op);
      strip(task);
    }
    task = task->parent;
  }
}

/* Says that a task failed for which nobody waits. */
static void hear_of(neap__task *task) {
  lua_State *S = task->host->scratch;
  lua_pushcfunction(S, warn_of_failure);
  neap__task_push(S, task);
  begin_end(task);
  lua_pcall(S, 1, 0, 0);
  finish_end(task->host);
  lua_settop(S, 0);
}

/* The task and all that it spawned have ended: tells those who wait. */
static void complete(neap__task *task) {
  neap__host *host = task->host;
  neap__task *parent = task->parent;
  strip(task);
  if (task->observed && !task->internal) {
    lua_pushnil(host->scratch);
    lua_rawsetp(host->scratch, LUA_REGISTRYINDEX, task);
  }
  task->state = task->outcome;
  host->live--;
  parent->live_children--;
  bool heard = !neap__list_empty(&task->waiters);
  tell_waiters(task);
  if (task->internal) {
    neap__list_remove(&task->sibling);
    neap__list_append(&parent->crew->ended, &task->sibling);
  } else if (task->state != NEAP__TASK_FAILED) {
    neap__task_release(task);
  } else if (task->detached && !heard) {
    hear_of(task);
    neap__task_release(task);
  } /* else it stays with its owner, who fails of it unless it is awaited */
  if (parent->joining)
    neap_op_settle(&parent->op, 0);
}

/* The link of the first task spawned when the count was at least `serial`;
 * that of the list when there is none. They are in the order of their serials,
 * and the younger ones are asked for. */
static neap_link *first_since(neap__task *task, uint32_t serial) {
  neap_link *link = task->children.prev;
  while (link != &task->children &&
         NEAP__ITEM(link, neap__task, sibling)->serial >= serial)
    link = link->prev;
  return link->next;
}

/* The first of the tasks spawned since that failed unheard, or NULL. */
static neap__task *first_failure(neap__task *task, uint32_t serial) {
  for (neap_link *link = first_since(task, serial); link != &task->children;
       link = link->next) {
    neap__task *child = NEAP__ITEM(link, neap__task, sibling);
    if (child->state == NEAP__TASK_FAILED)
      return child;
  }
  return NULL;
}

/* Runs below lua_pcall: gives a task (at 1) the traceback of one of its own (at
 * 2) that it fails of. */
static int inherit(lua_State *L) {
  lua_createtable(L, 0, 4);
  if (lua_getiuservalue(L, 2, NEAP__TASK_ORIGIN) == LUA_TTABLE) {
    lua_getfield(L, -1, "traceback");
    lua_setfield(L, -3, "traceback");
  }
  lua_pop(L, 1);
  lua_setiuservalue(L, 1, NEAP__TASK_ORIGIN);
  return 0;
}

/* Takes over what the tasks that `task` spawned have left. */
static void settle_children(neap__task *task) {
  lua_State *S = task->host->scratch;
  const neap__task *child;
  while ((child = first_failure(task, 0))) {
    bool is_news = task->outcome == NEAP__TASK_DONE;
    if (is_news) {
      lua_pushcfunction(S, inherit);
      neap__task_push(S, task);
      neap__task_push(S, child);
      lua_pcall(S, 2, 0, 0);
      lua_settop(S, 0);
    }
    neap__task_take_failure(S, task, 0);
    if (is_news) {
      task->outcome = NEAP__TASK_FAILED;
      begin_end(task);
      note_origin(task);
      keep_error(task);
      finish_end(task->host);
    }
    lua_settop(S, 0);
  }
  neap__crew *crew = task->crew;
  while (crew && !neap__list_empty(&crew->ended))
    neap__task_release(NEAP__ITEM(crew->ended.next, neap__task, sibling));
}

/* What an attempt that ended well has spawned goes on, as it does when exec is
 * called without a time limit: it is the visit's. */
static void hand_over(neap__task *attempt) {
  neap__task *parent = attempt->parent;
  for (neap_link *link = attempt->children.next; link != &attempt->children;
       link = link->next) {
    neap__task *child = NEAP__ITEM(link, neap__task, sibling);
    child->parent = parent;
    child->serial = parent->spawned++;
  }
  neap__list_splice(&parent->children, &attempt->children);
  parent->live_children += attempt->live_children;
  attempt->live_children = 0;
}

/* The coroutine of a task has ended: what it spawned is cancelled, and when
 * that has unwound, too, the task is complete. So are the owners that have
 * waited for nothing else. */
static void end_task(neap__task *task, neap__task_state outcome) {
  task->outcome = (uint8_t)outcome;
  task->state = NEAP__TASK_ENDING;
  if (task->internal && task->root == NEAP_ROOT_ATTEMPT &&
      outcome == NEAP__TASK_DONE && task->parent->state == NEAP__TASK_RUNNING)
    hand_over(task);
  neap__task_cancel_since(task, 0);
  while (task->state == NEAP__TASK_ENDING && task->live_children == 0) {
    neap__task *parent = task->parent;
    settle_children(task);
    complete(task);
    task = parent;
  }
}

bool neap__task_take_failure(lua_State *L, neap__task *task, uint32_t serial) {
  neap__task *child = first_failure(task, serial);
  if (!child)
    return false;
  neap__task_push(L, child);
  lua_getiuservalue(L, -1, NEAP__TASK_RESULT);
  lua_replace(L, -2);
  neap__task_release(child);
  return true;
}

void neap__task_give_up(neap__task *task) {
  void (*drop)(neap__task *) = task->drop;
  task->drop = NULL;
  if (drop)
    drop(task);
}

void neap__task_cancel(neap__task *task, int status) {
  if (task->state > NEAP__TASK_RUNNING || task->cancel_status != 0)
    return;
  task->cancel_status = status;
  neap__task_give_up(task);
  neap_op_cancel(&task->op, NEAP_ECANCELED);
}

size_t neap__task_cancel_since(neap__task *task, uint32_t serial) {
  size_t count = 0;
  for (neap_link *link = first_since(task, serial); link != &task->children;
       link = link->next) {
    neap__task *child = NEAP__ITEM(link, neap__task, sibling);
    if (neap__task_has_ended(child))
      continue;
    neap__task_cancel(child, NEAP_ECANCELED);
    count++;
  }
  return count;
}

static void ring(neap_op *op) {
  struct deadline *deadline = op->data;
  deadline->task->host->idle--;
  neap__task_cancel(deadline->task, NEAP_ETIMEDOUT);
}

void neap__task_set_deadline(lua_State *L, neap__task *task, double seconds) {
  struct deadline *deadline = allocate(L, sizeof *deadline);
  neap_op_init(&deadline->op, ring, deadline);
  deadline->task = task;
  deadline->seconds = seconds;
  task->deadline = deadline;
  task->host->idle++;
  neap_engine *engine = task->host->engine;
  neap_sleep_until(engine, &deadline->op, neap__deadline(engine, seconds));
}

uint64_t neap__task_seed(const neap__task *task) {
  neap__host *host = task->host;
  if (host->seed != 0)
    return host->seed++;
  return (uintptr_t)task ^ neap_now(host->engine);
}

double neap__task_time_limit(const neap__task *task) {
  return task->deadline ? task->deadline->seconds : 0;
}

void neap__task_hold(neap__task *task, void (*drop)(neap__task *),
                     void *dropped) {
  neap_op_hold(task->host->engine, &task->op);
  task->drop = drop;
  task->dropped = dropped;
}

void neap__task_line_up(neap__task *task, neap_link *line,
                        void (*drop)(neap__task *), void *dropped) {
  neap__task_hold(task, drop, dropped);
  neap__list_append(line, &task->line);
}

void neap__task_leave(neap__task *task) {
  neap__list_remove(&task->line);
}

neap__task *neap__task_next(neap_link *line) {
  if (neap__list_empty(line))
    return NULL;
  neap__task *task = NEAP__ITEM(line->next, neap__task, line);
  neap__task_leave(task);
  return task;
}
