/* The memory of a Lua state that neap has made: counted, and capped.
 * SPDX-License-Identifier: MIT
 *
 * The last thing that lua_close frees is the state itself, through the
 * allocator; objects that a host has from the engine may be freed even later.
 * So the account goes with the last byte that it counts, whichever that is.
 *
 * With a cap alone, whoever asks next would be refused, mostly a bystander. So
 * each task is charged with what more is used after it was resumed than before.
 * At the cap, the run that has grown most is ended: at once if it is what runs,
 * after this turn otherwise. What it asks for until then, and all others, is
 * taken from a reserve above the cap. */
#include "memory.h"

#include <stdlib.h>

#include "budget.h"
#include "task.h"

/* What may be used above the cap, until the run that has grown most has ended.
 */
enum { RESERVE = 256 * 1024 };

/* What a run has to have grown by at least to be ended for it. */
enum { LEAST_GROWTH = 4096 };

/* How many steps the collector takes after each turn, close to the cap. */
enum { STEPS = 64 };

static void *c_alloc(void *ud, void *ptr, size_t old_size, size_t new_size) {
  (void)ud;
  (void)old_size;
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, new_size);
}

neapL_memory *neapL_memory_new(const neap_alloc *below) {
  neap_alloc from = *below;
  if (!from.fn)
    from = (neap_alloc){.fn = c_alloc};
  neapL_memory *memory = from.fn(from.ud, NULL, 0, sizeof *memory);
  if (memory)
    *memory = (neapL_memory){.below = from};
  return memory;
}

void neapL_memory_free(neapL_memory *memory) {
  neap_alloc below = memory->below;
  below.fn(below.ud, memory, sizeof *memory, 0);
}

/* By how many bytes a task has grown. */
static int64_t growth_of(const neapL_memory *memory, const neapL_task *task) {
  neapL_task *current = memory->host->current;
  int64_t now = 0;
  if (current && neapL_task_whole(current) == task)
    now = (int64_t)memory->used - (int64_t)memory->before;
  return task->grown + now;
}

/* Returns the run or task that has grown most, NULL when none has grown by
 * anything to speak of, and notes whether they use most of the memory together.
 * Walks through the tree of tasks. */
static neapL_task *find_biggest(neapL_memory *memory) {
  neapL_task *root = memory->host->root, *task = root, *biggest = NULL;
  int64_t most = LEAST_GROWTH, sum = 0;
  for (;;) {
    if (!task->internal && task != root && !neapL_task_has_ended(task)) {
      int64_t growth = growth_of(memory, task);
      sum += growth;
      if (growth > most && !task->ending) {
        biggest = task;
        most = growth;
      }
    }
    neap_link *link = task->children.next;
    while (link == &task->children) { /* after the last child */
      if (task == root) {
        memory->is_full = sum < (int64_t)(memory->used / 2);
        return biggest;
      }
      link = task->sibling.next;
      task = task->parent;
    }
    task = NEAP__ITEM(link, neapL_task, sibling);
  }
}

/* Whether `more` bytes are given although that is more than the cap. Changes
 * nothing but the account, for anybody may be asking. */
static bool may_exceed(neapL_memory *memory, size_t more, bool is_lua) {
  if (more > memory->cap || !memory->has_begun)
    return false; /* an ordinary error */
  bool fits = memory->used + more <= memory->cap + RESERVE;
  neapL_host *host = memory->host;
  if (!host || host->to_end || (host->current && host->current->ending))
    return fits; /* it is being closed, or ended */
  if (!is_lua) {
    memory->needs_collection = true;
    return fits;
  }
  if (!memory->has_asked) {
    memory->has_asked = true;
    return false;
  }
  memory->has_asked = false;
  host->to_end = find_biggest(memory);
  if (host->to_end)
    neapL_budget_alarm(host);
  return fits;
}

static void *change(neapL_memory *memory, void *ptr, size_t old_size,
                    size_t new_size, bool is_lua) {
  if (!ptr)
    old_size = 0; /* Lua tells the kind of object */
  if (old_size == new_size)
    return ptr;
  if (new_size > old_size && memory->cap > 0) {
    if (memory->used + (new_size - old_size) <= memory->cap)
      memory->has_asked = memory->has_asked && !is_lua;
    else if (!may_exceed(memory, new_size - old_size, is_lua))
      return NULL;
  }
  void *block = memory->below.fn(memory->below.ud, ptr, old_size, new_size);
  if (!block && new_size > 0)
    return NULL;
  memory->used += new_size - old_size;
  if (memory->used > memory->peak)
    memory->peak = memory->used;
  if (memory->used == 0 && memory->has_begun)
    neapL_memory_free(memory);
  return block;
}

void *neapL_memory_alloc(void *ud, void *ptr, size_t old_size,
                         size_t new_size) {
  return change(ud, ptr, old_size, new_size, true);
}

void *neapL_memory_alloc_engine(void *ud, void *ptr, size_t old_size,
                                size_t new_size) {
  return change(ud, ptr, old_size, new_size, false);
}

neapL_memory *neapL_memory_of(lua_State *L) {
  void *ud;
  return lua_getallocf(L, &ud) == neapL_memory_alloc ? ud : NULL;
}

void neapL_memory_begin(neapL_memory *memory, neapL_host *host) {
  memory->host = host;
  if (memory->cap > 0)
    host->memory = memory;
}

void neapL_memory_enter(neapL_memory *memory) {
  memory->before = memory->used;
}

/* Frees garbage early, where the engine has come close to the cap: it cannot
 * collect when it is refused. Finalizers run. */
static void collect(neapL_memory *memory) {
  neapL_host *host = memory->host;
  const char *before = host->outside;
  host->outside = "a finalizer";
  if (memory->needs_collection)
    lua_gc(host->scratch, LUA_GCCOLLECT);
  else
    for (int i = 0; i < STEPS && !lua_gc(host->scratch, LUA_GCSTEP, 0); i++) {
    }
  host->outside = before;
  memory->needs_collection = false;
}

void neapL_memory_charge(neapL_memory *memory, neapL_task *task) {
  neapL_task_whole(task)->grown +=
      (int64_t)memory->used - (int64_t)memory->before;
  memory->before = memory->used;
}

void neapL_memory_leave(neapL_memory *memory) {
  neapL_host *host = memory->host;
  neapL_task *victim = host->to_end;
  if (victim) {
    host->to_end = NULL;
    if (!victim->ending)
      neapL_task_end(victim, NEAPL_ENDING_MEMORY);
    neap_break(host->engine);
  }
  if (memory->needs_collection || memory->used > memory->cap / 8 * 7)
    collect(memory);
}
