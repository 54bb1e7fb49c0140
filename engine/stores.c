/* The functions of neap_store.h: stores, as hosts see them.
 * SPDX-License-Identifier: MIT */
#include "stores.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/opts.h"
#include "base/units.h"
#include "loop/engine.h"
#include "loop/library.h"
#include "loop/op.h"
#include "sqlite/load.h"
#include "store/memory.h"
#include "store/request.h"
#include "store/result.h"
#include "store/store.h"

/* The longest id, and other names. */
enum { MAX_NAME = 1000, MAX_TAGS = 16 };

struct neap_store {
  neap_link link;      /* in the engine's list */
  neap_engine *engine; /* NULL: it has ended */
  neap_alloc alloc;
  const neap__keeper_api *api;
  neap__keeper *keeper; /* NULL: it is closed */
  neap_link requests;   /* those that have not been settled, by `all` */
  size_t pending;
  const char *durability;
};

/* ---- Asking -------------------------------------------------------------- */

static void drop(neap_op *op) {
  ((neap__store_request *)op->u.request)->op = NULL;
}

/* Takes a request out of its store, and frees it with a result that nobody
 * gets. */
static void discard(neap__store_request *request) {
  neap_store *store = request->store;
  neap__list_remove(&request->all);
  store->pending--;
  neap__store_request_free(&store->alloc, request);
}

static void settle(neap__store_request *request) {
  neap_op *op = request->op;
  int status = request->status, detail = request->detail;
  if (op && request->out) {
    *request->out = request->result;
    request->result = NULL;
  }
  discard(request);
  if (op)
    neap__op_finish(op, status, detail);
}

/* Whether a store may be asked something by this operation; else the status. */
static int may_ask(neap_store *store, neap_op *op, neap_store_result **result) {
  if (!store)
    return NEAP_EINVAL;
  if (result)
    *result = NULL;
  int status = neap__home_of(&store->engine);
  return status == 0 && !neap__op_is_free(op) ? NEAP_EINVAL : status;
}

static int ask(neap_store *store, neap_op *op, neap__store_call call,
               const neap__store_given *given, neap_store_result **result) {
  int status = may_ask(store, op, result);
  if (status < 0)
    return status;
  neap__store_request *request =
      neap__store_request_new(&store->alloc, call, given);
  if (!request)
    return NEAP_ENOMEM;
  request->store = store;
  request->op = op;
  request->out = result;
  neap__list_append(&store->requests, &request->all);
  store->pending++;
  neap__op_begin_work(store->engine, op, drop);
  op->u.request = request;
  store->api->submit(store->keeper, request);
  return 0;
}

/* ---- Opening and closing ------------------------------------------------- */

/* The wall clock of the system. */
static int64_t system_clock(void *ud) {
  (void)ud;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The clock of an engine that has one of its own. */
static int64_t engine_clock(void *ud) {
  return (int64_t)(neap_now(ud) / NEAP__NS_PER_MS);
}

/* Finds what keeps such a store. */
static int find_keeper(const neap_engine *engine, const neap_store_opts *o,
                       const neap__keeper_api **api, char *why) {
  if (strcmp(o->kind, "memory") == 0) {
    *api = &neap__memory_keeper;
    return 0;
  }
  if (neap_is_restricted(engine)) {
    snprintf(why, NEAP__LIBRARY_WHY_SIZE,
             "a restricted engine opens no stores in files");
    return NEAP_EPERM;
  }
  return neap__sqlite_find(o->library, api, why);
}

static bool are_sound(const neap_store_opts *o) {
  if (!o->kind)
    return false;
  if (strcmp(o->kind, "memory") == 0)
    return !o->path && (!o->beside || o->beside->keeper);
  return strcmp(o->kind, "sqlite") == 0 && o->path && o->path[0] != '\0' &&
         !o->beside &&
         (!o->sync || strcmp(o->sync, "full") == 0 ||
          strcmp(o->sync, "normal") == 0);
}

/* Gives the caller a result that says why nothing has begun. */
static void explain(const neap_alloc *alloc, neap_store_result **result,
                    const char *why) {
  if (!result || why[0] == '\0')
    return;
  *result = neap__result_new(alloc);
  if (*result)
    neap__result_explain(*result, "%s", why);
}

static int open_keeper(neap_store *store, neap_engine *engine,
                       const neap_store_opts *o, char *why) {
  neap__store_host host = {
      .engine = engine,
      .uv = &engine->uv,
      .alloc = store->alloc,
      .clock = o->clock,
      .clock_ud = o->clock_ud,
      .settle = settle,
  };
  if (!host.clock) {
    bool is_own = engine->is_kept && strcmp(o->kind, "memory") == 0;
    host.clock = is_own ? engine_clock : system_clock;
    host.clock_ud = engine;
  }
  neap__keeper *beside = o->beside ? o->beside->keeper : NULL;
  int status = store->api->open(&host, o, beside, &store->keeper, why);
  if (status == 0)
    store->durability = store->api->durability(store->keeper);
  return status;
}

int neap_store_open(neap_engine *engine, neap_op *op,
                    const neap_store_opts *opts, neap_store **out,
                    neap_store_result **result) {
  neap_store_opts o;
  char why[NEAP__LIBRARY_WHY_SIZE] = "";
  const size_t first = NEAP__SIZE_WITH(neap_store_opts, library);
  if (!neap__op_may_start(engine, op) || !out)
    return neap__home_fault(engine);
  if (neap__opts_take(&o, sizeof o, first, opts) < 0 || !are_sound(&o) ||
      (o.beside && o.beside->engine != engine))
    return NEAP_EINVAL;
  if (result)
    *result = NULL;
  const neap__keeper_api *api;
  neap_store *store = NULL;
  int status = find_keeper(engine, &o, &api, why);
  if (status < 0)
    goto fail;
  store = neap__alloc(&engine->alloc, sizeof *store);
  if (!store)
    return NEAP_ENOMEM;
  store->alloc = engine->alloc;
  store->api = api;
  store->engine = engine;
  neap__list_init(&store->requests);
  status = open_keeper(store, engine, &o, why);
  if (status < 0)
    goto fail;
  neap__list_append(&engine->stores, &store->link);
  neap__store_given given = {0};
  status = ask(store, op, NEAP__STORE_OPEN, &given, result);
  if (status < 0) {
    neap_store_free(store);
    return status;
  }
  *out = store;
  return 0;

fail:
  explain(&engine->alloc, result, why);
  if (store)
    neap__free(&store->alloc, store, sizeof *store);
  return status;
}

/* Ends what has not been answered. */
static void end_requests(neap_store *store) {
  while (!neap__list_empty(&store->requests)) {
    neap__store_request *request =
        NEAP__ITEM(store->requests.next, neap__store_request, all);
    request->status = NEAP_ECLOSED;
    neap__result_free(request->result);
    request->result = NULL;
    settle(request);
  }
}

static void close_store(neap_store *store) {
  store->api->close(store->keeper);
  store->keeper = NULL;
  end_requests(store);
  neap__list_remove(&store->link);
  store->engine = NULL;
}

/* Lets go of a store in the child of a fork. What keeps it has threads, which
 * are the parent's, so it is left as it is. */
static void disown(neap_store *store) {
  while (!neap__list_empty(&store->requests)) {
    neap__store_request *request =
        NEAP__ITEM(store->requests.next, neap__store_request, all);
    neap__list_remove(&request->all);
    store->pending--; /* its memory may be in the hands of such a thread */
  }
  neap__list_remove(&store->link);
  store->keeper = NULL;
  store->engine = NULL;
}

static neap_store *first_of(neap_engine *engine) {
  return NEAP__ITEM(engine->stores.next, neap_store, link);
}

void neap__stores_close(neap_engine *engine) {
  while (!neap__list_empty(&engine->stores))
    close_store(first_of(engine));
}

void neap__stores_disown(neap_engine *engine) {
  while (!neap__list_empty(&engine->stores))
    disown(first_of(engine));
}

void neap_store_free(neap_store *store) {
  if (!store)
    return;
  neap__home_look(store->engine);
  if (store->engine)
    close_store(store);
  neap_alloc alloc = store->alloc;
  neap__free(&alloc, store, sizeof *store);
}

const char *neap_store_durability(const neap_store *store) {
  return store ? store->durability : "";
}

size_t neap_store_pending(const neap_store *store) {
  return store ? store->pending : 0;
}

/* ---- What may be asked --------------------------------------------------- */

static bool is_name(const char *name) {
  if (!name || name[0] == '\0')
    return false;
  return strnlen(name, MAX_NAME + 1) <= MAX_NAME;
}

static bool is_span(neap_span span) {
  return span.bytes || span.size == 0;
}

static bool are_values(const neap_store_value *values, size_t count) {
  if (!values && count > 0)
    return false;
  for (size_t i = 0; i < count; i++)
    if (!is_span(values[i].name) || !is_span(values[i].value))
      return false;
  return true;
}

static bool are_tags(const neap_store_tag *tags, size_t count) {
  if ((!tags && count > 0) || count > MAX_TAGS)
    return false;
  for (size_t i = 0; i < count; i++)
    if (!is_name(tags[i].key) || !tags[i].value)
      return false;
  return true;
}

static bool are_changes(const neap_store_change *changes, size_t count) {
  if (!changes && count > 0)
    return false;
  for (size_t i = 0; i < count; i++)
    if ((unsigned)changes[i].kind > NEAP_STORE_PARTS_GONE ||
        !is_span(changes[i].name) || !is_span(changes[i].value))
      return false;
  return true;
}

static bool is_status(neap_store_status status) {
  return (unsigned)status <= NEAP_STORE_STUCK ||
         (status >= NEAP_STORE_DONE && status <= NEAP_STORE_POISONED);
}

int neap_store_start(neap_store *store, neap_op *op,
                     const neap_store_start_opts *opts,
                     neap_store_result **result) {
  neap__store_given given;
  neap_store_start_opts *o = &given.start;
  const size_t first = NEAP__SIZE_WITH(neap_store_start_opts, part_count);
  int status = may_ask(store, op, result);
  if (status < 0)
    return status;
  if (neap__opts_take(o, sizeof *o, first, opts) < 0 || !is_name(o->id) ||
      !is_name(o->flow) || (o->queue && !is_name(o->queue)) ||
      o->priority < 0 || o->priority > 9 || o->delay < 0 ||
      !is_span(o->params) || !is_span(o->frames) ||
      !are_values(o->vars, o->var_count) ||
      !are_values(o->parts, o->part_count) || !are_tags(o->tags, o->tag_count))
    return NEAP_EINVAL;
  if (!o->queue)
    o->queue = "default";
  return ask(store, op, NEAP__STORE_start, &given, result);
}

int neap_store_join(neap_store *store, neap_op *op,
                    const neap_store_join_opts *opts,
                    neap_store_result **result) {
  neap__store_given given;
  neap_store_join_opts *o = &given.join;
  const size_t first = NEAP__SIZE_WITH(neap_store_join_opts, lease);
  int status = may_ask(store, op, result);
  if (status < 0)
    return status;
  if (neap__opts_take(o, sizeof *o, first, opts) < 0 || !is_name(o->owner) ||
      o->lease <= 0)
    return NEAP_EINVAL;
  return ask(store, op, NEAP__STORE_join, &given, result);
}

int neap_store_beat(neap_store *store, neap_op *op, const char *owner,
                    int64_t lease, neap_store_result **result) {
  neap__store_given given = {.beat = {.owner = owner, .lease = lease}};
  int status = may_ask(store, op, result);
  if (status == 0 && (!is_name(owner) || lease <= 0))
    status = NEAP_EINVAL;
  return status < 0 ? status : ask(store, op, NEAP__STORE_beat, &given, result);
}

int neap_store_leave(neap_store *store, neap_op *op, const char *owner,
                     neap_store_result **result) {
  neap__store_given given = {.leave = {.owner = owner}};
  int status = may_ask(store, op, result);
  if (status == 0 && !is_name(owner))
    status = NEAP_EINVAL;
  return status < 0 ? status
                    : ask(store, op, NEAP__STORE_leave, &given, result);
}

int neap_store_claim(neap_store *store, neap_op *op, const char *owner,
                     const neap_store_room *rooms, size_t room_count,
                     neap_store_result **result) {
  neap__store_given given = {
      .claim = {.owner = owner, .rooms = rooms, .count = room_count}};
  int status = may_ask(store, op, result);
  if (status < 0)
    return status;
  if (!is_name(owner) || !rooms)
    return NEAP_EINVAL;
  for (size_t i = 0; i < room_count; i++)
    if (!is_name(rooms[i].queue))
      return NEAP_EINVAL;
  return ask(store, op, NEAP__STORE_claim, &given, result);
}

int neap_store_save(neap_store *store, neap_op *op,
                    const neap_store_save_opts *opts,
                    neap_store_result **result) {
  neap__store_given given;
  neap_store_save_opts *o = &given.save;
  const size_t first = NEAP__SIZE_WITH(neap_store_save_opts, values);
  int status = may_ask(store, op, result);
  if (status < 0)
    return status;
  if (neap__opts_take(o, sizeof *o, first, opts) < 0 || !is_status(o->status) ||
      o->delay < 0 || o->keep < 0 || (o->waits && !is_name(o->waits)) ||
      !is_span(o->frames) || !is_span(o->result) ||
      !are_changes(o->changes, o->change_count))
    return NEAP_EINVAL;
  return ask(store, op, NEAP__STORE_save, &given, result);
}

int neap_store_release(neap_store *store, neap_op *op,
                       const neap_store_held *held, size_t count,
                       neap_store_result **result) {
  neap__store_given given = {.release = {.held = held, .count = count}};
  int status = may_ask(store, op, result);
  if (status == 0 && !held)
    status = NEAP_EINVAL;
  return status < 0 ? status
                    : ask(store, op, NEAP__STORE_release, &given, result);
}

int neap_store_due(neap_store *store, neap_op *op, uint32_t limit,
                   neap_store_result **result) {
  neap__store_given given = {.due = {.limit = limit ? limit : 1000}};
  return ask(store, op, NEAP__STORE_due, &given, result);
}

int neap_store_send(neap_store *store, neap_op *op, const char *id,
                    const char *name, const char *dedupe, neap_span value,
                    neap_store_result **result) {
  neap__store_given given = {
      .send = {.id = id, .name = name, .dedupe = dedupe, .value = value}};
  int status = may_ask(store, op, result);
  if (status == 0 && (!is_name(id) || !is_name(name) || !is_span(value)))
    status = NEAP_EINVAL;
  return status < 0 ? status : ask(store, op, NEAP__STORE_send, &given, result);
}

int neap_store_wish_for(neap_store *store, neap_op *op, const char *id,
                        neap_store_wish wish, neap_span reason, int64_t keep,
                        neap_store_result **result) {
  neap__store_given given = {
      .wish = {.id = id, .wish = wish, .reason = reason, .keep = keep}};
  int status = may_ask(store, op, result);
  if (status == 0 &&
      (!is_name(id) || wish < NEAP_STORE_WISH_CANCEL ||
       wish > NEAP_STORE_WISH_RETRY || !is_span(reason) || keep < 0))
    status = NEAP_EINVAL;
  return status < 0 ? status : ask(store, op, NEAP__STORE_wish, &given, result);
}

int neap_store_read(neap_store *store, neap_op *op, const char *id,
                    unsigned parts, int64_t seq, neap_store_result **result) {
  neap__store_given given = {.read = {.id = id, .parts = parts, .seq = seq}};
  int status = may_ask(store, op, result);
  if (status == 0 && (!is_name(id) || seq < -1))
    status = NEAP_EINVAL;
  return status < 0 ? status : ask(store, op, NEAP__STORE_read, &given, result);
}

int neap_store_history(neap_store *store, neap_op *op, const char *id,
                       int64_t after, uint32_t limit,
                       neap_store_result **result) {
  neap__store_given given = {
      .history = {.id = id, .after = after, .limit = limit ? limit : 500}};
  int status = may_ask(store, op, result);
  if (status == 0 && !is_name(id))
    status = NEAP_EINVAL;
  return status < 0 ? status
                    : ask(store, op, NEAP__STORE_history, &given, result);
}

/* Asks for a list, or for a count. */
static int ask_list(neap_store *store, neap_op *op, neap__store_call call,
                    const neap_store_list_opts *opts,
                    neap_store_result **result) {
  neap__store_given given;
  neap_store_list_opts *o = &given.list;
  const size_t first = NEAP__SIZE_WITH(neap_store_list_opts, limit);
  int status = may_ask(store, op, result);
  if (status < 0)
    return status;
  if (neap__opts_take(o, sizeof *o, first, opts) < 0 ||
      !are_tags(o->tags, o->tag_count))
    return NEAP_EINVAL;
  if (o->limit == 0)
    o->limit = 100;
  return ask(store, op, call, &given, result);
}

int neap_store_list(neap_store *store, neap_op *op,
                    const neap_store_list_opts *opts,
                    neap_store_result **result) {
  return ask_list(store, op, NEAP__STORE_list, opts, result);
}

int neap_store_count(neap_store *store, neap_op *op,
                     const neap_store_list_opts *opts,
                     neap_store_result **result) {
  return ask_list(store, op, NEAP__STORE_count, opts, result);
}

int neap_store_prune(neap_store *store, neap_op *op, int64_t ended_before,
                     uint32_t limit, neap_store_result **result) {
  neap__store_given given = {
      .prune = {.after = ended_before, .limit = limit ? limit : 1000}};
  return ask(store, op, NEAP__STORE_prune, &given, result);
}

int neap_store_workers(neap_store *store, neap_op *op,
                       neap_store_result **result) {
  neap__store_given given = {0};
  return ask(store, op, NEAP__STORE_workers, &given, result);
}

int neap_store_schedule(neap_store *store, neap_op *op, const char *name,
                        neap_span spec, int64_t expected, int64_t next,
                        neap_store_result **result) {
  neap__store_given given = {
      .schedule = {
          .name = name, .spec = spec, .expected = expected, .next = next}};
  int status = may_ask(store, op, result);
  if (status == 0 &&
      (!is_name(name) || !is_span(spec) || expected < -1 || next < 0))
    status = NEAP_EINVAL;
  return status < 0 ? status
                    : ask(store, op, NEAP__STORE_schedule, &given, result);
}

int neap_store_schedules(neap_store *store, neap_op *op,
                         neap_store_result **result) {
  neap__store_given given = {0};
  return ask(store, op, NEAP__STORE_schedules, &given, result);
}

int neap_store_backup(neap_store *store, neap_op *op, const char *path,
                      neap_store_result **result) {
  neap__store_given given = {.backup = {.path = path}};
  int status = may_ask(store, op, result);
  if (status == 0 && (!path || path[0] == '\0'))
    status = NEAP_EINVAL;
  return status < 0 ? status
                    : ask(store, op, NEAP__STORE_backup, &given, result);
}

int neap_store_check(neap_store *store, neap_op *op,
                     neap_store_result **result) {
  neap__store_given given = {0};
  return ask(store, op, NEAP__STORE_check, &given, result);
}
