/* embed_lua WORKLOAD N [signal]: how long slices of 1 ms are while Lua
 * computes, with 1000 flows that wait: N of them. With `signal`, a signal is
 * lent to the state, which interrupts what computes. With the workload `state`:
 * what a Lua state with neap costs, made and closed N times.
 * SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "distribution.h"
#include "measure.h"
#include "neap_lua.h"

#define MS UINT64_C(1000000)

static distribution taken;
static int lent_signal;

static const struct workload {
  const char *name, *script; /* the body of a function that never ends */
} workloads[] = {
    {"loop", "local n = 0 while true do n = n + 1 end"},
    {"pcalls", "local function nest(n)\n"
               "  if n > 0 then return pcall(nest, n - 1) end\n"
               "  local x = 0 for i = 1, 1000 do x = x + i end return x\n"
               "end\n"
               "while true do nest(20) end"},
    {"coroutines", "while true do\n"
                   "  for value in coroutine.wrap(function()\n"
                   "    for i = 1, 100 do coroutine.yield(i) end\n"
                   "  end) do local x = value * 2 end\n"
                   "end"},
    {"metamethods", "local V = {}\n"
                    "V.__index = function(t, k) return k end\n"
                    "V.__add = function(a, b) return setmetatable({}, V) end\n"
                    "V.__eq = function() return true end\n"
                    "local a, b = setmetatable({}, V), setmetatable({}, V)\n"
                    "while true do local c = a + b local d = c[1] + a[2] end"},
    {"frames", "local function deep(n)\n"
               "  if n == 0 then while true do end end\n"
               "  return (deep(n - 1))\n"
               "end\n"
               "deep(10000)"},
    {"strings", "local s = ('x'):rep(65536)\n"
                "while true do\n"
                "  local t = s:upper() .. s t = t:sub(1, 65536):reverse()\n"
                "  local at = t:find('xy', 1, true)\n"
                "end"},
    {"tables", "local list = {}\n"
               "for i = 1, 8192 do list[i] = i end\n"
               "while true do\n"
               "  local copy = table.move(list, 1, #list, 1, {})\n"
               "  table.insert(copy, 1, 0) table.remove(copy, 1)\n"
               "  local text = table.concat(copy, ',')\n"
               "end"},
    {"sort", "while true do\n"
             "  local list = {}\n"
             "  for i = 1, 2000 do list[i] = (i * 7919) % 2003 end\n"
             "  table.sort(list, function(a, b) return a < b end)\n"
             "end"},
    {"gsub", "local s = ('word '):rep(2000)\n"
             "while true do\n"
             "  s:gsub('%w+', function(w) return w:upper() end)\n"
             "end"},
};

static void fail(const char *what) {
  fprintf(stderr, "embed_lua: %s\n", what);
  exit(EXIT_FAILURE);
}

static lua_State *make(void) {
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  opts.compute_limit_ns = NEAP_FOREVER;
  opts.preempt_signal = lent_signal;
  lua_State *L;
  if (neap_lua_new(&opts, &L) < 0)
    fail("neap_lua_new");
  return L;
}

static void run(lua_State *L, const char *script) {
  if (luaL_dostring(L, script) != LUA_OK)
    fail(lua_tostring(L, -1));
}

static void slices(const struct workload *w, long count) {
  lua_State *L = make();
  run(L, "neap = require 'neap'\n"
         "local wait = neap.Node { exec = function() neap.sleep(3600) end }\n"
         "for i = 1, 1000 do\n"
         "  neap.spawn_detached(neap.Flow { start = wait }, {})\n"
         "end\n"
         "function begin(f) neap.spawn_detached(f) end");
  neap_engine *engine = neap_lua_engine(L);
  neap_slice(engine, NEAP_FOREVER, NULL);
  lua_getglobal(L, "begin");
  if (luaL_loadstring(L, w->script) != LUA_OK || lua_pcall(L, 1, 0, 0))
    fail(lua_tostring(L, -1));
  for (int i = 0; i < 50; i++) /* until it is under way */
    neap_slice(engine, MS, NULL);
  for (long i = 0; i < count; i++) {
    neap_slice_info info = NEAP_SLICE_INFO_INIT;
    distribution_begin(&taken);
    neap_slice(engine, MS, &info);
    distribution_end(&taken, 1);
    if (!info.preempted)
      fail("the task has ended");
  }
  lua_close(L);
}

static long descriptors(void) {
  DIR *dir = opendir("/proc/self/fd");
  long count = 0;
  while (dir && readdir(dir))
    count++;
  closedir(dir);
  return count - 3; /* . and .. and its own */
}

static void states(long count) {
  lua_close(make()); /* libuv opens two for the process with the first loop */
  long before = descriptors();
  lua_State *L = make();
  neap_lua_memory use = NEAP_LUA_MEMORY_INIT;
  neap_lua_usage(L, &use);
  printf("heap: %zu\ndescriptors: %ld\n", use.used, descriptors() - before);
  lua_close(L);
  for (long i = 0; i < count; i++) {
    distribution_begin(&taken);
    L = make();
    lua_close(L);
    distribution_end(&taken, 1);
  }
}

int main(int argc, char **argv) {
  if (argc < 3)
    fail("usage: embed_lua WORKLOAD N [signal]");
  if (argc > 3 && strcmp(argv[3], "signal") == 0)
    lent_signal = SIGRTMIN;
  long count = strtol(argv[2], NULL, 10);
  measure began = measure_now();
  const struct workload *w = workloads, *end = w + sizeof workloads / sizeof *w;
  while (w < end && strcmp(argv[1], w->name) != 0)
    w++;
  if (w < end)
    slices(w, count);
  else if (strcmp(argv[1], "state") == 0)
    states(count);
  else
    fail("there is no such workload");
  distribution_print(&taken);
  measure_print(&began, "neap " NEAP_VERSION);
  return 0;
}
