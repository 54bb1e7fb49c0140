/* The executable `neap`: Lua, neap and its commands in one program.
 * SPDX-License-Identifier: MIT
 *
 * This file is about the process. Arguments, commands and reports are in
 * lua/neap/cli. The command runs as a task, so that a script may wait anywhere.
 * When it ends, its children are cancelled, like those of any task.
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
#include <sys/resource.h>
#include <unistd.h>

#include "box.h"
#include "flow/spawn.h"
#include "interpreter.h"
#include "neap_lua.h"
#include "preload.h"
#include "slow.h"
#include "task/check.h"
#include "task/deadlock.h"
#include "task/dump.h"
#include "task/error.h"
#include "task/task_life.h"
#include "task/wait.h"

/* What the handlers of signals need. Set before they are installed. */
static neapL_host *stopped_host;
static neapL_task *stopped_task;
static volatile sig_atomic_t stop_signal;
static volatile sig_atomic_t dump_is_wanted;
static volatile sig_atomic_t has_on_interrupt; /* the script handles SIGINT */
static volatile sig_atomic_t lost; /* printed text may have been lost */
static bool is_filter;             /* SIGPIPE ends it, as it ends a filter */
static pthread_t main_thread;
static struct {
  lua_Hook hook;
  int mask, count;
} former; /* the hook to be restored */

/* The registry's key of the script's on_interrupt, by address. */
static const char on_interrupt_key;

/* Whether neap.shield protects a task: it, or a task that owns it. */
static bool is_shielded(const neapL_task *task) {
  while (task && !task->shielded)
    task = task->parent;
  return task != NULL;
}

/* Raises the cancellation in code that computes and does not wait. */
static void stop_computing(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  neapL_task_cancel_all(stopped_task);
  neapL_task *task = stopped_host->current;
  if (is_shielded(task))
    return;
  if (task) {
    neapL_task_cancel_all(task); /* it may be detached */
    task->told = true;
  }
  neapL_error_raise(L, "cancelled", "stopped by signal %d", (int)stop_signal);
}

/* True when a signal is ignored: by neap, or by the program that started it, as
 * nohup does. */
static bool is_ignored(int number) {
  struct sigaction action;
  return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static void release_signals(void) {
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
}

/* Makes the coroutine that runs call `hook` soon, if one runs, and makes the
 * loop check what has come. */
static void interrupt(lua_Hook hook) {
  if (stopped_host->current && hook)
    lua_sethook(stopped_host->running, hook,
                LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
  neap_wake(stopped_host->engine);
}

/* The first signal cancels the script, unless the script handles it. Only the
 * first is caught: a second one ends the process, in case the first has not
 * helped. But a second SIGHUP does nothing: when a terminal is closed, its
 * shell and the kernel send one each. This function calls only what may be
 * called in a signal handler, as neap_wake and lua_sethook may. */
static void stop(int number) {
  bool is_for_script = stop_signal == SIGINT && has_on_interrupt;
  if (stop_signal && !is_for_script)
    return;
  int saved = errno;
  release_signals();
  stop_signal = number;
  interrupt(number == SIGINT && has_on_interrupt ? NULL : stop_computing);
  errno = saved;
}

/* True when nothing reads any more what is written to this descriptor. */
static bool has_no_reader(int fd) {
  struct pollfd look = {.fd = fd, .events = POLLOUT};
  return poll(&look, 1, 0) == 1 && (look.revents & (POLLERR | POLLHUP)) != 0;
}

/* Stops the script, as SIGPIPE stops a filter, if printed text was lost. */
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

/* The handler of SIGPIPE: something was written that nothing reads. If it was
 * printed, the error of its FILE will tell so. A broken connection does not end
 * the process. */
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

/* The handler of SIGUSR1, which requests a dump of the tasks. */
static void want_dump(int number) {
  (void)number;
  int saved = errno;
  dump_is_wanted = 1;
  neap_wake(stopped_host->engine);
  errno = saved;
}

/* Makes signals cancel `task`. A system call that blocks, as that of io.read,
 * is interrupted and not restarted. */
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
  struct sigaction dump = {.sa_handler = want_dump, .sa_flags = SA_RESTART};
  sigemptyset(&dump.sa_mask);
  sigaction(SIGUSR1, &dump, NULL);
}

/* on_interrupt(f) -> the function that was set before */
static int on_interrupt(lua_State *L) {
  neapL_check_any(L, 1);
  if (!lua_isnil(L, 1))
    neapL_check_type(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &on_interrupt_key);
  lua_insert(L, 1);
  has_on_interrupt = !lua_isnil(L, 2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &on_interrupt_key);
  return 1;
}

/* Runs below lua_pcall: spawns the script's on_interrupt as a detached task. */
static int spawn_on_interrupt(lua_State *L) {
  neapL_host *host = neapL_host_of(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &on_interrupt_key);
  neapL_task *task = neapL_task_spawn(L, host->root, 0, NEAPL_TASK_ORIGIN);
  neapL_task_detach(task);
  return 1;
}

/* Lets the script handle a SIGINT. Returns false when it has no on_interrupt,
 * or still handles the last SIGINT. The task is kept at the stack index `kept`.
 */
static bool handle_interrupt(lua_State *L, int kept) {
  neapL_task *last = lua_touserdata(L, kept);
  if (!has_on_interrupt || (last && !neapL_task_has_ended(last)))
    return false;
  lua_pushcfunction(L, spawn_on_interrupt);
  if (lua_pcall(L, 0, 1, 0) != LUA_OK) {
    lua_pop(L, 1);
    return false;
  }
  lua_replace(L, kept);
  return true;
}

/* Prints on stderr which tasks wait, and for what. [-0, +0, m] */
static void print_dump(neapL_host *host) {
  dump_is_wanted = 0;
  lua_State *L = host->driver;
  neapL_task_dump(L);
  fprintf(stderr, "%s", lua_tostring(L, -1));
  lua_pop(L, 1);
}

/* Runs the loop until the command has ended. A deadlock is raised where the
 * command waits. Returns false when that does not end it. */
static bool drive(lua_State *L, neapL_host *host, neapL_task *task) {
  bool cancelled = false;
  lua_pushnil(L); /* the task of on_interrupt */
  int kept = lua_gettop(L);
  while (!neapL_task_has_ended(task)) {
    if (dump_is_wanted)
      print_dump(host);
    if (lost)
      check_readers();
    if (stop_signal == SIGINT && !cancelled && handle_interrupt(L, kept)) {
      if (stop_signal == SIGINT) /* no other signal has come since */
        stop_signal = 0;
      catch_signals(host, task);
    } else if (stop_signal && !cancelled) {
      cancelled = true;
      neapL_task_cancel_all(task);
    } else if (neapL_deadlock_is_here(host)) {
      if (!task->waiting || task->stuck)
        return false;
      neapL_deadlock_tell(task);
    }
    if (neap_poll(host->engine, NEAP_FOREVER) == NEAP_EFORK)
      return neapL_task_has_ended(task);
  }
  has_on_interrupt = 0;
  return true;
}

/* Cancels the detached tasks, and those that they spawn as they end, until none
 * is left. */
static void end_detached(neapL_host *host) {
  host->root->cancel_status = NEAP_ECANCELED;
  for (;;) {
    neapL_task_cancel_all(host->root);
    if (host->root->live_children == 0 || neapL_deadlock_is_here(host) ||
        neap_poll(host->engine, NEAP_FOREVER) == NEAP_EFORK)
      return;
  }
}

/* Says what is left when not even a cancellation has ended it. */
static void report_deadlock(lua_State *L) {
  neapL_task_dump(L);
  fprintf(stderr,
          "neap: deadlock: nothing is left that could wake a task\n%s\n",
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
  fprintf(stderr, "neap: %s\n", neapL_error_text(L, error));
  const char *trace = traceback_of(L, error);
  if (!trace) {
    lua_getiuservalue(L, task, NEAPL_TASK_ORIGIN);
    trace = traceback_of(L, lua_gettop(L));
  }
  if (trace)
    fprintf(stderr, "%s\n", trace);
}

/* Returns the exit status of the command, given what it returned: a number, or
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
    neapL_task_release(task); /* its error is reported below */
  int status = EXIT_FAILURE;
  if (!well && neapL_host_is_left(host)) {
    fprintf(stderr, "neap: a task has forked, and went on in the child, where "
                    "no task is driven\n");
  } else if (!well) {
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

/* The module neap.cli.has_lost_reader: a function that tells whether the script
 * is stopped because nothing reads what it prints. */
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

/* The module neap.cli.box: the function of box.h. */
static int load_box(lua_State *L) {
  neapL_box_open(L);
  lua_pushcfunction(L, neapL_box);
  return 1;
}

static void preload(lua_State *L) {
  neapL_preload(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, load_has_lost_reader);
  lua_setfield(L, -2, "neap.cli.has_lost_reader");
  lua_pushcfunction(L, load_watch_slow);
  lua_setfield(L, -2, "neap.cli.watch_slow");
  lua_pushcfunction(L, load_box);
  lua_setfield(L, -2, "neap.cli.box");
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

/* Opens the descriptors 0 to 2 that are closed. Otherwise a file or socket
 * could get one of these numbers, and would be written to by mistake. */
static void open_standard_streams(void) {
  int fd;
  do
    fd = open("/dev/null", O_PATH | O_CLOEXEC);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0)
    close(fd);
}

/* Lets the process have more files open than the 1024 that are usual: as many
 * as it may, and as are of use. The limit of which programs are the heirs stays
 * low enough for those that close all descriptors up to it. */
static void raise_files(void) {
  const rlim_t enough = 16384;
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= enough)
    return;
  files.rlim_cur = files.rlim_max < enough ? files.rlim_max : enough;
  setrlimit(RLIMIT_NOFILE, &files); /* where it fails, all stays as it was */
}

/* Reports an error of the standard output, which print has not reported. */
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
  raise_files();
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
    /* All tasks have unwound. A thread of the pool may still be in a system
     * call that blocks. Freeing the engine would wait for it. */
    neap_end_processes(stopped_host->engine);
    fflush(NULL);
    _exit(status);
  }
  lua_close(L);
  neapL_pool_free(&pool);
  return status;
}
