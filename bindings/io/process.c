/* Programs for Lua: the C functions for lua/neap/process.lua.
 * SPDX-License-Identifier: MIT */
#include "process.h"

#include <lauxlib.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/units.h"
#include "neap.h"
#include "stream.h"
#include "task/check.h"
#include "task/class.h"
#include "task/error.h"
#include "task/refusal.h"
#include "task/task.h"
#include "task/wait.h"

#define PROCESS_META "neap.process"

/* A handle, which is a userdata. While the program runs, the registry anchors
 * the handle by its address. Processes that the program has started may live
 * longer: until the handle is closed or collected, or its owner ends. */
typedef struct handle {
  neap_process *process; /* *owned*; NULL until it has been started */
  uint64_t grace_ns;
  neapL_belonging belonging; /* of the task that started it */
  neapL_host *host;
  neap_op over; /* ends with the program */
} handle;

/* The stack of spawn: the options, the handle, the streams; then temporary
 * values. */
enum { OPTS = 1, HANDLE, FIRST_STREAM, LAST_STREAM = FIRST_STREAM + 2 };

static const char *const stream_names[] = {"stdin", "stdout", "stderr"};

/* Pushes the option `name`. [-0, +1, m] */
static const char *push_text(lua_State *L, const char *name) {
  lua_getfield(L, OPTS, name);
  return lua_tostring(L, -1);
}

/* Pushes an option that is a list of strings as an array that ends with NULL.
 * Pushes nil and returns NULL when there is no list. The strings are valid as
 * long as the options. [-0, +1, v] */
static const char **push_list(lua_State *L, const char *name) {
  if (lua_getfield(L, OPTS, name) == LUA_TNIL)
    return NULL;
  neapL_check_type(L, -1, LUA_TTABLE);
  lua_Integer count = luaL_len(L, -1);
  const char **list =
      lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *list, 0);
  for (lua_Integer i = 0; i < count; i++) {
    lua_rawgeti(L, -2, i + 1);
    neapL_check_type(L, -1, LUA_TSTRING); /* the list keeps it */
    list[i] = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  list[count] = NULL;
  lua_remove(L, -2);
  return list;
}

/* Reads what the three standard descriptors of the program are. [-0, +2, v] */
static void read_stdio(lua_State *L, neap_process_opts *opts) {
  static const char *const kinds[] = {"pipe",   "inherit", "null", "file",
                                      "append", "stdout",  NULL};
  lua_getfield(L, OPTS, "stdio");
  lua_getfield(L, OPTS, "paths");
  for (int i = 0; i < 3; i++) {
    lua_rawgeti(L, -2, i + 1);
    opts->stdio[i] = (neap_stdio)neapL_check_option(L, -1, NULL, kinds);
    lua_pop(L, 1);
    lua_rawgeti(L, -1, i + 1);
    opts->paths[i] = lua_tostring(L, -1);
    lua_rawseti(L, -2, i + 1); /* keeps the string made of a number */
  }
}

/* Removes the handle from the registry, so that it can be collected. Needs no
 * memory. */
static void unanchor(handle *h) {
  lua_State *S = h->host->scratch;
  lua_pushnil(S);
  lua_rawsetp(S, LUA_REGISTRYINDEX, h);
}

/* `done`: the program has ended. The handle need not be kept for the processes
 * that the program has started. */
static void on_over(neap_op *op) {
  unanchor(op->data);
}

/* Ends a program; the engine does the rest. */
static void end(handle *h) {
  neapL_belonging_leave(&h->belonging);
  if (!h->process)
    return;
  neap_process_stop(h->process, h->grace_ns);
  if (neap_op_active(&h->over)) {
    neap_op_forget(&h->over);
    unanchor(h);
  }
}

/* The owner of a program has ended. */
static void end_with_owner(neapL_belonging *belonging) {
  end(NEAP__ITEM(belonging, handle, belonging));
}

/* Makes a program that has been started belong to the current task. */
static void hand_over(lua_State *L, handle *h) {
  h->host = neapL_host_of(L);
  h->belonging.end = end_with_owner;
  neapL_task_own(neapL_task_current(L), &h->belonging);
  neap_op_init(&h->over, on_over, h);
  neap_process_wait(h->process, &h->over);
}

/* Pushes the handle, and for each descriptor a stream if it is a pipe, else
 * false. [-0, +4, m] */
static handle *push_results(lua_State *L, const neap_process_opts *opts,
                            neap_stream **streams[3]) {
  handle *h = neapL_class_new(L, PROCESS_META, sizeof *h, 0);
  for (int i = 0; i < 3; i++) {
    streams[i] = NULL;
    if (opts->stdio[i] == NEAP_STDIO_PIPE) {
      lua_pushfstring(L, "%s of %s", stream_names[i], opts->argv[0]);
      streams[i] = neapL_stream_push(L, "process");
    } else {
      lua_pushboolean(L, false);
    }
  }
  return h;
}

/* Returns the results of spawn for a program that was not started. */
static int refuse(lua_State *L, int status,
                  const neap_process_failure *failure) {
  static const char *const parts[] = {"program", "cwd", "stdin", "stdout",
                                      "stderr"};
  char name[32], text[128];
  lua_pushnil(L);
  lua_pushstring(L, parts[failure->part]);
  if (status == NEAP_EPERM) {
    lua_pushstring(L, neapL_refusal_text(L, failure->detail));
    lua_pushnil(L);
    lua_pushliteral(L, NEAPL_DENIED);
    return 5;
  }
  if (status != NEAP_ESYS) {
    lua_pushstring(L, neap_status_text(status));
    return 3;
  }
  neap_sys_describe(failure->detail, name, sizeof name, text, sizeof text);
  lua_pushstring(L, text);
  lua_pushstring(L, name);
  return 4;
}

static int spawn(lua_State *L) {
  neapL_check_type(L, OPTS, LUA_TTABLE);
  lua_settop(L, OPTS);
  neap_process_opts opts = NEAP_PROCESS_OPTS_INIT;
  opts.argv = push_list(L, "argv");
  if (!opts.argv || !opts.argv[0])
    return neapL_check_fail(L, OPTS, "no program");
  opts.env = push_list(L, "env");
  opts.cwd = push_text(L, "cwd");
  read_stdio(L, &opts);
  lua_getfield(L, OPTS, "same_group");
  opts.same_group = lua_toboolean(L, -1);
  lua_getfield(L, OPTS, "grace");
  uint64_t grace = neap__ns_of_seconds(neapL_check_number(L, -1));
  neap_stream **boxes[3], *streams[3];
  int results = lua_gettop(L);
  handle *h = push_results(L, &opts, boxes);
  h->grace_ns = grace;
  lua_pushvalue(L, results + 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, h);
  neap_process_failure failure = {0};
  int status = neap_process_spawn(neapL_engine(L), &opts, &h->process, streams,
                                  &failure);
  if (status < 0) {
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, h);
    return refuse(L, status, &failure);
  }
  hand_over(L, h);
  for (int i = 0; i < 3; i++)
    if (boxes[i])
      *boxes[i] = streams[i];
  return lua_gettop(L) - results;
}

/* Returns the process of the handle at 1, until something runs Lua. [-0, +0, v]
 */
static neap_process *check_process(lua_State *L) {
  const handle *h = neapL_class_open(L, 1, PROCESS_META, NULL);
  return h->process;
}

/* The names of signals without SIG, by their numbers, which depend on the
 * processor. */
static const char *const signals[] = {
    [SIGHUP] = "HUP",       [SIGINT] = "INT",   [SIGQUIT] = "QUIT",
    [SIGILL] = "ILL",       [SIGTRAP] = "TRAP", [SIGABRT] = "ABRT",
    [SIGBUS] = "BUS",       [SIGFPE] = "FPE",   [SIGKILL] = "KILL",
    [SIGUSR1] = "USR1",     [SIGSEGV] = "SEGV", [SIGUSR2] = "USR2",
    [SIGPIPE] = "PIPE",     [SIGALRM] = "ALRM", [SIGTERM] = "TERM",
    [SIGCHLD] = "CHLD",     [SIGCONT] = "CONT", [SIGSTOP] = "STOP",
    [SIGTSTP] = "TSTP",     [SIGTTIN] = "TTIN", [SIGTTOU] = "TTOU",
    [SIGURG] = "URG",       [SIGXCPU] = "XCPU", [SIGXFSZ] = "XFSZ",
    [SIGVTALRM] = "VTALRM", [SIGPROF] = "PROF", [SIGWINCH] = "WINCH",
    [SIGPOLL] = "POLL",     [SIGPWR] = "PWR",   [SIGSYS] = "SYS",
#ifdef SIGSTKFLT
    [SIGSTKFLT] = "STKFLT",
#endif
};
enum { SIGNALS = sizeof signals / sizeof *signals };

/* Pushes the name of a signal. [-0, +1, m] */
static void push_signal(lua_State *L, int number) {
  const char *name = number < SIGNALS ? signals[number] : NULL;
  if (name)
    lua_pushfstring(L, "SIG%s", name);
  else
    lua_pushfstring(L, "signal %d", number);
}

static int waited(lua_State *L, const neap_op *op) {
  const neap_process *process = check_process(L);
  if (op->status < 0) {
    char text[128];
    neap_sys_describe(op->detail, NULL, 0, text, sizeof text);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushstring(L, text);
    return 3;
  }
  int code, signal;
  neap_process_result(process, &code, &signal);
  if (signal == 0) {
    lua_pushinteger(L, code);
    return 1;
  }
  lua_pushnil(L);
  push_signal(L, signal);
  return 2;
}

/* handle:wait() -> code, signal; or nil, nil, why neither is known */
static int wait(lua_State *L) {
  static const neapL_wait_then then = {.finish = waited};
  check_process(L);
  lua_settop(L, 1);
  neap_op *op = neapL_wait_begin(L, "the end of a process");
  neap_process_wait(check_process(L), op);
  return neapL_wait(L, op, 0, &then);
}

/* handle:kill(signal) -> whether there was a process to kill */
static int send_signal(lua_State *L) {
  int number = (int)neapL_check_integer(L, 2);
  int detail, status = neap_process_kill(check_process(L), number, &detail);
  if (status == NEAP_ESYS) {
    char text[128];
    neap_sys_describe(detail, NULL, 0, text, sizeof text);
    lua_pushnil(L);
    lua_pushstring(L, text);
    return 2;
  }
  lua_pushboolean(L, status == 0);
  return 1;
}

/* handle:stop() and __close */
static int stop(lua_State *L) {
  end(neapL_class_check(L, 1, PROCESS_META));
  return 0;
}

static int collect(lua_State *L) {
  stop(L);
  neap_process_free(neapL_class_take(L, 1, PROCESS_META));
  return 0;
}

/* handle:pid() */
static int pid(lua_State *L) {
  lua_pushinteger(L, neap_process_pid(check_process(L)));
  return 1;
}

/* signal(name) -> number or nil */
static int number_of_signal(lua_State *L) {
  const char *name = neapL_check_string(L, 1);
  if (strncmp(name, "SIG", 3) == 0)
    name += 3;
  for (int i = 1; i < SIGNALS; i++) {
    if (signals[i] && strcmp(signals[i], name) == 0) {
      lua_pushinteger(L, i);
      return 1;
    }
  }
  return 0;
}

/* environment() -> { name = value }, of those that may be seen */
static int environment(lua_State *L) {
  const neap_engine *engine = neapL_engine(L);
  lua_newtable(L);
  for (char **entry = environ; entry && *entry; entry++) {
    const char *value = strchr(*entry, '=');
    if (!value)
      continue;
    const char *name = lua_pushlstring(L, *entry, (size_t)(value - *entry));
    if (!neap_getenv(engine, name)) {
      lua_pop(L, 1);
      continue;
    }
    lua_pushstring(L, value + 1);
    lua_rawset(L, -3);
  }
  return 1;
}

int neapL_process_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"wait", wait},    {"kill", send_signal},
                                     {"stop", stop},    {"pid", pid},
                                     {"__gc", collect}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"spawn", spawn},
                                       {"signal", number_of_signal},
                                       {"environment", environment},
                                       {NULL, NULL}};
  neapL_class_define(L, PROCESS_META, methods, 0);
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
