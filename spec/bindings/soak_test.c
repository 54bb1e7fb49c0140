/* A host that runs for long: runs without number, of a script that is reloaded
 * again and again, need no more memory and descriptors than the first ones.
 * SPDX-License-Identifier: MIT
 *
 * `soak_test RUNS` does so many of them, 200 a reload, and prints figures; the
 * tests do 4,000. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scripts.h"

enum { AT_ONCE = 100, BATCHES_IN_RELOAD = 2 };

static long runs = 4000;
static bool tells;

/* A flow whose runs end in each way, by what they are told; %d is its version,
 * which it gives back as the action. */
static const char script[] =
    "local neap = require 'neap'\n"
    "local unused = ('x'):rep(1000)\n"
    "local ways = {\n"
    "  sleep = function() neap.sleep(0) end,\n"
    "  wait = function() neap.sleep(1000) end,\n"
    "  fail = function() error 'no luck' end,\n"
    "  tasks = function()\n"
    "    local channel = neap.channel(2)\n"
    "    neap.spawn(function() channel:send(1) channel:close() end)\n"
    "    for _ in channel:values() do end\n"
    "    neap.gather { function() neap.sleep(0) end, function() end }\n"
    "  end,\n"
    "  caught = function()\n"
    "    local co = coroutine.wrap(function() neap.sleep(0) error {} end)\n"
    "    assert(not pcall(co))\n"
    "    assert(not pcall(neap.timeout, 0, neap.sleep, 1000))\n"
    "  end,\n"
    "  read = function()\n"
    "    assert(#neap.fs.read '/proc/self/stat' > 0)\n"
    "    local a, b = neap.stream.pair()\n"
    "    a:write 'tide' assert(b:receive(4) == 'tide')\n"
    "    a:close() b:close()\n"
    "  end,\n"
    "}\n"
    "local act = neap.Node { name = 'act', max_retries = 2,\n"
    "  exec = function(_, _, way) ways[way]() end,\n"
    "  prep = function(_, shared) return shared.way end,\n"
    "  post = function(_, shared) shared.seen = { unused } return '%d' end }\n"
    "return neap.Flow { name = 'soak', start = act }\n";

/* How a run is to end: the way it is told, and its status. */
static const struct way {
  const char *name;
  int status;
} ways[] = {
    {"sleep", 0},  {"fail", NEAP_EFAILED},
    {"tasks", 0},  {"wait", NEAP_ECANCELED},
    {"caught", 0}, {"wait", NEAP_ETIMEDOUT},
    {"read", 0},
};
enum { WAYS = sizeof ways / sizeof *ways };

/* What the process and the state have after a number of runs. */
typedef struct figures {
  size_t bytes;  /* of Lua and of the engine */
  long resident; /* KB, of the process */
  int files;
} figures;

static long resident_kb(void) {
  long total = 0, pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  assert_non_null(file);
  assert_int_equal(2, fscanf(file, "%ld %ld", &total, &pages));
  fclose(file);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int open_files(void) {
  int count = 0;
  DIR *folder = opendir("/proc/self/fd");
  assert_non_null(folder);
  while (readdir(folder))
    count++;
  closedir(folder);
  return count;
}

static figures look(lua_State *L, const memory *m, long done) {
  held(L); /* collects */
  figures f = {m->live, resident_kb(), open_files()};
  if (tells)
    printf("# %ld runs: %zu bytes, %ld KB resident, %d descriptors\n", done,
           f.bytes, f.resident, f.files);
  return f;
}

static void reload(lua_State *L, int version) {
  char text[sizeof script + 16];
  snprintf(text, sizeof text, script, version);
  assert_int_equal(0, neap_lua_swap(L, "soak", loaded(L, text)));
}

static void start(lua_State *L, const struct way *way, neap_token *run) {
  neap_start_opts opts = NEAP_START_OPTS_INIT;
  opts.data = (void *)way;
  if (way->status == NEAP_ETIMEDOUT)
    opts.timeout_ns = 1;
  lua_createtable(L, 0, 1);
  lua_pushstring(L, way->name);
  lua_setfield(L, -2, "way");
  assert_int_equal(0,
                   neap_lua_start_named(L, "soak", lua_gettop(L), &opts, run));
  lua_settop(L, 0);
}

/* Some runs at once. A reload may come while they go on. */
static void play_batch(lua_State *L, int *version, bool reloads) {
  neap_token tokens[AT_ONCE];
  char expected[16];
  snprintf(expected, sizeof expected, "%d", *version);
  for (int i = 0; i < AT_ONCE; i++)
    start(L, &ways[i % WAYS], &tokens[i]);
  neap_poll(neap_lua_engine(L), 0);
  if (reloads)
    reload(L, ++*version);
  for (int i = 0; i < AT_ONCE; i++)
    if (ways[i % WAYS].status == NEAP_ECANCELED)
      assert_int_equal(0, neap_cancel(neap_lua_engine(L), tokens[i]));
  for (int i = 0; i < AT_ONCE; i++) {
    neap_report report = next_report(L);
    const struct way *way = report.data;
    if (way->status != report.status)
      fail_msg("%s: %d, %s", way->name, report.status, report.error);
    if (report.status == 0)
      assert_string_equal(expected, report.action);
  }
}

static void nothing_grows(void **state) {
  (void)state;
  memory m = {0};
  neap_engine_opts engine = NEAP_ENGINE_OPTS_INIT;
  engine.alloc = (neap_alloc){.fn = allocate, .ud = &m};
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  opts.engine = &engine;
  lua_State *L;
  assert_int_equal(0, neap_lua_new(&opts, &L));
  int version = 0;
  reload(L, version);
  figures first = {0}, last = {0};
  long batches = runs / AT_ONCE;
  for (long i = 1; i <= batches; i++) {
    play_batch(L, &version, i % BATCHES_IN_RELOAD == 0);
    if (i == batches / 10)
      first = look(L, &m, i * AT_ONCE);
    else if (i % (batches / 10) == 0)
      last = look(L, &m, i * AT_ONCE);
  }
  assert_int_equal(first.files, last.files);
  assert_in_range(last.bytes, 0, first.bytes + 16384);
  if (tells)
    printf("# %d reloads\n", version);
  lua_close(L);
  assert_int_equal(0, m.live);
}

int main(int argc, char **argv) {
  tells = argc > 1;
  if (tells)
    runs = strtol(argv[1], NULL, 10);
  if (runs < 10L * AT_ONCE) {
    fprintf(stderr, "soak_test: at least %d runs\n", 10 * AT_ONCE);
    return 2;
  }
  const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_grows)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
