/* The engine: made, polled and freed.
 * SPDX-License-Identifier: MIT */
#include "loop/engine.h"

#include "base/alloc.h"
#include "base/opts.h"
#include "drive/call.h"
#include "drive/course.h"
#include "drive/ticket.h"
#include "grants/grants.h"
#include "http/load.h"
#include "idle.h"
#include "io/fs_file.h"
#include "io/fs_op.h"
#include "io/fs_watch.h"
#include "io/net.h"
#include "io/net_listen.h"
#include "io/process.h"
#include "io/stream.h"
#include "lent.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "loop/timer.h"
#include "loop/token.h"
#include "loop/wakeup.h"
#include "receive.h"
#include "stores.h"

static void init_lists(neap_engine *engine) {
  neap_link *const lists[] = {
      &engine->ready,   &engine->draining,      &engine->io,
      &engine->work,    &engine->owed,          &engine->guests_over,
      &engine->streams, &engine->files_waiting, &engine->file_handles,
      &engine->watches, &engine->listeners,     &engine->processes,
      &engine->tickets, &engine->reports,       &engine->calls,
      &engine->courses, &engine->stores,
  };
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    neap__list_init(lists[i]);
}

/* In the child of a fork: gives up what the engine has, all of which is the
 * parent's as well. What the two share (epoll sets, connections, programs,
 * files and their names) is neither told nor changed; the child's descriptors
 * are closed. Objects of the host's become those of an engine that has ended.
 * Memory that libuv and libcurl know of is left. */
static void disown(neap_engine *engine) {
  neap__lent_disown(engine);
  neap__fs_disown(engine);
  neap__net_disown(engine);
  neap__ops_disown(&engine->io);
  neap__ops_disown(&engine->work);
  neap__ops_disown(&engine->guests_over);
  neap__ops_disown(&engine->owed);
  neap__ops_disown(&engine->ready);
  neap__ops_disown(&engine->draining);
  neap__listeners_disown(engine);
  neap__streams_disown(engine);
  neap__files_disown(engine);
  neap__watches_disown(engine);
  neap__processes_disown(engine);
  neap__stores_disown(engine);
  neap__http_disown(engine->http);
  engine->http = NULL;
  neap__calls_disown(engine);
  neap__tickets_disown(engine);
  neap__timers_close(engine);
  neap__loop_disown(engine);
}

int neap_after_fork(neap_engine *engine) {
  if (!engine || !neap__home_is_left(engine))
    return NEAP_EINVAL;
  neap__home_look(engine);
  return 0;
}

int neap_engine_new(const neap_engine_opts *opts, neap_engine **out) {
  neap_engine_opts o = {0};
  const size_t first = NEAP__SIZE_WITH(neap_engine_opts, http_library);
  if (!out || (opts && neap__opts_take(&o, sizeof o, first, opts) < 0) ||
      (unsigned)o.clock > NEAP_CLOCK_HOST || (o.loop && !o.wakeup))
    return NEAP_EINVAL;
  neap_alloc alloc = neap__alloc_or_default(&o.alloc);
  neap_engine *engine = neap__alloc(&alloc, sizeof *engine);
  if (!engine)
    return NEAP_ENOMEM;
  engine->alloc = alloc;
  engine->http_library = o.http_library;
  engine->wakeup = o.wakeup;
  engine->wakeup_ud = o.wakeup_ud;
  init_lists(engine);
  engine->disown = disown;
  char why[NEAP__GRANTS_WHY_SIZE];
  int status = 0;
  if (o.grants)
    status =
        neap__grants_new(&alloc, o.grants, &engine->grants, why, sizeof why);
  if (status < 0)
    goto fail_grants;
  status = neap__home_open(engine);
  if (status == 0)
    status = neap__tokens_open(engine);
  if (status < 0)
    goto fail_tokens;
  status = neap__loop_open(engine, o.clock);
  if (status < 0)
    goto fail_loop;
  status = neap__timers_open(engine);
  if (status < 0)
    goto fail_timers;
  status = o.loop ? neap__lent_open(engine, o.loop) : 0;
  if (status < 0)
    goto fail_lent;
  *out = engine;
  return 0;

fail_lent:
  neap__timers_close(engine);
fail_timers:
  neap__loop_close(engine);
fail_loop:
  neap__tokens_close(engine);
fail_tokens:
  neap__grants_free(engine->grants);
fail_grants:
  neap__free(&alloc, engine, sizeof *engine);
  return status;
}

/* Forgets the operations of I/O, and those that are ready: what they waited for
 * ends unseen. */
static void forget_operations(neap_engine *engine) {
  neap__ops_forget(&engine->io);
  neap__ops_forget(&engine->work);
  neap__ops_forget(&engine->owed);
  neap__ops_forget(&engine->guests_over);
  neap__ops_forget(&engine->ready);
  neap__ops_forget(&engine->draining);
}

static void close_all(neap_engine *engine) {
  neap__lent_close(engine);
  engine->polling = engine->is_closing = true; /* phases learn of their end */
  neap__courses_close(engine);
  neap__calls_close(engine);
  neap__tickets_close(engine);
  forget_operations(engine);
  neap__stores_close(engine);
  neap__listeners_close(engine);
  neap__streams_close(engine);
  neap__files_close(engine);
  neap__watches_close(engine);
  neap_end_processes(engine);
  neap__http_close(engine->http);
  neap__timers_close(engine);
  neap__loop_close(engine);
  neap__tokens_close(engine);
  neap__http_free(engine->http);
}

void neap_engine_free(neap_engine *engine) {
  if (!engine)
    return;
  neap__home_look(engine);
  if (engine->polling)
    return;
  if (!engine->disowned)
    close_all(engine);
  neap__grants_free(engine->grants);
  neap_alloc alloc = engine->alloc;
  neap__free(&alloc, engine, sizeof *engine);
}

/* Waits until something is ready, or for as long as that makes sense. */
static void wait(neap_engine *engine, uint64_t max_wait_ns) {
  if (engine->turn) {
    neap__receive(engine, 0, NEAP_FOREVER);
    if (neap__has_work(engine))
      return;
  }
  size_t others = neap__idle_others(engine);
  if (neap__idle_end_waiter(engine, others))
    return;
  if (others > 0 && engine->is_virtual) {
    uint64_t patience = neap__idle_patience(engine, others);
    neap__receive(engine, patience < max_wait_ns ? patience : max_wait_ns,
                  NEAP_FOREVER);
    if (!neap__has_work(engine))
      neap__idle_jump(engine, patience, max_wait_ns);
  } else if (others > 0) {
    neap__receive(engine, max_wait_ns, NEAP_FOREVER);
  } else if (!neap__list_empty(&engine->processes)) {
    /* Processes have to be ended even if no operation waits for them. */
    neap__receive(engine, 0, NEAP_FOREVER);
  }
}

int neap_poll(neap_engine *engine, uint64_t max_wait_ns) {
  if (!neap__home_allows(engine))
    return neap__home_fault(engine);
  if (engine->polling)
    return NEAP_EBUSY;
  engine->polling = true;
  neap__home_enter(engine);
  neap__wakeup_begin(engine);
  int count = neap__loop_drain(engine);
  if (count == 0) {
    wait(engine, max_wait_ns);
    count = neap__loop_drain(engine);
  } else if (count > 0) {
    /* I/O gets its turn, however much is ready. */
    neap__receive(engine, 0, NEAP_FOREVER);
  }
  if (count > 0)
    engine->idle_since = 0;
  neap__wakeup_end(engine, neap__has_work(engine));
  engine->polling = false;
  neap__home_leave(engine);
  return count;
}
