/* The memory of a Lua state that neap has made: counted, and capped.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_MEMORY_H
#define NEAP_BINDINGS_TASK_MEMORY_H

#include <lua.h>
#include <stdbool.h>

#include "host.h"
#include "neap.h"

/* What a state and its engine use together. */
typedef struct neapL_memory {
  neap_alloc below; /* where it comes from */
  size_t used;      /* bytes */
  size_t peak;      /* the most that was used */
  size_t cap;       /* no more is given, but the reserve; 0: all there is */
  neapL_host *host; /* NULL: neap is not open yet, or not any more */
  size_t before;    /* what was used when the task that runs was resumed */
  bool has_begun;   /* the state is complete */
  bool has_asked;   /* Lua has been refused, collects, and will ask again */
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

/* The account charges tasks from here on; the host keeps it. */
void neapL_memory_begin(neapL_memory *memory, neapL_host *host);

/* A task is about to be resumed; or has been, and is charged with what is used
 * since: the run that it works for. */
void neapL_memory_enter(neapL_memory *memory);
void neapL_memory_charge(neapL_memory *memory, neapL_task *task);

/* What a task does is over, its end included. Ends the task that has to be
 * ended for its memory, if there is one, and may run finalizers. [-0, +0, -] */
void neapL_memory_leave(neapL_memory *memory);

#endif
