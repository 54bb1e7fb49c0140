/* A process with neap in a Lua state forks: the parent goes on unharmed, and in
 * the child the state can be closed, and another be made.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "neap_lua.h"

/* fork() -> 0 in the child */
static int fork_here(lua_State *L) {
  fflush(NULL);
  lua_pushinteger(L, fork());
  return 1;
}

/* wait(pid) -> exit code */
static int wait_for(lua_State *L) {
  int status;
  waitpid((pid_t)luaL_checkinteger(L, 1), &status, 0);
  lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  return 1;
}

/* quit(code): at once */
static int quit(lua_State *L) {
  _exit((int)luaL_checkinteger(L, 1));
}

static lua_State *make(void) {
  lua_State *L;
  assert_int_equal(0, neap_lua_new(NULL, &L));
  lua_register(L, "fork", fork_here);
  lua_register(L, "wait", wait_for);
  lua_register(L, "quit", quit);
  return L;
}

/* Runs a text; returns its result, or an error message, on the stack. */
static void run(lua_State *L, const char *text) {
  if (luaL_dostring(L, text) != LUA_OK) {
    fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
    fail();
  }
}

/* A state in the middle of things. */
static const char before[] = "\
  neap = require 'neap'\n\
  dir = neap.fs.tempdir()\n\
  file = neap.fs.tempfile()\n\
  program = neap.process.spawn { 'sh', '-c', 'read x; exit 7', stdin = 'pipe' }\n\
  a, b = neap.stream.pair()\n\
  reader = neap.spawn(function() return b:receive() end)\n\
  sleeper = neap.spawn(neap.sleep, 0.05)\n\
  neap.sleep(0.001)\n";

static const char after[] = "\
  a:write 'tide'\n\
  assert(reader:await() == 'tide')\n\
  sleeper:await()\n\
  program.stdin:write '\\n'\n\
  assert(program:wait().code == 7)\n\
  assert(neap.fs.stat(dir.path).type == 'directory')\n\
  assert(neap.fs.stat(file.path).type == 'file')\n";

static void check_new_state(void) {
  lua_State *L = make();
  run(L, "local neap = require 'neap'\n"
         "neap.sleep(0.001)\n"
         "assert(#neap.fs.read '/proc/self/stat' > 0)");
  lua_close(L);
}

static void a_child_that_closes_the_state_does_no_harm(void **state) {
  (void)state;
  lua_State *L = make();
  run(L, before);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    if (neap_lua_engine(L))
      _exit(2);
    run(L,
        "local ok, err = pcall(neap.sleep, 0)\n"
        "if ok or err.code ~= 'closed' then quit(3) end\n"
        "ok, err = pcall(neap.spawn, print)\n"
        "if ok or err.code ~= 'closed' then quit(4) end\n"
        "ok, err = pcall(a.write, a, 'x')\n"
        "if ok or err.code ~= 'closed' then quit(5) end\n"
        "ok, err = pcall(program.kill, program)\n"
        "if ok or err.code ~= 'closed' then quit(6) end\n"
        "if coroutine.wrap(function() return 8 end)() ~= 8 then quit(7) end");
    lua_close(L);
    check_new_state();
    _exit(0);
  }
  int status;
  assert_int_equal(child, waitpid(child, &status, 0));
  assert_int_equal(0, status);
  run(L, after);
  lua_close(L);
}

/* The child goes on as the task that has forked, until it waits. */
static void a_task_that_forks_ends_in_the_child(void **state) {
  (void)state;
  lua_State *L = make();
  run(L, before);
  run(L, "who = 'parent'\n"
         "local task = neap.spawn(function()\n"
         "  child = fork()\n"
         "  if child == 0 then who = 'child' end\n"
         "  local ok, err = pcall(neap.sleep, 0.001)\n"
         "  if child == 0 and (ok or err.code ~= 'closed') then quit(3) end\n"
         "  assert(ok, err)\n"
         "end)\n"
         "done, why = pcall(task.await, task)\n");
  lua_getglobal(L, "who");
  if (strcmp(lua_tostring(L, -1), "child") == 0) {
    run(L, "if done then quit(4) end");
    lua_close(L);
    check_new_state();
    _exit(0);
  }
  run(L, "assert(done, why)\n"
         "assert(wait(child) == 0)");
  run(L, after);
  lua_close(L);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_child_that_closes_the_state_does_no_harm),
      cmocka_unit_test(a_task_that_forks_ends_in_the_child),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
