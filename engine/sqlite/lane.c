/* A thread with a connection of its own, which does requests: one that writes,
 * or one that reads.
 * SPDX-License-Identifier: MIT
 *
 * The writer takes all requests that are there, up to a limit, does them in one
 * transaction, and then answers all at once: so one commit serves them all. If
 * anything fails, the transaction is taken back and each request is done in one
 * of its own, so that one that cannot be done fails alone.
 */
#include "lane.h"

#include <stdio.h>
#include <string.h>

#include "calls.h"
#include "schema.h"
#include "store/result.h"

/* How much one transaction takes, and when the log is taken over into the file:
 * when there was nothing to do for a while, or when it is long. */
enum {
  MAX_REQUESTS = 1024,
  MAX_BYTES = 1 << 20,
  IDLE_MS = 50,
  LONG_LOG = 4000, /* pages */
  LOOK_MS = 60000, /* how often the file is looked at */
};

/* ---- Doing requests ------------------------------------------------------ */

static int64_t now_of(const neap__lane *lane) {
  const neap__store_host *host = lane->shared->host;
  return host->clock(host->clock_ud);
}

/* Does a request as far as it depends on the tables. Returns whether what it
 * has written may stay. */
static bool attempt(neap__lane *lane, neap__store_request *request) {
  neap__db *db = &lane->db;
  if (!request->result)
    request->result = neap__result_new(NULL);
  if (!request->result) {
    request->status = NEAP_ENOMEM;
    return false;
  }
  neap__result_clear(request->result);
  request->result->time = db->now = now_of(lane);
  int status = neap__store_do(&neap__calls, db, request);
  if (db->code != SQLITE_OK)
    status = neap__db_status(db);
  if (status == 0 && request->result->failed)
    status = NEAP_ENOMEM;
  request->status = status;
  if (db->why[0] && status < 0)
    neap__result_explain(request->result, "%s", db->why);
  return status == 0 ||
         (db->code == SQLITE_OK && neap__store_is_refusal(status));
}

static void fail(neap__store_request *request, int status, const char *why) {
  if (!request->result)
    request->result = neap__result_new(NULL);
  else
    neap__result_clear(request->result);
  request->status = status;
  if (request->result)
    neap__result_explain(request->result, "%s", why);
}

static bool begin(neap__db *db) {
  return neap__db_run(db, "BEGIN IMMEDIATE", "");
}

static bool commit(neap__db *db) {
  return neap__db_run(db, "COMMIT", "");
}

/* SQLite may have taken it back by itself. */
static void take_back(neap__db *db) {
  neap__db_clear(db);
  if (!sqlite3_get_autocommit(db->sql))
    neap__db_run(db, "ROLLBACK", "");
  neap__db_clear(db);
}

/* Does a request in a transaction of its own. */
static void do_alone(neap__lane *lane, neap__store_request *request) {
  neap__db *db = &lane->db;
  neap__db_clear(db);
  if (!begin(db)) {
    fail(request, neap__db_status(db), db->why);
    neap__db_clear(db);
    return;
  }
  bool stays = attempt(lane, request);
  if (stays && !commit(db))
    fail(request, neap__db_status(db), db->why);
  take_back(db);
}

/* Fails all requests of a list by what went wrong. */
static void fail_all(neap__lane *lane, neap_link *group) {
  neap__db *db = &lane->db;
  for (neap_link *at = group->next; at != group; at = at->next)
    fail(NEAP__ITEM(at, neap__store_request, link), neap__db_status(db),
         db->why);
  neap__db_clear(db);
}

/* Does a list of requests, together if that works. */
static void do_group(neap__lane *lane, neap_link *group) {
  neap__db *db = &lane->db;
  neap__db_clear(db);
  if (!begin(db)) {
    fail_all(lane, group); /* another process writes, and for long */
    return;
  }
  bool good = true;
  for (neap_link *at = group->next; good && at != group; at = at->next)
    good = attempt(lane, NEAP__ITEM(at, neap__store_request, link));
  if (good && commit(db))
    return;
  take_back(db);
  for (neap_link *at = group->next; at != group; at = at->next)
    do_alone(lane, NEAP__ITEM(at, neap__store_request, link));
}

/* Does a request that reads, in one state of the file. VACUUM cannot be in a
 * transaction. */
static void do_read(neap__lane *lane, neap__store_request *request) {
  neap__db *db = &lane->db;
  neap__db_clear(db);
  bool is_whole = request->call == NEAP__STORE_backup;
  if (!is_whole && !neap__db_run(db, "BEGIN", "")) {
    fail(request, neap__db_status(db), db->why);
    neap__db_clear(db);
    return;
  }
  attempt(lane, request);
  take_back(db);
}

/* ---- The file ------------------------------------------------------------ */

/* Opens the connection; the writer says how that went. */
static void open_db(neap__lane *lane) {
  neap__lanes *shared = lane->shared;
  neap__db_opts opts = shared->opts;
  opts.is_writer = lane->writes;
  int status = neap__db_open(&lane->db, &opts);
  if (status == 0 && lane->writes)
    status = neap__schema_open(&lane->db, &opts);
  lane->file = neap__file_identify(opts.path);
  lane->looked_at = now_of(lane);
  if (lane->writes) {
    uv_mutex_lock(&shared->lock);
    shared->is_open = true;
    shared->open_status = status;
    snprintf(shared->open_why, sizeof shared->open_why, "%s", lane->db.why);
    uv_mutex_unlock(&shared->lock);
  }
}

/* Whether the file is still the one that was opened; looked at once a minute.
 */
static bool is_there(neap__lane *lane) {
  int64_t now = now_of(lane);
  if (now - lane->looked_at < LOOK_MS && now >= lane->looked_at)
    return true;
  neap__file_id file = neap__file_identify(lane->shared->opts.path);
  bool same =
      file.device == lane->file.device && file.number == lane->file.number;
  if (same)
    lane->looked_at = now;
  return same;
}

/* Takes the log over into the file, as far as no reader needs it. */
static void take_over(neap__lane *lane) {
  sqlite3_wal_checkpoint_v2(lane->db.sql, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
                            NULL);
  lane->db.wal_pages = 0;
}

/* Does requests as the state of the store allows. */
static void serve(neap__lane *lane, neap_link *group) {
  neap__lanes *shared = lane->shared;
  int status = shared->open_status;
  const char *why = shared->open_why;
  if (status == 0 && !is_there(lane)) {
    status = NEAP_ESTORE;
    why = "the file has been removed, or replaced by another";
  }
  if (status == 0 && lane->writes && !shared->opts.is_read_only) {
    do_group(lane, group);
    if (lane->db.wal_pages >= LONG_LOG)
      take_over(lane);
    return;
  }
  if (status == 0 && lane->writes)
    status = NEAP_EREADONLY;
  for (neap_link *at = group->next; at != group; at = at->next) {
    neap__store_request *request = NEAP__ITEM(at, neap__store_request, link);
    if (status == 0)
      do_read(lane, request);
    else if (request->call == NEAP__STORE_OPEN && status == NEAP_EREADONLY)
      fail(request, 0, "");
    else
      fail(request, status, why);
  }
}

/* ---- The thread ---------------------------------------------------------- */

/* Moves requests to a group, in their order, up to the limit of one. The lock
 * is held. */
static void take(neap__lane *lane, neap_link *group) {
  size_t count = 0, bytes = 0;
  neap__list_init(group);
  while (!neap__list_empty(&lane->requests) && count < MAX_REQUESTS &&
         bytes < MAX_BYTES) {
    neap_link *first = lane->requests.next;
    bytes += NEAP__ITEM(first, neap__store_request, link)->size;
    count++;
    neap__list_remove(first);
    neap__list_append(group, first);
  }
}

/* Waits until there is something to do. Returns false when that takes long, and
 * the log should be taken over meanwhile. The lock is held. */
static bool wait(neap__lane *lane) {
  neap__lanes *shared = lane->shared;
  while (!lane->stops && (neap__list_empty(&lane->requests) ||
                          !(shared->is_open || lane->writes))) {
    if (lane->db.wal_pages == 0)
      uv_cond_wait(&lane->wake, &shared->lock);
    else if (uv_cond_timedwait(&lane->wake, &shared->lock,
                               IDLE_MS * UINT64_C(1000000)) != 0)
      return false;
  }
  return true;
}

static void answer(neap__lane *lane, neap_link *group) {
  neap__list_splice(&lane->shared->answered, group);
  uv_async_send(lane->shared->async);
}

static void run(void *argument) {
  neap__lane *lane = argument;
  neap__lanes *shared = lane->shared;
  if (lane->writes)
    open_db(lane);
  uv_mutex_lock(&shared->lock);
  while (!lane->stops) {
    neap_link group;
    if (!wait(lane)) {
      uv_mutex_unlock(&shared->lock);
      take_over(lane);
      uv_mutex_lock(&shared->lock);
      continue;
    }
    if (lane->stops)
      break;
    take(lane, &group);
    uv_mutex_unlock(&shared->lock);
    if (!lane->db.sql && shared->open_status == 0)
      open_db(lane);
    serve(lane, &group);
    uv_mutex_lock(&shared->lock);
    answer(lane, &group);
  }
  uv_mutex_unlock(&shared->lock);
  neap__db_close(&lane->db);
}

int neap__lane_open(neap__lane *lane, neap__lanes *shared, bool writes) {
  *lane = (neap__lane){.shared = shared, .writes = writes};
  neap__list_init(&lane->requests);
  return uv_cond_init(&lane->wake) < 0 ? NEAP_ESYS : 0;
}

int neap__lane_submit(neap__lane *lane, neap__store_request *request) {
  if (!lane->is_started && uv_thread_create(&lane->thread, run, lane) < 0)
    return NEAP_ESYS;
  lane->is_started = true;
  uv_mutex_lock(&lane->shared->lock);
  if (neap__list_empty(&lane->requests))
    uv_cond_signal(&lane->wake);
  neap__list_append(&lane->requests, &request->link);
  uv_mutex_unlock(&lane->shared->lock);
  return 0;
}

void neap__lane_close(neap__lane *lane) {
  uv_mutex_lock(&lane->shared->lock);
  lane->stops = true;
  uv_cond_signal(&lane->wake);
  uv_mutex_unlock(&lane->shared->lock);
  if (lane->is_started)
    uv_thread_join(&lane->thread);
  uv_cond_destroy(&lane->wake);
}
