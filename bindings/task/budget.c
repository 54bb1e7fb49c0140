/* The budget of a slice, where it runs Lua: how a task is cut short.
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
 * The hook ends tasks as well: compute.c.
 *
 * A hook makes all code slower. Where the host has lent a signal, code that
 * runs for longer than ALARM_AFTER_NS is rid of it: an alarm is set for when
 * the hook has to look next, and its handler sets the hook again (alarm.c).
 */
#include "budget.h"

#include <stdatomic.h>
#include <time.h>

#include "alarm.h"
#include "compute.h"
#include "obstacle.h"
#include "protect.h"

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

/* How long a task has to run, and has to have left, before it is worth some
 * system calls to have no hook. */
#define ALARM_AFTER_NS UINT64_C(50000)

/* How much earlier the alarm is set than the hook has to look: it may come that
 * much late. */
#define ALARM_EARLY_NS UINT64_C(25000)

static uint64_t read_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
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
 * last of them have taken until now. Returns whether that is another number. */
static bool adapt(neapL_budget *budget, uint64_t now) {
  if (budget->last == 0 && now < budget->until)
    return false;
  int haste = budget->haste, slowest = 0;
  while (STRIDE >> slowest > 1)
    slowest++;
  /* Without a last call, the first ones took all of the budget. */
  uint64_t took = budget->last ? now - budget->last : STRIDE * STRIDE_NS;
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

/* Whether something has to be ended, so that each instruction counts. */
static bool is_ending(const neapL_host *host) {
  return host->to_end || (host->current && host->current->ending);
}

/* Whether the hook is needed: not for a cap of memory, until that is reached,
 * and not while an alarm is set. A hook that was there before would be in the
 * way of what the alarm does. */
static bool needs_hook(const neapL_host *host, const neapL_armed *armed) {
  const neapL_budget *budget = &host->budget;
  if (is_ending(host))
    return true;
  if (budget->until == NEAP_FOREVER)
    return false;
  return !budget->is_set || budget->is_due || armed->former;
}

/* Gives a coroutine the hook back that it had before. */
static void restore_hook(const neapL_armed *armed) {
  lua_sethook(armed->L, armed->former, armed->former_mask, armed->former_count);
}

/* ---- The alarm ----------------------------------------------------------- */

/* Called in the handler of a signal, as lua_sethook may be. A hook that code
 * has set meanwhile stays. */
static void ring(void *ud) {
  neapL_budget *budget = ud;
  const neapL_armed *armed = budget->top;
  budget->is_due = true;
  if (!armed)
    return;
  lua_Hook hook = lua_gethook(armed->L);
  if (!hook || hook == look)
    set_hook(armed, 0, 1);
}

int neapL_budget_lend(lua_State *L, neapL_host *host, int number) {
  return neapL_alarm_new(L, number, ring, &host->budget, &host->budget.alarm);
}

static void stop_alarm(neapL_budget *budget) {
  if (!budget->is_set)
    return;
  neapL_alarm_stop(budget->alarm);
  budget->is_set = false;
  budget->is_due = false;
  budget->last = budget->begun = 0;
}

/* Leaves it to the alarm to look next, if that is worth it. The alarm may ring
 * at any point of this. */
static void rely_on_alarm(neapL_host *host, neapL_armed *armed, uint64_t now) {
  neapL_budget *budget = &host->budget;
  if (!budget->alarm || armed->former || is_ending(host) ||
      now - budget->begun < ALARM_AFTER_NS)
    return;
  if (!budget->is_set && budget->look_at - now > ALARM_AFTER_NS) {
    budget->is_set =
        neapL_alarm_set(budget->alarm, budget->look_at - ALARM_EARLY_NS);
    budget->begun = now;
  }
  if (!budget->is_set)
    return;
  restore_hook(armed);
  if (budget->is_due)
    set_hook(armed, 0, 1);
}

/* ---- Coroutines under the budget ----------------------------------------- */

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
  atomic_signal_fence(memory_order_release);
  budget->top = armed;
  if (needs_hook(host, armed))
    set_hook(armed, 0, stride_of(host));
}

void neapL_budget_disarm(neapL_host *host, neapL_armed *armed) {
  if (!armed->L)
    return;
  neapL_budget *budget = &host->budget;
  budget->top = armed->outer;
  if (lua_gethook(armed->L) == look)
    restore_hook(armed);
  if (budget->is_due)
    ring(budget); /* it rang for this one */
}

static neapL_armed *find(const neapL_host *host, const lua_State *L) {
  neapL_armed *armed = host->budget.top;
  while (armed && armed->L != L)
    armed = armed->outer;
  return armed;
}

void neapL_budget_rearm(const neapL_host *host, lua_State *L) {
  const neapL_armed *armed = find(host, L);
  if (!armed)
    lua_sethook(L, NULL, 0, 0);
  else if (needs_hook(host, armed))
    set_hook(armed, 0, stride_of(host));
  else
    restore_hook(armed);
}

void neapL_budget_alarm(neapL_host *host) {
  neapL_armed *armed = host->budget.top;
  host->budget.look_at = 0;
  if (armed && armed->L == host->running)
    set_hook(armed, 0, 1);
}

/* Ends what runs if it has to end, and has the hook look soon in whatever
 * catches that. Lua calls the handler of an xpcall inside of the hook that
 * raises, where nothing can cut it short: there must be none. */
static void check(lua_State *L, neapL_host *host, uint64_t now) {
  if (!neapL_compute_has_to_end(L, host, now))
    return;
  host->budget.look_at = 0;
  for (neapL_armed *armed = host->budget.top; armed; armed = armed->outer) {
    neapL_protect_drop_handlers(L, armed->L);
    if (lua_gethook(armed->L) == look)
      set_hook(armed, 0, stride_of(host));
  }
  lua_error(L);
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
  bool has_rung = budget->is_due;
  if (has_rung)
    stop_alarm(budget);
  uint64_t now = read_clock();
  if (budget->begun == 0)
    budget->begun = now;
  if (ar->event == LUA_HOOKCOUNT && !has_rung && adapt(budget, now) &&
      budget->until > now)
    set_hook(armed, 0, stride_of(host));
  budget->last = now;
  if (now >= budget->look_at) {
    check(L, host, now);
    budget->look_at = neapL_compute_next_look(host);
  }
  if (now < budget->until) {
    rely_on_alarm(host, armed, now);
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
  uint64_t now = read_clock();
  if (now < budget->look_at)
    return false;
  check(L, host, now);
  if (now >= budget->until)
    return !is_fresh && can_cut(L, host);
  budget->look_at = neapL_compute_next_look(host);
  return false;
}

void neapL_budget_look(lua_State *L, const char *what) {
  const neapL_host *host = neapL_host_find(L);
  if (!host || host->budget.until == 0)
    return;
  neapL_budget_is_over(L);
  if (read_clock() >= host->budget.until)
    neap_note_overrun(host->engine, what);
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
  budget->last = budget->begun = 0;
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
    neapL_compute_count_rest(budget, task, read_clock());
  stop_alarm(budget);
  budget->until = 0;
}
