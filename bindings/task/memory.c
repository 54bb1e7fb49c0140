/* The memory of a Lua state that neap has made: counted, and capped.
 * SPDX-License-Identifier: MIT
 *
 * The last thing that lua_close frees is the state itself, through the
 * allocator; objects that a host has from the engine may be freed even later.
 * So the record goes with the last byte that it counts, whichever that is.
 *
 * With a cap alone, whoever asks next would be refused, mostly a bystander. So
 * where there is a cap, a label before each block says on whose account it is:
 * that of the task that ran when it was asked for. Whoever frees it, the one
 * account is relieved. At the cap, what uses most is ended (biggest.c): at once
 * if it is what runs, after this turn otherwise. What it asks for until then,
 * and all others, is taken from a reserve above the cap. */
#include "memory.h"

#include <stdlib.h>

#include "biggest.h"
#include "budget.h"
#include "task.h"

/* What may be used above the cap, until what uses most has ended. */
enum { RESERVE = 256 * 1024 };

/* What finalizers may use above that: one that is refused leaves open what it
 * should close. */
enum { FINALIZER_RESERVE = 64 * 1024 };

/* Close to the cap, the collector is due whenever such a share of the cap has
 * been asked for. */
enum { STEP_SHARE = 1024 };

/* How many steps it takes then. */
enum { STEPS = 64 };

/* How often a task may be refused while what uses most is being ended. Lua asks
 * twice for each object. */
enum { MOST_REFUSALS = 16 };

/* Before each block, where there is a cap. Blocks are aligned as Lua aligns its
 * objects, and no type of the engine's needs more. */
typedef struct label {
  neapL_account *account; /* NULL: no task has asked for it */
} label;

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
  if (!memory)
    return NULL;
  *memory = (neapL_memory){.below = from};
  neap__list_init(&memory->families);
  return memory;
}

void neapL_memory_free(neapL_memory *memory) {
  neap_alloc below = memory->below;
  below.fn(below.ud, memory, sizeof *memory, 0);
}

/* Whether a finalizer runs: "-1 ... when called by a finalizer". */
static bool is_finalizing(const neapL_host *host) {
  return lua_gc(host->scratch, LUA_GCCOUNT) < 0;
}

/* What runs has been refused while what uses most is being ended. If it catches
 * that time and again, nothing else gets to run, and nothing ends: then it is
 * ended as well. */
static void count_refusal(neapL_memory *memory) {
  neapL_account *account = memory->account;
  if (!account || account->is_chosen || ++account->refusals < MOST_REFUSALS)
    return;
  account->is_chosen = true;
  memory->host->to_end = true;
  neapL_budget_alarm(memory->host);
}

/* Whether `more` bytes are given although that is more than the cap. Changes
 * nothing but the record, for anybody may be asking. */
static bool may_exceed(neapL_memory *memory, size_t more, bool is_lua) {
  if (more > memory->cap || !memory->has_begun)
    return false; /* an ordinary error */
  size_t wanted = memory->used + more;
  bool fits = wanted <= memory->cap + RESERVE;
  neapL_host *host = memory->host;
  if (host && is_finalizing(host))
    return wanted <= memory->cap + RESERVE + FINALIZER_RESERVE;
  if (!host || host->to_end || memory->ending > 0) {
    if (host && !fits)
      count_refusal(memory);
    return fits; /* it is being closed, or what is biggest ended */
  }
  if (!is_lua) {
    memory->needs_collection = true;
    return fits;
  }
  if (!memory->has_asked) {
    memory->has_asked = true;
    return false;
  }
  memory->has_asked = false;
  size_t living;
  if (neapL_biggest_find(host, &memory->families, &living))
    neapL_budget_alarm(host);
  memory->is_full = living < memory->used / 2;
  return fits;
}

static void *change_plain(neapL_memory *memory, void *ptr, size_t old_size,
                          size_t new_size) {
  void *block = memory->below.fn(memory->below.ud, ptr, old_size, new_size);
  if (block || new_size == 0)
    memory->used += new_size - old_size;
  return block;
}

/* Allocates what accounts need: counted, but on no account. */
static void *allocate_record(void *ud, void *ptr, size_t old_size,
                             size_t new_size) {
  return change_plain(ud, ptr, old_size, new_size);
}

/* Frees an account that nothing is on any more, if its task has ended. */
static void sweep(neapL_memory *memory, neapL_account *account) {
  const neap_alloc own = {.fn = allocate_record, .ud = memory};
  if (neapL_account_sweep(&own, account) && memory->account == account)
    memory->account = NULL;
}

/* Takes a block from an account, if it is on one. */
static void discharge(neapL_memory *memory, neapL_account *account,
                      size_t size) {
  if (!account)
    return;
  neapL_account_remove(account, size);
  sweep(memory, account);
}

/* Has the allocator below make, change or free a block with its label. */
static void *change_labelled(neapL_memory *memory, void *ptr, size_t old_size,
                             size_t new_size) {
  label *block = ptr ? (label *)ptr - 1 : NULL;
  neapL_account *before = block ? block->account : NULL;
  size_t was = block ? old_size + sizeof *block : 0;
  size_t will = new_size > 0 ? new_size + sizeof *block : 0;
  block = memory->below.fn(memory->below.ud, block, was, will);
  if (!block && new_size > 0)
    return NULL;
  memory->used += will - was;
  neapL_account *after = new_size > old_size ? memory->account : before;
  if (new_size > 0) {
    block->account = after;
    if (after)
      neapL_account_add(after, will);
  }
  discharge(memory, before, was);
  return new_size > 0 ? block + 1 : NULL;
}

static void *change(neapL_memory *memory, void *ptr, size_t old_size,
                    size_t new_size, bool is_lua) {
  if (!ptr)
    old_size = 0; /* Lua tells the kind of object */
  if (old_size == new_size)
    return ptr;
  if (new_size > old_size && memory->cap > 0) {
    size_t more = new_size - old_size + (ptr ? 0 : sizeof(label));
    if (memory->used + more <= memory->cap)
      memory->has_asked = memory->has_asked && !is_lua;
    else if (!may_exceed(memory, more, is_lua))
      return NULL;
  }
  void *block = memory->cap > 0
                    ? change_labelled(memory, ptr, old_size, new_size)
                    : change_plain(memory, ptr, old_size, new_size);
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

neap_alloc neapL_memory_allocator(lua_State *L) {
  neapL_memory *memory = neapL_memory_of(L);
  if (memory)
    return (neap_alloc){.fn = neapL_memory_alloc_engine, .ud = memory};
  neap_alloc alloc;
  alloc.fn = lua_getallocf(L, &alloc.ud);
  return alloc;
}

void neapL_memory_begin(neapL_memory *memory, neapL_host *host) {
  memory->host = host;
  if (memory->cap > 0)
    host->memory = memory;
}

bool neapL_memory_open(neapL_memory *memory, neapL_task *task) {
  neapL_task *from = memory->host->current;
  const neapL_account *account =
      neapL_task_whole(from ? from : task->parent)->account;
  const neap_alloc own = {.fn = allocate_record, .ud = memory};
  task->account = neapL_account_new(&own, &memory->families,
                                    account ? account->family : NULL);
  return task->account != NULL;
}

void neapL_memory_close(neapL_memory *memory, neapL_task *task) {
  neapL_account *account = task->account;
  task->account = NULL;
  if (!account)
    return;
  if (account->is_ending)
    memory->ending--;
  neapL_account_end(account);
  sweep(memory, account);
}

void neapL_memory_enter(neapL_memory *memory, neapL_task *task) {
  memory->account = neapL_task_whole(task)->account;
  if (memory->account && memory->ending == 0)
    memory->account->refusals = 0;
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
  memory->next_step = memory->used + memory->cap / STEP_SHARE;
}

void neapL_memory_leave(neapL_memory *memory) {
  neapL_host *host = memory->host;
  memory->account = NULL;
  if (host->to_end)
    memory->ending += neapL_biggest_end(host);
  if (memory->needs_collection ||
      (memory->used > memory->cap / 8 * 7 && memory->used > memory->next_step))
    collect(memory);
}
