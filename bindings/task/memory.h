/* The memory of a Lua state that neap has made: counted, and capped.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_MEMORY_H
#define NEAP_BINDINGS_TASK_MEMORY_H

#include <lua.h>
#include <stdbool.h>

#include "account.h"
#include "host.h"
#include "neap.h"

/* What a state and its engine use together. */
typedef struct neapL_memory {
  neap_alloc below;   /* where it comes from */
  size_t used;        /* bytes */
  size_t peak;        /* the most that was used */
  size_t cap;         /* no more is given, but the reserve; 0: all there is */
  neapL_host *host;   /* NULL: neap is not open yet, or not any more */
  neap_link families; /* the accounts of all runs; see account.h */
  neapL_account *account; /* on which blocks are given now; NULL: on none */
  size_t ending;          /* tasks that are being ended for their memory */
  bool has_begun;         /* the state is complete */
  bool has_asked;   /* Lua has been refused, collects, and will ask again */
  size_t next_step; /* a step of the collector is due when more is used */
  bool needs_collection; /* the engine has used the reserve */
  bool is_full; /* when the cap was reached last, tasks used less than half */
} neapL_memory;

/* Makes the account of a state whose memory comes from `below`; without a
 * function, from the C library. Returns NULL when there is no memory. It counts
 * nothing yet: neapL_memory_free frees it. */
neapL_memory *neapL_memory_new(const neap_alloc *below);
void neapL_memory_free(neapL_memory *memory);

/* The allocators that count, in the form of Lua's and of the engine's; `ud` is
 * a neapL_memory. Lua collects its garbage when it is refused, and asks again;
 * the engine does not. */
void *neapL_memory_alloc(void *ud, void *ptr, size_t old_size, size_t new_size);
void *neapL_memory_alloc_engine(void *ud, void *ptr, size_t old_size,
                                size_t new_size);

/* Returns the account of a state, NULL when neap has not made it. [-0, +0, -]
 */
neapL_memory *neapL_memory_of(lua_State *L);

/* Returns the allocator for what is no object of Lua's, and may outlive the
 * state: where neap has made that, it counts, and has the engine's share of the
 * reserve. [-0, +0, -] */
neap_alloc neapL_memory_allocator(lua_State *L);

/* The account charges tasks from here on; the host keeps it. */
void neapL_memory_begin(neapL_memory *memory, neapL_host *host);

/* Opens the account of a task that is being spawned by what runs now; it has
 * its parent. Returns false when there is no memory. */
bool neapL_memory_open(neapL_memory *memory, neapL_task *task);

/* The task has ended. What it leaves in use stays on its account. */
void neapL_memory_close(neapL_memory *memory, neapL_task *task);

/* A task is about to be resumed: what is asked for from here on is on its
 * account, or on that of the task whose part it is. */
void neapL_memory_enter(neapL_memory *memory, neapL_task *task);

/* What a task does is over, its end included. Ends what has to be ended for its
 * memory, if there is anything, and may run finalizers. [-0, +0, -] */
void neapL_memory_leave(neapL_memory *memory);

#endif
