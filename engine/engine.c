/* The engine: a loop, its timers, and what is loaded into it.
 * SPDX-License-Identifier: MIT */
#include "engine.h"

#include <string.h>

#include "alloc.h"
#include "http_load.h"

/* See patience_for_io. */
#define PATIENCE_NS UINT64_C(50000000)

int neap_engine_new(const neap_engine_opts *opts, neap_engine **out) {
  neap_engine_opts o = {0};
  if (opts)
    memcpy(&o, opts, opts->size < sizeof o ? opts->size : sizeof o);
  neap_alloc alloc = neap__alloc_or_default(&o.alloc);
  neap_engine *engine = neap__alloc(&alloc, sizeof *engine);
  if (!engine)
    return NEAP_ENOMEM;
  engine->http_library = o.http_library;
  int status = neap__loop_new(&alloc, o.clock, &engine->loop);
  if (status < 0)
    goto fail_loop;
  status = neap__timers_new(engine->loop, &engine->timers);
  if (status < 0)
    goto fail_timers;
  neap__files_init(&engine->files, engine->loop);
  neap__streams_init(&engine->streams, engine->loop);
  neap__net_init(&engine->net, &engine->streams);
  neap__processes_init(&engine->processes, engine->loop, &engine->streams);
  *out = engine;
  return 0;

fail_timers:
  neap__loop_free(engine->loop);
fail_loop:
  neap__free(&alloc, engine, sizeof *engine);
  return status;
}

void neap_engine_free(neap_engine *engine) {
  if (!engine)
    return;
  neap_alloc alloc = *neap__loop_alloc(engine->loop);
  neap__loop_forget(engine->loop);
  neap__net_close(&engine->net);
  neap__streams_close(&engine->streams);
  neap__files_close(&engine->files);
  neap__watches_close(&engine->files);
  neap__processes_close(&engine->processes);
  neap__http_close(engine->http);
  neap__timers_free(engine->timers);
  neap__loop_free(engine->loop);
  neap__http_free(engine->http);
  neap__free(&alloc, engine, sizeof *engine);
}

uint64_t neap_now(neap_engine *engine) {
  return neap__loop_now(engine->loop);
}

uint64_t neap_tick(neap_engine *engine) {
  return neap__loop_tick(engine->loop);
}

size_t neap_pending(const neap_engine *engine) {
  return neap__loop_pending(engine->loop);
}

struct uv_loop_s *neap_uv_loop(neap_engine *engine) {
  neap__loop_share(engine->loop);
  return neap__loop_uv(engine->loop);
}

void neap_uv_wait(neap_engine *engine, neap_op *op) {
  neap__loop_await_guests(engine->loop, op);
}

void neap_uv_settle(neap_engine *engine) {
  neap__loop_settle_guests(engine->loop);
}

void neap_wake(neap_engine *engine) {
  neap__loop_wake(engine->loop);
}

void neap_set_clock(neap_engine *engine, neap_clock clock) {
  uint64_t before = neap__loop_now(engine->loop);
  neap__loop_set_clock(engine->loop, clock);
  neap__timers_rebase(engine->timers, before);
}

int neap_wait_idle(neap_engine *engine, neap_op *op) {
  return neap__loop_wait_idle(engine->loop, op);
}

int neap_turn(neap_engine *engine, neap_op *op, bool may_wait) {
  return neap__loop_turn(engine->loop, op, may_wait);
}

/* Lets the virtual clock jump to the next deadline, but no further than
 * `max_wait_ns`: when only timers are pending there is nothing else to wait
 * for. Who does not want to wait at all still wants time to go on, which costs
 * nothing here. */
static void jump(neap_engine *engine, uint64_t max_wait_ns) {
  uint64_t now = neap__loop_now(engine->loop);
  uint64_t next = neap__timers_next(engine->timers);
  if (next == NEAP_FOREVER && max_wait_ns == 0)
    return;
  if (max_wait_ns > 0 && next > now && next - now > max_wait_ns)
    next = now + max_wait_ns;
  if (next > now)
    neap__loop_set_now(engine->loop, next);
  neap__timers_expire(engine->timers);
}

/* How long to wait, in real time, for I/O to end before the virtual clock
 * jumps, so that results do not depend on how fast it does. Threads and
 * programs end whatever we do; but a peer may be waiting for the clock itself.
 */
static uint64_t patience_for_io(const neap_engine *engine, size_t pending) {
  size_t timers = neap__timers_count(engine->timers);
  if (pending == timers)
    return 0;
  if (timers == 0 || neap__loop_has_work(engine->loop) ||
      neap__processes_awaited(&engine->processes))
    return NEAP_FOREVER;
  return PATIENCE_NS;
}

/* Whether less real time than `patience` has passed since polls without a wait
 * found nothing ready. */
static bool is_patient(neap_engine *engine, uint64_t patience) {
  uint64_t now = neap__loop_real_now();
  if (engine->idle_since == 0)
    engine->idle_since = now;
  return now - engine->idle_since < patience;
}

/* Waits until something is ready, or for as long as that makes sense. */
static void wait(neap_engine *engine, uint64_t max_wait_ns) {
  size_t pending = neap__loop_pending(engine->loop);
  bool may_wait;
  neap_op *turn = neap__loop_turning(engine->loop, &may_wait);
  neap_op *idler = neap__loop_idler(engine->loop);
  pending -= (turn != NULL) + (idler != NULL); /* they wait for the others */
  if (turn) {
    neap__loop_wait(engine->loop, 0);
    if (neap__loop_has_ready(engine->loop))
      return;
    if (!may_wait || pending == 0) {
      neap_op_cancel(turn, 0);
      return;
    }
  }
  if (pending == 0 && idler) {
    neap_op_cancel(idler, 0);
    return;
  }
  if (pending == 0) {
    /* Processes that nobody waits for are to be ended all the same. */
    if (!neap__list_empty(&engine->processes.all))
      neap__loop_wait(engine->loop, 0);
    return;
  }
  if (neap__loop_is_virtual(engine->loop)) {
    uint64_t patience = patience_for_io(engine, pending);
    neap__loop_wait(engine->loop,
                    patience < max_wait_ns ? patience : max_wait_ns);
    if (patience < NEAP_FOREVER && !neap__loop_has_ready(engine->loop) &&
        !(max_wait_ns == 0 && is_patient(engine, patience)))
      jump(engine, max_wait_ns);
    return;
  }
  neap__loop_wait(engine->loop, max_wait_ns);
}

int neap_poll(neap_engine *engine, uint64_t max_wait_ns) {
  if (engine->polling)
    return NEAP_EBUSY;
  engine->polling = true;
  int count = neap__loop_drain(engine->loop);
  if (count == 0) {
    wait(engine, max_wait_ns);
    count = neap__loop_drain(engine->loop);
  } else {
    neap__loop_wait(engine->loop, 0); /* the busy must not starve I/O */
  }
  if (count > 0)
    engine->idle_since = 0;
  engine->polling = false;
  return count;
}

void neap_break(neap_engine *engine) {
  neap__loop_break(engine->loop);
}

void neap_op_hold(neap_engine *engine, neap_op *op) {
  neap__op_hold(engine->loop, op);
}

void neap_sleep_until(neap_engine *engine, neap_op *op, uint64_t deadline_ns) {
  neap__timers_add(engine->timers, op, deadline_ns);
}

int neap_stream_open(neap_engine *engine, int fd, bool shared,
                     neap_stream **out) {
  return neap__stream_open(&engine->streams, fd, shared, out);
}

int neap_stream_pair(neap_engine *engine, neap_stream *out[2]) {
  return neap__stream_pair(&engine->streams, out);
}

int neap_net_lookup(neap_engine *engine, neap_op *op, const char *host,
                    neap_addresses **result) {
  return neap__net_lookup(&engine->net, op, host, result);
}

int neap_net_connect(neap_engine *engine, neap_op *op,
                     const neap_net_opts *opts, neap_stream **result) {
  return neap__net_connect(&engine->net, op, opts, result);
}

int neap_net_listen(neap_engine *engine, const neap_net_opts *opts, int *detail,
                    neap_listener **out) {
  return neap__net_listen(&engine->net, opts, detail, out);
}

int neap_process_spawn(neap_engine *engine, const neap_process_opts *opts,
                       neap_process **out, neap_stream *streams[3],
                       neap_process_failure *failure) {
  return neap__process_spawn(&engine->processes, opts, out, streams, failure);
}

void neap_end_processes(neap_engine *engine) {
  neap__processes_close(&engine->processes);
}

const char *neap_event_name(neap_event_kind kind) {
  static const char *const names[] = {
#define NAME(name, text) text,
      NEAP_EVENT_MAP(NAME)
#undef NAME
  };
  size_t count = sizeof names / sizeof *names;
  return (size_t)kind < count ? names[kind] : "unknown";
}

void neap_on_event(neap_engine *engine, neap_event_fn fn, void *ud) {
  engine->event_fn = fn;
  engine->event_ud = ud;
}

bool neap_is_watched(const neap_engine *engine) {
  return engine->event_fn != NULL;
}

void neap_emit(neap_engine *engine, neap_event *event) {
  event->size = sizeof *event;
  event->time_ns = neap_now(engine);
  if (engine->event_fn)
    engine->event_fn(engine->event_ud, event);
}
