/* The error of a task: its origin, and how it leaves the task.
 * SPDX-License-Identifier: MIT
 *
 * An error has one origin: a table that says where the error arose. The message
 * handler makes it there. Where no handler was called, it is made when the
 * error leaves the task. It has the fields
 *
 *   traceback
 *   node, phase, attempt   of a run
 *   error                  the error itself
 *   suppressed             a list of the errors raised while that one unwound
 *
 * When a worker fails, the origin goes with the error to the task of its run.
 */
#include "task_error.h"

#include <lauxlib.h>
#include <string.h>

#include "biggest.h"
#include "error.h"
#include "trace.h"

/* What has been noted of the error of a task. */
enum {
  NOTHING,
  ORIGIN,     /* its origin; it has not been raised yet */
  RAISED,     /* the error too; another one now comes from a <close> variable */
  SUPPRESSED, /* such another error too */
};

/* Makes the value on top the error of a task. Allocates nothing. [-1, +0, -] */
static void set_error(lua_State *L, neapL_task *task) {
  neapL_task_push(L, task);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, NEAPL_TASK_RESULT);
  lua_pop(L, 1);
  task->results = 1;
}

void neapL_task_set_origin(lua_State *L, neapL_task *task) {
  neapL_task_push(L, task);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, NEAPL_TASK_ORIGIN);
  lua_pop(L, 1);
}

/* Pushes a new origin, with the place in the run if the task has one.
 * [-0, +1, m] */
static void push_origin(lua_State *L, const neapL_task *task) {
  lua_createtable(L, 0, task->run ? 5 : 2);
  if (task->run)
    task->host->runs->note_place(L, task->run);
}

/* Pushes the origin of the error of a task, if it has been noted. The task is
 * at `index`. [-0, +(0|1), -] */
static bool find_origin(lua_State *L, const neapL_task *task, int index) {
  if (task->noted == NOTHING)
    return false;
  if (lua_getiuservalue(L, index, NEAPL_TASK_ORIGIN) == LUA_TTABLE)
    return true;
  lua_pop(L, 1);
  return false;
}

int neapL_task_trace(lua_State *L) {
  neapL_task *task = neapL_task_current(L);
  lua_settop(L, 1);
  if (neapL_task_is_quiet(task))
    return 1;
  neapL_task_push(L, task);
  if (!find_origin(L, task, 2)) {
    push_origin(L, task);
    if (task->noted == NOTHING && task->cancel_status != NEAP_ECANCELED) {
      if (!neapL_trace(L, L, 1)) {
        lua_pop(L, 1);
        lua_pushnil(L);
      }
      lua_setfield(L, 3, "traceback");
    }
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, 2, NEAPL_TASK_ORIGIN);
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

/* Pushes the error of a task that is being ended. [-0, +1, m] */
static void push_ending(lua_State *L, const neapL_task *task) {
  if (task->ending == NEAPL_ENDING_MEMORY) {
    neapL_biggest_push_error(L, task);
    return;
  }
  uint64_t limit = neapL_task_compute_limit(task);
  neapL_error_push(L, "compute", "computed for more than %f s without a wait",
                   (lua_Number)limit / 1e9);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "retryable");
}

void neapL_task_push_end(lua_State *L, const neapL_task *task) {
  if (task->ending) {
    push_ending(L, task);
    return;
  }
  if (task->cancel_status == NEAP_ETIMEDOUT)
    neapL_error_push(L, "timeout", "timed out after %f s", task->limit);
  else
    neapL_error_push(L, "cancelled", "cancelled while waiting for %s",
                     task->what ? task->what : "its turn");
  neapL_task_push(L, task);
  lua_getiuservalue(L, -1, NEAPL_TASK_RESULT);
  lua_setfield(L, -3, "reason");
  lua_pop(L, 1);
}

void neapL_task_unwound(lua_State *L, neapL_task *task, int index) {
  int top = lua_gettop(L);
  index = lua_absindex(L, index);
  if (task->noted == SUPPRESSED) {
    neapL_task_push(L, task);
    lua_getiuservalue(L, -1, NEAPL_TASK_ORIGIN);
    lua_getfield(L, -1, "suppressed");
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= count; i++) {
      lua_rawgeti(L, top + 3, i);
      neapL_task_suppress(L, index);
    }
  }
  task->noted = NOTHING;
  lua_settop(L, top);
}

void neapL_task_origin_is_known(neapL_task *task) {
  task->noted = ORIGIN;
}

void neapL_task_suppress(lua_State *L, int index) {
  int error = lua_gettop(L);
  index = lua_absindex(L, index);
  /* The text comes first: a __tostring may warn, too. */
  const char *text = neapL_error_text(L, error);
  lua_warning(L, "neap: an error was suppressed by another one: ", 1);
  lua_warning(L, text, 0);
  if (neapL_error_is(L, index)) {
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

static bool is_cancellation(lua_State *L, int index) {
  if (!neapL_error_is(L, index))
    return false;
  lua_getfield(L, index, "code");
  const char *code = lua_tostring(L, -1);
  bool is = code && strcmp(code, "cancelled") == 0;
  lua_pop(L, 1);
  return is;
}

/* Runs below lua_pcall: returns the error (at 2) with which a task (at 1) ends,
 * after warning of the errors that it suppresses. */
static int leave(lua_State *L) {
  neapL_task *task = lua_touserdata(L, 1);
  if (!find_origin(L, task, 1)) { /* no message handler was called */
    if (task->run)
      push_origin(L, task);
    else
      lua_pushnil(L);
    lua_setiuservalue(L, 1, NEAPL_TASK_ORIGIN);
  }
  lua_settop(L, 2);
  if (task->run && !task->internal) {
    lua_getfield(L, LUA_REGISTRYINDEX, NEAPL_ERROR_WRAP);
    lua_pushvalue(L, 2);
    lua_getiuservalue(L, 1, NEAPL_TASK_ORIGIN);
    lua_call(L, 2, 1);
    lua_replace(L, 2);
  }
  neapL_task_unwound(L, task, 2);
  if (task->cancel_status == NEAP_ECANCELED)
    task->protests = !is_cancellation(L, 2);
  return 1;
}

void neapL_task_keep_error(lua_State *L, neapL_task *task) {
  if (neapL_task_is_quiet(task)) {
    set_error(L, task);
    return;
  }
  lua_pushcfunction(L, leave);
  lua_insert(L, -2);
  neapL_task_push(L, task);
  lua_insert(L, -2);
  lua_pcall(L, 2, 1, 0); /* without memory, it is Lua's own message */
  set_error(L, task);
}

/* Runs below lua_pcall: warns that a task (at 1) has failed, and where. */
static int warn_of_failure(lua_State *L) {
  lua_getiuservalue(L, 1, NEAPL_TASK_RESULT);
  const char *text = neapL_error_text(L, -1); /* a __tostring may warn, too */
  const neapL_task *task = lua_touserdata(L, 1);
  lua_warning(L,
              task->state == NEAPL_TASK_CANCELLED
                  ? "neap: a cancelled task failed: "
                  : "neap: a detached task failed: ",
              1);
  lua_warning(L, text, 1);
  if (lua_getiuservalue(L, 1, NEAPL_TASK_ORIGIN) == LUA_TTABLE &&
      lua_getfield(L, -1, "traceback") == LUA_TSTRING) {
    lua_warning(L, "\n", 1);
    lua_warning(L, lua_tostring(L, -1), 1);
  }
  lua_warning(L, "", 0);
  return 0;
}

void neapL_task_hear_of(neapL_task *task) {
  lua_State *S = task->host->scratch;
  lua_pushcfunction(S, warn_of_failure);
  neapL_task_push(S, task);
  neapL_task_release(task); /* first, for a finalizer may await it */
  lua_pcall(S, 1, 0, 0);
  lua_settop(S, 0);
}

/* Runs below lua_pcall: gives a task (at 1) the traceback of the child (at 2)
 * with whose error it fails. */
static int inherit(lua_State *L) {
  push_origin(L, lua_touserdata(L, 1));
  if (lua_getiuservalue(L, 2, NEAPL_TASK_ORIGIN) == LUA_TTABLE) {
    lua_getfield(L, -1, "traceback");
    lua_setfield(L, -3, "traceback");
  }
  lua_pop(L, 1);
  lua_setiuservalue(L, 1, NEAPL_TASK_ORIGIN);
  return 0;
}

void neapL_task_inherit(neapL_task *task, const neapL_task *child) {
  lua_State *S = task->host->scratch;
  task->noted = RAISED;
  neapL_task_push(S, child);
  neapL_task_take_failure(S, task, 0); /* first, for a finalizer may await it */
  lua_pushcfunction(S, inherit);
  neapL_task_push(S, task);
  lua_pushvalue(S, -4); /* child error inherit task child */
  if (lua_pcall(S, 2, 0, 0) != LUA_OK)
    lua_pop(S, 1); /* no memory: no traceback */
  neapL_task_keep_error(S, task);
}

/* Runs below lua_pcall: adds the error of a child (at 2) to those that the
 * error of a task (at 1) suppresses. */
static int suppress(lua_State *L) {
  lua_getiuservalue(L, 1, NEAPL_TASK_RESULT);
  lua_insert(L, 2);
  neapL_task_suppress(L, 2);
  return 0;
}

void neapL_task_drop(neapL_task *task) {
  lua_State *S = task->host->scratch;
  lua_pushcfunction(S, suppress);
  neapL_task_push(S, task);
  neapL_task_take_failure(S, task, 0);
  lua_pcall(S, 2, 0, 0);
}
