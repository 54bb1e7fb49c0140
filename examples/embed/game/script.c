/* neap in the game. SPDX-License-Identifier: MIT */
#include "script.h"

#include <neap_lua.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "town.h"
#include "verbs.h"

#define MEMORY_CAP ((size_t)64 << 20) /* of neap, Lua included */

script_state script;

static lua_State *L;
static const char *path;
static struct timespec changed; /* when the file was, as it has been loaded */
static neap_lua_flow loading, hog; /* 0: none */
static bool runs[PEOPLE];    /* whether a person has a flow at the moment */
static double waits[PEOPLE]; /* seconds until one is started */

/* ---- What is shown ------------------------------------------------------- */

static int *people_at(const char *name) {
  for (int i = 0; i < SCRIPT_NODES; i++) {
    if (!script.nodes[i].name[0])
      snprintf(script.nodes[i].name, sizeof script.nodes[i].name, "%s", name);
    if (strcmp(script.nodes[i].name, name) == 0)
      return &script.nodes[i].people;
  }
  return NULL;
}

static void on_event(void *ud, const neap_event *event) {
  (void)ud;
  if (event->kind != NEAP_EVENT_NODE_START &&
      event->kind != NEAP_EVENT_NODE_END)
    return;
  bool is_item;
  uint64_t index;
  const neap_node *node =
      neap_run_node_at(event->run, event->depth, &is_item, &index);
  int *here = neap_node_kind(node) == NEAP_NODE
                  ? people_at(neap_node_name(node))
                  : NULL;
  if (here)
    *here += event->kind == NEAP_EVENT_NODE_START ? 1 : -1;
}

/* ---- Loading ------------------------------------------------------------- */

static void note(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(script.error, sizeof script.error, format, arguments);
  va_end(arguments);
}

/* Reads the whole file; NULL when that cannot be done. */
static char *read_file(size_t *size) {
  struct stat info;
  FILE *file = fopen(path, "rb");
  char *text = NULL;
  if (file && fstat(fileno(file), &info) == 0) {
    changed = info.st_mtim;
    text = malloc((size_t)info.st_size + 1);
    *size = text ? fread(text, 1, (size_t)info.st_size, file) : 0;
  }
  if (file)
    fclose(file);
  return text;
}

/* Begins to load the script, which a task of neap's will run. */
static void begin_loading(void) {
  size_t size;
  char *text = read_file(&size);
  neap_lua_unload(L, loading);
  loading = 0;
  if (!text)
    note("%s cannot be read", path);
  else if (neap_lua_load(L, path, text, size, &loading) < 0)
    note("%s", neap_lua_why(L));
  free(text);
}

/* When the script has been loaded, the next flows of people are those of it. */
static void end_loading(void) {
  int status = loading ? neap_lua_loaded(L, loading) : NEAP_EAGAIN;
  if (status == NEAP_EAGAIN)
    return;
  if (status == 0 && neap_lua_swap(L, "town", loading) == 0) {
    script.error[0] = '\0';
    script.loads++;
  } else {
    note("%s", neap_lua_why(L));
    neap_lua_unload(L, loading);
  }
  loading = 0;
}

void script_reload(bool in_any_case) {
  struct stat info;
  if (in_any_case || (stat(path, &info) == 0 &&
                      memcmp(&info.st_mtim, &changed, sizeof changed) != 0))
    begin_loading();
}

/* ---- The state ----------------------------------------------------------- */

/* Has time pass for the flows, and gives them some of ours. */
static void pass(double seconds, uint64_t budget_ns) {
  neap_engine *engine = neap_lua_engine(L);
  neap_slice_info info = NEAP_SLICE_INFO_INIT;
  neap_clock_advance(engine, (uint64_t)(seconds * 1e9));
  neap_slice(engine, budget_ns, &info);
  script.cut_short = info.preempted;
}

/* Makes chance in Lua that of the seed. */
static bool set_seed(unsigned seed) {
  lua_getglobal(L, "math");
  lua_getfield(L, -1, "randomseed");
  lua_pushinteger(L, (lua_Integer)seed);
  bool well = lua_pcall(L, 1, 0, 0) == LUA_OK;
  lua_settop(L, 0);
  return well;
}

bool script_open(const char *file, unsigned seed) {
  static const char hogs[] =
      "return require('neap').Node { name = 'hog', exec = function()\n"
      "  while true do end\n"
      "end }";
  path = file;
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  neap_engine_opts engine = NEAP_ENGINE_OPTS_INIT;
  engine.clock = NEAP_CLOCK_HOST;
  opts.engine = &engine;
  opts.memory_cap = MEMORY_CAP;
  if (neap_lua_new(&opts, &L) < 0) {
    note("there is no memory for neap");
    return false;
  }
  neap_on_event(neap_lua_engine(L), on_event, NULL);
  if (verbs_open(L) < 0 || !set_seed(seed)) {
    note("the functions of the game cannot be made");
    return false;
  }
  neap_lua_load(L, "hog", hogs, sizeof hogs - 1, &hog);
  for (int who = 0; who < PEOPLE; who++)
    waits[who] = town_random(4000) / 1000.0;
  for (begin_loading(); loading; end_loading())
    pass(1.0 / 60, 10000000);
  return script.loads > 0;
}

void script_close(void) {
  if (L)
    lua_close(L);
}

/* ---- Frames -------------------------------------------------------------- */

static void start(int who) {
  neap_start_opts opts = NEAP_START_OPTS_INIT;
  neap_token run;
  opts.data = &people[who];
  verbs_push_store(L, who);
  runs[who] = neap_lua_start_named(L, "town", -1, &opts, &run) == 0;
  lua_pop(L, 1);
}

/* A flow has ended: that of a person, who will begin another, or the hog. */
static void end(const neap_report *report) {
  bool has_failed = report->status < 0;
  if (has_failed)
    note("%s (%s): %s", report->path, report->phase, report->error);
  script.ended++;
  script.failed += has_failed;
  if (report->data) {
    int who = (int)((person *)report->data - people);
    runs[who] = false;
    waits[who] = has_failed ? 1 : 0;
  }
}

void script_frame(double seconds, uint64_t budget_ns) {
  neap_report report = NEAP_REPORT_INIT;
  for (int who = 0; who < PEOPLE; who++) {
    waits[who] -= seconds;
    if (!runs[who] && waits[who] <= 0)
      start(who);
  }
  pass(seconds, budget_ns);
  while (neap_next_report(neap_lua_engine(L), &report) == 0)
    end(&report);
  end_loading();
  neap_lua_memory memory = NEAP_LUA_MEMORY_INIT;
  if (neap_lua_usage(L, &memory) == 0)
    script.megabytes = (double)memory.used / (1 << 20);
}

void script_hog(void) {
  neap_token run;
  neap_lua_start(L, hog, 0, NULL, &run);
}
