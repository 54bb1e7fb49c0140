/* Waiting: how a C function of the binding suspends its coroutine.
 * SPDX-License-Identifier: MIT */
#include "wait.h"

#include <lauxlib.h>

#include "base/units.h"
#include "coroutine.h"
#include "deadlock.h"
#include "error.h"
#include "obstacle.h"
#include "protect.h"
#include "task.h"
#include "task_error.h"

neap_engine *neapL_engine(lua_State *L) {
  return neapL_host_of(L)->engine;
}

uint64_t neapL_deadline(neap_engine *engine, double seconds) {
  if (!(seconds > 0))
    return 0;
  return neap__time_after(neap_now(engine), neap__ns_of_seconds(seconds));
}

/* Ends a task that waits again after it got its cancellation: raises an error
 * that pcall passes on. */
static void end_task(lua_State *L, neapL_task *task) {
  task->killed = true;
  if (++task->kills > 2 * NEAPL_PATIENCE)
    neapL_coroutine_suspend(L, 0, NULL); /* `wake` ends the task */
  neapL_task_push_end(L, task);
  neapL_protect_let_pass(L);
  lua_error(L);
}

/* Raises where nothing can wait. Returns whether the running coroutine can be
 * suspended. Where it cannot, a cancelled task gets its cancellation instead.
 */
static inline bool check(lua_State *L, const neapL_host *host,
                         const char *what) {
  const neapL_task *task = host->current;
  if (host->telling)
    neapL_error_raise(L, "unyieldable",
                      "%s cannot wait here: on_event must not wait; spawn a "
                      "task that does",
                      what);
  if (!task) {
    if (host->outside)
      neapL_error_raise(L, "unyieldable",
                        "%s cannot wait here: it is called from %s; spawn a "
                        "task that does",
                        what, host->outside);
    if (neap_op_active(&host->root->op))
      neapL_error_raise(L, "unyieldable", "a finalizer cannot wait");
    return true;
  }
  if (neap_op_active(&task->op))
    neapL_error_raise(L, "resumed", "the task is already waiting for %s",
                      task->what);
  if (task->atomic)
    neapL_error_raise(L, "atomic", "%s would wait inside %s, which is atomic",
                      what, task->atomic);
  return lua_isyieldable(L) && host->can_yield;
}

/* Raises the error that names what keeps the coroutine from being suspended. */
static void refuse(lua_State *L, const neapL_host *host, const char *what) {
  lua_State *blocked = host->can_yield ? L : host->blocked;
  neapL_obstacle_push(L, blocked, blocked == L);
  neapL_error_raise(L, "unyieldable",
                    "%s cannot wait here: it is called from %s, which cannot "
                    "be suspended",
                    what, lua_tostring(L, -1));
}

/* Begins a wait of the current task, or of the root. Returns its operation. */
static neap_op *begin(neapL_host *host, const char *what) {
  neapL_task *task = host->current ? host->current : host->root;
  task->what = what;
  task->since = neap_tick(host->engine);
  return &task->op;
}

neap_op *neapL_wait_begin(lua_State *L, const char *what) {
  neapL_host *host = neapL_host_of(L);
  bool can_yield = check(L, host, what);
  neapL_task *task = host->current;
  if (task && task->cancel_status != 0 && (!task->told || !can_yield)) {
    task->what = what;
    /* Code that cannot be suspended may swallow the error. So there it does not
     * count as the one time that the task gets its cancellation. */
    task->told = task->told || can_yield;
    neapL_task_push_end(L, task);
    lua_error(L);
  }
  if (!can_yield)
    refuse(L, host, what);
  if (task && task->cancel_status != 0) {
    task->what = what;
    end_task(L, task);
  }
  return begin(host, what);
}

neap_op *neapL_wait_shielded(lua_State *L, const char *what) {
  neapL_host *host = neapL_host_of(L);
  if (!check(L, host, what))
    refuse(L, host, what);
  return begin(host, what);
}

/* Drives the loop until the operation of the root has ended, by a deadlock if
 * nothing else can end it. To be called only where no task runs. [-0, +0, v] */
static void drive(lua_State *L, neapL_host *host) {
  neapL_task *root = host->root;
  lua_State *before = host->driver;
  host->driver = L;
  while (neap_op_active(&root->op)) {
    if (neapL_deadlock_is_here(host)) {
      if (root->stuck)
        break; /* what it waits for does not end either: leave it */
      neapL_deadlock_tell(root);
    }
    int status = neap_poll(host->engine, NEAP_FOREVER);
    if (status == NEAP_EFORK)
      break; /* a task has forked, and this is the child */
    if (status == NEAP_EBUSY) {
      /* A finalizer between two tasks: the loop is being driven already. */
      neapL_deadlock_refuse(root);
      break;
    }
  }
  host->driver = before;
  if (neap_op_active(&root->op)) {
    neapL_task_give_up(root);
    neap_op_forget(&root->op);
  }
}

/* Suspends the current task until it is woken. */
static int suspend(lua_State *L, neapL_host *host, lua_KContext context,
                   lua_KFunction k) {
  if (!host->current) {
    drive(L, host);
    return k(L, LUA_OK, context);
  }
  host->current->waiting = true;
  return neapL_coroutine_suspend(L, context, k);
}

int neapL_wait_again(lua_State *L, lua_KFunction k) {
  return suspend(L, neapL_host_of(L), 0, k);
}

/* The same for an operation that has just been started. */
static int suspend_first(lua_State *L, neapL_host *host, lua_KContext context,
                         lua_KFunction k) {
  neapL_task *task = host->current;
  if (task)
    /* An observer may do anything but wait: cancel the operation, end it, or
     * close its object. So it has been started by now. */
    neapL_task_tell(task, NEAP_EVENT_WAIT);
  if (task && task->cancel_status != 0 && !task->told)
    neapL_task_end_wait(task); /* it was cancelled before */
  return suspend(L, host, context, k);
}

int neapL_wait_started(lua_State *L, lua_KFunction k) {
  return suspend_first(L, neapL_host_of(L), 0, k);
}

static bool is_root(const neapL_task *task) {
  return task == task->host->root;
}

void neapL_wait_put(lua_State *L, const neapL_task *task, lua_State *co,
                    int index) {
  if (is_root(task)) {
    co = task->host->values;
    index = NEAPL_HOST_OFFER;
  }
  lua_xmove(L, co, 1);
  lua_replace(co, index);
}

void neapL_wait_take(lua_State *L, const neapL_task *task, lua_State *co,
                     int index) {
  if (is_root(task)) {
    co = task->host->values;
    index = NEAPL_HOST_OFFER;
  }
  lua_pushvalue(co, index);
  lua_xmove(co, L, 1);
  lua_pushnil(co);
  lua_replace(co, index);
}

bool neapL_wait_is_over(const neapL_task *task) {
  return task->stuck || (task->cancel_status != 0 && !task->told);
}

/* Ends the wait of the current task, and reports that to the observers. If the
 * wait ended before its operation did, raises why, unless `settles`.
 * [-0, +0, v] */
static neap_op *end(lua_State *L, bool settles, void (*discard)(lua_State *)) {
  neapL_task *task = neapL_task_current(L);
  /* Resumed by a coroutine.resume that was saved before neap was loaded. */
  bool early = neap_op_active(&task->op);
  bool over = !early && !settles && neapL_wait_is_over(task);
  bool stuck = over && task->stuck, cancelled = over && !stuck;
  if (early) {
    neapL_task_give_up(task);
    neap_op_forget(&task->op);
    task->waiting = false;
  }
  task->drop = NULL;
  task->joining = task->lasting = task->stuck = false;
  if (cancelled)
    task->told = true;
  if ((early || over) && discard)
    discard(L);
  neapL_task_tell(task, cancelled ? NEAP_EVENT_CANCEL : NEAP_EVENT_WAKE);
  if (early)
    neapL_error_raise(L, "resumed",
                      "%s was waiting when its coroutine was resumed by a "
                      "coroutine.resume older than neap; load neap first",
                      task->what);
  if (stuck)
    neapL_host_push(L, task->host, NEAPL_HOST_DEADLOCK);
  else if (cancelled)
    neapL_task_push_end(L, task);
  if (over)
    lua_error(L);
  return &task->op;
}

neap_op *neapL_wait_end(lua_State *L) {
  return end(L, false, NULL);
}

void neapL_wait_settle(lua_State *L) {
  end(L, true, NULL);
}

static int go_on(lua_State *L, const neap_op *op, const neapL_wait_then *then) {
  return then && then->finish ? then->finish(L, op) : 0;
}

/* The continuation of neapL_wait. */
static int woken(lua_State *L, int status, lua_KContext context) {
  (void)status; /* says whether the coroutine was suspended */
  const neapL_wait_then *then = (const neapL_wait_then *)context;
  return go_on(L, end(L, false, then ? then->discard : NULL), then);
}

int neapL_wait(lua_State *L, neap_op *op, int started,
               const neapL_wait_then *then) {
  const neapL_task *task = op->data;
  if (started == 0)
    return suspend_first(L, task->host, (lua_KContext)then, woken);
  op->status = started < 0 ? started : 0;
  op->detail = 0;
  return go_on(L, op, then);
}
