/* What flows can do in the town. What is done at once is a function as any that
 * C gives to Lua. To walk takes time: it is a function that waits, and a node.
 * SPDX-License-Identifier: MIT */
#include "verbs.h"

#include <lauxlib.h>

#include "script.h"
#include "town.h"

static neap_engine *engine;
static neap_token ways[PEOPLE]; /* who walks: what waits for it */

/* ---- What is done at once ------------------------------------------------ */

static int check_person(lua_State *L, int index) {
  lua_Integer who = luaL_checkinteger(L, index);
  luaL_argcheck(L, who >= 1 && who <= PEOPLE, index, "nobody has this number");
  return (int)who - 1;
}

static int say(lua_State *L) {
  town_say(check_person(L, 1), luaL_checkstring(L, 2),
           (float)luaL_optnumber(L, 3, 2));
  return 0;
}

static int near(lua_State *L) {
  lua_pushinteger(L, town_near(check_person(L, 1)) + 1); /* 0: nobody */
  return 1;
}

static int face(lua_State *L) {
  town_face(check_person(L, 1), check_person(L, 2));
  return 0;
}

static int hour(lua_State *L) {
  lua_pushnumber(L, (lua_Number)town_hour());
  return 1;
}

static int go_inside(lua_State *L) {
  people[check_person(L, 1)].is_inside = lua_toboolean(L, 2);
  return 0;
}

/* The person stops, as if this were the end of the way. */
static int stop(lua_State *L) {
  int who = check_person(L, 1);
  people[who].walks = false;
  script_arrived(who);
  return 0;
}

/* ---- Walking ------------------------------------------------------------- */

/* Sends a person on the way; the call goes on until neap_complete is told of
 * the token. */
static int begin_walk(neap_call *call, int64_t who, const char *place) {
  if (who < 1 || who > PEOPLE)
    return neap_call_fail(call, NEAP_EINVAL, "town", "nobody has this number");
  if (!town_send((int)who - 1, place))
    return neap_call_fail(call, NEAP_EINVAL, "town", "there is no such place");
  int status = neap_later(call, &ways[who - 1]);
  return status < 0 ? status : NEAP_LATER;
}

void script_arrived(int who) {
  neap_complete(engine, ways[who], 0);
}

/* walk_to(who, place): the arguments are a list. */
static int walk_to(neap_call *call) {
  neap_value arguments = neap_call_params(call);
  int64_t who = 0;
  const char *place = "";
  size_t size;
  neap_get_integer(arguments, "[1]", &who);
  neap_get_string(arguments, "[2]", &place, &size);
  return begin_walk(call, who, place);
}

/* neap.native("walk", { params = { place = place } }) */
static int walk(neap_call *call) {
  int64_t who = 0;
  const char *place = "";
  size_t size;
  neap_get_integer(neap_call_shared(call), "id", &who);
  neap_get_string(neap_call_params(call), "place", &place, &size);
  return begin_walk(call, who, place);
}

/* ---- The state ----------------------------------------------------------- */

/* Pushes the stores of all people, by number. */
static void push_stores(lua_State *L) {
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
  }
}

static int open_town(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"say", say},   {"near", near},           {"face", face},
      {"hour", hour}, {"go_inside", go_inside}, {"stop", stop},
      {NULL, NULL}};
  luaL_newlib(L, functions);
  push_stores(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, "town.people");
  lua_setfield(L, -2, "people");
  return 1;
}

static int require_town(lua_State *L) {
  luaL_requiref(L, "town", open_town, 0);
  return 0;
}

int verbs_open(lua_State *L) {
  neap_node_ops function = NEAP_NODE_OPS_INIT, node = NEAP_NODE_OPS_INIT;
  engine = neap_lua_engine(L);
  function.exec = walk_to;
  node.exec = walk;
  lua_pushcfunction(L, require_town);
  int status = lua_pcall(L, 0, 0, 0) == LUA_OK ? 0 : NEAP_ENOMEM;
  if (status == 0)
    status = neap_lua_register(L, "walk_to", &function, NULL);
  if (status == 0)
    status = neap_lua_register_node(L, "walk", &node, NULL);
  return status;
}

void verbs_push_store(lua_State *L, int who) {
  lua_getfield(L, LUA_REGISTRYINDEX, "town.people");
  lua_rawgeti(L, -1, who + 1);
  lua_replace(L, -2);
}
