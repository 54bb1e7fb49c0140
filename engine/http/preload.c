/* Loading the HTTP library ahead of the first request, in a thread.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "api.h"
#include "base/alloc.h"
#include "load.h"
#include "loop/engine.h"
#include "loop/home.h"
#include "loop/op.h"

typedef struct preload {
  uv_work_t work;
  neap_engine *engine;
  neap_op *op; /* NULL once it has been dropped */
  int status;
  const neap__http_api *api;
  char why[NEAP__HTTP_WHY_SIZE];
} preload;

static void drop(neap_op *op) {
  ((preload *)op->u.request)->op = NULL;
}

static void find(uv_work_t *work) {
  preload *p = work->data;
  p->status = neap__http_find(p->engine->http_library, &p->api, p->why);
  if (p->status == 0)
    p->status = p->api->prepare();
}

/* Nobody calls libcurl here: opening its multi handle waits for nothing. */
static void on_found(uv_work_t *work, int status) {
  preload *p = work->data;
  neap_engine *engine = p->engine;
  neap_op *op = p->op;
  if (status < 0)
    p->status = NEAP_ESYS; /* it has not run */
  if (p->status == 0 && !engine->http && !engine->is_closing)
    p->status = neap__http_open(engine, p->api, &engine->http);
  if (op)
    memcpy(engine->http_why, p->why, sizeof p->why);
  int outcome = p->status;
  neap__free(&engine->alloc, p, sizeof *p);
  if (op)
    neap__op_finish(op, outcome, 0);
}

int neap_http_preload(neap_engine *engine, neap_op *op) {
  if (!neap__home_allows(engine) || !neap__op_is_free(op))
    return neap__home_fault(engine);
  preload *p = NULL;
  if (!engine->http) {
    p = neap__alloc(&engine->alloc, sizeof *p);
    if (!p)
      return NEAP_ENOMEM;
    p->work.data = p;
    p->engine = engine;
    if (uv_queue_work(&engine->uv, &p->work, find, on_found) < 0) {
      neap__free(&engine->alloc, p, sizeof *p);
      return NEAP_ESYS;
    }
  }
  neap__op_begin_work(engine, op, drop);
  op->u.request = p;
  if (p)
    p->op = op;
  else
    neap__op_finish(op, 0, 0);
  return 0;
}
