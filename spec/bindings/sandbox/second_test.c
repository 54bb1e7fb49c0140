/* What scripts leave behind in a state: nothing that another script of it would
 * notice, nor what holds up a host. attempts.lua has attempts to break out.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include "neap_lua.h"

/* The second script: it fails if anything of Lua or neap is not as it was. */
static const char witness[] =
    "local neap = require 'neap'\n"
    "local function works()\n"
    "  assert(('%d-%s'):format(7, 'x') == '7-x' and ('abc'):upper() == 'ABC')\n"
    "  assert(('k=v'):match('(%w)=(%w)') == 'k' and ('a'):rep(3) == 'aaa')\n"
    "  assert(table.concat({ 1, 2 }, ',') == '1,2' and steal == nil)\n"
    "  assert(evil == nil and ('').steal == nil and #_VERSION == 7)\n"
    "  local t = { 3, 1, 2 } table.sort(t) assert(t[1] == 1 and t[3] == 3)\n"
    "  assert(tostring(nil) == 'nil' and type(1) == 'number')\n"
    "  assert(not pcall(error) and select('#', 1, 2) == 2)\n"
    "  local task = neap.spawn(function() neap.sleep(0) return 4 end)\n"
    "  assert(task:await() == 4)\n"
    "  local channel = neap.channel(1) channel:send(5)\n"
    "  assert(channel:receive() == 5)\n"
    "  assert(neap.json.encode(neap.json.decode '[1]') == '[1]')\n"
    "  local _, err = pcall(neap.fs.read, '/etc/passwd')\n"
    "  assert(err.code == 'denied', tostring(err))\n"
    "  assert(coroutine.wrap(function() return 6 end)() == 6)\n"
    "  for _, info in ipairs(neap.tasks()) do assert(info.id) end\n"
    "end\n"
    "return neap.Flow { start = neap.Node { exec = works } }\n";

static const char frame[] =
    "local neap = require 'neap'\nreturn neap.Flow { start = neap.Node { "
    "exec = function(self) %s\nend } }\n";

static void drop(void *ud, int fd, const char *text, size_t size) {
  (void)ud;
  (void)fd;
  (void)text;
  (void)size;
}

/* Drives the state until the script of a flow has ended. */
static int finish(lua_State *L, neap_lua_flow flow) {
  int status;
  for (int i = 0; (status = neap_lua_loaded(L, flow)) == NEAP_EAGAIN; i++) {
    assert_in_range(i, 0, 100000);
    neap_slice(neap_lua_engine(L), 5000000, NULL);
  }
  return status;
}

/* Runs a flow of this text. Returns the status of its end. */
static int play(lua_State *L, const char *name, const char *text,
                neap_report *report) {
  neap_lua_flow flow;
  if (neap_lua_load(L, name, text, strlen(text), &flow) < 0)
    return NEAP_EFAILED;
  int status = finish(L, flow);
  if (status < 0)
    return status;
  neap_token run;
  status = neap_lua_start(L, flow, 0, NULL, &run);
  if (status < 0)
    return status;
  neap_engine *engine = neap_lua_engine(L);
  for (int i = 0; neap_next_report(engine, report) == NEAP_EAGAIN; i++) {
    if (neap_pending(engine) == 0 || i > 100000)
      neap_cancel(engine, run);
    neap_slice(engine, 5000000, NULL);
  }
  neap_lua_unload(L, flow);
  return report->status;
}

static void each_leaves_a_second_script_alone(void **state) {
  lua_State *own = *state;
  int count = (int)luaL_len(own, 1);
  assert_in_range(count, 100, 1000);
  for (int i = 1; i <= count; i++) {
    lua_geti(own, 1, i);
    lua_getfield(own, -1, "name");
    lua_getfield(own, -2, "code");
    const char *name = lua_tostring(own, -2);
    lua_pushfstring(own, frame, lua_tostring(own, -1));
    neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
    opts.profile = NEAP_UNTRUSTED;
    opts.print = drop;
    opts.max_output = 10000;
    opts.memory_cap = 48 * 1024 * 1024;
    lua_State *L;
    assert_int_equal(0, neap_lua_new(&opts, &L));
    neap_report report = NEAP_REPORT_INIT;
    play(L, name, lua_tostring(own, -1), &report);
    report = (neap_report)NEAP_REPORT_INIT;
    int status = play(L, "witness.lua", witness, &report);
    if (status != 0)
      fail_msg("after %s: %s", name,
               report.error ? report.error : neap_lua_why(L));
    lua_close(L);
    lua_settop(own, 1);
  }
}

/* Reading what a script has left calls nothing of it: that would never end. */
static void a_host_reads_without_metamethods(void **state) {
  (void)state;
  static const char script[] =
      "local neap = require 'neap'\n"
      "local function loop() while true do end end\n"
      "return neap.Flow { start = neap.Node { exec = function(self) end,\n"
      "  post = function(self, shared)\n"
      "    shared.mood, shared.inner = 7, { x = 1 }\n"
      "    local meta = { __index = loop, __newindex = loop, __len = loop,\n"
      "      __pairs = loop, __eq = loop }\n"
      "    setmetatable(shared.inner, meta)\n"
      "    setmetatable(shared, meta)\n"
      "  end } }\n";
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  opts.profile = NEAP_UNTRUSTED;
  lua_State *L;
  assert_int_equal(0, neap_lua_new(&opts, &L));
  neap_lua_flow flow;
  assert_int_equal(0, neap_lua_load(L, "a", script, strlen(script), &flow));
  assert_int_equal(0, finish(L, flow));
  lua_newtable(L);
  neap_value shared;
  assert_int_equal(0, neap_lua_value_new(L, -1, &shared));
  neap_token run;
  assert_int_equal(0, neap_lua_start(L, flow, -1, NULL, &run));
  neap_engine *engine = neap_lua_engine(L);
  neap_report report = NEAP_REPORT_INIT;
  while (neap_next_report(engine, &report) == NEAP_EAGAIN)
    neap_slice(engine, 5000000, NULL);
  assert_int_equal(0, report.status);
  double number = 0;
  assert_int_equal(0, neap_get_number(shared, "mood", &number));
  assert_true(number == 7);
  assert_int_equal(NEAP_ENOVALUE, neap_get_number(shared, "no", &number));
  assert_int_equal(NEAP_ENOVALUE, neap_get_number(shared, "inner.y", &number));
  assert_int_equal(0, neap_set_number(shared, "inner.y", 2));
  assert_int_equal(0, neap_set_number(shared, "new.y", 3));
  assert_int_equal(0, neap_get_number(shared, "new.y", &number));
  assert_true(number == 3);
  neap_lua_value_free(&shared);
  lua_close(L);
}

/* A script sees its own tasks, however they came to be, and no others. */
static void a_script_sees_its_own_tasks_alone(void **state) {
  (void)state;
  static const char other[] =
      "local neap = require 'neap'\n"
      "return neap.Flow { start = neap.Node { name = 'other',\n"
      "  exec = function() neap.sleep(0.1) end } }\n";
  static const char script[] =
      "local neap = require 'neap'\n"
      "local early = neap.spawn_detached(neap.sleep, 60)\n"
      "return neap.Flow { start = neap.Node { exec = function()\n"
      "  neap.spawn(neap.sleep, 0.01)\n"
      "  neap.sleep(0)\n"
      "  assert(not neap.dump():find 'other', neap.dump())\n"
      "  assert(#neap.tasks() == 3, neap.dump())\n"
      "  for _, info in ipairs(neap.tasks()) do\n"
      "    assert(info.node ~= 'other')\n"
      "  end\n"
      "  early:cancel()\n"
      "end } }\n";
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  opts.profile = NEAP_UNTRUSTED;
  lua_State *L;
  assert_int_equal(0, neap_lua_new(&opts, &L));
  neap_lua_flow flow;
  assert_int_equal(0, neap_lua_load(L, "o", other, strlen(other), &flow));
  assert_int_equal(0, finish(L, flow));
  neap_token run;
  assert_int_equal(0, neap_lua_start(L, flow, 0, NULL, &run));
  neap_report report = NEAP_REPORT_INIT;
  int status = play(L, "own.lua", script, &report);
  if (status != 0)
    fail_msg("%s", report.error ? report.error : neap_lua_why(L));
  lua_close(L);
}

/* The attempts, as a list at index 1 of a state. */
static int read_attempts(void **state) {
  lua_State *own = luaL_newstate();
  luaL_openlibs(own);
  if (luaL_dofile(own, NEAP_TEST_FOLDER "/bindings/sandbox/attempts.lua") !=
      LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(own, -1));
    return -1;
  }
  lua_settop(own, 1);
  *state = own;
  return 0;
}

static int close_attempts(void **state) {
  if (*state)
    lua_close(*state);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_host_reads_without_metamethods),
      cmocka_unit_test(a_script_sees_its_own_tasks_alone),
      cmocka_unit_test(each_leaves_a_second_script_alone),
  };
  return cmocka_run_group_tests(tests, read_attempts, close_attempts);
}
