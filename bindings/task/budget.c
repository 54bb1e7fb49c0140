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
 */
#include "budget.h"

#include <time.h>

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
  uint64_t now = read_clock();
  if (ar->event == LUA_HOOKCOUNT && budget->last != 0 &&
      adapt(budget, now - budget->last) && budget->until > now)
    set_hook(armed, 0, stride_of(host));
  budget->last = now;
  if (now < budget->look_at)
    return;
  check(L, host, now);
  if (now < budget->until) {
    budget->look_at = neapL_compute_next_look(host);
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
    neapL_compute_count_rest(budget, task, read_clock());
  budget->until = 0;
}
