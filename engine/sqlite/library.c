/* What the library for SQLite offers to the engine: stores in files.
 * SPDX-License-Identifier: MIT */
#include "library.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "lane.h"

struct neap__keeper {
  neap__store_host host;
  uv_async_t async;
  char *path; /* *owned* */
  neap__lanes lanes;
  neap__lane writer, reader;
};

/* Ends what has been answered. */
static void settle_answered(neap__keeper *keeper) {
  neap_link answered;
  neap__list_init(&answered);
  uv_mutex_lock(&keeper->lanes.lock);
  neap__list_splice(&answered, &keeper->lanes.answered);
  uv_mutex_unlock(&keeper->lanes.lock);
  while (!neap__list_empty(&answered)) {
    neap_link *first = answered.next;
    neap__list_remove(first);
    keeper->host.settle(NEAP__ITEM(first, neap__store_request, link));
  }
}

static void on_answered(uv_async_t *async) {
  settle_answered(async->data);
}

static void free_keeper(neap__keeper *keeper) {
  neap_alloc alloc = keeper->host.alloc;
  if (keeper->path)
    neap__free(&alloc, keeper->path, strlen(keeper->path) + 1);
  neap__free(&alloc, keeper, sizeof *keeper);
}

static void on_closed(uv_handle_t *handle) {
  free_keeper(handle->data);
}

static int open_lanes(neap__keeper *keeper, const neap_store_opts *given) {
  neap__lanes *lanes = &keeper->lanes;
  lanes->host = &keeper->host;
  lanes->async = &keeper->async;
  lanes->opts = (neap__db_opts){
      .path = keeper->path,
      .is_read_only = given->read_only,
      .is_normal = given->sync && strcmp(given->sync, "normal") == 0,
  };
  neap__list_init(&lanes->answered);
  if (uv_mutex_init(&lanes->lock) < 0)
    return NEAP_ESYS;
  int status = neap__lane_open(&keeper->writer, lanes, true);
  if (status < 0)
    goto fail_writer;
  status = neap__lane_open(&keeper->reader, lanes, false);
  if (status < 0)
    goto fail_reader;
  if (uv_async_init(keeper->host.uv, &keeper->async, on_answered) == 0)
    return 0;
  status = NEAP_ESYS;
  neap__lane_close(&keeper->reader);
fail_reader:
  neap__lane_close(&keeper->writer);
fail_writer:
  uv_mutex_destroy(&lanes->lock);
  return status;
}

static int open_sqlite(const neap__store_host *host,
                       const neap_store_opts *given, neap__keeper *beside,
                       neap__keeper **out, char *why) {
  (void)beside;
  neap__keeper *keeper = neap__alloc(&host->alloc, sizeof *keeper);
  if (!keeper)
    return NEAP_ENOMEM;
  keeper->host = *host;
  keeper->path = neap__copy(&host->alloc, given->path, strlen(given->path));
  int status = keeper->path ? open_lanes(keeper, given) : NEAP_ENOMEM;
  if (status < 0) {
    if (status == NEAP_ESYS)
      snprintf(why, 64, "the system has no room for another thread");
    free_keeper(keeper);
    return status;
  }
  keeper->async.data = keeper;
  uv_unref((uv_handle_t *)&keeper->async);
  *out = keeper;
  return 0;
}

static void submit(neap__keeper *keeper, neap__store_request *request) {
  neap__lane *lane =
      neap__store_reads(request->call) ? &keeper->reader : &keeper->writer;
  int status = neap__lane_submit(lane, request);
  if (status == 0)
    return;
  request->status = status;
  keeper->host.settle(request);
}

/* The reader ends first, so that the writer is the last to close the file, and
 * takes the log over. */
static void close_sqlite(neap__keeper *keeper) {
  neap__lane_close(&keeper->reader);
  neap__lane_close(&keeper->writer);
  settle_answered(keeper);
  uv_mutex_destroy(&keeper->lanes.lock);
  uv_close((uv_handle_t *)&keeper->async, on_closed);
}

static const char *durability(const neap__keeper *keeper) {
  return keeper->lanes.opts.is_normal ? "process" : "disk";
}

const neap__store_library neap__sqlite_library = {
    .version = NEAP_VERSION,
    .api =
        {
            .size = sizeof(neap__keeper_api),
            .open = open_sqlite,
            .submit = submit,
            .close = close_sqlite,
            .durability = durability,
        },
};
