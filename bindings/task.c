/* Tasks: coroutines that wait, who owns them, and how they end.
 * SPDX-License-Identifier: MIT
 *
 * This file holds the one door into Lua: `wake` is the only function that
 * resumes a task, called by neap_poll for operations that have ended. The first
 * function of a task's coroutine is `task_main`, which calls what the task is
 * for under a protected call: an error unwinds inside of the coroutine, so that
 * <close> variables may wait, and its results or its error are kept before the
 * coroutine ends. What is left to do then allocates nothing, or runs in a
 * coroutine of the host's own under lua_pcall, so nothing in `wake` can raise.
 */
#include "task.h"

#include <lauxlib.h>
#include <string.h>

#include "coroutine.h"
#include "drive.h"
#include "error.h"
#include "host.h"
#include "slots.h"
#include "trace.h"
#include "visit.h"
#include "wait.h"

/* A time limit of a task, of which it may have several. */
struct deadline {
  neap_op op;
  struct deadline *next;
  neap__task *task;
  double seconds;
  bool wakes; /* it counts as something that could wake somebody */
};

/* What has been noted of the error of a task. */
enum {
  NOTHING,
  ORIGIN,     /* where it arose, but it has not been raised yet */
  RAISED,     /* the error, too: what is raised from then on comes out of a
                 <close> variable while it unwinds */
  SUPPRESSED, /* such an error, too */
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

/* Keeps the `count` values on top as the results of a task. [-count, +0, m] */
static void keep_results(lua_State *L, neap__task *task, int count) {
  if (count > 1) {
    lua_createtable(L, count, 0);
    lua_insert(L, -count - 1);
    for (int i = count; i >= 1; i--)
      lua_rawseti(L, -i - 1, i);
  }
  if (count > 0) {
    neap__task_push(L, task);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, NEAP__TASK_RESULT);
    lua_pop(L, 1);
  }
  task->results = count;
}

/* Has the value on top be the error of a task. Allocates nothing.
 * [-1, +0, -] */
static void set_error(lua_State *L, neap__task *task) {
  neap__task_push(L, task);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, NEAP__TASK_RESULT);
  lua_pop(L, 1);
  task->results = 1;
}

int neap__task_trace(lua_State *L) {
  neap__task *task = neap__task_current(L);
  lua_settop(L, 1);
  neap__task_push(L, task);
  bool is_known = task->noted != NOTHING &&
                  lua_getiuservalue(L, 2, NEAP__TASK_ORIGIN) == LUA_TTABLE;
  if (!is_known) {
    lua_settop(L, 2);
    lua_createtable(L, 0, 4);
    if (task->noted == NOTHING && task->cancel_status != NEAP_ECANCELED) {
      if (!neap__trace(L, L, 1)) {
        lua_pop(L, 1);
        lua_pushnil(L);
      }
      lua_setfield(L, 3, "traceback");
    }
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, 2, NEAP__TASK_ORIGIN);
  }
  if (task->noted < RAISED) {
    lua_pushvalue(L, 1);
    lua_setfield(L, 3, "error");
    task->noted = RAISED;
    lua_settop(L, 1);
    return 1;
  }
  if (task->noted == RAISED) {
    lua_newtable(L);
    lua_setfield(L, 3, "suppressed");
    task->noted = SUPPRESSED;
  }
  lua_getfield(L, 3, "suppressed");
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_getfield(L, 3, "error");
  return 1;
}

void neap__task_unwound(lua_State *L, neap__task *task, int index) {
  int top = lua_gettop(L);
  index = lua_absindex(L, index);
  if (task->noted == SUPPRESSED) {
    neap__task_push(L, task);
    lua_getiuservalue(L, -1, NEAP__TASK_ORIGIN);
    lua_getfield(L, -1, "suppressed");
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= count; i++) {
      lua_rawgeti(L, top + 3, i);
      neap__task_suppress(L, index);
    }
  }
  task->noted = NOTHING;
  lua_settop(L, top);
}

static bool is_cancellation(lua_State *L, int index) {
  if (!neap__error_is(L, index))
    return false;
  lua_getfield(L, index, "code");
  const char *code = lua_tostring(L, -1);
  bool is = code && strcmp(code, "cancelled") == 0;
  lua_pop(L, 1);
  return is;
}

/* Runs below lua_pcall: gives what a task (at 1) raised (at 2) as it ends with
 * it, having warned of what it has suppressed. */
static int leave(lua_State *L) {
  neap__task *task = lua_touserdata(L, 1);
  if (task->noted == NOTHING) { /* memory was refused: no handler was called */
    lua_pushnil(L);
    lua_setiuservalue(L, 1, NEAP__TASK_ORIGIN);
  }
  if (task->run)
    neap__drive_locate(L, task);
  lua_settop(L, 2);
  if (task->run && !task->internal) {
    lua_getfield(L, LUA_REGISTRYINDEX, NEAP__ERROR_WRAP);
    lua_pushvalue(L, 2);
    lua_getiuservalue(L, 1, NEAP__TASK_ORIGIN);
    lua_call(L, 2, 1);
    lua_replace(L, 2);
  }
  neap__task_unwound(L, task, 2);
  if (task->cancel_status == NEAP_ECANCELED)
    task->protests = !is_cancellation(L, 2);
  return 1;
}

/* Makes the value on top the error of a task. [-1, +0, -] */
static void keep_error(lua_State *L, neap__task *task) {
  lua_pushcfunction(L, leave);
  lua_insert(L, -2);
  neap__task_push(L, task);
  lua_insert(L, -2);
  lua_pcall(L, 2, 1, 0); /* no memory: the message is one made before */
  set_error(L, task);
}

/* What has been called in a task has returned or raised. */
static int finish(lua_State *L, int status, lua_KContext context) {
  (void)context;
  neap__task *task = neap__task_current(L);
  if (status == LUA_OK || status == LUA_YIELD) {
    keep_results(L, task, lua_gettop(L) - 1);
    task->outcome = NEAP__TASK_DONE;
  } else {
    task->outcome = task->cancel_status == NEAP_ECANCELED ? NEAP__TASK_CANCELLED
                                                          : NEAP__TASK_FAILED;
    keep_error(L, task);
  }
  return 0;
}

/* The first function of a coroutine. On its stack are the message handler, and
 * what it is to call, with arguments. */
static int task_main(lua_State *L) {
  int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 1, 0, finish);
  return finish(L, status, 0);
}

neap__task *neap__task_spawn(lua_State *L, neap__task *parent, int count,
                             int last) {
  neap__host *host = parent->host;
  neap__task *task = lua_newuserdatauv(L, sizeof *task, last);
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
  /* From here on nothing runs Lua, which could change what is looked at. */
  if (parent != &host->root && parent->state != NEAP__TASK_RUNNING)
    neap__error_raise(L, "closed", "a task that has ended spawns no more");
  lua_State *thread = host->pool[host->pooled - 1].L;
  if (!lua_checkstack(thread, count + LUA_MINSTACK))
    luaL_error(L, "too many arguments for a task");
  uint32_t slot = host->pool[host->pooled - 1].slot;
  neap__slots_anchor(L, host, slot);
  /* From here on nothing fails. */
  host->pooled--;
  lua_insert(L, -count - 2); /* task function arguments */
  lua_pushcfunction(thread, task_main);
  lua_pushcfunction(thread, neap__task_trace);
  lua_xmove(L, thread, count + 1);
  task->results = count + 2; /* until it begins: the number of arguments */
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
  if (root->cancel_status != 0) /* the script has ended */
    neap__task_cancel(task, root->cancel_status);
}

void neap__task_origin_is_known(neap__task *task) {
  task->noted = ORIGIN;
}

void neap__task_suppress(lua_State *L, int index) {
  int error = lua_gettop(L);
  index = lua_absindex(L, index);
  /* The text first: what makes it may be the user's, and warn, too. */
  const char *text = neap__error_text(L, error);
  lua_warning(L, "neap: an error was dropped for another one: ", 1);
  lua_warning(L, text, 0);
  if (neap__error_is(L, index)) {
    if (lua_getfield(L, index, "suppressed") != LUA_TTABLE) {
      lua_newtable(L);
      lua_pushvalue(L, -1);
      lua_setfield(L, index, "suppressed");
    }
    lua_pushvalue(L, error);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  }
  lua_settop(L, error - 1);
}

/* While the host does what the end of a task asks for, no task runs: code of
 * the user's that is called then, a __tostring or a finalizer, may not wait,
 * and what it spawns belongs to the script. */
static const char *begin_outside(neap__host *host, const char *who) {
  const char *before = host->outside;
  host->outside = who;
  return before;
}

/* Ends a task whose coroutine cannot go on, with the error that lies alone on
 * the host's scratch stack. Code of the user's that is called for its <close>
 * variables counts as the task's, and may not wait. */
static void break_off(neap__task *task) {
  neap__host *host = task->host;
  lua_State *S = host->scratch;
  host->current = task;
  host->can_yield = false;
  host->blocked = task->L;
  /* As in Lua, what a <close> variable raises takes the place of the error. */
  if (neap__coroutine_end(S, task->L)) {
    lua_xmove(task->L, S, 1);
    lua_replace(S, 1);
  }
  task->broken = true;
  keep_error(S, task);
  host->current = NULL;
  host->can_yield = true;
  lua_settop(S, 0);
  end_task(task, task->cancel_status == NEAP_ECANCELED ? NEAP__TASK_CANCELLED
                                                       : NEAP__TASK_FAILED);
}

/* Runs below lua_pcall: makes the error of a task (at 1) that is ended before
 * it has begun, or while its coroutine does not wait for the engine. */
static int make_end(lua_State *L) {
  neap__task *task = lua_touserdata(L, 1);
  if (task->cancel_status == 0)
    neap__error_push(L, "yield",
                     "coroutine.yield outside of a coroutine of one's own");
  else
    neap__wait_push_end(L, task);
  return 1;
}

static void push_end(neap__task *task) {
  lua_State *S = task->host->scratch;
  lua_pushcfunction(S, make_end);
  lua_pushlightuserdata(S, task);
  lua_pcall(S, 1, 1, 0);
}

/* Runs below lua_pcall: warns that the script has ended before a task (at 1) of
 * its own began. */
static int warn_of_unbegun(lua_State *L) {
  const neap__task *task = lua_touserdata(L, 1);
  if (task->run) {
    neap__report_path(L, task->run, 0);
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

void neap__task_warn_unbegun(neap__task *owner) {
  lua_State *S = owner->host->scratch;
  for (neap_link *link = owner->children.next; link != &owner->children;
       link = link->next) {
    neap__task *task = NEAP__ITEM(link, neap__task, sibling);
    if (task->state != NEAP__TASK_READY || task->cancel_status != 0)
      continue;
    lua_pushcfunction(S, warn_of_unbegun);
    neap__task_push(S, task);
    lua_pcall(S, 1, 0, 0);
    lua_settop(S, 0);
  }
}

/* Ends a task that has been cancelled before it began. */
static void end_early(neap__task *task) {
  lua_State *S = task->host->scratch;
  const char *before = begin_outside(task->host, "a finalizer");
  push_end(task);
  keep_error(S, task);
  lua_settop(S, 0);
  task->host->outside = before;
  end_task(task, task->cancel_status == NEAP_ECANCELED ? NEAP__TASK_CANCELLED
                                                       : NEAP__TASK_FAILED);
}

/* `done` of a task's operation: the one place that resumes. */
static void wake(neap_op *op) {
  neap__task *task = op->data;
  neap__host *host = task->host;
  int count = 0;
  if (task->state == NEAP__TASK_READY) {
    if (task->cancel_status != 0) {
      end_early(task);
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
  neap__host_run(host, task->L);
  host->current = task;
  host->can_yield = true;
  int results;
  int status = lua_resume(task->L, host->driver, count, &results);
  host->current = NULL; /* first: a signal looks at what runs then */
  neap__host_run(host, NULL);
  if (status == LUA_OK) {
    end_task(task, task->outcome);
  } else if (status != LUA_YIELD) {
    /* The end of the coroutine will need the error where it is. */
    lua_pushvalue(task->L, -1);
    lua_xmove(task->L, host->scratch, 1);
    break_off(task);
  } else if (!task->waiting) {
    push_end(task);
    break_off(task);
  }
}

void neap__task_release(neap__task *task) {
  neap__host *host = task->host;
  neap__list_remove(&task->sibling);
  /* What was ended from outside is not used again (lua_resetthread of Lua 5.4.4
   * leaves the message handler of the call that it ended behind), nor is what
   * code of the user's may still know. */
  bool again = !task->broken && !task->exposed;
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
  while (task->deadlines) {
    struct deadline *deadline = task->deadlines;
    task->deadlines = deadline->next;
    if (neap_op_active(&deadline->op) && !deadline->wakes)
      task->host->idle--;
    neap_op_forget(&deadline->op);
    release(S, deadline, sizeof *deadline);
  }
  release(S, task->crew, sizeof *task->crew);
  task->crew = NULL;
  neap_run_free(task->run);
  task->run = NULL;
}

/* Runs below lua_pcall: warns that a task (at 1) has failed, and where. */
static int warn_of_failure(lua_State *L) {
  lua_getiuservalue(L, 1, NEAP__TASK_RESULT);
  const char *text = neap__error_text(L, -1); /* may call what warns, too */
  const neap__task *task = lua_touserdata(L, 1);
  lua_warning(L,
              task->state == NEAP__TASK_CANCELLED
                  ? "neap: a cancelled task failed: "
                  : "neap: a detached task failed: ",
              1);
  lua_warning(L, text, 1);
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
    neap__list_remove(&task->line);
    if (!neap__task_has_ended(task)) {
      neap_op_forget(&task->op);
      strip(task);
    }
    task = task->parent;
  }
}

/* Says that a task failed for which nobody waits, and lets go of it. */
static void hear_of(neap__task *task) {
  lua_State *S = task->host->scratch;
  lua_pushcfunction(S, warn_of_failure);
  neap__task_push(S, task);
  neap__task_release(task); /* first: a finalizer may await it meanwhile */
  lua_pcall(S, 1, 0, 0);
  lua_settop(S, 0);
}

/* The task and all that it spawned have ended: tells those who wait. */
static void complete(neap__task *task) {
  neap__host *host = task->host;
  neap__task *parent = task->parent;
  strip(task);
  task->state = task->outcome;
  host->live--;
  parent->live_children--;
  bool heard = !neap__list_empty(&task->waiters);
  tell_waiters(task);
  if (task->internal) {
    neap__list_remove(&task->sibling);
    neap__list_append(&parent->crew->ended, &task->sibling);
  } else if (!heard && (task->state == NEAP__TASK_FAILED ? task->detached
                                                         : task->protests)) {
    hear_of(task);
  } else if (task->state != NEAP__TASK_FAILED) {
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

/* Runs below lua_pcall: a task (at 1) that has failed otherwise suppresses the
 * error (at 2) of one of its own. */
static int suppress(lua_State *L) {
  lua_getiuservalue(L, 1, NEAP__TASK_RESULT);
  lua_insert(L, 2);
  neap__task_suppress(L, 2);
  return 0;
}

/* Takes over what the tasks that `task` spawned have left. */
static void settle_children(neap__task *task) {
  lua_State *S = task->host->scratch;
  const neap__task *child;
  while ((child = first_failure(task, 0))) {
    if (child->cancel_status != 0 && task->outcome != NEAP__TASK_DONE) {
      neap__task_take_failure(S, task, 0); /* a time limit of the call */
    } else if (task->outcome == NEAP__TASK_DONE) {
      task->outcome = NEAP__TASK_FAILED;
      task->noted = RAISED;
      neap__task_push(S, child);
      neap__task_take_failure(S, task, 0); /* before a finalizer may await it */
      lua_pushcfunction(S, inherit);
      neap__task_push(S, task);
      lua_pushvalue(S, -4); /* child error inherit task child */
      if (lua_pcall(S, 2, 0, 0) != LUA_OK)
        lua_pop(S, 1); /* no memory: it has no traceback */
      keep_error(S, task);
    } else {
      lua_pushcfunction(S, suppress);
      neap__task_push(S, task);
      neap__task_take_failure(S, task, 0);
      lua_pcall(S, 2, 0, 0);
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
  neap__belonging_move(&parent->belongings, &attempt->belongings,
                       parent->spawned++);
  parent->live_children += attempt->live_children;
  attempt->live_children = 0;
}

/* The coroutine of a task has ended: what it spawned is cancelled, and when
 * that has unwound, too, the task is complete. So are the owners that have
 * waited for nothing else. */
static void end_task(neap__task *task, neap__task_state outcome) {
  neap__host *host = task->host;
  task->outcome = (uint8_t)outcome;
  task->state = NEAP__TASK_ENDING;
  if (task->internal && task->root == NEAP_ROOT_ATTEMPT &&
      outcome == NEAP__TASK_DONE && task->parent->state == NEAP__TASK_RUNNING)
    hand_over(task);
  if (task == host->script && outcome == NEAP__TASK_DONE)
    neap__task_warn_unbegun(task);
  if (task->live_children > 0 || task->belongings)
    neap__task_cancel_since(task, 0);
  const char *before = begin_outside(host, "the message of an error");
  while (task->state == NEAP__TASK_ENDING && task->live_children == 0) {
    neap__task *parent = task->parent;
    settle_children(task);
    complete(task);
    task = parent;
  }
  host->outside = before;
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

void neap__task_end_wait(neap__task *task) {
  if (!task->lasting)
    neap__task_give_up(task);
  neap_op_cancel(&task->op, NEAP_ECANCELED);
}

void neap__task_cancel(neap__task *task, int status) {
  if (task->state > NEAP__TASK_RUNNING || task->cancel_status != 0)
    return;
  task->cancel_status = status;
  neap__task_end_wait(task);
}

void neap__task_break_deadlock(neap__task *task) {
  task->stuck = true;
  neap__task_end_wait(task);
}

void neap__task_own(neap__task *task, neap__belonging *belonging) {
  neap__belonging_add(&task->belongings, belonging, task->spawned++);
}

size_t neap__task_cancel_since(neap__task *task, uint32_t serial) {
  size_t count = 0;
  neap__belonging_end_since(&task->belongings, serial);
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
  neap__task *task = deadline->task;
  if (!deadline->wakes)
    task->host->idle--;
  if (task->cancel_status == 0)
    task->limit = deadline->seconds;
  neap__task_cancel(task, NEAP_ETIMEDOUT);
}

void neap__task_set_deadline(lua_State *L, neap__task *task, double seconds,
                             bool wakes) {
  if (neap__task_has_ended(task))
    return; /* nobody would free it */
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  struct deadline *deadline = alloc(ud, NULL, 0, sizeof *deadline);
  if (!deadline) {
    neap__task_cancel(task, NEAP_ECANCELED);
    neap__error_no_memory(L);
  }
  *deadline = (struct deadline){.next = task->deadlines,
                                .task = task,
                                .seconds = seconds,
                                .wakes = wakes};
  neap_op_init(&deadline->op, ring, deadline);
  task->deadlines = deadline;
  if (!wakes)
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
