/* The store that keeps runs in memory: what is asked is done at once.
 * SPDX-License-Identifier: MIT */
#include "memory.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "begin.h"
#include "keep.h"
#include "result.h"
#include "show.h"
#include "work.h"
#include "world.h"

struct neap__keeper {
  neap__store_host host;
  neap__world *world;
  bool is_read_only;
};

static int64_t now_of(const neap__keeper *keeper) {
  return keeper->host.clock(keeper->host.clock_ud);
}

/* ---- The calls ----------------------------------------------------------- */

#define WRITES(name, type, function)                                           \
  static int name(void *self, const type *given, neap_store_result *out) {     \
    const neap__keeper *keeper = self;                                         \
    return function(keeper->world, now_of(keeper), given, out);                \
  }
#define READS(name, type, function)                                            \
  static int name(void *self, const type *given, neap_store_result *out) {     \
    return function(((neap__keeper *)self)->world, given, out);                \
  }

WRITES(do_start, neap_store_start_opts, neap__begin_run)
WRITES(do_join, neap_store_join_opts, neap__work_join)
WRITES(do_beat, neap__store_owner, neap__work_beat)
WRITES(do_leave, neap__store_owner, neap__work_leave)
WRITES(do_claim, neap__store_claim, neap__work_claim)
WRITES(do_save, neap_store_save_opts, neap__keep_save)
WRITES(do_release, neap__store_release, neap__work_release)
WRITES(do_due, neap__store_page, neap__work_due)
WRITES(do_send, neap__store_send, neap__begin_signal)
WRITES(do_wish, neap__store_wish, neap__work_wish)
WRITES(do_prune, neap__store_page, neap__work_prune)
WRITES(do_schedule, neap__store_schedule, neap__begin_schedule)
READS(do_read, neap__store_read, neap__show_read)
READS(do_history, neap__store_page, neap__show_history)
READS(do_list, neap_store_list_opts, neap__show_list)
READS(do_count, neap_store_list_opts, neap__show_count)

static int do_workers(void *self, const neap__store_page *given,
                      neap_store_result *out) {
  (void)given;
  return neap__show_workers(((neap__keeper *)self)->world, out);
}

static int do_schedules(void *self, const neap__store_page *given,
                        neap_store_result *out) {
  (void)given;
  return neap__show_schedules(((neap__keeper *)self)->world, out);
}

static int do_check(void *self, const neap__store_page *given,
                    neap_store_result *out) {
  (void)self;
  (void)given;
  (void)out;
  return 0;
}

static int do_backup(void *self, const neap__store_file *given,
                     neap_store_result *out) {
  (void)self;
  (void)given;
  neap__result_explain(out, "a store in memory cannot be backed up");
  return NEAP_EINVAL;
}

static const neap__store_calls calls = {
#define CALL(name, type, reads) .name = do_##name,
    NEAP__STORE_CALLS(CALL)
#undef CALL
};

/* ---- The keeper ---------------------------------------------------------- */

static int open_memory(const neap__store_host *host,
                       const neap_store_opts *given, neap__keeper *beside,
                       neap__keeper **out, char *why) {
  (void)why;
  neap__keeper *keeper = neap__alloc(&host->alloc, sizeof *keeper);
  if (!keeper)
    return NEAP_ENOMEM;
  keeper->host = *host;
  keeper->is_read_only = given->read_only;
  keeper->world = beside ? beside->world : neap__world_new(&host->alloc);
  if (!keeper->world) {
    neap__free(&host->alloc, keeper, sizeof *keeper);
    return NEAP_ENOMEM;
  }
  if (beside)
    keeper->world->ways++;
  *out = keeper;
  return 0;
}

static void submit(neap__keeper *keeper, neap__store_request *request) {
  request->result = neap__result_new(&keeper->host.alloc);
  if (!request->result) {
    request->status = NEAP_ENOMEM;
  } else if (keeper->is_read_only && request->call != NEAP__STORE_OPEN &&
             !neap__store_reads(request->call)) {
    request->status = NEAP_EREADONLY;
  } else {
    request->result->time = now_of(keeper);
    request->status = neap__store_do(&calls, keeper, request);
    if (request->status == 0 && request->result->failed)
      request->status = NEAP_ENOMEM;
  }
  keeper->host.settle(request);
}

static void close_memory(neap__keeper *keeper) {
  if (--keeper->world->ways == 0)
    neap__world_free(keeper->world);
  neap_alloc alloc = keeper->host.alloc;
  neap__free(&alloc, keeper, sizeof *keeper);
}

static const char *durability(const neap__keeper *keeper) {
  (void)keeper;
  return "none";
}

const neap__keeper_api neap__memory_keeper = {
    .size = sizeof(neap__keeper_api),
    .open = open_memory,
    .submit = submit,
    .close = close_memory,
    .durability = durability,
};
