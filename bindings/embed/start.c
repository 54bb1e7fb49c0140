/* Runs of flows in Lua that C has started.
 * SPDX-License-Identifier: MIT
 *
 * A run is a task of the root. When it ends, that is noted in its record; and
 * as nothing may run Lua there, the report is made by the record's operation,
 * which comes next.
 */
#include "start.h"

#include <lauxlib.h>
#include <string.h>

#include "base/opts.h"
#include "base/units.h"
#include "flow/spawn.h"
#include "flow/value.h"
#include "guard.h"
#include "task/anchor.h"
#include "task/class.h"
#include "task/error.h"
#include "task/task_life.h"

#define STARTED_META "neap.started"

/* The record of a run: a userdata. */
typedef struct started {
  neapL_join join; /* in the task of the run */
  neap_op op;      /* by which the report is made */
  neapL_host *host;
  neapL_task *task;    /* NULL once it has ended */
  neap_ticket *ticket; /* *owned*; NULL: `ended` gets the report */
  neapL_ended ended;
  void *self; /* of `ended`; with a ticket, what the report has as `data` */
  int number; /* that of its anchor */
  int state;  /* with which the task has ended */
  int cancel_status;
} started;

enum { RESULT = 1 }; /* its user value: the result of the task, or the error */

/* The registry's key of the records, by address. */
static const char started_key;

static int collect(lua_State *L) {
  started *r = lua_touserdata(L, 1);
  neap_op_forget(&r->op);
  neap__list_remove(&r->join.link);
  neap_ticket_drop(r->ticket);
  r->ticket = NULL;
  return 0;
}

/* ---- The end ---- */

static const struct {
  const char *code;
  int status;
} codes[] = {{"cancelled", NEAP_ECANCELED}, {"timeout", NEAP_ETIMEDOUT},
             {"max_steps", NEAP_EMAXSTEPS}, {"action", NEAP_EACTION},
             {"memory", NEAP_ENOMEM},       {"start", NEAP_ENOSTART}};

static int status_of(const char *code) {
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (strcmp(codes[i].code, code) == 0)
      return codes[i].status;
  return NEAP_EFAILED;
}

/* Pushes the field of an error object at 2, and returns it if it is a string.
 * [-0, +1, m] */
static const char *text_field(lua_State *L, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, 2);
  return lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
}

static lua_Integer number_field(lua_State *L, const char *name,
                                lua_Integer otherwise) {
  lua_pushstring(L, name);
  lua_rawget(L, 2);
  lua_Integer number = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : otherwise;
  lua_pop(L, 1);
  return number;
}

/* Says how a run has failed: its error is at 2. [-0, +?, m] */
static void describe(lua_State *L, const started *r, neap_report *report) {
  report->status = NEAP_EFAILED;
  report->code = "user";
  if (neapL_error_is(L, 2)) {
    const char *code = text_field(L, "code");
    report->code = code ? code : "user";
    report->status = status_of(report->code);
    lua_Integer given = number_field(L, "status", 0);
    if (given < 0 && given >= INT32_MIN)
      report->status = (int)given;
    report->error = text_field(L, "message");
    report->path = text_field(L, "node");
    report->phase = text_field(L, "phase");
    report->attempt = (uint32_t)(number_field(L, "attempt", 1) - 1);
  } else if (lua_type(L, 2) == LUA_TSTRING &&
             strcmp(lua_tostring(L, 2), "not enough memory") == 0) {
    report->status = NEAP_ENOMEM;
    report->code = "memory";
  }
  if (!report->error)
    report->error = neapL_error_text(L, 2);
  if (r->state == NEAPL_TASK_CANCELLED) {
    report->status = NEAP_ECANCELED;
    report->code = "cancelled";
  }
}

/* Hands in the report, once. */
static void hand_in(started *r, neap_report *report) {
  neap_ticket *ticket = r->ticket;
  neapL_ended ended = r->ended;
  r->ticket = NULL;
  r->ended = NULL;
  if (ticket) {
    report->data = r->self;
    neap_ticket_end(ticket, report);
  } else if (ended) {
    ended(r->self, report);
  }
}

/* Runs below lua_pcall. Leaves what has to be kept during the report. */
static int make_report(lua_State *L) {
  started *r = lua_touserdata(L, 1);
  neap_report report = NEAP_REPORT_INIT;
  neapL_anchor_push(L, &started_key, r->number);
  lua_getiuservalue(L, -1, RESULT);
  lua_replace(L, 2);
  if (r->state != NEAPL_TASK_DONE) {
    describe(L, r, &report);
  } else if (lua_type(L, 2) == LUA_TSTRING) {
    report.action = lua_tolstring(L, 2, &report.action_size);
  }
  hand_in(r, &report);
  return 0;
}

/* `done` of a record's operation. */
static void report_end(neap_op *op) {
  started *r = op->data;
  neapL_host *host = r->host;
  lua_State *S = host->peek;
  const char *before = host->outside;
  host->outside = "the message of an error";
  int top = lua_gettop(S);
  neapL_anchor_push(S, &started_key, r->number); /* it stays until the end */
  lua_pushcfunction(S, make_report);
  lua_pushlightuserdata(S, r);
  if (lua_pcall(S, 1, 0, 0) != LUA_OK) {
    neap_report report = NEAP_REPORT_INIT;
    report.status = NEAP_ENOMEM;
    report.code = "memory";
    report.error = neap_status_text(NEAP_ENOMEM);
    hand_in(r, &report);
  }
  neapL_anchor_drop(S, &started_key, r->number);
  lua_settop(S, top);
  host->outside = before;
}

/* The task has ended. Runs no Lua and allocates nothing. */
static void end_run(neapL_join *join, neapL_task *task) {
  started *r = NEAP__ITEM(join, started, join);
  lua_State *S = task->host->peek;
  neapL_anchor_push(S, &started_key, r->number);
  neapL_task_push(S, task);
  if (task->state != NEAPL_TASK_DONE || task->results == 1)
    lua_getiuservalue(S, -1, NEAPL_TASK_RESULT);
  else
    lua_pushnil(S);
  lua_setiuservalue(S, -3, RESULT);
  lua_pop(S, 2);
  r->task = NULL;
  r->state = task->state;
  neap_op_hold(task->host->engine, &r->op);
  neap_op_settle(&r->op, 0);
  if (task->state == NEAPL_TASK_FAILED)
    neapL_task_release(task); /* its error is heard */
}

/* ---- The beginning ---- */

static void cancel_run(void *self) {
  started *r = self;
  if (r->task)
    neapL_task_cancel(r->task, NEAP_ECANCELED);
}

typedef struct beginning {
  neapL_starting *s;
  neap_start_opts opts;
  int number;          /* of the anchor, until the task holds the record */
  neap_ticket *ticket; /* until the record owns it */
  bool has_store;      /* the host has given one by its index */
  int status;
} beginning;

/* Pushes a value of the options. Raises when it is no value of this state.
 * [-0, +1, v] */
static void push_given(lua_State *L, neap_value value, const char *what) {
  if (!neapL_value_push(L, value))
    luaL_error(L, "the %s are no value of this Lua state", what);
}

/* Whether the value at `index` can be a shared store. */
static bool is_store(lua_State *L, int index) {
  return lua_istable(L, index) || lua_type(L, index) == LUA_TUSERDATA;
}

/* The value of the host is at 2. */
static int begin(lua_State *L) {
  enum { ARGS = 1, STORE, RECORD, RUN, SPAWN, LOADED };
  beginning *b = lua_touserdata(L, ARGS);
  neapL_host *host = neapL_host_of(L);
  lua_settop(L, STORE);
  if (b->has_store && !is_store(L, STORE)) {
    lua_pushfstring(L, "the shared store is a table, got a %s",
                    luaL_typename(L, STORE));
    neapL_guard_set_why(L);
    b->status = NEAP_EINVAL;
    return 0;
  }
  if (lua_isnil(L, STORE)) {
    push_given(L, b->opts.shared, "shared values");
    lua_replace(L, STORE);
  }
  if (lua_isnil(L, STORE)) {
    lua_newtable(L);
    lua_replace(L, STORE);
  }
  started *r = lua_newuserdatauv(L, sizeof *r, RESULT);
  *r = (started){.host = host, .ended = b->s->ended, .self = b->s->self};
  r->join.ended = end_run;
  neap__list_init(&r->join.link);
  neap_op_init(&r->op, report_end, r);
  if (luaL_newmetatable(L, STARTED_META)) {
    lua_pushcfunction(L, collect);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, RECORD);
  lua_pushvalue(L, RECORD);
  b->number = r->number = neapL_anchor_put(L, &started_key);
  if (!r->ended) {
    r->self = b->opts.data;
    int status =
        neap_ticket_new(host->engine, cancel_run, r, &b->ticket, &b->s->token);
    if (status < 0) {
      b->status = status;
      return 0;
    }
  }
  lua_pushnil(L); /* RUN */
  lua_pushcfunction(L, neapL_spawn_run);
  /* The arguments of core.run, but for the plan. */
  lua_pushnil(L); /* LOADED */
  lua_pushvalue(L, STORE);
  push_given(L, b->opts.params, "params");
  if (!lua_isnil(L, -1) && !lua_istable(L, -1))
    return luaL_error(L, "the params are no table");
  if (lua_istable(L, -1)) {
    neapL_guard_push(L, "neap.core");
    lua_getfield(L, -1, "read_only");
    lua_replace(L, -2);
    lua_insert(L, -2);
    lua_call(L, 1, 1);
  }
  lua_pushnil(L); /* on_event */
  lua_pushinteger(L, (lua_Integer)b->opts.max_steps);
  if (b->opts.timeout_ns > 0)
    lua_pushnumber(L, neap__seconds_of_ns(b->opts.timeout_ns));
  else
    lua_pushnil(L);
  neapL_loaded *loaded = b->s->name ? neapL_loaded_push_named(L, b->s->name)
                                    : neapL_loaded_push(L, b->s->flow);
  if (!loaded) {
    b->status = NEAP_ESTALE;
    return 0;
  }
  lua_getiuservalue(L, -1, NEAPL_LOADED_RUN);
  lua_replace(L, RUN);
  lua_getiuservalue(L, -1, NEAPL_LOADED_RESULT);
  lua_replace(L, LOADED);
  lua_pop(L, 1);
  neapL_task *task;
  if (loaded->status == 0) {
    lua_call(L, 6, 1);
    task = lua_touserdata(L, -1);
  } else if (loaded->status == NEAP_EAGAIN) {
    lua_remove(L, SPAWN);
    task = neapL_task_spawn(L, host->root, 6, NEAPL_TASK_ORIGIN);
  } else {
    b->status = loaded->status;
    return 0;
  }
  neap__list_append(&task->waiters, &r->join.link);
  task->script = loaded->serial;
  task->allowance = b->opts.compute_limit_ns;
  task->detached = true;
  r->task = task;
  r->ticket = task->ticket = b->ticket;
  b->ticket = NULL;
  b->s->number = r->number;
  b->number = 0;
  return 0;
}

int neapL_start(lua_State *L, neapL_starting *s, int index) {
  beginning b = {.s = s, .has_store = index != 0};
  if (s->opts &&
      neap__opts_take(&b.opts, sizeof b.opts,
                      NEAP__SIZE_WITH(neap_start_opts, data), s->opts) < 0)
    return NEAP_EINVAL;
  if (b.opts.node || b.opts.max_steps > LUA_MAXINTEGER)
    return NEAP_EINVAL;
  neapL_host *host = neapL_host_find(L);
  uint64_t seed = host ? host->seed : 0;
  if (host && b.opts.seed != 0)
    host->seed = b.opts.seed;
  int status = neapL_guard_call(L, begin, &b, index);
  if (host && b.opts.seed != 0)
    host->seed = seed;
  if (status == 0)
    status = b.status;
  if (b.number > 0)
    neapL_anchor_drop(L, &started_key, b.number);
  neap_ticket_drop(b.ticket);
  return status;
}

void neapL_start_cancel(lua_State *L, int number, bool forget) {
  neapL_anchor_push(L, &started_key, number);
  started *r = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (!r)
    return;
  if (forget)
    r->ended = NULL;
  cancel_run(r);
}

int neap_lua_start(lua_State *L, neap_lua_flow flow, int shared,
                   const neap_start_opts *opts, neap_token *run) {
  if (!L || !run)
    return NEAP_EINVAL;
  neapL_starting s = {.flow = flow, .opts = opts};
  int status = neapL_start(L, &s, shared);
  if (status == 0)
    *run = s.token;
  return status;
}

int neap_lua_start_named(lua_State *L, const char *name, int shared,
                         const neap_start_opts *opts, neap_token *run) {
  if (!L || !name || !run)
    return NEAP_EINVAL;
  neapL_starting s = {.name = name, .opts = opts};
  int status = neapL_start(L, &s, shared);
  if (status == 0)
    *run = s.token;
  return status;
}
