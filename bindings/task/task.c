/* The tree of tasks: their states, their waits and their owners.
 * SPDX-License-Identifier: MIT
 *
 * The functions in this file change only the state of tasks: none runs Lua.
 * Tasks begin, go on and end in task_life.c.
 */
#include "task.h"

#include <string.h>

#include "error.h"

neapL_task *neapL_task_current(lua_State *L) {
  neapL_host *host = neapL_host_of(L);
  return host->current ? host->current : host->root;
}

void neapL_task_init(neapL_task *task, neapL_host *host,
                     void (*done)(neap_op *)) {
  memset(task, 0, sizeof *task);
  task->host = host;
  neap_op_init(&task->op, done, task);
  neap__list_init(&task->sibling);
  neap__list_init(&task->children);
  neap__list_init(&task->waiters);
  neap__list_init(&task->line);
}

void neapL_task_push(lua_State *L, const neapL_task *task) {
  if (task == task->host->root)
    neapL_host_push(L, task->host, NEAPL_HOST_SELF);
  else
    neapL_host_push_task(L, task->host, task->slot);
}

/* Returns the link of the first child that was spawned when the count was at
 * least `serial`, or the list's own link when there is none. The children are
 * in the order of their serials. The search begins at the youngest, since
 * mostly young ones are wanted. */
static neap_link *first_since(neapL_task *task, uint32_t serial) {
  neap_link *link = task->children.prev;
  while (link != &task->children &&
         NEAP__ITEM(link, neapL_task, sibling)->serial >= serial)
    link = link->prev;
  return link->next;
}

neapL_task *neapL_task_first_failure(neapL_task *task, uint32_t serial) {
  for (neap_link *link = first_since(task, serial); link != &task->children;
       link = link->next) {
    neapL_task *child = NEAP__ITEM(link, neapL_task, sibling);
    if (child->state == NEAPL_TASK_FAILED)
      return child;
  }
  return NULL;
}

void neapL_task_release(neapL_task *task) {
  neapL_host *host = task->host;
  neap__list_remove(&task->sibling);
  /* Three kinds of coroutines are not used again: those that were ended from
   * outside, since lua_resetthread of Lua 5.4.4 leaves the message handler of
   * the call that it ended behind; those that the user's code may have; and
   * those of tasks that were ended, as there may be too many. */
  bool again = !task->broken && !task->exposed && !task->ending;
  neapL_host_give(host, task->slot, again ? task->L : NULL);
  task->L = NULL;
}

void neapL_task_detach(neapL_task *task) {
  neapL_task *root = task->host->root;
  neap__list_remove(&task->sibling);
  task->parent->live_children--;
  task->parent = root;
  task->serial = root->spawned++;
  task->detached = true;
  neap__list_append(&root->children, &task->sibling);
  root->live_children++;
  if (root->cancel_status != 0) /* the script has ended */
    neapL_task_cancel(task, root->cancel_status);
}

void neapL_task_need_workers(lua_State *L, neapL_task *task) {
  if (task->workers)
    return;
  neapL_workers *workers = neapL_host_allocate(L, sizeof *workers);
  if (!workers)
    neapL_error_no_memory(L);
  neap__list_init(&workers->ended);
  neap__list_init(&workers->turns);
  task->workers = workers;
}

bool neapL_task_take_failure(lua_State *L, neapL_task *task, uint32_t serial) {
  neapL_task *child = neapL_task_first_failure(task, serial);
  if (!child)
    return false;
  neapL_task_push(L, child);
  lua_getiuservalue(L, -1, NEAPL_TASK_RESULT);
  lua_replace(L, -2);
  neapL_task_release(child);
  return true;
}

void neapL_task_give_up(neapL_task *task) {
  void (*drop)(neapL_task *) = task->drop;
  task->drop = NULL;
  if (drop)
    drop(task);
}

void neapL_task_end_wait(neapL_task *task) {
  if (!task->lasting)
    neapL_task_give_up(task);
  neap_op_cancel(&task->op, NEAP_ECANCELED);
}

void neapL_task_cancel(neapL_task *task, int status) {
  if (task->state > NEAPL_TASK_RUNNING || task->cancel_status != 0)
    return;
  task->cancel_status = status;
  neapL_task_end_wait(task);
}

void neapL_task_end_part(neapL_task *part, neapL_ending ending, int status) {
  if (part->ending || part->state > NEAPL_TASK_RUNNING)
    return;
  part->ending = (uint8_t)ending;
  part->killed = true;
  part->kills = NEAPL_PATIENCE + 1;
  if (part == part->host->current)
    part->told = true; /* the caller raises it */
  else
    part->strikes = 1; /* its wait does */
  neapL_task_cancel(part, status);
}

void neapL_task_end(neapL_task *task, neapL_ending ending) {
  for (neapL_task *part = task;; part = part->parent) {
    neapL_task_end_part(part, ending, NEAP_ETIMEDOUT);
    if (!part->internal)
      return;
  }
}

void neapL_task_own(neapL_task *task, neapL_belonging *belonging) {
  neapL_belonging_add(&task->belongings, belonging, task->spawned++);
}

size_t neapL_task_cancel_since(neapL_task *task, uint32_t serial) {
  size_t count = 0;
  neapL_belonging_end_since(&task->belongings, serial);
  for (neap_link *link = first_since(task, serial); link != &task->children;
       link = link->next) {
    neapL_task *child = NEAP__ITEM(link, neapL_task, sibling);
    if (neapL_task_has_ended(child))
      continue;
    neapL_task_cancel(child, NEAP_ECANCELED);
    count++;
  }
  return count;
}

uint64_t neapL_task_seed(const neapL_task *task) {
  neapL_host *host = task->host;
  if (host->seed != 0)
    return host->seed++;
  return (uintptr_t)task ^ neap_now(host->engine);
}

void neapL_task_hold(neapL_task *task, void (*drop)(neapL_task *),
                     void *dropped) {
  neap_op_hold(task->host->engine, &task->op);
  task->drop = drop;
  task->dropped = dropped;
}

void neapL_task_line_up(neapL_task *task, neap_link *line,
                        void (*drop)(neapL_task *), void *dropped) {
  neapL_task_hold(task, drop, dropped);
  neap__list_append(line, &task->line);
}

void neapL_task_leave(neapL_task *task) {
  neap__list_remove(&task->line);
}

neapL_task *neapL_task_next(neap_link *line) {
  if (neap__list_empty(line))
    return NULL;
  neapL_task *task = NEAP__ITEM(line->next, neapL_task, line);
  neapL_task_leave(task);
  return task;
}

void neapL_task_cancel_all(neapL_task *root) {
  neapL_task *task = root;
  for (;;) {
    if (!task->shielded)
      neapL_task_cancel(task, NEAP_ECANCELED);
    neap_link *link = task->shielded ? &task->children : task->children.next;
    while (link == &task->children) { /* after the last child */
      if (task == root)
        return;
      link = task->sibling.next;
      task = task->parent;
    }
    task = NEAP__ITEM(link, neapL_task, sibling);
  }
}
