/* What uses most of the memory, and how it is ended.
 * SPDX-License-Identifier: MIT
 *
 * A run counts as a whole: it and all that comes of it, its family. If one task
 * uses more than all others of the family, that one is ended with what it has
 * spawned, and whoever awaits it goes on. Otherwise all of the family are,
 * since they would fill the memory again: a script may spawn tasks that spawn
 * tasks, each of which uses next to nothing.
 *
 * There may be thousands of them, and no memory. So one error serves all, and
 * only the oldest task fails with it; the others are cancelled and released as
 * they end. None of them can spawn or wait any more. */
#include "biggest.h"

#include "account.h"
#include "error.h"

/* What a run has to use at least to be ended for it. */
enum { LEAST = 4096 };

/* Returns the task that follows in the tree below `root`, each before those
 * that it has spawned; NULL at the end. */
static neapL_task *next_task(const neapL_task *root, neapL_task *task) {
  neap_link *link = task->children.next;
  while (link == &task->children) { /* after the last child */
    if (task == root)
      return NULL;
    link = task->sibling.next;
    task = task->parent;
  }
  return NEAP__ITEM(link, neapL_task, sibling);
}

/* Returns the family that uses most, and in *sum how much is used by all of
 * which tasks live. */
static neapL_family *find_family(const neap_link *families, size_t *sum) {
  neapL_family *biggest = NULL;
  size_t most = LEAST;
  *sum = 0;
  for (neap_link *link = families->next; link != families; link = link->next) {
    neapL_family *family = NEAP__ITEM(link, neapL_family, link);
    if (family->live == 0)
      continue;
    *sum += family->bytes;
    if (family->bytes > most) {
      biggest = family;
      most = family->bytes;
    }
  }
  return biggest;
}

/* Returns the account of the task that uses more than all others of its family
 * together; NULL when none does. */
static neapL_account *find_account(const neapL_host *host,
                                   const neapL_family *family) {
  for (neapL_task *task = host->root; task; task = next_task(host->root, task))
    if (task->account && task->account->family == family &&
        task->account->bytes > family->bytes / 2)
      return task->account;
  return NULL;
}

bool neapL_biggest_find(neapL_host *host, const neap_link *families,
                        size_t *sum) {
  neapL_family *family = find_family(families, sum);
  if (!family)
    return false;
  neapL_account *account = find_account(host, family);
  if (account)
    account->is_chosen = true;
  else
    family->is_chosen = true;
  host->to_end = true;
  return true;
}

/* Whether a task has been chosen, by itself or with its family. */
static bool is_chosen(const neapL_task *task) {
  const neapL_account *account = task->account;
  return account && (account->is_chosen || account->family->is_chosen);
}

bool neapL_biggest_has(const neapL_task *task) {
  while (task && !is_chosen(task))
    task = task->parent;
  return task != NULL;
}

/* Makes the error of a task that is ended. [-0, +1, m] */
static int make_error(lua_State *L) {
  neapL_error_push(L, "memory",
                   "the memory that there may be is used up, and this run uses "
                   "most of it");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "retryable");
  return 1;
}

void neapL_biggest_push_error(lua_State *L, const neapL_task *task) {
  if (task->account->is_ending)
    neapL_host_push(L, task->host, NEAPL_HOST_MEMORY);
  else
    make_error(L);
}

/* Makes the error that serves all; without memory, it is Lua's own message.
 * [-0, +0, -] */
static void keep_error(neapL_host *host) {
  lua_State *S = host->scratch;
  lua_pushcfunction(S, make_error);
  lua_pcall(S, 0, 1, 0);
  lua_xmove(S, host->values, 1);
  lua_replace(host->values, NEAPL_HOST_MEMORY);
}

size_t neapL_biggest_end(neapL_host *host) {
  bool is_told = false;
  size_t count = 0;
  keep_error(host);
  host->to_end = false;
  for (neapL_task *task = next_task(host->root, host->root); task;
       task = next_task(host->root, task)) {
    neapL_account *account = task->account;
    const neapL_account *above = neapL_task_whole(task->parent)->account;
    if (!account || account->is_ending ||
        !(is_chosen(task) || (above && above->is_ending)))
      continue;
    account->is_ending = true;
    count++;
    if (task->state > NEAPL_TASK_RUNNING)
      continue;
    neapL_task_end_part(task, NEAPL_ENDING_MEMORY,
                        is_told ? NEAP_ECANCELED : NEAP_ETIMEDOUT);
    is_told = true;
  }
  return count;
}
