/* Sockets for Lua: the C functions for lua/neap/net.lua.
 * SPDX-License-Identifier: MIT */
#include "net.h"

#include <lauxlib.h>
#include <string.h>

#include "stream.h"
#include "task/check.h"
#include "task/class.h"
#include "task/error.h"
#include "task/refusal.h"
#include "task/wait.h"

#define LISTENER_META  "neap.listener"
#define ADDRESSES_META "neap.addresses"

/* Room for an address as text. */
enum { NAME_SIZE = 128 };

/* The arguments of connect and listen: the label for errors, the host or nil,
 * the port or nil, the path or nil, whether to delay small writes, the backlog
 * or nil. */
enum { LABEL = 1, HOST, PORT, PATH, DELAYS, BACKLOG, RESULT };

static neap_net_opts check_opts(lua_State *L) {
  neap_net_opts opts = NEAP_NET_OPTS_INIT;
  opts.host = neapL_opt_string(L, HOST, NULL);
  opts.port = (uint16_t)neapL_opt_integer(L, PORT, 0);
  opts.path = neapL_opt_string(L, PATH, NULL);
  opts.delays = lua_toboolean(L, DELAYS);
  opts.backlog = (int)neapL_opt_integer(L, BACKLOG, 0);
  return opts;
}

/* Raises an error that begins with the string at `label`. [-0, +0, v] */
static int fail(lua_State *L, int label, int status, int detail) {
  neapL_refusal_push_status(L, status == NEAP_ECLOSED ? "closed" : "net",
                            lua_tostring(L, label), status, detail);
  return lua_error(L);
}

/* Pushes the addresses of both ends. [-0, +2, m] */
static void push_names(lua_State *L, const neap_stream *stream) {
  for (int peer = 0; peer < 2; peer++) {
    char name[NAME_SIZE];
    if (neap_net_name(neap_stream_fd(stream), peer, name, sizeof name) < 0)
      *name = '\0'; /* it is broken already */
    lua_pushstring(L, name);
  }
}

static void disconnect(lua_State *L) {
  neap_stream **held = neapL_stream_of(L, RESULT);
  neap_stream_close(*held);
  *held = NULL;
}

static int connected(lua_State *L, const neap_op *op) {
  neap_stream *const *held = neapL_stream_of(L, RESULT);
  if (op->status < 0)
    return fail(L, LABEL, op->status, op->detail);
  if (!*held) /* freed while the state is being closed */
    return fail(L, LABEL, NEAP_ECLOSED, 0);
  push_names(L, *held);
  return 3;
}

/* connect(...) -> stream, address, address of the peer */
static int connect_to(lua_State *L) {
  static const neapL_wait_then then = {connected, disconnect};
  const char *label = neapL_check_string(L, LABEL);
  const char *address = strchr(label, ' ');
  neapL_check_that(L, address, LABEL, "\"net.connect ADDRESS\" expected");
  neap_net_opts opts = check_opts(L);
  lua_settop(L, RESULT - 1);
  lua_pushstring(L, address + 1);
  neap_stream **held = neapL_stream_push(L, "net");
  neap_op *op = neapL_wait_begin(L, label);
  int started = neap_net_connect(neapL_engine(L), op, &opts, held);
  return neapL_wait(L, op, started, &then);
}

static int free_addresses(lua_State *L) {
  neap_addresses_free(neapL_class_take(L, 1, ADDRESSES_META));
  return 0;
}

static int found(lua_State *L, const neap_op *op) {
  neap_addresses **held = lua_touserdata(L, 3);
  if (op->status < 0)
    return fail(L, 1, op->status, op->detail);
  if (!*held) /* freed while the state is being closed */
    return fail(L, 1, NEAP_ECLOSED, 0);
  lua_newtable(L);
  char text[NAME_SIZE];
  for (size_t i = 0; neap_addresses_get(*held, i, text, sizeof text); i++) {
    lua_pushstring(L, text);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* lookup(label, host) -> list of addresses */
static int lookup(lua_State *L) {
  static const neapL_wait_then then = {.finish = found};
  const char *label = neapL_check_string(L, 1),
             *host = neapL_check_string(L, 2);
  lua_settop(L, 2);
  neap_addresses **held = neapL_class_new(L, ADDRESSES_META, sizeof *held, 0);
  neap_op *op = neapL_wait_begin(L, label);
  int started = neap_net_lookup(neapL_engine(L), op, host, held);
  return neapL_wait(L, op, started, &then);
}

/* A listener is a userdata that holds a neap_listener, NULL when it has been
 * closed. Its user value says what a task waits for that accepts a connection.
 */
enum { LISTENER = 1, WORDS, CONNECTION };

/* Returns the listener at LISTENER, until something runs Lua. WORDS must be on
 * the stack. [-0, +0, v] */
static neap_listener *check_listener(lua_State *L) {
  return *(neap_listener **)neapL_class_open(L, LISTENER, LISTENER_META,
                                             lua_tostring(L, WORDS));
}

/* listen(...) -> listener, address */
static int listen_at(lua_State *L) {
  neapL_check_string(L, LABEL);
  neap_net_opts opts = check_opts(L);
  neap_listener **held = neapL_class_new(L, LISTENER_META, sizeof *held, 1);
  int detail = 0;
  int status = neap_net_listen(neapL_engine(L), &opts, &detail, held);
  if (status == NEAP_EINVAL)
    return neapL_error_raise(L, "net",
                             "%s: the address must be in digits, as 127.0.0.1 "
                             "or [::1]",
                             lua_tostring(L, LABEL));
  if (status < 0)
    return fail(L, LABEL, status, detail);
  char name[NAME_SIZE];
  neap_net_name(neap_listener_fd(*held), false, name, sizeof name);
  lua_pushfstring(L, "accept at %s", name);
  lua_setiuservalue(L, -2, 1);
  lua_pushstring(L, name);
  return 2;
}

static int accept_next(lua_State *L);

static int ready(lua_State *L, const neap_op *op) {
  if (op->status < 0 && op->status != NEAP_ECLOSED)
    return fail(L, WORDS, op->status, op->detail);
  return accept_next(L); /* raises when the listener has been closed */
}

/* The stack: the listener, its words, a stream for the connection. */
static int accept_next(lua_State *L) {
  static const neapL_wait_then then = {.finish = ready};
  neap_stream **held = neapL_stream_of(L, CONNECTION);
  int detail = 0;
  int status = neap_listener_accept(check_listener(L), &detail, held);
  if (status == NEAP_EAGAIN) {
    neap_op *op = neapL_wait_begin(L, lua_tostring(L, WORDS));
    neap_listener_wait(check_listener(L), op);
    return neapL_wait(L, op, 0, &then);
  }
  if (status < 0)
    return fail(L, WORDS, status, detail);
  push_names(L, *held);
  return 3;
}

/* listener:accept() -> stream, address, address of the peer */
static int accept_connection(lua_State *L) {
  neapL_class_check(L, LISTENER, LISTENER_META);
  lua_settop(L, LISTENER);
  lua_getiuservalue(L, LISTENER, 1);
  lua_pushliteral(L, "a connection");
  neapL_stream_push(L, "net");
  return accept_next(L);
}

/* listener:close() */
static int close_listener(lua_State *L) {
  neap_listener_close(neapL_class_take(L, LISTENER, LISTENER_META));
  return 0;
}

int neapL_net_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"accept", accept_connection},
                                     {"close", close_listener},
                                     {"__gc", close_listener},
                                     {NULL, NULL}};
  static const luaL_Reg addresses[] = {{"__gc", free_addresses}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"connect", connect_to},
                                       {"listen", listen_at},
                                       {"lookup", lookup},
                                       {NULL, NULL}};
  neapL_class_define(L, LISTENER_META, methods, 0);
  lua_pop(L, 1);
  neapL_class_define(L, ADDRESSES_META, addresses, 0);
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
