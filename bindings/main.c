/* The executable `neap`: Lua, neap and its commands in one program.
 * SPDX-License-Identifier: MIT
 *
 * Everything that is not the process itself (arguments, commands, reports) is
 * in lua/neap/cli. The command runs as a task, so that a script may wait
 * anywhere; when it ends, its tasks are cancelled like anyone's.
 */
#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modules.h"
#include "neap_lua.h"
#include "spawn.h"
#include "wait.h"

enum { EXIT_INTERRUPTED = 130 };

/* What the handler of SIGINT needs. Set before it is installed. */
static neap__host *interrupted_host;
static neap__task *interrupted_task;
static volatile sig_atomic_t interrupts;

/* Raises the cancellation in code that computes rather than waits. */
static void stop_computing(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  neap__task_cancel(interrupted_task, NEAP_ECANCELED, 0);
  luaL_error(L, "interrupted");
}

/* The first Ctrl-C cancels; a second one, when that does not help, ends the
 * process as if nobody had asked for the first. */
static void interrupt(int number) {
  signal(number, SIG_DFL);
  interrupts = 1;
  if (interrupted_host->current)
    lua_sethook(interrupted_host->current->L, stop_computing,
                LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
  int saved = errno;
  neap_wake(interrupted_host->engine);
  errno = saved;
}

/* Runs the loop until the command has ended. Returns false on a deadlock. */
static bool drive(neap__host *host, neap__task *task) {
  while (!neap__task_has_ended(task)) {
    int count = neap_poll(host->engine, NEAP_FOREVER);
    if (interrupts)
      neap__task_cancel(task, NEAP_ECANCELED, 0);
    else if (count <= 0 && neap_pending(host->engine) == 0)
      return false;
  }
  return true;
}

static void report_deadlock(lua_State *L) {
  neap__task_dump(L);
  fprintf(stderr,
          "neap: deadlock: nothing is left that could wake anyone, but\n%s\n",
          lua_tostring(L, -1));
  lua_pop(L, 1);
}

/* Says on stderr what the command raised, and where. [-0, +0, m] */
static void report_error(lua_State *L, int task) {
  lua_getiuservalue(L, task, NEAP__TASK_RESULT);
  fprintf(stderr, "neap: %s\n", luaL_tolstring(L, -1, NULL));
  const char *trace = NULL;
  if (lua_istable(L, -2) && lua_getfield(L, -2, "traceback") == LUA_TSTRING)
    trace = lua_tostring(L, -1);
  else if (lua_getiuservalue(L, task, NEAP__TASK_ORIGIN) == LUA_TTABLE &&
           lua_getfield(L, -1, "traceback") == LUA_TSTRING)
    trace = lua_tostring(L, -1);
  if (trace)
    fprintf(stderr, "%s\n", trace);
}

/* The exit status that the command asks for by what it returned: a number, or
 * nothing for success. */
static int exit_status(lua_State *L, int task) {
  if (lua_getiuservalue(L, task, NEAP__TASK_RESULT) == LUA_TTABLE)
    lua_rawgeti(L, -1, 1);
  return lua_isinteger(L, -1) ? (int)lua_tointeger(L, -1) : EXIT_SUCCESS;
}

/* Runs neap.cli's main with the arguments of the process, which are in the
 * table at index 1. Returns the exit status. */
static int run(lua_State *L) {
  neap__host *host = neap__host_of(L);
  int count = (int)luaL_len(L, 1);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "neap.cli");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "main");
  luaL_checkstack(L, count + LUA_MINSTACK, "too many arguments");
  for (int i = 1; i <= count; i++)
    lua_rawgeti(L, 1, i);
  neap__task *task = neap__spawn(L, count);
  int index = lua_gettop(L);
  interrupted_host = host;
  interrupted_task = task;
  signal(SIGINT, interrupt);
  bool well = drive(host, task);
  signal(SIGINT, SIG_DFL);
  int status = EXIT_FAILURE;
  if (!well)
    report_deadlock(L);
  else if (interrupts)
    status = EXIT_INTERRUPTED;
  else if (task->state == NEAP__TASK_DONE)
    status = exit_status(L, index);
  else
    report_error(L, index);
  lua_pushinteger(L, status);
  return 1;
}

/* Loads one of the modules that are part of the executable; upvalue 1 says
 * which. */
static int load_module(lua_State *L) {
  const struct neap__lua_module *module =
      lua_touserdata(L, lua_upvalueindex(1));
  lua_pushfstring(L, "=%s", module->name);
  if (luaL_loadbufferx(L, module->source, module->size, lua_tostring(L, -1),
                       "t") != LUA_OK)
    return lua_error(L);
  lua_pushstring(L, module->name);
  lua_call(L, 1, 1);
  return 1;
}

static void preload(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_neap_core);
  lua_setfield(L, -2, "neap.core");
  for (size_t i = 0; neap__lua_modules[i].name; i++) {
    lua_pushlightuserdata(L, (void *)&neap__lua_modules[i]);
    lua_pushcclosure(L, load_module, 1);
    lua_setfield(L, -2, neap__lua_modules[i].name);
  }
  lua_pop(L, 1);
}

/* Everything that may raise. */
static int protected_main(lua_State *L) {
  luaL_openlibs(L);
  lua_warning(L, "@on", 0);
  preload(L);
  luaL_requiref(L, "neap.core", luaopen_neap_core, 0);
  lua_settop(L, 1);
  return run(L);
}

int main(int argc, char **argv) {
  /* A peer that closes its end is an error of that write, not of the process.
   */
  signal(SIGPIPE, SIG_IGN);
  lua_State *L = luaL_newstate();
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
  if (lua_pcall(L, 1, 1, 0) == LUA_OK)
    status = (int)lua_tointeger(L, -1);
  else
    fprintf(stderr, "neap: %s\n", luaL_tolstring(L, -1, NULL));
  lua_close(L);
  return status;
}
