/* The calls of neap_store.h as methods: what each is given, and gives.
 * SPDX-License-Identifier: MIT
 *
 * What a method is given is made ready before the operation begins: from then
 * on nothing may allocate. */
#include "calls.h"

#include <lauxlib.h>
#include <string.h>

#include "answer.h"
#include "fields.h"
#include "task/check.h"
#include "words.h"

/* What `prepare` has pushed, the n-th from 0. */
static void *ready(lua_State *L, int n) {
  return lua_touserdata(L, NEAPL_CALL_READY + n);
}

static lua_Integer ready_number(lua_State *L, int n) {
  return lua_tointeger(L, NEAPL_CALL_READY + n);
}

enum {
  FIRST = NEAPL_CALL_FIRST,
  SECOND,
  THIRD,
  FOURTH,
};

/* Pushes a copy of options. [-0, +1, m] */
static void push_opts(lua_State *L, const void *opts, size_t size) {
  memcpy(lua_newuserdatauv(L, size, 0), opts, size);
}

/* Pushes how many elements a table has. [-0, +1, -] */
static size_t push_count(lua_State *L, int table) {
  size_t count = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
    count++;
  lua_pushinteger(L, (lua_Integer)count);
  return count;
}

/* start(opts): neap_store_start_opts */
static void prepare_start(lua_State *L) {
  neap_store_start_opts opts = NEAP_STORE_START_OPTS_INIT;
  neapL_check_type(L, FIRST, LUA_TTABLE);
  opts.id = neapL_fields_text(L, FIRST, "id");
  opts.flow = neapL_fields_text(L, FIRST, "flow");
  opts.version = neapL_fields_number(L, FIRST, "version");
  opts.params = neapL_fields_span(L, FIRST, "params");
  opts.queue = neapL_fields_text(L, FIRST, "queue");
  opts.priority = (int)neapL_fields_number(L, FIRST, "priority");
  opts.delay = neapL_fields_number(L, FIRST, "delay");
  opts.keep = neapL_fields_number(L, FIRST, "keep");
  opts.max_queued = neapL_fields_number(L, FIRST, "max_queued");
  opts.parent = neapL_fields_number(L, FIRST, "parent");
  opts.parent_seq = neapL_fields_number(L, FIRST, "parent_seq");
  opts.frames = neapL_fields_span(L, FIRST, "frames");
  opts.vars = neapL_fields_values(L, FIRST, "vars", &opts.var_count);
  opts.parts = neapL_fields_values(L, FIRST, "parts", &opts.part_count);
  opts.tags = neapL_fields_tags(L, FIRST, "tags", &opts.tag_count);
  push_opts(L, &opts, sizeof opts);
  lua_insert(L, NEAPL_CALL_READY);
}

static int start(lua_State *L, neap_op *op, neap_store *store,
                 neap_store_result **result) {
  return neap_store_start(store, op, ready(L, 0), result);
}

/* The run, and 1 if it was there. */
static int tell_start(lua_State *L, const neap_store_result *result) {
  return neapL_answer_run(L, result) + neapL_answer_number(L, result);
}

/* join(owner, lease) */
static int join(lua_State *L, neap_op *op, neap_store *store,
                neap_store_result **result) {
  neap_store_join_opts opts = NEAP_STORE_JOIN_OPTS_INIT;
  opts.owner = lua_tostring(L, FIRST);
  opts.lease = lua_tointeger(L, SECOND);
  return neap_store_join(store, op, &opts, result);
}

/* beat(owner, lease) */
static int beat(lua_State *L, neap_op *op, neap_store *store,
                neap_store_result **result) {
  return neap_store_beat(store, op, lua_tostring(L, FIRST),
                         lua_tointeger(L, SECOND), result);
}

/* leave(owner) */
static int leave(lua_State *L, neap_op *op, neap_store *store,
                 neap_store_result **result) {
  return neap_store_leave(store, op, lua_tostring(L, FIRST), result);
}

/* claim(owner, rooms) */
static void prepare_claim(lua_State *L) {
  neapL_check_type(L, SECOND, LUA_TTABLE);
  size_t count = push_count(L, SECOND), i = 0;
  neap_store_room *rooms =
      lua_newuserdatauv(L, (count + 1) * sizeof(neap_store_room), 0);
  for (lua_pushnil(L); lua_next(L, SECOND); lua_pop(L, 1)) {
    neapL_check_type(L, -2, LUA_TSTRING);
    rooms[i++] =
        (neap_store_room){lua_tostring(L, -2), (uint32_t)lua_tointeger(L, -1)};
  }
}

static int claim(lua_State *L, neap_op *op, neap_store *store,
                 neap_store_result **result) {
  return neap_store_claim(store, op, lua_tostring(L, FIRST), ready(L, 1),
                          (size_t)ready_number(L, 0), result);
}

/* save(opts): neap_store_save_opts */
static void prepare_save(lua_State *L) {
  neap_store_save_opts opts = NEAP_STORE_SAVE_OPTS_INIT;
  neapL_check_type(L, FIRST, LUA_TTABLE);
  opts.run = neapL_fields_number(L, FIRST, "run");
  neapL_fields_token(L, FIRST, "token", opts.token);
  opts.seq = neapL_fields_number(L, FIRST, "seq");
  opts.status = neapL_fields_status(L, FIRST, "status");
  opts.delay = neapL_fields_number(L, FIRST, "delay");
  opts.waits = neapL_fields_text(L, FIRST, "waits");
  opts.frames = neapL_fields_span(L, FIRST, "frames");
  opts.taken = neapL_fields_number(L, FIRST, "taken");
  opts.stays = neapL_fields_flag(L, FIRST, "stays");
  opts.version = neapL_fields_number(L, FIRST, "version");
  opts.has_flow_version = opts.version != 0;
  opts.result = neapL_fields_span(L, FIRST, "result");
  opts.keep = neapL_fields_number(L, FIRST, "keep");
  opts.node = neapL_fields_text(L, FIRST, "node");
  opts.action = neapL_fields_text(L, FIRST, "action");
  opts.attempt = (uint32_t)neapL_fields_number(L, FIRST, "attempt");
  opts.took = neapL_fields_number(L, FIRST, "took");
  opts.values = neapL_fields_flag(L, FIRST, "values");
  opts.changes = neapL_fields_changes(L, FIRST, "changes", &opts.change_count);
  push_opts(L, &opts, sizeof opts);
  lua_insert(L, NEAPL_CALL_READY);
}

static int save(lua_State *L, neap_op *op, neap_store *store,
                neap_store_result **result) {
  return neap_store_save(store, op, ready(L, 0), result);
}

/* The sequence number, the clock of the store, the mark of the run and the
 * number of its unread signals. */
static int tell_save(lua_State *L, const neap_store_result *result) {
  const neap_store_run *run = neap_store_run_at(result, 0);
  neapL_answer_number(L, result);
  lua_pushinteger(L, (lua_Integer)neap_store_time(result));
  lua_pushstring(L, run ? neapL_words_mark(run->mark) : NULL);
  lua_pushinteger(L, run ? (lua_Integer)run->unread : 0);
  return 4;
}

/* release({ [number] = token, ... }) */
static void prepare_release(lua_State *L) {
  neapL_check_type(L, FIRST, LUA_TTABLE);
  size_t count = push_count(L, FIRST), i = 0;
  neap_store_held *held =
      lua_newuserdatauv(L, (count + 1) * sizeof(neap_store_held), 0);
  for (lua_pushnil(L); lua_next(L, FIRST); lua_pop(L, 1)) {
    size_t size;
    const char *token = neapL_check_lstring(L, -1, &size);
    held[i].run = lua_tointeger(L, -2);
    neapL_check_that(L, size == sizeof held[i].token, FIRST, "no token");
    memcpy(held[i++].token, token, size);
  }
}

static int release(lua_State *L, neap_op *op, neap_store *store,
                   neap_store_result **result) {
  return neap_store_release(store, op, ready(L, 1), (size_t)ready_number(L, 0),
                            result);
}

/* due() */
static int due(lua_State *L, neap_op *op, neap_store *store,
               neap_store_result **result) {
  (void)L;
  return neap_store_due(store, op, 0, result);
}

/* How many runs were queued; and in how many milliseconds something will be due
 * next, -1 if nothing is. */
static int tell_due(lua_State *L, const neap_store_result *result) {
  const neap_store_row *row = neap_store_row_at(result, 0);
  bool is_there = row && row->time != 0;
  neapL_answer_number(L, result);
  lua_pushinteger(L, is_there ? row->time - neap_store_time(result) : -1);
  return 2;
}

/* The string at `arg`; nothing where there is none. */
static neap_span span_arg(lua_State *L, int arg) {
  neap_span span = {NULL, 0};
  span.bytes = lua_tolstring(L, arg, &span.size);
  return span;
}

/* send(id, name, value, dedupe) */
static int send(lua_State *L, neap_op *op, neap_store *store,
                neap_store_result **result) {
  return neap_store_send(store, op, lua_tostring(L, FIRST),
                         lua_tostring(L, SECOND), lua_tostring(L, FOURTH),
                         span_arg(L, THIRD), result);
}

/* wish(id, wish, reason, keep) */
static void prepare_wish(lua_State *L) {
  lua_pushinteger(L, neapL_words_wish_at(L, SECOND));
}

static int wish(lua_State *L, neap_op *op, neap_store *store,
                neap_store_result **result) {
  return neap_store_wish_for(
      store, op, lua_tostring(L, FIRST), (neap_store_wish)ready_number(L, 0),
      span_arg(L, THIRD), lua_tointeger(L, FOURTH), result);
}

/* read(id, seq) */
static int read(lua_State *L, neap_op *op, neap_store *store,
                neap_store_result **result) {
  return neap_store_read(
      store, op, lua_tostring(L, FIRST),
      NEAP_STORE_VARS | NEAP_STORE_PARTS | NEAP_STORE_SIGNALS | NEAP_STORE_TAGS,
      lua_isnil(L, SECOND) ? -1 : lua_tointeger(L, SECOND), result);
}

/* look(id): the same without values */
static int look(lua_State *L, neap_op *op, neap_store *store,
                neap_store_result **result) {
  return neap_store_read(store, op, lua_tostring(L, FIRST), NEAP_STORE_TAGS, -1,
                         result);
}

/* history(id, after, limit) */
static int history(lua_State *L, neap_op *op, neap_store *store,
                   neap_store_result **result) {
  return neap_store_history(store, op, lua_tostring(L, FIRST),
                            lua_tointeger(L, SECOND),
                            (uint32_t)lua_tointeger(L, THIRD), result);
}

/* list(opts), count(opts): neap_store_list_opts */
static void prepare_list(lua_State *L) {
  neap_store_list_opts opts = NEAP_STORE_LIST_OPTS_INIT;
  neapL_check_type(L, FIRST, LUA_TTABLE);
  opts.flow = neapL_fields_text(L, FIRST, "flow");
  opts.statuses = neapL_fields_statuses(L, FIRST, "statuses");
  opts.since = neapL_fields_number(L, FIRST, "since");
  opts.after = neapL_fields_number(L, FIRST, "after");
  opts.limit = (uint32_t)neapL_fields_number(L, FIRST, "limit");
  opts.tags = neapL_fields_tags(L, FIRST, "tags", &opts.tag_count);
  push_opts(L, &opts, sizeof opts);
  lua_insert(L, NEAPL_CALL_READY);
}

static int list(lua_State *L, neap_op *op, neap_store *store,
                neap_store_result **result) {
  return neap_store_list(store, op, ready(L, 0), result);
}

/* The runs, and `after` for the next page. */
static int tell_page(lua_State *L, const neap_store_result *result) {
  return neapL_answer_runs(L, result) + neapL_answer_number(L, result);
}

/* The counts, and their sum. */
static int tell_counts(lua_State *L, const neap_store_result *result) {
  return neapL_answer_rows(L, result) + neapL_answer_number(L, result);
}

static int count(lua_State *L, neap_op *op, neap_store *store,
                 neap_store_result **result) {
  return neap_store_count(store, op, ready(L, 0), result);
}

/* prune(ended_before, limit) */
static int prune(lua_State *L, neap_op *op, neap_store *store,
                 neap_store_result **result) {
  return neap_store_prune(store, op, lua_tointeger(L, FIRST),
                          (uint32_t)lua_tointeger(L, SECOND), result);
}

static int workers(lua_State *L, neap_op *op, neap_store *store,
                   neap_store_result **result) {
  (void)L;
  return neap_store_workers(store, op, result);
}

/* schedule(name, spec, expected, next) */
static int schedule(lua_State *L, neap_op *op, neap_store *store,
                    neap_store_result **result) {
  return neap_store_schedule(store, op, lua_tostring(L, FIRST),
                             span_arg(L, SECOND), lua_tointeger(L, THIRD),
                             lua_tointeger(L, FOURTH), result);
}

static int schedules(lua_State *L, neap_op *op, neap_store *store,
                     neap_store_result **result) {
  (void)L;
  return neap_store_schedules(store, op, result);
}

static int backup(lua_State *L, neap_op *op, neap_store *store,
                  neap_store_result **result) {
  return neap_store_backup(store, op, lua_tostring(L, FIRST), result);
}

static int check(lua_State *L, neap_op *op, neap_store *store,
                 neap_store_result **result) {
  (void)L;
  return neap_store_check(store, op, result);
}

const neapL_call neapL_calls[] = {
    {"start", "store.start", start, prepare_start, tell_start},
    {"join", "store.join", join, NULL, neapL_answer_number},
    {"beat", "store.beat", beat, NULL, neapL_answer_runs},
    {"leave", "store.leave", leave, NULL, NULL},
    {"claim", "store.claim", claim, prepare_claim, neapL_answer_runs},
    {"save", "store.save", save, prepare_save, tell_save},
    {"release", "store.release", release, prepare_release, neapL_answer_number},
    {"due", "store.due", due, NULL, tell_due},
    {"send", "store.send", send, NULL, neapL_answer_run},
    {"wish", "store.wish", wish, prepare_wish, neapL_answer_run},
    {"read", "store.read", read, NULL, neapL_answer_run},
    {"look", "store.look", look, NULL, neapL_answer_run},
    {"history", "store.history", history, NULL, neapL_answer_steps},
    {"list", "store.list", list, prepare_list, tell_page},
    {"count", "store.count", count, prepare_list, tell_counts},
    {"prune", "store.prune", prune, NULL, neapL_answer_number},
    {"workers", "store.workers", workers, NULL, neapL_answer_rows},
    {"schedule", "store.schedule", schedule, NULL, NULL},
    {"schedules", "store.schedules", schedules, NULL, neapL_answer_rows},
    {"backup", "store.backup", backup, NULL, NULL},
    {"check", "store.check", check, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
