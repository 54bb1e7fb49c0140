/* An engine on a loop of the host's.
 * SPDX-License-Identifier: MIT
 *
 * The engine keeps a loop of its own, and the host's loop watches that: its
 * descriptor, and when it has something to do by time. So nothing of the
 * engine's is called by the host's loop but what says that a slice is wanted,
 * and freeing an engine does not have to wait for the host's loop. libuv
 * documents uv_backend_fd for this: "Embedding a kqueue fd in another kqueue
 * pollset doesn't work on all platforms", but one of epoll does.
 */
#include "lent.h"

#include <uv.h>

#include "base/alloc.h"
#include "loop/engine.h"
#include "loop/wakeup.h"

enum { HANDLES = 3 };

struct neap__lent {
  uv_prepare_t before_wait; /* looks at the engine before the loop waits */
  uv_timer_t timer;         /* rings when the engine has something to do */
  uv_poll_t poll;           /* watches the descriptor of the engine's loop */
  bool is_watched;          /* `poll` has been started */
  neap_engine *engine;
  neap_alloc alloc; /* the engine's */
  int open;         /* how many of the handles are */
};

/* Nothing need be watched until the host has given the slice that it was told
 * of: what is readable stays so, and would keep the loop from waiting. */
static void stop_watching(struct neap__lent *lent) {
  uv_timer_stop(&lent->timer);
  uv_poll_stop(&lent->poll);
  lent->is_watched = false;
}

static void tell(struct neap__lent *lent) {
  stop_watching(lent);
  if (lent->engine)
    neap__wakeup_from_inside(lent->engine);
}

static void on_time(uv_timer_t *timer) {
  tell(timer->data);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  (void)status;
  (void)events;
  tell(poll->data);
}

static void look(uv_prepare_t *prepare) {
  struct neap__lent *lent = prepare->data;
  if (!lent->engine || atomic_load(&lent->engine->is_asked)) {
    stop_watching(lent);
    return;
  }
  int ms = neap_timeout_ms(lent->engine);
  if (ms == 0) {
    tell(lent);
    return;
  }
  if (ms > 0)
    uv_timer_start(&lent->timer, on_time, (uint64_t)ms, 0);
  else
    uv_timer_stop(&lent->timer);
  if (!lent->is_watched)
    uv_poll_start(&lent->poll, UV_READABLE, on_readable);
  lent->is_watched = true;
}

int neap__lent_open(neap_engine *engine, struct uv_loop_s *loop) {
  struct neap__lent *lent = neap__alloc(&engine->alloc, sizeof *lent);
  if (!lent)
    return NEAP_ENOMEM;
  if (uv_poll_init(loop, &lent->poll, neap_fd(engine)) < 0) {
    neap__free(&engine->alloc, lent, sizeof *lent);
    return NEAP_ESYS;
  }
  /* "uv_prepare_init: cannot fail", and so uv_timer_init. */
  uv_prepare_init(loop, &lent->before_wait);
  uv_timer_init(loop, &lent->timer);
  uv_prepare_start(&lent->before_wait, look);
  uv_handle_t *const handles[HANDLES] = {(uv_handle_t *)&lent->before_wait,
                                         (uv_handle_t *)&lent->timer,
                                         (uv_handle_t *)&lent->poll};
  for (int i = 0; i < HANDLES; i++) {
    handles[i]->data = lent;
    uv_unref(handles[i]);
  }
  lent->engine = engine;
  lent->alloc = engine->alloc;
  lent->open = HANDLES;
  engine->lent = lent;
  return 0;
}

static void on_closed(uv_handle_t *handle) {
  struct neap__lent *lent = handle->data;
  if (--lent->open > 0)
    return;
  neap_alloc alloc = lent->alloc;
  neap__free(&alloc, lent, sizeof *lent);
}

/* The child may have a copy of the host's loop. */
void neap__lent_disown(neap_engine *engine) {
  if (engine->lent)
    engine->lent->engine = NULL;
  engine->lent = NULL;
}

void neap__lent_close(neap_engine *engine) {
  struct neap__lent *lent = engine->lent;
  engine->lent = NULL;
  if (!lent)
    return;
  uv_close((uv_handle_t *)&lent->before_wait, on_closed);
  uv_close((uv_handle_t *)&lent->timer, on_closed);
  uv_close((uv_handle_t *)&lent->poll, on_closed);
}
