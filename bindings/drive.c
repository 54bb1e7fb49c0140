/* Driving a run: the C function that calls the methods of Lua nodes.
 * SPDX-License-Identifier: MIT
 *
 * A run is driven by one C function in the coroutine of its task. It asks the
 * engine's state machine what is next, calls the method with a continuation,
 * and answers. What belongs to the visits lies on the stack of the coroutine:
 *
 *   1 plan      2 shared      3 error or, at first, params      4 on_event
 *   5 ...       the visit at depth 0, then at depth 1, and so on:
 *               self, prep_res, exec_res; of a flow or item also its params;
 *               of a batch also the metatable of its items' selves
 *
 * and what the method is called with above them. In a batch prep_res is the
 * list or iterator and exec_res the results; in an item prep_res is the item.
 * After a visit its exec_res is its action.
 */
#include "drive.h"

#include <assert.h>
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "plan.h"
#include "wait.h"

enum { PLAN = 1, SHARED, ERROR, EVENTS, VISITS };
enum { SELF = 0, PREP, EXEC, PARAMS, ITEM_META };

/* The most that anything here pushes on top of the visits. */
enum { ROOM = 12 };

typedef const neap_step *answer;

static int drive(lua_State *L, neap__task *task, answer step);

/* ----------------------------------------------------- where visits are kept
 */

/* A visit's note: the stack index of its self, and in the upper half how many
 * tasks there were when its attempt began. */

static int base(neap__task *task, uint32_t depth) {
  return (int)(uint32_t)*neap_run_note(task->run, depth);
}

static uint32_t serial(neap__task *task, uint32_t depth) {
  return (uint32_t)(*neap_run_note(task->run, depth) >> 32);
}

static void note(neap__task *task, uint32_t depth, int index) {
  *neap_run_note(task->run, depth) =
      (uint64_t)task->spawned << 32 | (uint32_t)index;
}

static bool is_batch(const neap_node *node) {
  neap_kind kind = neap_node_kind(node);
  return kind == NEAP_BATCH_NODE || kind == NEAP_BATCH_FLOW;
}

static bool walks(const neap_node *node) {
  neap_kind kind = neap_node_kind(node);
  return kind == NEAP_FLOW || kind == NEAP_BATCH_FLOW;
}

/* How many slots the visit at a depth takes. */
static int size(neap__task *task, uint32_t depth) {
  bool item;
  uint64_t index;
  const neap_node *node = neap_run_node_at(task->run, depth, &item, &index);
  if (item)
    return PARAMS + 1;
  if (is_batch(node))
    return ITEM_META + 1;
  return walks(node) ? PARAMS + 1 : EXEC + 1;
}

static const neap__record *record(const neap_node *node) {
  return neap_node_data(node);
}

/* Pushes what the plan has for a node. [-0, +1, -] */
static int push_plan(lua_State *L, const neap_node *node, int what) {
  return lua_rawgeti(L, PLAN, record(node)->methods + what);
}

/* ------------------------------------------------------------ names and words
 */

/* Adds " > name" for the visits of a run down to `depth`, after those of the
 * run that it works for. */
static void add_path(luaL_Buffer *buffer, const neap_run *run, uint32_t depth) {
  const neap_run *parent = neap_run_parent(run);
  uint32_t from = 0;
  if (parent) {
    /* The visit at depth 0 is the one on top of the parent. */
    neap_place place;
    neap_run_place(parent, &place);
    add_path(buffer, parent, place.depth);
    from = 1;
  }
  for (uint32_t d = from; d <= depth; d++) {
    bool item;
    uint64_t index;
    const neap_node *node = neap_run_node_at(run, d, &item, &index);
    if (item) {
      char number[32];
      snprintf(number, sizeof number, "[%llu]", (unsigned long long)index + 1);
      luaL_addstring(buffer, number);
    } else {
      if (d > 0)
        luaL_addstring(buffer, " > ");
      luaL_addstring(buffer, neap_node_name(node));
    }
  }
}

/* Pushes the path of a visit: "order > payment[3] > Charge". [-0, +1, m] */
static void push_path(lua_State *L, const neap_run *run, uint32_t depth) {
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  add_path(&buffer, run, depth);
  luaL_pushresult(&buffer);
}

/* Pushes the action of a step. [-0, +1, m] */
static void push_action(lua_State *L, const neap_step *step) {
  if (step->action)
    lua_pushlstring(L, step->action, step->action_size);
  else
    lua_pushliteral(L, "default");
}

/* Pushes the actions that a node is wired for, in words. [-0, +1, m] */
static void push_wired(lua_State *L, const neap_node *node) {
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  const char *action;
  size_t length;
  for (size_t i = 0; neap_node_action(node, i, &action, &length); i++) {
    luaL_addstring(&buffer, i == 0 ? "'" : ", '");
    luaL_addlstring(&buffer, action, length);
    luaL_addchar(&buffer, '\'');
  }
  luaL_pushresult(&buffer);
}

/* -------------------------------------------------------------------- events
 */

/* Calls on_event with the table on top. [-1, +0, m] */
static void emit(lua_State *L, neap__task *task) {
  lua_pushnumber(L, (double)neap_now(task->host->engine) / 1e9);
  lua_setfield(L, -2, "time");
  lua_pushvalue(L, EVENTS);
  lua_insert(L, -2);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    lua_warning(L, "neap: on_event raised: ", 1);
    lua_warning(L, luaL_tolstring(L, -1, NULL), 0);
    lua_pop(L, 2);
  }
}

/* Pushes a new event about the visit at a depth. [-0, +1, m] */
static void push_event(lua_State *L, neap__task *task, const char *kind,
                       uint32_t depth) {
  lua_createtable(L, 0, 6);
  lua_pushstring(L, kind);
  lua_setfield(L, -2, "kind");
  push_path(L, task->run, depth);
  lua_setfield(L, -2, "node");
}

static bool observed(lua_State *L) {
  return !lua_isnil(L, EVENTS);
}

static void set_integer(lua_State *L, const char *key, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, key);
}

/* ------------------------------------------------------------------ failures
 */

/* Sets where the error in ERROR arose: the table on top, or nil. [-1, +0, -] */
static void set_origin(lua_State *L, neap__task *task) {
  neap__task_push(L, task);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, NEAP__TASK_ORIGIN);
  lua_pop(L, 1);
}

/* The message handler of methods whose errors are caught: leaves the error as
 * it is and notes the traceback. */
static int trace(lua_State *L) {
  neap__task *task = neap__task_current(L);
  lua_settop(L, 1);
  lua_createtable(L, 0, 1);
  luaL_traceback(L, L, NULL, 1);
  lua_setfield(L, -2, "traceback");
  set_origin(L, task);
  return 1;
}

/* What the error in ERROR says about further attempts. */
static neap_failure read_failure(lua_State *L) {
  neap_failure failure = {0};
  if (!lua_istable(L, ERROR))
    return failure;
  lua_getfield(L, ERROR, "retryable");
  failure.final = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
  lua_getfield(L, ERROR, "retry_after");
  double seconds = lua_tonumber(L, -1);
  if (seconds > 0 && seconds < 1e9)
    failure.retry_after_ns = (uint64_t)(seconds * 1e9);
  lua_pop(L, 2);
  return failure;
}

/* Tells on_event of a failure after which the run goes on. */
static void report_failure(lua_State *L, neap__task *task, uint32_t attempt,
                           answer next) {
  const char *kind;
  if (next->what == NEAP_DO_CALL && next->phase == NEAP_FALLBACK)
    kind = "fallback";
  else if (next->what == NEAP_DO_WAIT || next->what == NEAP_DO_ATTEMPT ||
           (next->what == NEAP_DO_CALL && next->phase == NEAP_EXEC))
    kind = "retry";
  else
    return;
  push_event(L, task, kind, next->depth);
  set_integer(L, "attempt", attempt + 1);
  lua_pushnumber(L,
                 next->what == NEAP_DO_WAIT ? (double)next->delay_ns / 1e9 : 0);
  lua_setfield(L, -2, "delay");
  lua_pushvalue(L, ERROR);
  lua_setfield(L, -2, "error");
  emit(L, task);
}

static void answer_failure(lua_State *L, neap__task *task) {
  neap_failure failure = read_failure(L);
  uint32_t attempt = neap_run_step(task->run)->attempt;
  answer next = neap_run_fail(task->run, &failure);
  if (observed(L))
    report_failure(L, task, attempt, next);
}

/* ------------------------------------------------------------------- waiting
 */

/* Suspends the run. Being in a task, it does not come back here. */
static answer wait(lua_State *L, lua_KFunction k) {
  neap__wait(L, k);
  return NULL;
}

/* Waits until a task of this one's has ended, then goes on with `k`. */
static answer wait_for_child(lua_State *L, neap__task *task, const char *what,
                             lua_KFunction k) {
  neap_op *op = neap__wait_begin(L, what);
  neap_op_hold(task->host->engine, op);
  task->joining = true;
  return wait(L, k);
}

/* Takes over after any wait of the driver's own. */
static neap__task *woken(lua_State *L) {
  neap__task *task = neap__task_current(L);
  task->joining = false;
  neap__wait_end(L);
  return task;
}

static int after_clearing(lua_State *L, int status, lua_KContext context);

/* Cancels what a failed attempt has spawned before the run takes its next step,
 * which tells whose attempt it was. */
static answer clear(lua_State *L, neap__task *task) {
  answer next = neap_run_step(task->run);
  if (next->what == NEAP_DO_END)
    return next; /* the end of the task does it */
  uint32_t depth = next->depth - (next->what == NEAP_DO_ENTER);
  uint32_t since = serial(task, depth);
  if (neap__task_cancel_since(task, since) > 0)
    return wait_for_child(L, task, "the tasks of a failed attempt to end",
                          after_clearing);
  while (neap__task_take_failure(L, task, since))
    lua_pop(L, 1); /* most likely it is what failed the attempt */
  return next;
}

static int after_clearing(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  neap__task *task = woken(L);
  return drive(L, task, clear(L, task));
}

/* The step has failed with the error on top. [-1, +0, v] */
static answer fail(lua_State *L, neap__task *task) {
  /* Nobody retries or forgives a cancellation, and what nobody would catch
   * ends the coroutine as it stands, for the traceback. */
  if (task->cancel_status != 0 || !neap_run_step(task->run)->caught)
    lua_error(L);
  lua_replace(L, ERROR);
  answer_failure(L, task);
  return clear(L, task);
}

/* The same, for an error that did not come out of a method. */
static answer fail_here(lua_State *L, neap__task *task) {
  lua_pushnil(L);
  set_origin(L, task);
  return fail(L, task);
}

static int after_wait(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  neap__task *task = woken(L);
  return drive(L, task, neap_run_ok(task->run));
}

static answer wait_for_retry(lua_State *L, const neap_step *step) {
  neap_op *op = neap__wait_begin(L, "the next attempt");
  neap_engine *engine = neap__engine(L);
  uint64_t now = neap_now(engine);
  uint64_t until =
      step->delay_ns < NEAP_FOREVER - now ? now + step->delay_ns : NEAP_FOREVER;
  neap_sleep_until(engine, op, until);
  return wait(L, after_wait);
}

/* ---------------------------------------------------------- visits and items
 */

/* Pushes a new table whose metatable is the one on top. [-1, +1, m] */
static void push_view(lua_State *L) {
  lua_createtable(L, 0, 0);
  lua_insert(L, -2);
  lua_setmetatable(L, -2);
}

/* Pushes a table that has the pairs of the table at `inner`, and over them
 * those of the table at `outer`. [-0, +1, m] */
static void push_merged(lua_State *L, int inner, int outer) {
  lua_createtable(L, 0, 4);
  for (int pass = 0; pass < 2; pass++) {
    lua_pushnil(L);
    while (lua_next(L, pass == 0 ? inner : outer)) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, -4);
    }
  }
}

/* Puts a new visit of `node` at `depth` on the stack. */
static void enter(lua_State *L, neap__task *task, const neap_node *node,
                  uint32_t depth) {
  int outer; /* the params that come from outside */
  int self;
  if (depth == 0) {
    outer = ERROR;
    self = VISITS;
  } else {
    outer = base(task, depth - 1) + PARAMS;
    self = base(task, depth - 1) + size(task, depth - 1);
  }
  lua_settop(L, self - 1);
  luaL_checkstack(L, ROOM, "too many nested flows");
  note(task, depth, self);
  push_plan(L, node, NEAP__PLAN_VIEW);
  push_view(L); /* self */
  push_plan(L, node, NEAP__PLAN_PARAMS);
  bool own = lua_istable(L, -1);
  if (!lua_isnil(L, outer)) {
    if (own) {
      push_merged(L, self + 1, outer);
      lua_replace(L, self + 1);
    } else {
      lua_pushvalue(L, outer);
      lua_replace(L, self + 1);
    }
    lua_pushvalue(L, self + 1);
    lua_setfield(L, self, "params");
  } else if (!own) {
    lua_pushnil(L);
    lua_replace(L, self + 1);
  }
  /* self params */
  if (neap_node_kind(node) == NEAP_NODE) {
    lua_pushnil(L);
    lua_replace(L, self + PREP);
    lua_pushnil(L); /* self prep exec */
  } else {
    lua_pushnil(L);
    lua_pushnil(L);
    lua_rotate(L, self + 1, -1); /* self prep exec params */
    if (is_batch(node))
      lua_pushnil(L);
  }
  if (depth == 0) {
    lua_pushnil(L);
    lua_replace(L, ERROR);
  }
  if (observed(L)) {
    push_event(L, task, "node_start", depth);
    emit(L, task);
  }
}

/* Puts the item on top, fetched by the batch at `depth`, on the stack as the
 * visit at depth + 1. [-1, ...] */
static answer enter_item(lua_State *L, neap__task *task,
                         const neap_step *step) {
  uint32_t depth = step->depth;
  const neap_node *node = step->node;
  int batch = base(task, depth);
  if (walks(node) && !lua_istable(L, -1)) {
    push_path(L, task->run, depth);
    neap__error_push(L, "params",
                     "entry %I of %s is a %s; prep of a BatchFlow gives tables "
                     "of params",
                     (LUAI_UACINT)step->index + 1, lua_tostring(L, -1),
                     luaL_typename(L, -2));
    return fail_here(L, task);
  }
  int self = batch + ITEM_META + 1;
  lua_replace(L, self); /* for a moment, the item */
  lua_settop(L, self);
  luaL_checkstack(L, ROOM, "too many nested flows");
  lua_pushvalue(L, batch + ITEM_META);
  push_view(L);
  lua_insert(L, self); /* self item */
  lua_pushnil(L);      /* self item result */
  if (walks(node)) {
    if (lua_isnil(L, batch + PARAMS))
      lua_pushvalue(L, self + PREP);
    else
      push_merged(L, batch + PARAMS, self + PREP);
    lua_pushvalue(L, -1);
    lua_setfield(L, self, "params");
  } else {
    lua_pushvalue(L, batch + PARAMS);
  }
  /* The item's frame begins with the answer, which may fail at once. */
  uint64_t index = step->index;
  answer next = neap_run_ok(task->run);
  if (next->what != NEAP_DO_RAISE)
    note(task, depth + 1, self);
  if (observed(L)) {
    push_event(L, task, "item_start", depth);
    set_integer(L, "index", index + 1);
    emit(L, task);
  }
  return next;
}

/* ---------------------------------------------------------------- the calls */

/* A method has returned what is on top. */
static answer returned(lua_State *L, neap__task *task) {
  const neap_step *step = neap_run_step(task->run);
  neap_run *run = task->run;
  task->atomic = NULL;
  int self = base(task, step->depth);
  answer next;
  switch (step->phase) {
  case NEAP_PREP:
    lua_replace(L, self + PREP);
    note(task, step->depth, self); /* an attempt's tasks count from here */
    next = neap_run_ok(run);
    break;
  case NEAP_POST: {
    int type = lua_type(L, -1);
    if (type == LUA_TSTRING) {
      size_t length;
      const char *action = lua_tolstring(L, -1, &length);
      lua_replace(L, self + EXEC);
      next = neap_run_action(run, action, length);
    } else if (type == LUA_TNIL) {
      lua_replace(L, self + EXEC);
      next = neap_run_action(run, NULL, 0);
    } else {
      push_path(L, run, step->depth);
      neap__error_push(L, "action",
                       "post of %s returned a %s (%s); an action is a string, "
                       "or nothing for \"default\"",
                       lua_tostring(L, -1), luaL_typename(L, -2),
                       luaL_tolstring(L, -2, NULL));
      return fail_here(L, task);
    }
    break;
  }
  default:
    lua_replace(L, self + EXEC);
    next = neap_run_ok(run);
  }
  return next;
}

/* A call has ended with `status`. */
typedef answer (*called_fn)(lua_State *L, neap__task *task, int status);

static bool failed(int status) {
  return status != LUA_OK && status != LUA_YIELD;
}

/* Fails as the call did whose error is on top. [-1, +0, v] */
static answer fail_as(lua_State *L, neap__task *task, int status) {
  /* No message handler is called when memory is out. */
  return status == LUA_ERRMEM ? fail_here(L, task) : fail(L, task);
}

/* Takes over after `call`. */
static void end_call(lua_State *L, neap__task *task) {
  task->atomic = NULL;
  if (neap_run_step(task->run)->caught)
    lua_remove(L, -2); /* the message handler */
}

static answer called(lua_State *L, neap__task *task, int status) {
  end_call(L, task);
  return failed(status) ? fail_as(L, task, status) : returned(L, task);
}

static int after_call(lua_State *L, int status, lua_KContext context) {
  neap__task *task = (neap__task *)context;
  return drive(L, task, called(L, task, status));
}

/* Calls the function below the `count` arguments on top, for one result or
 * error. [-count - 1, +1, v] */
static int call(lua_State *L, neap__task *task, const neap_step *step,
                int count, lua_KFunction k) {
  task->atomic = record(step->node)->atomic;
  if (!step->caught) {
    lua_callk(L, count, 1, (lua_KContext)task, k);
    return LUA_OK;
  }
  int function = lua_absindex(L, -count - 1);
  lua_pushcfunction(L, trace);
  lua_insert(L, function);
  return lua_pcallk(L, count, 1, function, (lua_KContext)task, k);
}

/* What post of a batch gets, when all items are through. */
static void finish_results(lua_State *L, neap__task *task,
                           const neap_step *step) {
  int self = base(task, step->depth);
  uint64_t items, failed;
  neap_run_counts(task->run, step->depth, &items, &failed);
  lua_pushinteger(L, (lua_Integer)items);
  lua_setfield(L, self + EXEC, "n");
  if (!walks(step->node))
    return;
  lua_pushinteger(L, (lua_Integer)failed);
  lua_setfield(L, self + EXEC, "failed");
  if (lua_getfield(L, self + EXEC, "errors") == LUA_TNIL) {
    lua_newtable(L);
    lua_setfield(L, self + EXEC, "errors");
  }
  lua_pop(L, 1);
}

static answer call_method(lua_State *L, neap__task *task,
                          const neap_step *step) {
  int self = base(task, step->depth);
  if (step->attempt > 0) {
    lua_pushinteger(L, step->attempt);
    lua_setfield(L, self, "cur_retry");
  }
  if (step->phase == NEAP_POST && is_batch(step->node))
    finish_results(L, task, step);
  if (step->phase == NEAP_EXEC)
    note(task, step->depth, self);
  push_plan(L, step->node, NEAP__PLAN_PHASE + (int)step->phase);
  lua_pushvalue(L, self);
  lua_pushvalue(L, SHARED);
  int count = 2;
  if (step->phase != NEAP_PREP) {
    lua_pushvalue(L, self + PREP);
    count++;
  }
  if (step->phase == NEAP_POST) {
    lua_pushvalue(L, self + EXEC);
    count++;
  } else if (step->phase == NEAP_FALLBACK) {
    lua_pushvalue(L, ERROR);
    count++;
  }
  return called(L, task, call(L, task, step, count, after_call));
}

/* -------------------------------------------------------------------- batches
 */

/* Looks at what prep of a batch has given, makes room for the results. */
static answer begin_items(lua_State *L, neap__task *task,
                          const neap_step *step) {
  int self = base(task, step->depth);
  uint64_t count = NEAP_UNCOUNTED;
  switch (lua_type(L, self + PREP)) {
  case LUA_TNIL:
    count = 0;
    break;
  case LUA_TFUNCTION:
    break;
  case LUA_TTABLE: {
    lua_Integer n;
    if (lua_getfield(L, self + PREP, "n") == LUA_TNUMBER &&
        lua_isinteger(L, -1))
      n = lua_tointeger(L, -1);
    else
      n = luaL_len(L, self + PREP);
    lua_pop(L, 1);
    count = n > 0 ? (uint64_t)n : 0;
    break;
  }
  default:
    push_path(L, task->run, step->depth);
    neap__error_push(L, "batch",
                     "prep of the batch %s gave a %s; expected a list, an "
                     "iterator function, or nil for an empty batch",
                     lua_tostring(L, -1), luaL_typename(L, self + PREP));
    return fail_here(L, task);
  }
  if (walks(step->node) || count == NEAP_UNCOUNTED || count > 1 << 20)
    lua_createtable(L, 0, 4);
  else
    lua_createtable(L, (int)count, 1);
  lua_replace(L, self + EXEC);
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, self);
  lua_setfield(L, -2, "__index");
  lua_replace(L, self + ITEM_META);
  if (observed(L)) {
    push_event(L, task, "batch_start", step->depth);
    if (count != NEAP_UNCOUNTED)
      set_integer(L, "total", count);
    set_integer(L, "concurrency", neap_node_concurrency(step->node));
    emit(L, task);
  }
  return neap_run_items(task->run, count);
}

/* The task in whose run the batch is that this one works for. */
static neap__task *batch_owner(neap__task *task, uint32_t depth) {
  neap_run *parent = neap_run_parent(task->run);
  return depth == 0 && parent ? neap_run_data(parent) : task;
}

/* Lets those who wait for their turn to fetch try again: one of them, or all
 * when there is nothing left to fetch. */
static void pass_turn(neap__task *owner, bool all) {
  while (!neap__list_empty(&owner->turns)) {
    neap_link *link = owner->turns.next;
    neap__list_remove(link);
    neap_op_settle(&NEAP__ITEM(link, neap__task, join.link)->op, 0);
    if (!all)
      break;
  }
}

static void drop_turn(neap__task *task) {
  neap__list_remove(&task->join.link);
}

static answer wait_for_turn(lua_State *L, neap__task *task, uint32_t depth) {
  neap__wait_begin(L, "its turn to fetch an item");
  neap__task_hold(task, drop_turn, NULL);
  neap__list_append(&batch_owner(task, depth)->turns, &task->join.link);
  return wait(L, after_wait);
}

static answer fetched(lua_State *L, neap__task *task, int status) {
  const neap_step *step = neap_run_step(task->run);
  neap__task *owner = batch_owner(task, step->depth);
  end_call(L, task);
  bool over = failed(status) || lua_isnil(L, -1);
  pass_turn(owner, over);
  if (failed(status))
    return fail_as(L, task, status);
  return over ? neap_run_none(task->run) : enter_item(L, task, step);
}

static int after_fetch(lua_State *L, int status, lua_KContext context) {
  neap__task *task = (neap__task *)context;
  return drive(L, task, fetched(L, task, status));
}

static answer fetch(lua_State *L, neap__task *task, const neap_step *step) {
  int self = base(task, step->depth);
  lua_settop(L, self + ITEM_META);
  lua_pushnil(L); /* where the item is to be */
  if (lua_isfunction(L, self + PREP)) {
    lua_pushvalue(L, self + PREP);
    return fetched(L, task, call(L, task, step, 0, after_fetch));
  }
  lua_geti(L, self + PREP, (lua_Integer)step->index + 1);
  return enter_item(L, task, step);
}

/* Keeps what an item has given, or raised. */
static void keep_result(lua_State *L, neap__task *task, const neap_step *step) {
  int results = base(task, step->depth - 1) + EXEC;
  int item = base(task, step->depth);
  lua_Integer key = (lua_Integer)step->index + 1;
  if (step->failed) {
    if (lua_getfield(L, results, "errors") == LUA_TNIL) {
      lua_pop(L, 1);
      lua_newtable(L);
      lua_pushvalue(L, -1);
      lua_setfield(L, results, "errors");
    }
    lua_pushvalue(L, ERROR);
    lua_rawseti(L, -2, key);
    lua_pop(L, 1);
  } else if (!walks(step->node)) {
    lua_pushvalue(L, item + EXEC);
    lua_rawseti(L, results, key);
  }
}

static int after_item(lua_State *L, int status, lua_KContext context);

static answer end_item(lua_State *L, neap__task *task, const neap_step *step) {
  if (!step->failed) {
    uint32_t since = serial(task, step->depth);
    if (neap__task_cancel_since(task, since) > 0)
      return wait_for_child(L, task, "the tasks of an item to end", after_item);
    if (neap__task_take_failure(L, task, since))
      return fail_here(L, task);
  }
  keep_result(L, task, step);
  if (observed(L)) {
    push_event(L, task, "item_end", step->depth - 1);
    set_integer(L, "index", step->index + 1);
    lua_pushboolean(L, !step->failed);
    lua_setfield(L, -2, "ok");
    if (step->failed) {
      lua_pushvalue(L, ERROR);
      lua_setfield(L, -2, "error");
    }
    emit(L, task);
  }
  return neap_run_ok(task->run);
}

static int after_item(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  neap__task *task = woken(L);
  return drive(L, task, end_item(L, task, neap_run_step(task->run)));
}

/* ------------------------------------------------- runs that work for this one
 */

/* Pushes nothing; gives the flow of the plan. */
static neap_flow *flow_of(lua_State *L) {
  lua_rawgeti(L, PLAN, 0);
  neap__plan *plan = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return plan->flow;
}

/* The entry of the tasks that have a run. One that works for another makes its
 * run when it begins: before, it would take an item, or the turn to fetch one,
 * that another could have had. */
static int drive_entry(lua_State *L) {
  neap__task *task = neap__task_current(L);
  if (!task->run) {
    neap_run_opts opts = NEAP_RUN_OPTS_INIT;
    opts.root = (neap_root)task->root;
    opts.parent = task->parent->run;
    opts.data = task;
    opts.seed = (uintptr_t)task ^ neap_now(task->host->engine);
    int status = neap_run_new(flow_of(L), NULL, &opts, &task->run);
    if (status < 0)
      return luaL_error(L, "%s", neap_status_text(status));
    note(task, 0, VISITS);
  }
  return drive(L, task, neap_run_step(task->run));
}

/* Spawns a task whose run has `root` and works for this one's, with `slots` of
 * the visit on top of this run on its stack. */
static neap__task *spawn_part(lua_State *L, neap__task *task, neap_root root,
                              int self, int slots) {
  lua_pushvalue(L, PLAN);
  lua_pushvalue(L, SHARED);
  lua_pushnil(L);
  lua_pushvalue(L, EVENTS);
  for (int i = 0; i < slots; i++)
    lua_pushvalue(L, self + i);
  neap__task *part = neap__task_spawn(L, task, drive_entry, EVENTS + slots);
  lua_pop(L, 1);
  part->internal = true;
  part->root = (uint8_t)root;
  return part;
}

/* The first of the tasks that work for this one and have ended; NULL if none.
 */
static neap__task *first_ended(neap__task *task) {
  if (neap__list_empty(&task->ended))
    return NULL;
  return NEAP__ITEM(task->ended.next, neap__task, sibling);
}

/* Pushes the error of a part that failed; where it arose goes to this task.
 * [-0, +1, m] */
static void take_error(lua_State *L, neap__task *task, neap__task *part) {
  neap__task_push(L, part);
  lua_getiuservalue(L, -1, NEAP__TASK_ORIGIN);
  set_origin(L, task);
  lua_getiuservalue(L, -1, NEAP__TASK_RESULT);
  lua_replace(L, -2);
}

static int after_join(lua_State *L, int status, lua_KContext context);

static answer join(lua_State *L, neap__task *task, const neap_step *step) {
  neap__task *part = first_ended(task);
  if (!part)
    return wait_for_child(L, task,
                          step->what == NEAP_DO_JOIN ? "the items of a batch"
                                                     : "an attempt",
                          after_join);
  bool well = part->state == NEAP__TASK_DONE;
  if (!well && !(step->what == NEAP_DO_JOIN && step->failed)) {
    take_error(L, task, part);
    neap__task_release(part);
    lua_replace(L, ERROR);
    answer_failure(L, task);
    return clear(L, task);
  }
  answer next;
  if (step->what == NEAP_DO_JOIN) {
    neap__task_release(part);
    next = neap_run_ok(task->run);
  } else {
    int self = base(task, step->depth);
    neap__task_push(L, part);
    lua_getiuservalue(L, -1, NEAP__TASK_RESULT);
    lua_replace(L, self + EXEC);
    lua_pop(L, 1);
    neap__task_release(part);
    if (walks(step->node)) {
      size_t length;
      const char *action = lua_tolstring(L, self + EXEC, &length);
      next = neap_run_action(task->run, action, length);
    } else {
      next = neap_run_ok(task->run);
    }
  }
  return next;
}

static int after_join(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  neap__task *task = woken(L);
  return drive(L, task, join(L, task, neap_run_step(task->run)));
}

static answer start_attempt(lua_State *L, neap__task *task,
                            const neap_step *step) {
  int self = base(task, step->depth);
  if (step->attempt > 0) {
    lua_pushinteger(L, step->attempt);
    lua_setfield(L, self, "cur_retry");
  }
  neap__task *part =
      spawn_part(L, task, NEAP_ROOT_ATTEMPT, self, size(task, step->depth));
  neap__task_set_deadline(L, part, (double)neap_node_timeout(step->node) / 1e9);
  return join(L, task, step);
}

static void start_workers(lua_State *L, neap__task *task,
                          const neap_step *step) {
  for (uint32_t i = 0; i < step->count; i++)
    spawn_part(L, task, NEAP_ROOT_WORKER, base(task, step->depth),
               ITEM_META + 1);
}

static void stop_workers(neap__task *task) {
  for (neap_link *link = task->children.next; link != &task->children;
       link = link->next) {
    neap__task *child = NEAP__ITEM(link, neap__task, sibling);
    if (child->internal)
      neap__task_cancel(child, NEAP_ECANCELED, 0);
  }
}

/* ------------------------------------------------------------------ the rest
 */

static void warn_of_action(lua_State *L, neap__task *task,
                           const neap_step *step) {
  push_path(L, task->run, step->depth);
  push_action(L, step);
  push_wired(L, step->node);
  lua_pushfstring(L,
                  "neap: %s ended with the action '%s', for which it has no "
                  "successor (it has %s); the flow ends here",
                  lua_tostring(L, -3), lua_tostring(L, -2),
                  lua_tostring(L, -1));
  lua_warning(L, lua_tostring(L, -1), 0);
  if (observed(L)) {
    push_event(L, task, "warning", step->depth);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "message");
    emit(L, task);
  }
  lua_pop(L, 4);
}

/* The run has failed by itself. */
static answer raise(lua_State *L, neap__task *task, const neap_step *step) {
  push_path(L, task->run, step->depth);
  const char *path = lua_tostring(L, -1);
  if (step->status == NEAP_EACTION) {
    push_action(L, step);
    push_wired(L, step->node);
    neap__error_push(L, "action",
                     "%s ended with the action '%s', for which it has no "
                     "successor (it has %s), and the flow is strict",
                     path, lua_tostring(L, -2), lua_tostring(L, -1));
  } else if (step->status == NEAP_EMAXSTEPS) {
    neap__error_push(L, "max_steps",
                     "the run has taken as many steps as max_steps allows, "
                     "and would go on to %s",
                     path);
  } else {
    neap__error_push(L, "memory", "%s: %s", path,
                     neap_status_text(step->status));
  }
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "retryable");
  return fail_here(L, task);
}

static int end(lua_State *L, neap__task *task, const neap_step *step) {
  if (step->failed) {
    lua_pushvalue(L, ERROR);
    return lua_error(L);
  }
  bool item;
  uint64_t index;
  const neap_node *node = neap_run_node_at(task->run, 0, &item, &index);
  bool part = neap_run_parent(task->run) != NULL;
  if (part && is_batch(node) && !item)
    return 0; /* a worker: its results are where they belong */
  if (part && !walks(node))
    lua_pushvalue(L, VISITS + EXEC);
  else
    push_action(L, step);
  neap__task_return(L, task, 1);
  return 0;
}

/* Does what the run asks for until it has ended. A step that waits does not
 * return; the run goes on in the continuation it waited with. */
static int drive(lua_State *L, neap__task *task, answer step) {
  for (;;) {
    switch (step->what) {
    case NEAP_DO_ENTER:
      enter(L, task, step->node, step->depth);
      step = neap_run_ok(task->run);
      break;
    case NEAP_DO_CALL:
      step = call_method(L, task, step);
      break;
    case NEAP_DO_RETURN:
      push_action(L, step);
      lua_replace(L, base(task, step->depth) + EXEC);
      step = neap_run_ok(task->run);
      break;
    case NEAP_DO_WAIT:
      step = wait_for_retry(L, step);
      break;
    case NEAP_DO_ATTEMPT:
      step = start_attempt(L, task, step);
      break;
    case NEAP_DO_ITEMS:
      step = begin_items(L, task, step);
      break;
    case NEAP_DO_FORK:
      start_workers(L, task, step);
      step = neap_run_ok(task->run);
      break;
    case NEAP_DO_JOIN:
      step = join(L, task, step);
      break;
    case NEAP_DO_STOP:
      stop_workers(task);
      step = neap_run_ok(task->run);
      break;
    case NEAP_DO_FETCH:
      step = fetch(L, task, step);
      break;
    case NEAP_DO_TURN:
      step = wait_for_turn(L, task, step->depth);
      break;
    case NEAP_DO_ITEM_END:
      step = end_item(L, task, step);
      break;
    case NEAP_DO_WARN:
      warn_of_action(L, task, step);
      step = neap_run_ok(task->run);
      break;
    case NEAP_DO_RAISE:
      step = raise(L, task, step);
      break;
    case NEAP_DO_END:
      return end(L, task, step);
    }
  }
}

neap__task *neap__drive_spawn(lua_State *L, neap_flow *flow,
                              const neap_node *node, uint64_t max_steps) {
  neap__task *task =
      neap__task_spawn(L, neap__task_current(L), drive_entry, EVENTS);
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  opts.max_steps = max_steps;
  opts.data = task;
  opts.seed = (uintptr_t)task ^ neap_now(task->host->engine);
  int status = neap_run_new(flow, node, &opts, &task->run);
  if (status < 0) {
    neap__task_cancel(task, NEAP_ECANCELED, 0);
    luaL_error(L, "%s", neap_status_text(status));
  }
  return task;
}

void neap__drive_leave(lua_State *L, neap__task *task) {
  const neap_step *step = neap_run_step(task->run);
  neap_place place;
  neap_run_place(task->run, &place);
  bool ended = step->what == NEAP_DO_END;
  if (!ended || lua_getiuservalue(L, 1, NEAP__TASK_ORIGIN) != LUA_TTABLE) {
    lua_createtable(L, 0, 4);
    luaL_traceback(L, task->L, NULL, 0);
    lua_setfield(L, -2, "traceback");
  }
  int origin = lua_absindex(L, -1);
  if (lua_getfield(L, origin, "node") == LUA_TNIL) {
    push_path(L, task->run, place.depth);
    lua_setfield(L, origin, "node");
    lua_pushstring(L, neap_phase_name(place.phase));
    lua_setfield(L, origin, "phase");
    lua_pushinteger(L, (lua_Integer)place.attempt + 1);
    lua_setfield(L, origin, "attempt");
  }
  lua_pushvalue(L, origin);
  lua_setiuservalue(L, 1, NEAP__TASK_ORIGIN);
  if (task->internal)
    return;
  lua_getfield(L, LUA_REGISTRYINDEX, NEAP__ERROR_WRAP);
  lua_getiuservalue(L, 1, NEAP__TASK_RESULT);
  lua_pushvalue(L, origin);
  lua_call(L, 2, 1);
  lua_setiuservalue(L, 1, NEAP__TASK_RESULT);
}
