/* Finds and loads the HTTP library.
 * SPDX-License-Identifier: MIT */
#include "load.h"

#include "gate.h"
#include "grants/grants.h"
#include "library.h"
#include "loop/engine.h"
#include "loop/library.h"
#include "loop/op.h"

_Static_assert(NEAP__HTTP_WHY_SIZE == NEAP__LIBRARY_WHY_SIZE,
               "what is wrong with the library goes into `why`");

/* A program may have linked the archive of the library. Else this is NULL. */
#pragma weak neap__http_library

static const neap__library library = {
    .file = "libneap_http.so",
    .symbol = NEAP__HTTP_SYMBOL,
    .what = "the HTTP library",
};

int neap__http_find(const char *path, const neap__http_api **out,
                    char why[NEAP__HTTP_WHY_SIZE]) {
  if (!path && &neap__http_library) {
    *out = &neap__http_library;
    return neap__library_check(*out, "the HTTP library that is linked", why);
  }
  const void *found;
  int status = neap__library_find(&library, path, &found, why);
  if (status == 0)
    *out = found;
  return status;
}

int neap__http_open(neap_engine *engine, const neap__http_api *api,
                    neap__http **out) {
  neap__http_host host = {
      .engine = engine,
      .uv = &engine->uv,
      .alloc = engine->alloc,
      .begin = neap__op_begin_io,
      .finish = neap__op_finish,
      .gate = engine->grants ? &neap__http_gate_of_grants : NULL,
      .max_connections = engine->grants ? engine->grants->max_descriptors : 0,
  };
  return api->open(&host, out);
}

void neap__http_close(neap__http *http) {
  if (http)
    http->api->close(http);
}

void neap__http_free(neap__http *http) {
  if (http)
    http->api->free(http);
}

void neap__http_disown(neap__http *http) {
  if (http)
    http->api->disown(http);
}
