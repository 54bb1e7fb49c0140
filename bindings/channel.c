/* Channels: values in line, from those who send to those who receive.
 * SPDX-License-Identifier: MIT
 *
 * The values are in a table, the channel's user value. The buffer is a ring in
 * its keys from 1 to the capacity. Whoever waits has a negative key of his own:
 * a sender keeps there what he has to send, a receiver finds there what he has
 * been given. At 0 is a list of what receivers gave back that were cancelled
 * before they could take it; it comes before all that is in the ring.
 */
#include "channel.h"

#include <lauxlib.h>

#include "error.h"
#include "task.h"
#include "wait.h"

#define CHANNEL_META "neap.channel"

typedef struct channel {
  lua_Integer capacity;
  lua_Integer first; /* where the oldest value is in the ring, from 0 */
  lua_Integer count; /* of values in the ring */
  lua_Integer keys;  /* given to those who waited */
  lua_Integer returned, taken; /* ends of the list at 0 */
  bool closed;
  neap_link senders, receivers; /* of turns, by `place.link` */
} channel;

/* Somebody who waits; on his stack. */
typedef struct turn {
  neap__place place;
  lua_Integer key;
  bool refused; /* a sender, when the channel has been closed */
} turn;

/* The stack of each function: the channel, its table, and when it waits the
 * turn. */
enum { CHANNEL = 1, VALUES, TURN };

/* Checks the channel and pushes its table below the other arguments. */
static channel *check_channel(lua_State *L) {
  channel *c = luaL_checkudata(L, CHANNEL, CHANNEL_META);
  lua_getiuservalue(L, CHANNEL, 1);
  lua_insert(L, VALUES);
  return c;
}

static lua_Integer ring(const channel *c, lua_Integer i) {
  return (c->first + i) % c->capacity + 1;
}

/* Takes the first out of a line; NULL when nobody waits. */
static turn *next_in(neap_link *line) {
  if (neap__list_empty(line))
    return NULL;
  neap_link *link = line->next;
  neap__list_remove(link);
  return NEAP__ITEM(link, turn, place.link);
}

static void drop(neap__task *task) {
  turn *t = task->dropped;
  neap__list_remove(&t->place.link);
}

/* Puts the caller in a line. The turn is on top of the stack afterwards.
 * [-0, +1, v] */
static turn *line_up(lua_State *L, channel *c, neap_link *line,
                     const char *what) {
  turn *t = lua_newuserdatauv(L, sizeof *t, 0);
  neap__task *task = neap__task_current(L);
  *t = (turn){.place.task = task};
  neap__wait_begin(L, what);
  t->key = -++c->keys;
  neap__task_hold(task, drop, t);
  neap__list_append(line, &t->place.link);
  return t;
}

/* Takes the value at a key out of the table. [-0, +1, -] */
static void take(lua_State *L, lua_Integer key) {
  lua_rawgeti(L, VALUES, key);
  lua_pushnil(L);
  lua_rawseti(L, VALUES, key);
}

/* Gives the value on top to the first receiver in line, if there is one.
 * [-(1|0), +0, m] */
static bool give(lua_State *L, channel *c) {
  turn *receiver = next_in(&c->receivers);
  if (!receiver)
    return false;
  lua_rawseti(L, VALUES, receiver->key);
  neap_op_settle(&receiver->place.task->op, 0);
  return true;
}

/* The wait of a sender is over: somebody took the value, or nobody will. */
static int sent(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  turn *t = lua_touserdata(L, TURN);
  take(L, t->key); /* what is still there was not taken */
  neap__wait_end(L);
  if (t->refused)
    return neap__error_raise(L, "closed", "send on a channel that was closed");
  return 0;
}

/* channel:send(value) */
static int send(lua_State *L) {
  channel *c = check_channel(L);
  lua_settop(L, 3);
  luaL_argcheck(L, !lua_isnil(L, 3), 2, "nil cannot be sent");
  if (c->closed)
    return neap__error_raise(L, "closed", "send on a closed channel");
  if (give(L, c))
    return 0;
  if (c->count < c->capacity) {
    lua_rawseti(L, VALUES, ring(c, c->count));
    c->count++;
    return 0;
  }
  turn *t = line_up(L, c, &c->senders, "room in a channel");
  lua_insert(L, TURN);
  lua_rawseti(L, VALUES, t->key);
  return neap__wait(L, sent);
}

/* Keeps the value on top, which a receiver could not take. [-1, +0, m] */
static void give_back(lua_State *L, channel *c) {
  if (lua_rawgeti(L, VALUES, 0) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawseti(L, VALUES, 0);
  }
  lua_insert(L, -2);
  lua_rawseti(L, -2, ++c->returned);
  lua_pop(L, 1);
}

/* Takes what was given back first. [-0, +1, -] */
static void take_returned(lua_State *L, channel *c) {
  lua_rawgeti(L, VALUES, 0);
  lua_rawgeti(L, -1, ++c->taken);
  lua_pushnil(L);
  lua_rawseti(L, -3, c->taken);
  lua_replace(L, -2);
}

/* The wait of a receiver is over. One who has been cancelled meanwhile hands
 * on what he was given. */
static int received(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  channel *c = lua_touserdata(L, CHANNEL);
  const turn *t = lua_touserdata(L, TURN);
  take(L, t->key);
  bool cancelled = neap__task_current(L)->cancel_status != 0;
  if (cancelled && !lua_isnil(L, -1) && !give(L, c))
    give_back(L, c);
  neap__wait_end(L);
  return 1;
}

/* channel:receive() -> value, nil once it is closed and empty */
static int receive(lua_State *L) {
  channel *c = check_channel(L);
  lua_settop(L, VALUES);
  if (c->taken < c->returned) {
    take_returned(L, c);
    return 1;
  }
  bool found = c->count > 0;
  if (found) {
    take(L, c->first + 1);
    c->first = (c->first + 1) % c->capacity;
    c->count--;
  }
  turn *sender = next_in(&c->senders);
  if (sender) {
    /* There is room in the ring now; or it has none, and is passed by. */
    take(L, sender->key);
    if (found) {
      lua_rawseti(L, VALUES, ring(c, c->count));
      c->count++;
    }
    neap_op_settle(&sender->place.task->op, 0);
    return 1;
  }
  if (found)
    return 1;
  if (c->closed) {
    lua_pushnil(L);
    return 1;
  }
  line_up(L, c, &c->receivers, "a value from a channel");
  return neap__wait(L, received);
}

/* channel:close(): those who wait to receive get nil, those who wait to send
 * an error. */
static int close(lua_State *L) {
  channel *c = check_channel(L);
  c->closed = true;
  turn *t;
  while ((t = next_in(&c->receivers)))
    neap_op_settle(&t->place.task->op, 0);
  while ((t = next_in(&c->senders))) {
    t->refused = true;
    neap_op_settle(&t->place.task->op, 0);
  }
  return 0;
}

/* channel:values() -> iterator */
static int values(lua_State *L) {
  luaL_checkudata(L, CHANNEL, CHANNEL_META);
  lua_settop(L, 1);
  lua_pushcfunction(L, receive);
  lua_insert(L, 1);
  return 2;
}

static int length(lua_State *L) {
  const channel *c = luaL_checkudata(L, CHANNEL, CHANNEL_META);
  lua_pushinteger(L, c->count + c->returned - c->taken);
  return 1;
}

/* channel(capacity) -> channel */
static int new_channel(lua_State *L) {
  lua_Integer capacity = luaL_optinteger(L, 1, 0);
  luaL_argcheck(L, capacity >= 0, 1, "a capacity is 0 or more");
  channel *c = lua_newuserdatauv(L, sizeof *c, 1);
  *c = (channel){.capacity = capacity};
  neap__list_init(&c->senders);
  neap__list_init(&c->receivers);
  luaL_setmetatable(L, CHANNEL_META);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

void neap__channel_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"send", send},
                                     {"receive", receive},
                                     {"close", close},
                                     {"values", values},
                                     {NULL, NULL}};
  luaL_newmetatable(L, CHANNEL_META);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, length);
  lua_setfield(L, -2, "__len");
  lua_pop(L, 1);
  lua_pushcfunction(L, new_channel);
  lua_setfield(L, -2, "channel");
}
