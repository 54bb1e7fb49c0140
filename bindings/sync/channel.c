/* Channels: values in line, from tasks that send to tasks that receive.
 * SPDX-License-Identifier: MIT
 *
 * The user value of a channel is a table that holds the buffered values. Its
 * keys from 1 to the capacity are a ring. At 0 is a list of values that were
 * given to receivers and returned, since the receivers were cancelled; they
 * come before those in the ring.
 *
 * A sender that waits has its value on its own stack. The receiver takes it
 * from there, and leaves nil. A receiver that waits gets its value on its own
 * stack.
 */
#include "channel.h"

#include <lauxlib.h>

#include "task/check.h"
#include "task/class.h"
#include "task/error.h"
#include "task/task.h"
#include "task/wait.h"

#define CHANNEL_META "neap.channel"

typedef struct channel {
  lua_Integer capacity;
  lua_Integer first; /* where the oldest value is in the ring, from 0 */
  lua_Integer count; /* of values in the ring */
  lua_Integer returned, taken; /* the ends of the list at 0 */
  bool closed;
  neap_link senders, receivers; /* lines of tasks, each with its coroutine */
} channel;

/* The stack of a task that waits: the channel, and the value that it sends or
 * receives. */
enum { CHANNEL = 1, VALUE };

static channel *check_channel(lua_State *L) {
  return neapL_class_check(L, CHANNEL, CHANNEL_META);
}

/* Suspends the caller in a line until another task settles it. [-0, +0, v] */
static int wait_in(lua_State *L, neap_link *line, const char *what,
                   const neapL_wait_then *then) {
  neap_op *op = neapL_wait_begin(L, what);
  neapL_wait_offer(L, op->data, VALUE);
  neapL_task_line_up(op->data, line, neapL_task_leave, L);
  return neapL_wait(L, op, 0, then);
}

/* Returns the coroutine of a task that stands in line, or did so until now. */
static lua_State *coroutine_of(const neapL_task *task) {
  return task->dropped;
}

/* Puts the value on top into the ring, which has room. [-1, +0, m] */
static void put(lua_State *L, channel *c) {
  lua_getiuservalue(L, CHANNEL, 1);
  lua_insert(L, -2);
  lua_rawseti(L, -2, (c->first + c->count) % c->capacity + 1);
  lua_pop(L, 1);
  c->count++;
}

/* Takes the value at `key` out of the table on top, and replaces the table by
 * it. [-1, +1, -] */
static void take(lua_State *L, lua_Integer key) {
  lua_rawgeti(L, -1, key);
  lua_pushnil(L);
  lua_rawseti(L, -3, key);
  lua_replace(L, -2);
}

/* Takes the oldest value out of the ring. [-0, +1, -] */
static void take_oldest(lua_State *L, channel *c) {
  lua_getiuservalue(L, CHANNEL, 1);
  take(L, c->first + 1);
  c->first = (c->first + 1) % c->capacity;
  c->count--;
}

/* Takes the oldest value that was returned. [-0, +1, -] */
static void take_returned(lua_State *L, channel *c) {
  lua_getiuservalue(L, CHANNEL, 1);
  lua_rawgeti(L, -1, 0);
  lua_replace(L, -2);
  take(L, ++c->taken);
}

/* Takes the value of the first sender in line, if there is one. [-0, +(0|1), -]
 */
static bool take_sent(lua_State *L, channel *c) {
  neapL_task *sender = neapL_task_next(&c->senders);
  if (!sender)
    return false;
  neapL_wait_take(L, sender, coroutine_of(sender), VALUE);
  neap_op_settle(&sender->op, 0);
  return true;
}

/* Gives the value on top to the first receiver in line, if there is one.
 * [-(1|0), +0, -] */
static bool give(lua_State *L, channel *c) {
  neapL_task *receiver = neapL_task_next(&c->receivers);
  if (!receiver)
    return false;
  neapL_wait_put(L, receiver, coroutine_of(receiver), VALUE);
  neap_op_settle(&receiver->op, 0);
  return true;
}

/* The value was taken, or the channel was closed. */
static int sent(lua_State *L, const neap_op *op) {
  neapL_wait_accept(L, op->data, VALUE);
  if (!lua_isnil(L, VALUE))
    return neapL_error_raise(L, "closed", "send on a channel that was closed");
  return 0;
}

/* channel:send(value) */
static int send(lua_State *L) {
  static const neapL_wait_then then = {.finish = sent};
  channel *c = check_channel(L);
  lua_settop(L, VALUE);
  neapL_check_that(L, !lua_isnil(L, VALUE), 2, "nil cannot be sent");
  if (c->closed)
    return neapL_error_raise(L, "closed", "send on a closed channel");
  if (give(L, c))
    return 0;
  if (c->count == c->capacity)
    return wait_in(L, &c->senders, "room in a channel", &then);
  put(L, c);
  return 0;
}

/* Returns the value on top, which a receiver could not take, to the channel.
 * [-1, +0, m] */
static void give_back(lua_State *L, channel *c) {
  lua_getiuservalue(L, CHANNEL, 1);
  if (lua_rawgeti(L, -1, 0) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, 0);
  }
  lua_pushvalue(L, -3);
  lua_rawseti(L, -2, ++c->returned);
  lua_pop(L, 3);
}

static int received(lua_State *L, const neap_op *op) {
  neapL_wait_accept(L, op->data, VALUE);
  return 1;
}

/* Passes on the value that a receiver was given before it was cancelled. */
static void hand_on(lua_State *L) {
  channel *c = lua_touserdata(L, CHANNEL);
  neapL_wait_accept(L, neapL_task_current(L), VALUE);
  lua_pushvalue(L, VALUE);
  if (lua_isnil(L, VALUE))
    lua_pop(L, 1);
  else if (!give(L, c))
    give_back(L, c);
}

/* channel:receive() -> value, nil once it is closed and empty */
static int receive(lua_State *L) {
  static const neapL_wait_then then = {received, hand_on};
  channel *c = check_channel(L);
  lua_settop(L, CHANNEL);
  lua_settop(L, VALUE);
  if (c->taken < c->returned) {
    take_returned(L, c);
  } else if (c->count > 0) {
    take_oldest(L, c);
    if (take_sent(L, c))
      put(L, c); /* into the free place */
  } else if (!take_sent(L, c)) {
    if (!c->closed)
      return wait_in(L, &c->receivers, "a value from a channel", &then);
    lua_pushnil(L);
  }
  return 1;
}

/* channel:close(): tasks that wait to receive get nil, and tasks that wait to
 * send an error. */
static int close(lua_State *L) {
  channel *c = check_channel(L);
  c->closed = true;
  neapL_task *task;
  while ((task = neapL_task_next(&c->receivers)) ||
         (task = neapL_task_next(&c->senders)))
    neap_op_settle(&task->op, 0);
  return 0;
}

/* The iterator of `values`. A loop hands it the channel; for a call outside of
 * one, that is its second upvalue. */
static int next_value(lua_State *L) {
  if (!lua_isuserdata(L, CHANNEL)) {
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(2));
  }
  return receive(L);
}

/* channel:values() -> iterator, channel */
static int values(lua_State *L) {
  check_channel(L);
  lua_settop(L, CHANNEL);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, CHANNEL);
  lua_pushcclosure(L, next_value, 2);
  lua_insert(L, CHANNEL);
  return 2;
}

static int length(lua_State *L) {
  const channel *c = check_channel(L);
  lua_pushinteger(L, c->count + c->returned - c->taken);
  return 1;
}

/* channel(capacity) -> channel */
static int new_channel(lua_State *L) {
  lua_Integer capacity = neapL_opt_integer(L, 1, 0);
  if (capacity < 0)
    neapL_check_type_fail(L, 1, "whole number from 0");
  channel *c = lua_newuserdatauv(L, sizeof *c, 1);
  *c = (channel){.capacity = capacity};
  neap__list_init(&c->senders);
  neap__list_init(&c->receivers);
  neapL_class_mark(L);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

void neapL_channel_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"send", send},    {"receive", receive},
                                     {"close", close},  {"values", values},
                                     {"__len", length}, {NULL, NULL}};
  neapL_class_define(L, CHANNEL_META, methods, 0);
  lua_pushcclosure(L, new_channel, 1);
  lua_setfield(L, -2, "channel");
}
