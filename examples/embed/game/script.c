/* neap in the game. SPDX-License-Identifier: MIT */
#include "script.h"

#include <lauxlib.h>
#include <lualib.h>
#include <neap_lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "town.h"

script_state script;

static lua_State *L;
static const char *path;
static struct timespec changed; /* when the file was, as it has been loaded */
static int flow = LUA_NOREF;    /* what people start with */
static bool runs[PEOPLE];       /* whether a person has a flow at the moment */
static double waits[PEOPLE];    /* seconds until one is started */

/* ---- what flows call --------------------------------------------------------
 */

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

static int l_ended(lua_State *S) {
  int who = check_person(S);
  runs[who] = false;
  waits[who] = 0;
  script.ended++;
  if (!lua_isnil(S, 2)) {
    snprintf(script.error, sizeof script.error, "%s", lua_tostring(S, 2));
    script.failed++;
    waits[who] = 1;
  }
  return 0;
}

static const luaL_Reg functions[] = {
    {"send", l_send},           {"say", l_say},     {"near", l_near},
    {"face", l_face},           {"hour", l_hour},   {"halt", l_halt},
    {"go_inside", l_go_inside}, {"ended", l_ended}, {NULL, NULL}};

static const char prelude[] =
    "local town, neap = ..., require 'neap'\n"
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
    "end\n"
    "function town.start(flow, who)\n"
    "  neap.spawn_detached(function()\n"
    "    local ok, err = neap.try(flow.run, flow, town.people[who])\n"
    "    town.ended(who, not ok and tostring(err) or nil)\n"
    "  end)\n"
    "end\n";

/* ---- what is shown
 * ------------------------------------------------------------ */

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

/* ---- loading, and frames
 * --------------------------------------------------------- */

/* Calls what is on the stack; an error is noted, and false returned. */
static bool call(int arguments, int results) {
  if (lua_pcall(L, arguments, results, 0) == LUA_OK)
    return true;
  snprintf(script.error, sizeof script.error, "%s",
           luaL_tolstring(L, -1, NULL));
  lua_pop(L, 2);
  return false;
}

/* Puts the number of the person, and a function of `town` below it. */
static void push_call(const char *name) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, "town");
  lua_getfield(L, -1, name);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

static bool load(void) {
  struct stat info;
  if (stat(path, &info) == 0)
    changed = info.st_mtim;
  if (luaL_loadfilex(L, path, "t") != LUA_OK) {
    snprintf(script.error, sizeof script.error, "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
    return false;
  }
  if (!call(0, 1))
    return false;
  luaL_unref(L, LUA_REGISTRYINDEX, flow);
  flow = luaL_ref(L, LUA_REGISTRYINDEX);
  script.error[0] = '\0';
  script.loads++;
  return true;
}

bool script_open(const char *file, unsigned seed) {
  path = file;
  if (neap_lua_new(NULL, &L) < 0)
    return false;
  neap_on_event(neap_lua_engine(L), on_event, NULL);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  luaL_newlib(L, functions);
  lua_createtable(L, PEOPLE, 0);
  for (int who = 0; who < PEOPLE; who++) {
    lua_createtable(L, 0, 6);
    lua_pushinteger(L, who + 1);
    lua_setfield(L, -2, "id");
    lua_pushstring(L, people[who].name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, town_trade(who));
    lua_setfield(L, -2, "trade");
    lua_pushinteger(L, 3);
    lua_setfield(L, -2, "purse");
    lua_rawseti(L, -2, who + 1);
    waits[who] = town_random(4000) / 1000.0;
  }
  lua_setfield(L, -2, "people");
  luaL_loadstring(L, prelude);
  lua_pushvalue(L, -2);
  lua_call(L, 1, 0);
  lua_setfield(L, -2, "town");
  lua_pop(L, 1);
  lua_getglobal(L, "math");
  lua_getfield(L, -1, "randomseed");
  lua_pushinteger(L, (lua_Integer)seed);
  lua_call(L, 1, 0);
  lua_pop(L, 1);
  return load();
}

void script_frame(double seconds, uint64_t budget_ns) {
  for (int who = 0; who < PEOPLE; who++) {
    waits[who] -= runs[who] ? 0 : seconds;
    if (runs[who] || waits[who] > 0)
      continue;
    push_call("start");
    lua_rawgeti(L, LUA_REGISTRYINDEX, flow);
    lua_pushinteger(L, who + 1);
    runs[who] = call(2, 0);
  }
  neap_slice_info info = NEAP_SLICE_INFO_INIT;
  neap_slice(neap_lua_engine(L), budget_ns, &info);
  script.cut_short = info.preempted;
}

void script_reload(bool in_any_case) {
  struct stat info;
  if (in_any_case || (stat(path, &info) == 0 &&
                      memcmp(&info.st_mtim, &changed, sizeof changed) != 0))
    load();
}

void script_arrived(int who) {
  push_call("arrived");
  lua_pushinteger(L, who + 1);
  call(1, 0);
}

void script_hog(void) {
}

void script_close(void) {
  if (L)
    lua_close(L);
}
