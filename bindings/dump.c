/* Who waits, for what, and where.
 * SPDX-License-Identifier: MIT */
#include <lauxlib.h>

#include "task.h"

/* How many generations of tasks neap.dump shows. */
enum { DUMP_DEPTH = 100 };

/* Adds a line and a traceback for each task below `task` that waits. */
static void dump_children(lua_State *L, luaL_Buffer *buffer,
                          const neap__task *task, int depth) {
  if (depth == DUMP_DEPTH) {
    luaL_addstring(buffer, "tasks of tasks deeper than that are left out\n");
    return;
  }
  for (neap_link *link = task->children.next; link != &task->children;
       link = link->next) {
    const neap__task *child = NEAP__ITEM(link, neap__task, sibling);
    if (neap__task_has_ended(child))
      continue;
    lua_pushfstring(L, "task %d of task %d ", (int)child->slot,
                    (int)task->slot);
    luaL_addvalue(buffer);
    if (child->state == NEAP__TASK_ENDING)
      luaL_addstring(buffer, "waits for its own tasks to end\n");
    else if (child->state == NEAP__TASK_READY || !child->waiting)
      luaL_addstring(buffer, "runs\n");
    else {
      lua_pushfstring(L, "waits for %s\n", child->what);
      luaL_addvalue(buffer);
      luaL_traceback(L, child->L, NULL, 0);
      luaL_addvalue(buffer);
      luaL_addstring(buffer, "\n");
    }
    dump_children(L, buffer, child, depth + 1);
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
    lua_pushfstring(L, "task 0, the main chunk, waits for %s\n",
                    host->root.what);
    luaL_addvalue(&buffer);
  }
  dump_children(L, &buffer, &host->root, 0);
  luaL_pushresult(&buffer);
}
