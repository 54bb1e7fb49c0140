/* Values of Lua's, for nodes and hosts in C.
 * SPDX-License-Identifier: MIT
 *
 * A value is used where nothing may be raised, and where any coroutine may be
 * running, or none. So all work is done in the host's coroutine `peek`, below
 * lua_pcall.
 */
#include "value.h"

#include <lauxlib.h>
#include <string.h>

#include "params.h"
#include "task/anchor.h"

/* What a value's `self` points at: a userdata. */
typedef struct value {
  neapL_host *host;
  int number;   /* that of its anchor */
  lua_State *L; /* where a call is whose arguments it has; else NULL */
} value;

/* Its user values. */
enum {
  VALUE = 1,
  LAST = 2, /* the string that was given out last */
};

/* The registry's key of the values in use, by address. */
static const char values_key;

/* A request, for a function that is called below lua_pcall. */
typedef struct request {
  value *v;
  const neap_key *keys;
  size_t count;
  neap_datum *out;      /* to get */
  const neap_datum *in; /* to set */
  int status;
} request;

static void push_key(lua_State *L, const neap_key *key) {
  if (key->name)
    lua_pushlstring(L, key->name, key->size);
  else
    lua_pushinteger(L, key->index);
}

/* Pushes the function of neap.json. [-0, +1, v] */
static void push_json(lua_State *L, const char *name) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, "neap.core");
  lua_getfield(L, -1, "json");
  lua_getfield(L, -1, name);
}

/* Keeps the string on top for the host that gets it. */
static void give_string(lua_State *L, const value *v, neap_datum *out) {
  out->text = lua_tolstring(L, -1, &out->size);
  neapL_anchor_push(L, &values_key, v->number);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, LAST);
  lua_pop(L, 1);
}

static void give(lua_State *L, const value *v, neap_datum *out) {
  bool as_json = out->type == NEAP_TYPE_JSON;
  *out = (neap_datum){0};
  if (lua_isnil(L, -1))
    return;
  if (as_json) {
    push_json(L, "encode");
    lua_pushvalue(L, 2);
    lua_call(L, 1, 1);
    out->type = NEAP_TYPE_JSON;
    give_string(L, v, out);
    return;
  }
  switch (lua_type(L, -1)) {
  case LUA_TBOOLEAN:
    out->type = NEAP_TYPE_BOOL;
    out->boolean = lua_toboolean(L, -1);
    break;
  case LUA_TNUMBER:
    out->type = lua_isinteger(L, -1) ? NEAP_TYPE_INTEGER : NEAP_TYPE_NUMBER;
    out->integer = lua_tointeger(L, -1);
    out->number = lua_tonumber(L, -1);
    break;
  case LUA_TSTRING:
    out->type = NEAP_TYPE_STRING;
    give_string(L, v, out);
    break;
  default:
    out->type = NEAP_TYPE_OTHER;
  }
}

/* Pushes the value itself. [-0, +1, -] */
static void push_value(lua_State *L, const value *v) {
  neapL_anchor_push(L, &values_key, v->number);
  lua_getiuservalue(L, -1, VALUE);
  lua_replace(L, -2);
}

/* Replaces the key on top by what the table at an index has there. Nothing can
 * end a metamethod that a host has called: those of scripts that nobody trusts
 * are not. [-1, +1, v] */
static void get_field(lua_State *L, const value *v, int table) {
  if (!v->host->is_sandbox) {
    lua_gettable(L, table);
    return;
  }
  lua_pushvalue(L, table);
  neapL_params_reveal(L);
  lua_insert(L, -2);
  lua_rawget(L, -2);
  lua_replace(L, -2);
}

/* Sets a field of the table at an index to the value on top, likewise. The key
 * is below that. [-2, +0, v] */
static void set_field(lua_State *L, const value *v, int table) {
  if (v->host->is_sandbox && !neapL_params_is(L, table))
    lua_rawset(L, table);
  else
    lua_settable(L, table); /* raises for params */
}

/* The value at the keys is at 2. */
static int get(lua_State *L) {
  request *r = lua_touserdata(L, 1);
  push_value(L, r->v);
  for (size_t i = 0; i < r->count; i++) {
    if (!lua_istable(L, 2)) {
      lua_pushnil(L);
      lua_replace(L, 2);
      break;
    }
    push_key(L, &r->keys[i]);
    get_field(L, r->v, 2);
    lua_replace(L, 2);
  }
  give(L, r->v, r->out);
  return 0;
}

/* Pushes what is set, at 2. [-0, +1, v] */
static void push_datum(lua_State *L, const neap_datum *in) {
  switch (in->type) {
  case NEAP_TYPE_BOOL:
    lua_pushboolean(L, in->boolean);
    break;
  case NEAP_TYPE_NUMBER:
    lua_pushnumber(L, in->number);
    break;
  case NEAP_TYPE_INTEGER:
    lua_pushinteger(L, in->integer);
    break;
  case NEAP_TYPE_STRING:
    lua_pushlstring(L, in->text, in->size);
    break;
  case NEAP_TYPE_JSON:
    push_json(L, "decode");
    lua_pushlstring(L, in->text, in->size);
    lua_call(L, 1, 1);
    lua_replace(L, 2);
    lua_settop(L, 2);
    break;
  default:
    lua_pushnil(L);
  }
}

/* What is set is at 2, the table on the way at 3. */
static int set(lua_State *L) {
  request *r = lua_touserdata(L, 1);
  r->status = NEAP_EINVAL;
  push_datum(L, r->in);
  r->status = NEAP_ETYPE;
  if (r->count == 0)
    return 0;
  push_value(L, r->v);
  for (size_t i = 0; i < r->count; i++) {
    if (!lua_istable(L, 3))
      return 0;
    bool is_last = i + 1 == r->count;
    push_key(L, &r->keys[i]);
    if (is_last) {
      lua_pushvalue(L, 2);
      set_field(L, r->v, 3);
      break;
    }
    lua_pushvalue(L, -1);
    get_field(L, r->v, 3);
    if (lua_isnil(L, -1)) {
      if (lua_isnil(L, 2))
        break; /* there is nothing to remove */
      lua_pop(L, 1);
      lua_newtable(L);
      lua_pushvalue(L, -2);
      lua_pushvalue(L, -2);
      set_field(L, r->v, 3);
    }
    lua_replace(L, 3);
    lua_settop(L, 3);
  }
  r->status = 0;
  return 0;
}

/* Does a request. What it calls of the script's may not wait. */
static int ask(value *v, request *r, lua_CFunction f) {
  neapL_host *host = v->host;
  lua_State *L = host->peek;
  if (!lua_checkstack(L, LUA_MINSTACK))
    return NEAP_ENOMEM;
  const char *before = host->outside;
  if (!host->current)
    host->outside = "a host";
  int top = lua_gettop(L);
  lua_pushcfunction(L, f);
  lua_pushlightuserdata(L, r);
  int status = lua_pcall(L, 1, 0, 0);
  lua_settop(L, top);
  host->outside = before;
  if (status == LUA_OK)
    return r->status;
  if (status == LUA_ERRMEM)
    return NEAP_ENOMEM;
  return r->status < 0 ? r->status : NEAP_ETYPE;
}

static int get_value(void *self, const neap_key *keys, size_t count,
                     neap_datum *out) {
  request r = {.v = self, .keys = keys, .count = count, .out = out};
  return ask(self, &r, get);
}

static int set_value(void *self, const neap_key *keys, size_t count,
                     const neap_datum *datum) {
  request r = {.v = self, .keys = keys, .count = count, .in = datum};
  return ask(self, &r, set);
}

static const neap_value_ops value_ops = {
    .size = sizeof value_ops, .get = get_value, .set = set_value};

void neapL_value_new(lua_State *L, neap_value *out) {
  neapL_host *host = neapL_host_of(L);
  value *v = lua_newuserdatauv(L, sizeof *v, LAST);
  *v = (value){.host = host};
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, VALUE);
  v->number = neapL_anchor_put(L, &values_key);
  *out = (neap_value){.ops = &value_ops, .self = v};
}

void neapL_value_free(neap_value *value_of) {
  if (value_of->ops != &value_ops)
    return;
  value *v = value_of->self;
  *value_of = (neap_value){0};
  if (v->host->engine) /* else the state is being closed */
    neapL_anchor_drop(v->host->peek, &values_key, v->number);
}

bool neapL_value_push(lua_State *L, neap_value given) {
  if (!given.ops) {
    if (given.self)
      lua_pushlightuserdata(L, given.self);
    else
      lua_pushnil(L);
    return true;
  }
  const value *v = given.self;
  if (given.ops != &value_ops || v->host != neapL_host_find(L))
    return false;
  push_value(L, v);
  return true;
}

void neapL_value_set(lua_State *L, neap_value given) {
  const value *v = given.self;
  neapL_anchor_push(L, &values_key, v->number);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, VALUE);
  lua_pop(L, 1);
}

void neapL_value_set_state(neap_value given, lua_State *L) {
  ((value *)given.self)->L = L;
}

lua_State *neapL_value_state(neap_value given) {
  return given.ops == &value_ops ? ((const value *)given.self)->L : NULL;
}
