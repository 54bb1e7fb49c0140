/* Warnings of nodes that compute for long without a wait.
 * SPDX-License-Identifier: MIT
 *
 * While a node computes, nothing else runs. To notice that costs nodes nothing.
 * A timer sends a signal ten times a second; it counts the processor time of
 * the thread, which a process that waits does not use. The handler of the
 * signal makes the coroutine that runs call `look` at its next instruction.
 * `look` writes COMPUTING to the field `since` of the task. Each wait writes a
 * time there, so the next call of `look` sees whether the task has waited.
 */
#include "slow.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "flow/events.h"
#include "flow/path.h"
#include "task/check.h"
#include "task/trace.h"

/* The value of `since` of a task that has not waited since the last look. */
#define COMPUTING NEAP_FOREVER

/* The most levels of nested flows that are told apart. Deeper ones count as the
 * last of them. */
enum { MAX_LEVELS = 16 };

/* A visit of the task that was seen last, and the processor time at which it
 * was first seen. A task without a run has one level, without a node. */
typedef struct level {
  const neap_node *node;
  uint64_t index; /* of an item */
  bool is_item;
  bool told; /* a warning of it has been given */
  double since;
} level;

static struct {
  neapL_host *host; /* NULL: no task is watched */
  pthread_t thread;
  timer_t timer;
  double limit; /* seconds */
  const neapL_task *task;
  uint64_t steps; /* of its run */
  uint32_t count; /* of levels */
  level levels[MAX_LEVELS];
} watch;

/* What a warning is about. */
typedef struct finding {
  neapL_task *task;
  lua_State *running; /* its coroutine, or the user's one that it has resumed */
  uint32_t depth;
  double seconds;
} finding;

/* The registry's key of the table of paths for which a warning has been given,
 * by address. */
static const char told_key;

static double processor_time(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static level level_of(const neapL_task *task, uint32_t depth, double now) {
  level seen = {.since = now};
  if (task->run)
    seen.node = neap_run_node_at(task->run, depth, &seen.is_item, &seen.index);
  return seen;
}

static bool is_same(const level *a, const level *b) {
  return a->node == b->node && a->is_item == b->is_item && a->index == b->index;
}

/* Restarts the count of the levels up to `depth`. */
static void restart(uint32_t depth, double now) {
  for (uint32_t d = 0; d <= depth; d++)
    watch.levels[d].since = now;
}

/* Notes where a task is. A visit that was seen before goes on, and so do those
 * around it, unless the task has waited since. If the run has taken steps, the
 * visit on top is another one. The time of a visit for which a warning has been
 * given does not count for those around it. */
static void note(neapL_task *task, double now) {
  bool goes_on = watch.task == task && task->since == COMPUTING;
  watch.task = task;
  task->since = COMPUTING;
  neap_place place = {0};
  uint64_t steps = 0;
  if (task->run) {
    neap_run_place(task->run, &place);
    steps = neap_run_steps(task->run);
  }
  for (uint32_t d = 0; d < watch.count; d++)
    if (watch.levels[d].told)
      restart(d, now);
  uint32_t top = place.depth < MAX_LEVELS ? place.depth : MAX_LEVELS - 1;
  for (uint32_t d = 0; d <= top; d++) {
    level seen = level_of(task, d, now);
    goes_on = goes_on && d < watch.count && is_same(&watch.levels[d], &seen) &&
              (d < top || steps == watch.steps);
    if (!goes_on)
      watch.levels[d] = seen;
  }
  watch.count = top + 1;
  watch.steps = steps;
}

/* Finds the innermost visit that has lasted too long. Returns false when there
 * is none, and when a visit inside it has lasted for half as long: that one is
 * likely to blame, and will be found soon. */
static bool find(double now, finding *out) {
  for (uint32_t d = watch.count; d-- > 0;) {
    double seconds = now - watch.levels[d].since;
    if (seconds < watch.limit / 2)
      continue;
    if (seconds < watch.limit)
      return false;
    out->depth = d;
    out->seconds = seconds;
    watch.levels[d].told = true;
    restart(d, now);
    return true;
  }
  return false;
}

/* Pushes the path on top without the numbers of items. [-0, +1, m] */
static void push_key(lua_State *L) {
  luaL_Buffer buffer;
  const char *at = lua_tostring(L, -1);
  luaL_buffinit(L, &buffer);
  while (*at) {
    size_t digits = *at == '[' ? strspn(at + 1, "0123456789") : 0;
    if (digits > 0 && at[digits + 1] == ']')
      at += digits + 2;
    else
      luaL_addchar(&buffer, *at++);
  }
  luaL_pushresult(&buffer);
}

/* Returns whether a warning has been given for the path on top, and notes that
 * it has been given now. [-0, +0, m] */
static bool is_told(lua_State *L) {
  int top = lua_gettop(L);
  push_key(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &told_key);
  lua_pushvalue(L, -2);
  bool told = lua_rawget(L, -2) != LUA_TNIL;
  lua_pushvalue(L, -3);
  lua_pushboolean(L, true);
  lua_rawset(L, -4);
  lua_settop(L, top);
  return told;
}

/* Pushes what computes, "order > Charge (exec)", and returns true. Returns
 * false when a warning of that has been given, or when it is the script and no
 * other task waits. A function counts as the node that has spawned it: *task
 * and *depth become those of the node. [-0, +(0|1), m] */
static bool push_subject(lua_State *L, neapL_task **task, uint32_t *depth) {
  bool is_visit = (*task)->run;
  while (!(*task)->run && (*task)->parent)
    *task = (*task)->parent;
  if (!(*task)->run) {
    lua_pushliteral(L, "the script");
    return (*task)->host->live > 1 && !is_told(L);
  }
  neap_place place;
  neap_run_place((*task)->run, &place);
  if (!is_visit || *depth > place.depth)
    *depth = place.depth;
  neapL_path_push(L, (*task)->run, *depth);
  if (is_told(L))
    return false;
  neap_phase phase = *depth < place.depth ? NEAP_EXEC : place.phase;
  lua_pushfstring(L, "%s (%s)", lua_tostring(L, -1), neap_phase_name(phase));
  lua_replace(L, -2);
  return true;
}

/* Runs below lua_pcall: warns of the finding at 1. */
static int warn(lua_State *L) {
  const finding *found = lua_touserdata(L, 1);
  neapL_task *task = found->task;
  uint32_t depth = found->depth;
  if (!push_subject(L, &task, &depth))
    return 0;
  if (neapL_trace_place(L, found->running) ||
      neapL_trace_place(L, found->task->L))
    lua_pushfstring(L, ", at %s", lua_tostring(L, -1));
  else
    lua_pushliteral(L, "");
  char seconds[32];
  snprintf(seconds, sizeof seconds, "%.3g", found->seconds);
  lua_pushfstring(L,
                  "neap: %s has computed for more than %s s without a wait%s; "
                  "meanwhile nothing else runs: call neap.sleep(0) now and "
                  "then, or leave the work to another program (neap.process)",
                  lua_tostring(L, 2), seconds, lua_tostring(L, -1));
  neapL_events_warning(L, task, depth);
  return 0;
}

/* The hook of a coroutine that ran when the signal of the timer came. */
static void look(lua_State *L, lua_Debug *ar) {
  (void)ar;
  if (lua_gethook(L) == look) /* else another signal has set its hook since */
    lua_sethook(L, NULL, 0, 0);
  neapL_host *host = watch.host;
  if (!host || !host->current || host->running != L)
    return;
  double now = processor_time();
  finding found = {.task = host->current, .running = L};
  note(found.task, now);
  if (!find(now, &found) || !lua_checkstack(L, 2))
    return;
  lua_pushcfunction(L, warn);
  lua_pushlightuserdata(L, &found);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK)
    lua_pop(L, 1); /* no memory: no warning */
}

/* The handler of the signal: makes the coroutine that runs call `look` soon,
 * unless it has another hook. Calls only what may be called in a signal
 * handler, as lua_sethook may. */
static void tick(int number) {
  (void)number;
  const neapL_host *host = watch.host;
  if (!host || !host->current || !pthread_equal(pthread_self(), watch.thread))
    return;
  lua_State *L = host->running; /* NULL: one is being closed */
  if (L && !lua_gethook(L))
    lua_sethook(L, look,
                LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

/* The Lua state is being closed. */
static int stop(lua_State *L) {
  (void)L;
  watch.host = NULL;
  timer_delete(watch.timer);
  return 0;
}

/* Starts the timer. It ticks often enough to notice soon what lasts too long,
 * but at most ten times a second for a limit of a second or more. Other signals
 * are blocked in the handler, since they set hooks, too. */
static bool start(void) {
  struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
  sigfillset(&action.sa_mask);
  if (sigaction(SIGVTALRM, &action, NULL) != 0)
    return false;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                           .sigev_signo = SIGVTALRM};
  if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &watch.timer) != 0)
    return false;
  double seconds = watch.limit / 10;
  seconds = seconds > 0.1 ? 0.1 : seconds < 0.001 ? 0.001 : seconds;
  struct timespec interval = {.tv_nsec = (long)(seconds * 1e9)};
  struct itimerspec times = {.it_value = interval, .it_interval = interval};
  return timer_settime(watch.timer, 0, &times, NULL) == 0;
}

int neapL_slow(lua_State *L) {
  watch.limit = neapL_check_number(L, 1);
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &told_key);
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, stop);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &watch);
  watch.thread = pthread_self();
  if (start())
    watch.host = neapL_host_of(L);
  return 0;
}
