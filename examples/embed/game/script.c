/* neap in the game. SPDX-License-Identifier: MIT */
#include "script.h"

#include <lauxlib.h>
#include <lualib.h>
#include <neap_lua.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "town.h"

script_state script;

static lua_State *L;
static const char *path;
static struct timespec changed; /* when the file was, as it has been loaded */
static neap_lua_flow loading, hog; /* 0: none */
static bool runs[PEOPLE];    /* whether a person has a flow at the moment */
static double waits[PEOPLE]; /* seconds until one is started */

/* ---- What flows call ----------------------------------------------------- */

static int check_person(lua_State *S) {
  lua_Integer who = luaL_checkinteger(S, 1);
  luaL_argcheck(S, who >= 1 && who <= PEOPLE, 1, "nobody has this number");
  return (int)who - 1;
}

static int l_send(lua_State *S) {
  int who = check_person(S);
  const char *place = luaL_checkstring(S, 2);
  return town_send(who, place) ? 0
                               : luaL_error(S, "there is no place '%s'", place);
}

static int l_say(lua_State *S) {
  town_say(check_person(S), luaL_checkstring(S, 2),
           (float)luaL_optnumber(S, 3, 2));
  return 0;
}

static int l_near(lua_State *S) {
  int other = town_near(check_person(S));
  lua_pushinteger(S, other + 1); /* 0: nobody */
  return 1;
}

static int l_face(lua_State *S) {
  lua_Integer other = luaL_checkinteger(S, 2);
  luaL_argcheck(S, other >= 1 && other <= PEOPLE, 2, "nobody has this number");
  town_face(check_person(S), (int)other - 1);
  return 0;
}

static int l_hour(lua_State *S) {
  lua_pushnumber(S, (lua_Number)town_hour());
  return 1;
}

static int l_go_inside(lua_State *S) {
  people[check_person(S)].is_inside = lua_toboolean(S, 2);
  return 0;
}

static int l_halt(lua_State *S) {
  people[check_person(S)].walks = false;
  return 0;
}

static const luaL_Reg functions[] = {
    {"send", l_send},           {"say", l_say},   {"near", l_near},
    {"face", l_face},           {"hour", l_hour}, {"halt", l_halt},
    {"go_inside", l_go_inside}, {NULL, NULL}};

static const char prelude[] = "local town, neap = ..., require 'neap'\n"
                              "local ways = {}\n"
                              "function town.walk_to(who, place)\n"
                              "  local way = neap.event()\n"
                              "  town.send(who, place)\n"
                              "  ways[who] = way\n"
                              "  way:wait()\n"
                              "  return not way.stopped\n"
                              "end\n"
                              "function town.arrived(who)\n"
                              "  local way = ways[who]\n"
                              "  ways[who] = nil\n"
                              "  if way then way:set() end\n"
                              "end\n"
                              "function town.stop(who)\n"
                              "  town.halt(who)\n"
                              "  town.arrived(who)\n"
                              "end\n";

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

/* Pushes the store of each person, by number. */
static void push_people(lua_State *S) {
  lua_createtable(S, PEOPLE, 0);
  for (int who = 0; who < PEOPLE; who++) {
    lua_createtable(S, 0, 6);
    lua_pushinteger(S, who + 1);
    lua_setfield(S, -2, "id");
    lua_pushstring(S, people[who].name);
    lua_setfield(S, -2, "name");
    lua_pushstring(S, town_trade(who));
    lua_setfield(S, -2, "trade");
    lua_pushinteger(S, 3);
    lua_setfield(S, -2, "purse");
    lua_rawseti(S, -2, who + 1);
  }
}

/* Makes the module "town", and what else scripts find in the state. */
static int prepare(lua_State *S) {
  luaL_getsubtable(S, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  luaL_newlib(S, functions);
  push_people(S);
  lua_pushvalue(S, -1);
  lua_setfield(S, LUA_REGISTRYINDEX, "people");
  lua_setfield(S, -2, "people");
  if (luaL_loadstring(S, prelude) != LUA_OK)
    return lua_error(S);
  lua_pushvalue(S, -2);
  lua_call(S, 1, 0);
  lua_pushvalue(S, -1);
  lua_setfield(S, LUA_REGISTRYINDEX, "town");
  lua_setfield(S, -2, "town");
  lua_getglobal(S, "math");
  lua_getfield(S, -1, "randomseed");
  lua_pushvalue(S, 1);
  lua_call(S, 1, 0);
  return 0;
}

bool script_open(const char *file, unsigned seed) {
  static const char hogs[] =
      "return require('neap').Node { name = 'hog', exec = function()\n"
      "  while true do end\n"
      "end }";
  path = file;
  if (neap_lua_new(NULL, &L) < 0)
    return false;
  neap_on_event(neap_lua_engine(L), on_event, NULL);
  lua_pushcfunction(L, prepare);
  lua_pushinteger(L, (lua_Integer)seed);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    note("%s", luaL_tolstring(L, -1, NULL));
    return false;
  }
  neap_lua_load(L, "hog", hogs, sizeof hogs - 1, &hog);
  for (int who = 0; who < PEOPLE; who++)
    waits[who] = town_random(4000) / 1000.0;
  for (begin_loading(); loading; end_loading())
    neap_poll(neap_lua_engine(L), NEAP_FOREVER);
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
  lua_getfield(L, LUA_REGISTRYINDEX, "people");
  lua_rawgeti(L, -1, who + 1);
  runs[who] = neap_lua_start_named(L, "town", -1, &opts, &run) == 0;
  lua_pop(L, 2);
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
  neap_slice_info info = NEAP_SLICE_INFO_INIT;
  neap_report report = NEAP_REPORT_INIT;
  for (int who = 0; who < PEOPLE; who++) {
    waits[who] -= seconds;
    if (!runs[who] && waits[who] <= 0)
      start(who);
  }
  neap_slice(neap_lua_engine(L), budget_ns, &info);
  while (neap_next_report(neap_lua_engine(L), &report) == 0)
    end(&report);
  end_loading();
}

void script_arrived(int who) {
  lua_getfield(L, LUA_REGISTRYINDEX, "town");
  lua_getfield(L, -1, "arrived");
  lua_pushinteger(L, who + 1);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK)
    note("%s", luaL_tolstring(L, -1, NULL));
  lua_settop(L, 0);
}

void script_hog(void) {
  neap_token run;
  neap_lua_start(L, hog, 0, NULL, &run);
}
