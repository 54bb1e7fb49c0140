/* Receiving: libuv's I/O, and HTTP.
 * SPDX-License-Identifier: MIT */
#include "receive.h"

#include "http/load.h"
#include "loop/engine.h"
#include "loop/loop.h"

static void drive(neap_engine *engine, uint64_t until) {
  neap__http *http = engine->http;
  if (http && http->is_due)
    http->api->drive(http, until);
}

bool neap__has_work(const neap_engine *engine) {
  return neap__loop_has_ready(engine) || (engine->http && engine->http->is_due);
}

/* What is due already is done first: it may begin what is to be waited for. */
void neap__receive(neap_engine *engine, uint64_t max_wait_ns, uint64_t until) {
  drive(engine, until);
  neap__loop_wait(engine, neap__has_work(engine) ? 0 : max_wait_ns);
  drive(engine, until);
}
