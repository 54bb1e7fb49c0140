/* The budget of a slice, where it runs Lua: how a task is cut short, and ended.
 * SPDX-License-Identifier: MIT
 *
 * While a budget is in force, the coroutines that run have a hook. It is called
 * after every STRIDE instructions, and looks at the clock. When the budget is
 * over, it suspends the coroutine. User's coroutines relay that, as they relay
 * a wait (coroutine.c), and `wake` in task_life.c gets it. What is suspended
 * then is the slice, not the task: the engine delivers nothing else until the
 * task waits or ends. So code between two waits stays atomic.
 *
 * Lua lets only the count event suspend, and nothing that a C function has
 * called without a continuation. There, the hook asks for the return event as
 * well. Once that comes where the coroutine can be suspended, the next
 * instruction suspends it.
 *
 * A task that computes for too long without a wait is ended by errors that the
 * hook raises: no pcall of ours catches them (protect.c), and whatever else
 * does gets the next one soon. Its <close> variables are called. They may
 * compute for a while, and wait where neap.shield lets them. The handlers of
 * each xpcall are removed first, since Lua calls them inside of the hook, where
 * no hook is.
 */
#include "budget.h"

#include <time.h>

#include "error.h"
#include "obstacle.h"
#include "protect.h"
#include "task_error.h"

/* The most instructions between two calls of the hook. */
#ifdef NEAP_PREEMPT_TEST
enum { STRIDE = 1 };
#else
enum { STRIDE = 100 };
#endif

/* Where functions in C take long, there are fewer: so many that they take less
 * than this together, as far as the last ones can tell. */
#define STRIDE_NS UINT64_C(20000)

/* After so many calls of the hook between which little time has passed, there
 * may be more instructions again: more than a loop has that is short. */
enum { CALM = 50 };

/* How exactly processor time is counted, unless the limit is small: asking for
 * it is a system call. */
#define GRAIN_NS UINT64_C(1000000)

/* How long a task may compute after it has been told to end: the first time,
 * and the second time, as shares of the limit. Then it may not any more. */
enum { FIRST_SHARE = 8, SECOND_SHARE = 64 };
#define MOST_GRACE_NS UINT64_C(50000000)

static uint64_t read_clock(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t smaller(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* ---- Hooks --------------------------------------------------------------- */

static void look(lua_State *L, lua_Debug *ar);

/* Sets our hook, for these events besides those that the former one wants. */
static void set_hook(const neapL_armed *armed, int mask, int count) {
  if ((armed->former_mask & LUA_MASKCOUNT) && armed->former_count < count)
    count = armed->former_count;
  lua_sethook(armed->L, look, armed->former_mask | mask | LUA_MASKCOUNT, count);
}

/* The number of instructions after which our hook is called. A task that has
 * been told to end often enough cannot do anything between two of them. */
static int stride_of(const neapL_host *host) {
  bool is_last = host->current && host->current->strikes > 2;
  return is_last ? 1 : STRIDE / (1 << host->budget.haste);
}

/* Sets how many instructions are to be between two calls of the hook, after the
 * last of them have taken so long. Returns whether that is another number. */
static bool adapt(neapL_budget *budget, uint64_t took) {
  int haste = budget->haste, slowest = 0;
  while (STRIDE >> slowest > 1)
    slowest++;
  while (haste < slowest && took > STRIDE_NS) {
    haste++;
    took /= 2;
  }
  budget->calm = took < STRIDE_NS / 8 ? budget->calm + 1 : 0;
  if (haste > 0 && budget->calm > CALM) {
    haste--;
    budget->calm = 0;
  }
  bool changes = haste != budget->haste;
  budget->haste = haste;
  return changes;
}

/* Calls the hook that was there before, if it wants the event. Returns whether
 * ours is still set, and the coroutine still runs. */
static bool call_former(neapL_armed *armed, lua_Debug *ar) {
  lua_State *L = armed->L;
  bool is_wanted;
  if (ar->event == LUA_HOOKCOUNT) {
    is_wanted = (armed->former_mask & LUA_MASKCOUNT) &&
                (armed->left -= lua_gethookcount(L)) <= 0;
    if (is_wanted)
      armed->left = armed->former_count;
  } else {
    int event = ar->event == LUA_HOOKTAILCALL ? LUA_HOOKCALL : ar->event;
    is_wanted = armed->former_mask & (1 << event);
  }
  if (!is_wanted)
    return true;
  armed->former(L, ar);
  return lua_gethook(L) == look && lua_status(L) == LUA_OK;
}

/* Whether the hook is needed: not for a cap of memory, until that is reached.
 */
static bool needs_hook(const neapL_host *host) {
  return host->budget.until != NEAP_FOREVER || host->to_end ||
         (host->current && host->current->ending);
}

void neapL_budget_arm(neapL_host *host, neapL_armed *armed, lua_State *L) {
  neapL_budget *budget = &host->budget;
  armed->L = NULL;
  if (budget->until == 0)
    return;
  *armed = (neapL_armed){.outer = budget->top, .L = L};
  lua_Hook hook = lua_gethook(L);
  if (hook == look) {
    /* It was made while its creator had our hook, which it inherits; so it does
     * the one that its creator had before. */
    if (budget->top && lua_status(L) == LUA_OK) {
      armed->former = budget->top->former;
      armed->former_mask = budget->top->former_mask;
      armed->former_count = budget->top->former_count;
    }
  } else if (hook) {
    armed->former = hook;
    armed->former_mask = lua_gethookmask(L);
    armed->former_count = lua_gethookcount(L);
  }
  armed->left = armed->former_count;
  budget->top = armed;
  if (needs_hook(host))
    set_hook(armed, 0, stride_of(host));
}

void neapL_budget_disarm(neapL_host *host, neapL_armed *armed) {
  if (!armed->L)
    return;
  neapL_budget *budget = &host->budget;
  budget->top = armed->outer;
  if (lua_gethook(armed->L) == look)
    lua_sethook(armed->L, armed->former, armed->former_mask,
                armed->former_count);
}

static neapL_armed *find(const neapL_host *host, const lua_State *L) {
  neapL_armed *armed = host->budget.top;
  while (armed && armed->L != L)
    armed = armed->outer;
  return armed;
}

void neapL_budget_rearm(const neapL_host *host, lua_State *L) {
  const neapL_armed *armed = find(host, L);
  if (armed && needs_hook(host))
    set_hook(armed, 0, stride_of(host));
  else
    lua_sethook(L, NULL, 0, 0);
}

void neapL_budget_alarm(neapL_host *host) {
  neapL_armed *armed = host->budget.top;
  host->budget.look_at = 0;
  if (armed && armed->L == host->running)
    set_hook(armed, 0, 1);
}

/* ---- Processor time ------------------------------------------------------ */

static uint64_t grain_of(const neapL_budget *budget) {
  return smaller(GRAIN_NS, budget->limit / 8 + 1);
}

/* How long a task may compute without a wait. */
static uint64_t allowance_of(const neapL_budget *budget,
                             const neapL_task *task) {
  uint64_t limit = task->allowance ? task->allowance : budget->limit;
  if (task->strikes > 0)
    limit = smaller(limit, MOST_GRACE_NS);
  switch (task->strikes) {
  case 0:
    return limit;
  case 1:
    return limit / FIRST_SHARE;
  case 2:
    return limit / SECOND_SHARE;
  default:
    return 0;
  }
}

/* Counts what the task has computed since the last look that counted. */
static void count(neapL_budget *budget, neapL_task *task, uint64_t now) {
  uint64_t grain = grain_of(budget);
  if (budget->seen == 0) {
    budget->seen = now;
  } else if (now - budget->seen >= grain) {
    uint64_t used = read_clock(CLOCK_THREAD_CPUTIME_ID);
    task->computed += budget->used ? used - budget->used : grain;
    budget->used = used;
    budget->seen = now;
  }
}

/* Counts the rest, when the task is suspended. */
static void count_rest(neapL_budget *budget, neapL_task *task) {
  uint64_t now = read_clock(CLOCK_MONOTONIC);
  if (budget->used)
    task->computed += read_clock(CLOCK_THREAD_CPUTIME_ID) - budget->used;
  else if (budget->seen)
    task->computed += smaller(now - budget->seen, grain_of(budget));
}

/* When the hook has to do more than to look at the clock. */
static uint64_t next_look(const neapL_budget *budget, const neapL_task *task) {
  if (budget->limit == NEAP_FOREVER && !(task && task->ending))
    return budget->until;
  if (!task)
    return smaller(budget->until,
                   budget->outside + budget->limit / FIRST_SHARE);
  uint64_t allowance = allowance_of(budget, task);
  uint64_t left = allowance > task->computed ? allowance - task->computed : 0;
  if (left < grain_of(budget) || !budget->used)
    left = grain_of(budget);
  return smaller(budget->until, budget->seen + left);
}

/* ---- Ending a task ------------------------------------------------------- */

/* Lua calls the handler of an xpcall inside of the hook that raises, where
 * nothing can cut it short: there must be none. */
static void drop_handlers(lua_State *L, const neapL_host *host) {
  for (neapL_armed *armed = host->budget.top; armed; armed = armed->outer)
    neapL_protect_drop_handlers(L, armed->L);
}

/* Raises the cancellation of a task that computes. */
static void interrupt(lua_State *L, neapL_host *host, neapL_task *task) {
  host->budget.interrupts = false;
  task->told = true;
  task->what = "its slice";
  drop_handlers(L, host);
  neapL_task_push_end(L, task);
  lua_error(L);
}

/* Raises the error that ends the task, in the coroutine that runs. */
static void strike(lua_State *L, neapL_host *host, neapL_task *task,
                   neapL_ending ending) {
  if (task->strikes < UINT8_MAX)
    task->strikes++;
  task->computed = 0;
  if (!task->ending) {
    task->noted = 0; /* its error is this one now */
    neapL_task_end(task, ending);
  }
  drop_handlers(L, host);
  for (neapL_armed *armed = host->budget.top; armed; armed = armed->outer)
    if (lua_gethook(armed->L) == look)
      set_hook(armed, 0, stride_of(host));
  host->budget.look_at = 0;
  neapL_task_push_end(L, task);
  lua_error(L);
}

/* Ends code of the user's that is called while no task runs: a __tostring, an
 * on_event that is told of the end of a task. */
static void check_outside(lua_State *L, neapL_host *host, uint64_t now) {
  neapL_budget *budget = &host->budget;
  if (budget->limit == NEAP_FOREVER)
    return;
  if (budget->outside == 0)
    budget->outside = now;
  if (now - budget->outside < budget->limit / FIRST_SHARE)
    return;
  drop_handlers(L, host);
  neapL_error_raise(L, "compute", "%s has computed for too long",
                    host->outside ? host->outside : "on_event");
}

/* Ends the task if it has been cancelled, or has computed for too long. */
static void check_task(lua_State *L, neapL_host *host, uint64_t now) {
  neapL_budget *budget = &host->budget;
  neapL_task *task = host->current;
  if (!task) {
    check_outside(L, host, now);
    return;
  }
  if (budget->interrupts && !host->telling)
    interrupt(L, host, task);
  if (host->to_end && host->to_end == neapL_task_whole(task)) {
    host->to_end = NULL;
    if (!task->ending)
      strike(L, host, task, NEAPL_ENDING_MEMORY);
  }
  if (budget->until == NEAP_FOREVER && !task->ending)
    return; /* no time is limited */
  if (budget->limit == NEAP_FOREVER && !task->ending)
    return;
  count(budget, task, now);
  if (task->computed >= allowance_of(budget, task))
    strike(L, host, task, NEAPL_ENDING_COMPUTE);
}

/* ---- Cutting a slice short ----------------------------------------------- */

/* Runs below lua_pcall: keeps the name of what is in the way. */
static int name_obstacle(lua_State *L) {
  lua_State *blocked = lua_touserdata(L, 1);
  neapL_host *host = neapL_host_of(L);
  if (host->telling)
    lua_pushliteral(L, "on_event");
  else
    neapL_obstacle_push(L, blocked, blocked == L);
  lua_pushvalue(L, -1);
  lua_xmove(L, host->values, 1);
  lua_replace(host->values, NEAPL_HOST_OBSTACLE);
  neap_note_overrun(host->engine, lua_tostring(L, -1));
  return 0;
}

/* The budget is over where the coroutine cannot be suspended. */
static void note_obstacle(lua_State *L, neapL_host *host) {
  if (host->budget.is_blocked)
    return;
  host->budget.is_blocked = true;
  bool here = host->can_yield || !host->blocked;
  if (!lua_checkstack(L, 2))
    return;
  lua_pushcfunction(L, name_obstacle);
  lua_pushlightuserdata(L, here ? L : host->blocked);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK)
    lua_pop(L, 1); /* no memory: no name */
}

/* Whether the task can be suspended in this coroutine: all that have resumed it
 * relay that. */
static bool can_cut(lua_State *L, const neapL_host *host) {
  return host->current && host->can_yield && !host->telling &&
         host->running == L && host->budget.top->L == L && lua_isyieldable(L);
}

/* The hook. Lua calls it with hooks off. */
static void look(lua_State *L, lua_Debug *ar) {
  neapL_host *host = neapL_host_find(L);
  neapL_armed *armed = host ? find(host, L) : NULL;
  if (!armed) {
    lua_sethook(L, NULL, 0, 0); /* inherited */
    return;
  }
  if (armed->former && !call_former(armed, ar))
    return;
  neapL_budget *budget = &host->budget;
  uint64_t now = read_clock(CLOCK_MONOTONIC);
  if (ar->event == LUA_HOOKCOUNT && budget->last != 0 &&
      adapt(budget, now - budget->last) && budget->until > now)
    set_hook(armed, 0, stride_of(host));
  budget->last = now;
  if (now < budget->look_at)
    return;
  check_task(L, host, now);
  if (now < budget->until) {
    budget->look_at = next_look(budget, host->current);
  } else if (!can_cut(L, host)) {
    note_obstacle(L, host);
    if (!(lua_gethookmask(L) & LUA_MASKRET))
      set_hook(armed, LUA_MASKRET, STRIDE);
  } else if (ar->event != LUA_HOOKCOUNT) {
    set_hook(armed, 0, 1);
  } else {
    budget->is_cut = true;
    budget->bare = L;
    lua_yield(L, 0);
  }
}

bool neapL_budget_is_over(lua_State *L) {
  neapL_host *host = neapL_host_of(L);
  neapL_budget *budget = &host->budget;
  bool is_fresh = budget->is_fresh;
  if (budget->until == 0)
    return false;
  budget->is_fresh = false;
  uint64_t now = read_clock(CLOCK_MONOTONIC);
  if (now < budget->look_at)
    return false;
  check_task(L, host, now);
  if (now >= budget->until)
    return !is_fresh && can_cut(L, host);
  budget->look_at = next_look(budget, host->current);
  return false;
}

/* ---- Resuming ------------------------------------------------------------ */

int neapL_budget_resume_armed(neapL_host *host, lua_State *co, lua_State *from,
                              int count, int *results) {
  neapL_armed armed;
  neapL_budget_arm(host, &armed, co);
  int status = lua_resume(co, from, count, results);
  neapL_budget_disarm(host, &armed);
  return status;
}

void neapL_budget_begin(neapL_host *host, neapL_task *task, uint64_t until) {
  neapL_budget *budget = &host->budget;
  budget->until = until;
  budget->interrupts =
      task->is_cut && task->cancel_status != 0 && !task->told && !task->knows;
  budget->last = 0;
  budget->look_at = budget->seen = budget->used = budget->outside = 0;
  budget->is_cut = budget->is_blocked = false;
  budget->is_fresh = true;
  if (!task->is_cut)
    task->computed = 0;
  task->is_cut = false;
}

void neapL_budget_end(neapL_host *host, neapL_task *task) {
  neapL_budget *budget = &host->budget;
  if (budget->is_cut)
    count_rest(budget, task);
  budget->until = 0;
}
