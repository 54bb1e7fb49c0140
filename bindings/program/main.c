/* The executable `neap`: Lua, neap and its commands in one program.
 * SPDX-License-Identifier: MIT
 *
 * Everything that is not the process itself (arguments, commands, reports) is
 * in lua/neap/cli. The command runs as a task, so that a script may wait
 * anywhere; when it ends, its tasks are cancelled like anyone's.
 */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flow/spawn.h"
#include "interpreter.h"
#include "modules.h"
#include "neap_lua.h"
#include "slow.h"
#include "task/check.h"
#include "task/deadlock.h"
#include "task/dump.h"
#include "task/error.h"
#include "task/task_life.h"
#include "task/wait.h"

/* What the handler of signals needs. Set before it is installed. */
static neapL_host *stopped_host;
static neapL_task *stopped_task;
static volatile sig_atomic_t stop_signal;
static volatile sig_atomic_t asked;
static volatile sig_atomic_t has_answer; /* the script has an on_interrupt */
static volatile sig_atomic_t lost;       /* maybe something that was printed */
static bool is_filter; /* whether SIGPIPE ends it, as it ends a filter */
static pthread_t main_thread;
static struct {
  lua_Hook hook;
  int mask, count;
} former; /* the hook that is to come back */

/* The key of the script's on_interrupt in the registry, by address. */
static const char answer_key;

/* Cancels a task and, below it, those that its cancellation would reach only
 * after they have run once more: they may compute without an end. However many
 * own each other, it takes no more stack, and no memory. */
static void cancel_all(neapL_task *root) {
  neapL_task *task = root;
  for (;;) {
    neapL_task_cancel(task, NEAP_ECANCELED);
    neap_link *link = task->children.next;
    while (link == &task->children) { /* behind the last of an owner's */
      if (task == root)
        return;
      link = task->sibling.next;
      task = task->parent;
    }
    task = NEAP__ITEM(link, neapL_task, sibling);
  }
}

/* Raises the cancellation in code that computes rather than waits. */
static void stop_computing(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  cancel_all(stopped_task);
  neapL_task *task = stopped_host->current;
  if (task) {
    cancel_all(task); /* which may be detached */
    task->told = true;
  }
  neapL_error_raise(L, "cancelled", "stopped by signal %d", (int)stop_signal);
}

/* Whether nobody wants to hear of a signal: neap does not, or whoever started
 * it, as nohup does. */
static bool is_ignored(int number) {
  struct sigaction action;
  return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static void release_signals(void) {
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
}

/* Has the coroutine that runs call `hook` soon, if one runs, and the loop look
 * what has come. */
static void interrupt(lua_Hook hook) {
  if (stopped_host->current && hook)
    lua_sethook(stopped_host->running, hook,
                LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
  neap_wake(stopped_host->engine);
}

/* The first signal cancels, unless the script answers it. It is the only one
 * that is caught: a second one ends the process, should the first not help.
 * But a second SIGHUP does nothing, for of a terminal that is closed its shell
 * and the kernel tell one each. Calls nothing but what may be called from a
 * signal handler; neap_wake and lua_sethook may. */
static void stop(int number) {
  bool is_to_be_answered = stop_signal == SIGINT && has_answer;
  if (stop_signal && !is_to_be_answered)
    return;
  int saved = errno;
  release_signals();
  stop_signal = number;
  interrupt(number == SIGINT && has_answer ? NULL : stop_computing);
  errno = saved;
}

/* Whether nobody reads any more what goes to this descriptor. */
static bool has_no_reader(int fd) {
  struct pollfd look = {.fd = fd, .events = POLLOUT};
  return poll(&look, 1, 0) == 1 && (look.revents & (POLLERR | POLLHUP)) != 0;
}

/* Stops, as SIGPIPE would have stopped a filter, if something was lost that was
 * printed. */
static void check_readers(void) {
  lost = 0;
  if ((ferror(stdout) && has_no_reader(STDOUT_FILENO)) ||
      (ferror(stderr) && has_no_reader(STDERR_FILENO)))
    stop(SIGPIPE);
}

static void check_readers_in_hook(lua_State *L, lua_Debug *ar) {
  lua_sethook(L, former.hook, former.mask, former.count);
  check_readers();
  if (stop_signal == SIGPIPE)
    stop_computing(L, ar);
}

/* SIGPIPE: something was written that nobody reads. If it was printed, the
 * error of its FILE tells soon; a connection is not the process. */
static void lose(int number) {
  (void)number;
  int saved = errno;
  if (!lost && !stop_signal && pthread_equal(pthread_self(), main_thread) &&
      (has_no_reader(STDOUT_FILENO) || has_no_reader(STDERR_FILENO))) {
    lost = 1;
    lua_State *L = stopped_host->running;
    if (stopped_host->current) {
      former.hook = lua_gethook(L);
      former.mask = lua_gethookmask(L);
      former.count = lua_gethookcount(L);
    }
    interrupt(check_readers_in_hook);
  }
  errno = saved;
}

/* SIGUSR1 asks who waits for what. */
static void ask(int number) {
  (void)number;
  int saved = errno;
  asked = 1;
  neap_wake(stopped_host->engine);
  errno = saved;
}

/* Has signals cancel `task`. A system call that blocks, such as that of
 * io.read, is interrupted rather than begun again. */
static void catch_signals(neapL_host *host, neapL_task *task) {
  stopped_host = host;
  stopped_task = task;
  main_thread = pthread_self();
  struct sigaction action = {.sa_handler = stop};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  if (!is_ignored(SIGHUP))
    sigaction(SIGHUP, &action, NULL);
  struct sigaction loss = {.sa_handler = lose, .sa_flags = SA_RESTART};
  sigemptyset(&loss.sa_mask);
  if (is_filter)
    sigaction(SIGPIPE, &loss, NULL);
  struct sigaction question = {.sa_handler = ask, .sa_flags = SA_RESTART};
  sigemptyset(&question.sa_mask);
  sigaction(SIGUSR1, &question, NULL);
}

/* on_interrupt(f) -> what there was before */
static int on_interrupt(lua_State *L) {
  neapL_check_any(L, 1);
  if (!lua_isnil(L, 1))
    neapL_check_type(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &answer_key);
  lua_insert(L, 1);
  has_answer = !lua_isnil(L, 2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &answer_key);
  return 1;
}

/* Runs below lua_pcall: spawns the script's on_interrupt, as a task that
 * belongs to nobody. */
static int spawn_answer(lua_State *L) {
  neapL_host *host = neapL_host_of(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &answer_key);
  neapL_task *task = neapL_task_spawn(L, host->root, 0, NEAPL_TASK_ORIGIN);
  neapL_task_detach(task);
  return 1;
}

/* Has the script answer a SIGINT. False when it has not said how, or is at the
 * answer to the last one. The task is kept at the stack index `kept`. */
static bool answer_interrupt(lua_State *L, int kept) {
  neapL_task *last = lua_touserdata(L, kept);
  if (!has_answer || (last && !neapL_task_has_ended(last)))
    return false;
  lua_pushcfunction(L, spawn_answer);
  if (lua_pcall(L, 0, 1, 0) != LUA_OK) {
    lua_pop(L, 1);
    return false;
  }
  lua_replace(L, kept);
  return true;
}

/* Says on stderr who waits for what. [-0, +0, m] */
static void answer(neapL_host *host) {
  asked = 0;
  lua_State *L = host->driver;
  neapL_task_dump(L);
  fprintf(stderr, "%s", lua_tostring(L, -1));
  lua_pop(L, 1);
}

/* Runs the loop until the command has ended. A deadlock is raised where it
 * waits; false when that does not end it. */
static bool drive(lua_State *L, neapL_host *host, neapL_task *task) {
  bool cancelled = false;
  lua_pushnil(L); /* the answer to an interrupt */
  int kept = lua_gettop(L);
  while (!neapL_task_has_ended(task)) {
    if (asked)
      answer(host);
    if (lost)
      check_readers();
    if (stop_signal == SIGINT && !cancelled && answer_interrupt(L, kept)) {
      if (stop_signal == SIGINT) /* no other has come since */
        stop_signal = 0;
      catch_signals(host, task);
    } else if (stop_signal && !cancelled) {
      cancelled = true;
      cancel_all(task);
    } else if (neapL_deadlock_is_here(host)) {
      if (!task->waiting || task->stuck)
        return false;
      neapL_deadlock_tell(task);
    }
    neap_poll(host->engine, NEAP_FOREVER);
  }
  has_answer = 0;
  return true;
}

/* Cancels the tasks that belong to nobody, and those that their clean-ups
 * spawn, until none is left. */
static void end_detached(neapL_host *host) {
  host->root->cancel_status = NEAP_ECANCELED;
  for (;;) {
    cancel_all(host->root);
    if (host->root->live_children == 0 || neapL_deadlock_is_here(host))
      return;
    neap_poll(host->engine, NEAP_FOREVER);
  }
}

/* Says what is left when not even a cancellation has ended it. */
static void report_deadlock(lua_State *L) {
  neapL_task_dump(L);
  fprintf(stderr,
          "neap: deadlock: nothing is left that could wake anyone\n%s\n",
          lua_tostring(L, -1));
  lua_pop(L, 1);
}

/* Gives the field `traceback` of the value at `index`, pushed; NULL where there
 * is none. [-0, +(0|1), v] */
static const char *traceback_of(lua_State *L, int index) {
  if (!lua_istable(L, index))
    return NULL;
  lua_getfield(L, index, "traceback");
  return lua_tostring(L, -1);
}

/* Says on stderr what the command raised, and where. [-0, +*, v] */
static void report_error(lua_State *L, int task) {
  lua_getiuservalue(L, task, NEAPL_TASK_RESULT);
  int error = lua_gettop(L);
  fprintf(stderr, "neap: %s\n", luaL_tolstring(L, error, NULL));
  const char *trace = traceback_of(L, error);
  if (!trace) {
    lua_getiuservalue(L, task, NEAPL_TASK_ORIGIN);
    trace = traceback_of(L, lua_gettop(L));
  }
  if (trace)
    fprintf(stderr, "%s\n", trace);
}

/* The exit status that the command asks for by what it returned: a number, or
 * nothing for success. */
static int exit_status(lua_State *L, int task) {
  if (lua_getiuservalue(L, task, NEAPL_TASK_RESULT) == LUA_TTABLE)
    lua_rawgeti(L, -1, 1);
  return lua_isinteger(L, -1) ? (int)lua_tointeger(L, -1) : EXIT_SUCCESS;
}

/* Runs neap.cli's main with the arguments of the process, which are in the
 * table at index 1 and, as in lua, in the global `arg`. Returns the exit
 * status. */
static int run(lua_State *L) {
  neapL_host *host = neapL_host_of(L);
  lua_pushvalue(L, 1);
  lua_setglobal(L, "arg");
  int count = (int)luaL_len(L, 1);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "neap.cli");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "main");
  luaL_checkstack(L, count + LUA_MINSTACK, "too many arguments");
  for (int i = 1; i <= count; i++)
    lua_rawgeti(L, 1, i);
  neapL_task *task = neapL_spawn(L, count);
  int index = lua_gettop(L);
  host->script = task;
  catch_signals(host, task);
  bool well = drive(L, host, task);
  release_signals();
  signal(SIGPIPE, SIG_IGN);
  if (!stop_signal && !is_ignored(SIGHUP))
    signal(SIGHUP, SIG_DFL);
  if (task->state == NEAPL_TASK_FAILED && task->L)
    neapL_task_release(task); /* its error will have been heard */
  int status = EXIT_FAILURE;
  if (!well) {
    report_deadlock(L);
  } else if (stop_signal) {
    status = 128 + stop_signal; /* as shells have it */
  } else if (task->state == NEAPL_TASK_DONE) {
    status = exit_status(L, index);
  } else {
    report_error(L, index);
  }
  neap_uv_settle(host->engine);
  end_detached(host);
  lua_pushinteger(L, status);
  return 1;
}

/* Loads one of the modules that are part of the executable; upvalue 1 says
 * which. */
static int load_module(lua_State *L) {
  const struct neapL_lua_module *module =
      lua_touserdata(L, lua_upvalueindex(1));
  lua_pushfstring(L, "=%s", module->name);
  if (luaL_loadbufferx(L, module->code, module->size, lua_tostring(L, -1),
                       "b") != LUA_OK)
    return lua_error(L);
  lua_pushstring(L, module->name);
  lua_call(L, 1, 1);
  return 1;
}

/* The module neap.cli.has_lost_reader: a function that tells whether we are
 * stopped because nobody reads what we print. */
static int has_lost_reader(lua_State *L) {
  lua_pushboolean(L, stop_signal == SIGPIPE);
  return 1;
}

static int load_has_lost_reader(lua_State *L) {
  lua_pushcfunction(L, has_lost_reader);
  return 1;
}

/* The module neap.cli.watch_slow: the function of slow.h. */
static int load_watch_slow(lua_State *L) {
  lua_pushcfunction(L, neapL_slow);
  return 1;
}

static void preload(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, load_has_lost_reader);
  lua_setfield(L, -2, "neap.cli.has_lost_reader");
  lua_pushcfunction(L, load_watch_slow);
  lua_setfield(L, -2, "neap.cli.watch_slow");
  lua_pushcfunction(L, luaopen_neap_core);
  lua_setfield(L, -2, "neap.core");
  for (size_t i = 0; neapL_lua_modules[i].name; i++) {
    lua_pushlightuserdata(L, (void *)&neapL_lua_modules[i]);
    lua_pushcclosure(L, load_module, 1);
    lua_setfield(L, -2, neapL_lua_modules[i].name);
  }
  lua_pop(L, 1);
}

/* Everything that may raise. */
static int protected_main(lua_State *L) {
  luaL_openlibs(L);
  preload(L);
  luaL_requiref(L, "neap.core", luaopen_neap_core, 0);
  lua_pushcfunction(L, on_interrupt);
  lua_setfield(L, -2, "on_interrupt");
  lua_settop(L, 1);
  return run(L);
}

/* Has descriptors 0 to 2 refer to something, be it to nothing: a file or socket
 * that got one of their numbers would be written to by mistake. */
static void open_standard_streams(void) {
  int fd;
  do
    fd = open("/dev/null", O_PATH | O_CLOEXEC);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0)
    close(fd);
}

/* What print could not write has been lost without a word until here. */
static int check_output(int status) {
  bool well = fflush(stdout) == 0 && !ferror(stdout);
  if (well || status != EXIT_SUCCESS)
    return status;
  if (is_filter && has_no_reader(STDOUT_FILENO))
    return 128 + SIGPIPE;
  fprintf(stderr, "neap: standard output: %s\n", strerror(errno));
  return EXIT_FAILURE;
}

int main(int argc, char **argv) {
  open_standard_streams();
  is_filter = !is_ignored(SIGPIPE);
  neapL_pool pool = {0};
  lua_State *L = neapL_state_new(&pool);
  if (!L) {
    fputs("neap: not enough memory\n", stderr);
    return EXIT_FAILURE;
  }
  lua_pushcfunction(L, protected_main);
  lua_createtable(L, argc, 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i);
  }
  int status = EXIT_FAILURE;
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) {
    status = (int)lua_tointeger(L, -1);
  } else {
    const char *message = lua_tostring(L, -1);
    fprintf(stderr, "neap: %s\n", message ? message : "an error without text");
  }
  status = check_output(status);
  if (stop_signal) {
    /* All tasks have unwound. The thread pool may still be in a system call
     * that blocks, for which the end of the engine would wait. */
    neap_end_processes(stopped_host->engine);
    fflush(NULL);
    _exit(status);
  }
  lua_close(L);
  neapL_pool_free(&pool);
  return status;
}
