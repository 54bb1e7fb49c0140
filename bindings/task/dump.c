/* The list of the tasks that wait: for what, since when, and where.
 * SPDX-License-Identifier: MIT
 *
 * All tasks are put into a list first, while the collector is stopped: nothing
 * runs then that could end a task. Making the text may run finalizers and
 * metamethods. So each task is checked again before its text is made.
 */
#include "dump.h"

#include <lauxlib.h>
#include <stdio.h>

#include "base/units.h"
#include "error.h"
#include "task.h"
#include "trace.h"

enum { MAX_TASKS = 1000 /* the most tasks that neap.dump shows */ };

/* Returns the task after this one, owners first; NULL after the last. */
static const neapL_task *next(const neapL_task *task, const neapL_task *root) {
  if (!neap__list_empty(&task->children))
    return NEAP__ITEM(task->children.next, neapL_task, sibling);
  while (task != root) {
    const neapL_task *parent = task->parent;
    if (task->sibling.next != &parent->children)
      return NEAP__ITEM(task->sibling.next, neapL_task, sibling);
    task = parent;
  }
  return NULL;
}

/* Runs below lua_pcall: adds all tasks to the list at 1, or those of its own
 * script when one asks that nobody trusts. */
static int note_all(lua_State *L) {
  const neapL_host *host = neapL_host_of(L);
  const neapL_task *root = host->root;
  const neapL_task *asks = host->is_sandbox ? host->current : NULL;
  lua_Integer count = 0;
  for (const neapL_task *task = next(root, root); task;
       task = next(task, root)) {
    if (asks && task->script != asks->script)
      continue;
    neapL_task_push(L, task);
    lua_rawseti(L, 1, ++count);
  }
  return 0;
}

/* Pushes a list of the tasks that have not ended, or failed unheard.
 * [-0, +1, m] */
static void push_all(lua_State *L) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_newtable(L);
  lua_pushcfunction(L, note_all);
  lua_pushvalue(L, -2);
  int ran = lua_gc(L, LUA_GCISRUNNING);
  lua_gc(L, LUA_GCSTOP);
  int status = lua_pcall(L, 1, 0, 0);
  if (ran == 1)
    lua_gc(L, LUA_GCRESTART);
  if (status != LUA_OK)
    lua_error(L);
}

static bool waits(const neapL_task *task) {
  return task->state == NEAPL_TASK_RUNNING && task->waiting;
}

static double seconds_of(const neapL_task *task) {
  uint64_t now = neap_tick(task->host->engine);
  return now > task->since ? neap__seconds_of_ns(now - task->since) : 0;
}

/* Pushes the path of the node that a task is at; nil when it has no run.
 * [-0, +1, m] */
static void push_path(lua_State *L, const neapL_task *task) {
  if (!task->run) {
    lua_pushnil(L);
    return;
  }
  task->host->runs->push_path(L, task->run);
}

/* Pushes what else is known of the task on top: a text and a table, or two
 * times nil. [-0, +2, m] */
static void push_description(lua_State *L) {
  int task = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, NEAPL_DUMP_DESCRIBE);
  lua_pushvalue(L, task);
  if (!lua_isnil(L, -2) && lua_pcall(L, 1, 2, 0) == LUA_OK)
    return;
  lua_settop(L, task);
  lua_settop(L, task + 2);
}

/* Adds "waits for a semaphore, since 0.5 s". */
static void add_wait(luaL_Buffer *buffer, const neapL_task *task) {
  char since[48];
  snprintf(since, sizeof since, ", since %.1f s\n", seconds_of(task));
  luaL_addstring(buffer, "waits for ");
  luaL_addstring(buffer, task->what);
  luaL_addstring(buffer, since);
}

/* Pushes the text of the error of a task that has failed. [-0, +1, m] */
static const char *push_error(lua_State *L, int task) {
  lua_getiuservalue(L, task, NEAPL_TASK_RESULT);
  neapL_error_text(L, -1);
  lua_replace(L, -2);
  return lua_tostring(L, -1);
}

/* Pushes a line about the task at an index, behind which its description is on
 * top, and a traceback if it waits. [-0, +1, m] */
static void push_text(lua_State *L, int index) {
  const neapL_task *task = lua_touserdata(L, index);
  const char *besides = lua_tostring(L, index + 1);
  bool failed = task->state == NEAPL_TASK_FAILED;
  push_path(L, task);
  if (failed)
    push_error(L, index);
  else if (waits(task))
    neapL_trace(L, task->L, 0);
  else
    lua_pushnil(L);
  const char *path = lua_tostring(L, index + 3);
  const char *more = lua_tostring(L, index + 4);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  char head[64];
  snprintf(head, sizeof head, "task %u of task %u ", (unsigned)task->slot,
           (unsigned)task->parent->slot);
  luaL_addstring(&buffer, head);
  if (path) {
    luaL_addstring(&buffer, "at ");
    luaL_addstring(&buffer, path);
    luaL_addstring(&buffer, " ");
  }
  if (besides) {
    luaL_addstring(&buffer, "(");
    luaL_addstring(&buffer, besides);
    luaL_addstring(&buffer, ") ");
  }
  if (failed)
    luaL_addstring(&buffer, "has failed, and no task has awaited it: ");
  else if (task->state == NEAPL_TASK_ENDING)
    luaL_addstring(&buffer, "waits for its own tasks to end");
  else if (more)
    add_wait(&buffer, task);
  else
    luaL_addstring(&buffer, "runs");
  if (more)
    luaL_addstring(&buffer, more);
  luaL_addstring(&buffer, "\n");
  luaL_pushresult(&buffer);
  lua_replace(L, index + 1);
  lua_settop(L, index + 1);
}

/* Whether a task of the list has not ended meanwhile. */
static bool is_news(const neapL_task *task) {
  return task->L && task->state != NEAPL_TASK_DONE &&
         task->state != NEAPL_TASK_CANCELLED;
}

void neapL_task_dump(lua_State *L) {
  const neapL_host *host = neapL_host_of(L);
  push_all(L);
  int list = lua_gettop(L);
  lua_Integer count = (lua_Integer)lua_rawlen(L, list);
  lua_newtable(L); /* of texts, one for each task */
  bool is_part = host->is_sandbox && host->current;
  lua_pushfstring(L, "%d task(s) have not ended\n",
                  is_part ? (int)count : (int)host->live);
  lua_rawseti(L, list + 1, 1);
  lua_Integer texts = 1;
  if (neap_op_active(&host->root->op)) {
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    luaL_addstring(&buffer, "task 0, the main chunk, ");
    add_wait(&buffer, host->root);
    luaL_pushresult(&buffer);
    lua_rawseti(L, list + 1, ++texts);
  }
  for (lua_Integer i = 1; i <= count && i <= MAX_TASKS; i++) {
    lua_rawgeti(L, list, i);
    push_description(L);
    if (is_news(lua_touserdata(L, list + 2))) {
      push_text(L, list + 2);
      lua_rawseti(L, list + 1, ++texts);
    }
    lua_settop(L, list + 1);
  }
  if (count > MAX_TASKS) {
    lua_pushfstring(L, "and %d more\n", (int)(count - MAX_TASKS));
    lua_rawseti(L, list + 1, ++texts);
  }
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  for (lua_Integer i = 1; i <= texts; i++) {
    lua_rawgeti(L, list + 1, i);
    luaL_addvalue(&buffer);
  }
  luaL_pushresult(&buffer);
  lua_replace(L, list);
  lua_settop(L, list);
}

/* Pushes a table about the task at an index, behind which its description is on
 * top. [-0, +1, m] */
static void push_table(lua_State *L, int index) {
  const neapL_task *task = lua_touserdata(L, index);
  lua_createtable(L, 0, 8);
  lua_pushvalue(L, index + 2);
  lua_setfield(L, -2, "llm");
  lua_pushinteger(L, task->slot);
  lua_setfield(L, -2, "id");
  lua_pushinteger(L, task->parent->slot);
  lua_setfield(L, -2, "owner");
  lua_pushvalue(L, index);
  lua_setfield(L, -2, "task");
  push_path(L, task);
  lua_setfield(L, -2, "node");
  const char *status = task->state == NEAPL_TASK_ENDING ? "ends" : "runs";
  if (task->state == NEAPL_TASK_FAILED) {
    status = "failed";
    lua_getiuservalue(L, index, NEAPL_TASK_RESULT);
    lua_setfield(L, -2, "error");
  } else if (waits(task)) {
    status = "waits";
    lua_pushstring(L, task->what);
    lua_setfield(L, -2, "what");
    lua_pushnumber(L, seconds_of(task));
    lua_setfield(L, -2, "seconds");
    neapL_trace(L, task->L, 0);
    lua_setfield(L, -2, "traceback");
  }
  lua_pushstring(L, status);
  lua_setfield(L, -2, "status");
}

void neapL_task_list(lua_State *L) {
  push_all(L);
  int list = lua_gettop(L);
  lua_Integer count = (lua_Integer)lua_rawlen(L, list), kept = 0;
  lua_createtable(L, (int)count, 0);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, list, i);
    push_description(L);
    if (is_news(lua_touserdata(L, list + 2))) {
      push_table(L, list + 2);
      lua_rawseti(L, list + 1, ++kept);
    }
    lua_settop(L, list + 1);
  }
  lua_replace(L, list);
}
