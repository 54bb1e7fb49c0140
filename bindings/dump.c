/* Who waits, for what, since when, and where.
 * SPDX-License-Identifier: MIT */
#include <lauxlib.h>
#include <stdio.h>

#include "host.h"

enum {
  DEPTH = 100,     /* generations of tasks that are shown */
  MAX_TASKS = 1000 /* tasks that neap.dump shows */
};

/* Calls `show` for each task below `task` that has not ended, owners first.
 * Returns how many there were. */
static size_t walk(lua_State *L, const neap__task *task, int depth,
                   void (*show)(lua_State *L, const neap__task *task, void *ud),
                   void *ud) {
  size_t count = 0;
  for (neap_link *link = task->children.next;
       depth < DEPTH && link != &task->children; link = link->next) {
    const neap__task *child = NEAP__ITEM(link, neap__task, sibling);
    if (neap__task_has_ended(child))
      continue;
    show(L, child, ud);
    count += 1 + walk(L, child, depth + 1, show, ud);
  }
  return count;
}

static bool waits(const neap__task *task) {
  return task->state == NEAP__TASK_RUNNING && task->waiting;
}

static double seconds_of(const neap__task *task) {
  uint64_t now = neap_tick(task->host->engine);
  return now > task->since ? (double)(now - task->since) / 1e9 : 0;
}

/* Adds "waits for a semaphore, since 0.5 s". */
static void add_wait(luaL_Buffer *buffer, const neap__task *task) {
  char since[48];
  luaL_addstring(buffer, "waits for ");
  luaL_addstring(buffer, task->what);
  snprintf(since, sizeof since, ", since %.1f s\n", seconds_of(task));
  luaL_addstring(buffer, since);
}

typedef struct text {
  luaL_Buffer *buffer;
  size_t shown;
} text;

/* Adds a line for a task, and a traceback where it waits. */
static void add_text(lua_State *L, const neap__task *task, void *ud) {
  text *t = ud;
  luaL_Buffer *buffer = t->buffer;
  if (t->shown++ >= MAX_TASKS)
    return;
  char head[64];
  snprintf(head, sizeof head, "task %u of task %u ", (unsigned)task->slot,
           (unsigned)task->parent->slot);
  luaL_addstring(buffer, head);
  if (task->state == NEAP__TASK_ENDING) {
    luaL_addstring(buffer, "waits for its own tasks to end\n");
  } else if (!waits(task)) {
    luaL_addstring(buffer, "runs\n");
  } else {
    add_wait(buffer, task);
    luaL_traceback(L, task->L, NULL, 0);
    luaL_addvalue(buffer);
    luaL_addstring(buffer, "\n");
  }
}

void neap__task_dump(lua_State *L) {
  const neap__host *host = neap__host_of(L);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  lua_pushfstring(L, "%d task(s) have not ended\n", (int)host->live);
  luaL_addvalue(&buffer);
  if (neap_op_active(&host->root.op)) {
    luaL_addstring(&buffer, "task 0, the main chunk, ");
    add_wait(&buffer, &host->root);
  }
  text t = {.buffer = &buffer};
  walk(L, &host->root, 0, add_text, &t);
  if (host->live > t.shown)
    luaL_addstring(&buffer,
                   "tasks more than 100 generations deep are left out\n");
  if (t.shown > MAX_TASKS) {
    lua_pushfstring(L, "and %d more\n", (int)(t.shown - MAX_TASKS));
    luaL_addvalue(&buffer);
  }
  luaL_pushresult(&buffer);
}

/* Adds a table about a task to the list on top. */
static void add_table(lua_State *L, const neap__task *task, void *ud) {
  lua_Integer *count = ud;
  lua_createtable(L, 0, 7);
  lua_pushinteger(L, task->slot);
  lua_setfield(L, -2, "id");
  lua_pushinteger(L, task->parent->slot);
  lua_setfield(L, -2, "owner");
  neap__task_push(L, task);
  lua_setfield(L, -2, "task");
  const char *status = task->state == NEAP__TASK_ENDING ? "ends" : "runs";
  if (waits(task)) {
    status = "waits";
    lua_pushstring(L, task->what);
    lua_setfield(L, -2, "what");
    lua_pushnumber(L, seconds_of(task));
    lua_setfield(L, -2, "seconds");
    luaL_traceback(L, task->L, NULL, 0);
    lua_setfield(L, -2, "traceback");
  }
  lua_pushstring(L, status);
  lua_setfield(L, -2, "status");
  lua_rawseti(L, -2, ++*count);
}

void neap__task_list(lua_State *L) {
  lua_Integer count = 0;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_newtable(L);
  walk(L, &neap__host_of(L)->root, 0, add_table, &count);
}
