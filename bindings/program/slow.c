/* Warnings of nodes that compute for long without a wait.
 * SPDX-License-Identifier: MIT
 *
 * While a node computes, nothing else runs. Nobody who runs counts anything for
 * this: a timer by the processor time of the thread, which a process that waits
 * does not use up, sends a signal ten times a second, and its handler has the
 * coroutine that runs call `look` at its next instruction. A task is known to
 * have waited since the last look by its field `since`: each wait writes it, so
 * that what `look` has written there is gone.
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

/* What `since` of a task is that has not waited since the last look. */
#define COMPUTING NEAP_FOREVER

/* So many levels of nested flows are told apart; what is deeper counts as the
 * last of them. */
enum { MAX_LEVELS = 16 };

/* A visit of the task that was looked at last, and at what processor time it
 * was first seen. Without a run there is one level, without a node. */
typedef struct level {
  const neap_node *node;
  uint64_t index; /* of an item */
  bool is_item;
  bool told; /* it has been found to last too long */
  double since;
} level;

static struct {
  neapL_host *host; /* NULL: nobody is watched */
  pthread_t thread;
  timer_t timer;
  double limit; /* seconds */
  const neapL_task *task;
  uint64_t steps; /* of its run */
  uint32_t count; /* of levels */
  level levels[MAX_LEVELS];
} watch;

/* What is to be warned of. */
typedef struct finding {
  neapL_task *task;
  lua_State *running; /* its coroutine, or the user's inside it */
  uint32_t depth;
  double seconds;
} finding;

/* The table of the paths that have been warned of, in the registry by address.
 */
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

/* Begins to count anew up to the level `depth`. */
static void restart(uint32_t depth, double now) {
  for (uint32_t d = 0; d <= depth; d++)
    watch.levels[d].since = now;
}

/* Notes where a task is. A visit that was seen before goes on, and so do those
 * around it, unless the task has waited since. The visit on top is another one
 * when the run has made steps. What a visit computes that has been told of is
 * not counted for those around it. */
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

/* Gives the innermost visit that has lasted too long; false when none has. */
static bool find(double now, finding *out) {
  for (uint32_t d = watch.count; d-- > 0;) {
    double seconds = now - watch.levels[d].since;
    if (seconds < watch.limit)
      continue;
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

/* Whether the path on top has been warned of; from now on it has.
 * [-0, +0, m] */
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

/* Pushes who computes, "order > Charge (exec)", and returns true; false when
 * that has been told of, or is a script that holds nobody up. A function counts
 * as the node that has spawned it: *task and *depth become that node's.
 * [-0, +(0|1), m] */
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

/* The hook of a coroutine that ran when the timer's signal came. */
static void look(lua_State *L, lua_Debug *ar) {
  (void)ar;
  if (lua_gethook(L) == look) /* else another signal has come since */
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
    lua_pop(L, 1); /* memory was refused: nobody can be told */
}

/* Has the coroutine that runs call `look` soon, unless somebody else has a hook
 * in it. Calls nothing but what may be called from a signal handler;
 * lua_sethook may. */
static void tick(int number) {
  (void)number;
  const neapL_host *host = watch.host;
  if (!host || !host->current || !pthread_equal(pthread_self(), watch.thread))
    return;
  lua_State *L = host->running; /* NULL while what has failed is closed */
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

/* Makes the timer tick often enough to tell soon what has lasted too long, but
 * no more than ten times a second where that is a second. Other signals are
 * held back while it is handled, for they set hooks, too. */
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
