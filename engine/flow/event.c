/* Events: what happens in runs, for the function that watches the engine.
 * SPDX-License-Identifier: MIT */
#include "loop/engine.h"
#include "loop/home.h"

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
  if (!neap__home_allows(engine))
    return;
  engine->event_fn = fn;
  engine->event_ud = ud;
}

bool neap_is_watched(const neap_engine *engine) {
  return engine && engine->event_fn != NULL;
}

void neap_emit(neap_engine *engine, neap_event *event) {
  if (!event || !neap__home_allows(engine))
    return;
  event->size = sizeof *event;
  event->time_ns = neap_now(engine);
  if (engine->event_fn)
    engine->event_fn(engine->event_ud, event);
}
