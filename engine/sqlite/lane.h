/* A thread with a connection of its own, which does requests: one that writes,
 * or one that reads.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SQLITE_LANE_H
#define NEAP_SQLITE_LANE_H

#include <uv.h>

#include "db.h"
#include "file.h"
#include "store/store.h"

/* What the two lanes of a store share. */
typedef struct neap__lanes {
  uv_mutex_t lock;
  const neap__store_host *host;
  neap__db_opts opts; /* of the writer */
  neap_link answered; /* of requests; guarded by the lock */
  uv_async_t *async;  /* is sent when something has been answered */
  /* What opening gave, once `is_open` is set by the writer. */
  bool is_open;
  int open_status;
  char open_why[256];
} neap__lanes;

typedef struct neap__lane {
  neap__lanes *shared;
  bool writes;
  bool is_started;
  uv_thread_t thread;
  /* Guarded by the lock. */
  uv_cond_t wake;
  neap_link requests;
  bool stops;
  /* The thread's own. */
  neap__db db;
  neap__file_id file; /* which file it was when it was opened */
  int64_t looked_at;  /* when that was looked at last */
} neap__lane;

/* Makes a lane, whose thread is started by the first request. NEAP_ESYS. */
int neap__lane_open(neap__lane *lane, neap__lanes *shared, bool writes);

/* Hands a request over. NEAP_ESYS: its thread cannot be started. */
int neap__lane_submit(neap__lane *lane, neap__store_request *request);

/* Ends the thread, after what it is at, and the lane. Requests that it has not
 * begun are left in their list. */
void neap__lane_close(neap__lane *lane);

#endif
