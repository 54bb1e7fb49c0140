/* The tree of tasks: who they are, what they wait for, and whose they are.
 * SPDX-License-Identifier: MIT
 *
 * What changes here is no more than the state of tasks: nothing in this file
 * runs Lua. task_life.c is where they begin, go on and end.
 */
#include "task.h"

#include <string.h>

#include "error.h"

neap__task *neap__task_current(lua_State *L) {
  neap__host *host = neap__host_of(L);
  return host->current ? host->current : host->root;
}

void neap__task_init(neap__task *task, neap__host *host,
                     void (*done)(neap_op *)) {
  memset(task, 0, sizeof *task);
  task->host = host;
  neap_op_init(&task->op, done, task);
  neap__list_init(&task->sibling);
  neap__list_init(&task->children);
  neap__list_init(&task->waiters);
  neap__list_init(&task->line);
}

void neap__task_push(lua_State *L, const neap__task *task) {
  if (task == task->host->root)
    neap__host_push(L, task->host, NEAP__HOST_SELF);
  else
    neap__host_push_task(L, task->host, task->slot);
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

neap__task *neap__task_first_failure(neap__task *task, uint32_t serial) {
  for (neap_link *link = first_since(task, serial); link != &task->children;
       link = link->next) {
    neap__task *child = NEAP__ITEM(link, neap__task, sibling);
    if (child->state == NEAP__TASK_FAILED)
      return child;
  }
  return NULL;
}

void neap__task_release(neap__task *task) {
  neap__host *host = task->host;
  neap__list_remove(&task->sibling);
  /* What was ended from outside is not used again (lua_resetthread of Lua 5.4.4
   * leaves the message handler of the call that it ended behind), nor is what
   * code of the user's may still know. */
  bool again = !task->broken && !task->exposed;
  neap__host_give(host, task->slot, again ? task->L : NULL);
  task->L = NULL;
}

void neap__task_detach(neap__task *task) {
  neap__task *root = task->host->root;
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

void neap__task_need_workers(lua_State *L, neap__task *task) {
  if (task->workers)
    return;
  neap__workers *workers = neap__host_allocate(L, sizeof *workers);
  if (!workers)
    neap__error_no_memory(L);
  neap__list_init(&workers->ended);
  neap__list_init(&workers->turns);
  task->workers = workers;
}

bool neap__task_take_failure(lua_State *L, neap__task *task, uint32_t serial) {
  neap__task *child = neap__task_first_failure(task, serial);
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
