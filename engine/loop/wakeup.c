/* Telling the host that a slice is wanted.
 * SPDX-License-Identifier: MIT */
#include "wakeup.h"

#include "engine.h"
#include "home.h"

/* Any thread may be here. */
static void tell(neap_engine *engine) {
  if (engine->wakeup && !atomic_exchange(&engine->is_asked, true))
    engine->wakeup(engine->wakeup_ud);
}

void neap_wake(neap_engine *engine) {
  if (!engine || neap__home_is_left(engine))
    return;
  atomic_store(&engine->is_woken, true);
  uv_async_send(&engine->wake);
  tell(engine);
}

void neap__wakeup_from_inside(neap_engine *engine) {
  if (engine->polling)
    return;
  engine->polling = true;
  tell(engine);
  engine->polling = false;
}

void neap__wakeup_begin(neap_engine *engine) {
  if (engine->wakeup)
    atomic_store(&engine->is_asked, false);
}

void neap__wakeup_end(neap_engine *engine, bool more) {
  if (more)
    tell(engine);
}
