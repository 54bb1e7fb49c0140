/* Responses, as long as Lua has not taken all of them.
 * SPDX-License-Identifier: MIT */
#include "response.h"

#include <string.h>

#include <lauxlib.h>

#include "base/units.h"
#include "task/check.h"
#include "task/class.h"
#include "task/error.h"
#include "task/refusal.h"
#include "task/wait.h"

#define RESPONSE_META "neap.http.response"

neapL_http_held *neapL_http_hold(lua_State *L, const char *what) {
  neapL_http_held *held = neapL_class_new(L, RESPONSE_META, sizeof *held, 0);
  held->what = what;
  return held;
}

void neapL_http_check(lua_State *L, int index) {
  const neapL_http_held *held = lua_touserdata(L, index);
  neapL_class_given(L, index, RESPONSE_META, held->what);
}

void neapL_http_release(neapL_http_held *held) {
  neap_http_response *response = held->response;
  held->response = NULL;
  neap_http_free(response);
}

/* Adds a header to the table below the name on top, which it pops. The values
 * of Set-Cookie become a list. [-1, +0, m] */
static void add_header(lua_State *L, const neap_http_header *header) {
  lua_pushvalue(L, -1); /* headers name name */
  int type = lua_rawget(L, -3);
  if (strcmp(header->name, "set-cookie") == 0) {
    if (type == LUA_TNIL) {
      lua_pop(L, 1);
      lua_createtable(L, 1, 0); /* headers name list */
      lua_pushvalue(L, -2);
      lua_pushvalue(L, -2);
      lua_rawset(L, -5);
    }
    lua_pushstring(L, header->value);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 2);
    return;
  }
  if (type == LUA_TNIL)
    lua_pushstring(L, header->value);
  else
    lua_pushfstring(L, "%s, %s", lua_tostring(L, -1), header->value);
  lua_replace(L, -2); /* headers name value */
  lua_rawset(L, -3);
}

/* Pushes the table of headers. RFC 9110 5.3: the values of one name may be
 * joined with commas, but for those of Set-Cookie, which have commas
 * themselves. [-0, +1, m] */
static void push_headers(lua_State *L, const neap_http_response *response) {
  neap_http_header header;
  int count = 0;
  while (neap_http_get_header(response, (size_t)count, &header))
    count++;
  lua_createtable(L, 0, count);
  for (int i = 0; i < count; i++) {
    neap_http_get_header(response, (size_t)i, &header);
    lua_pushstring(L, header.name);
    add_header(L, &header);
  }
}

void neapL_http_push(lua_State *L, const neapL_http_held *held, bool streamed) {
  const neap_http_response *response = held->response;
  int status = neap_http_status(response);
  lua_createtable(L, 0, 8); /* room for the fields that lua/neap/http adds */
  lua_pushstring(L, held->what);
  lua_setfield(L, -2, "what");
  lua_pushinteger(L, status);
  lua_setfield(L, -2, "status");
  lua_pushboolean(L, status >= 200 && status <= 299);
  lua_setfield(L, -2, "ok");
  push_headers(L, response);
  lua_setfield(L, -2, "headers");
  if (!streamed) {
    size_t size;
    const char *body = neap_http_body(response, &size);
    lua_pushlstring(L, body, size);
    lua_setfield(L, -2, "body");
  }
  lua_pushstring(L, neap_http_url(response));
  lua_setfield(L, -2, "url");
}

int neapL_http_fail(lua_State *L, int index, int status, const char *text) {
  const neapL_http_held *held = lua_touserdata(L, index);
  bool transient = false, stale = false;
  if (held->response) {
    stale = neap_http_is_stale(held->response);
    text = neap_http_error(held->response, &transient);
  }
  lua_pushstring(L, text);
  if (held->response) { /* it may have been closed in between */
    const char *url = neap_http_url(held->response);
    lua_pushlstring(L, url, strcspn(url, "?#"));
  } else {
    lua_pushnil(L);
  }
  const char *code = status == NEAP_ETIMEDOUT ? "timeout"
                     : status == NEAP_EPERM   ? NEAPL_DENIED
                                              : "http";
  bool named = held->response || status != NEAP_EPERM; /* text has the URL */
  neapL_error_push(L, code, named ? "%s %s" : "%s: %s", held->what,
                   lua_tostring(L, -2)); /* text url error */
  lua_insert(L, -2);
  lua_setfield(L, -2, "url");
  lua_pushboolean(L, transient);
  lua_setfield(L, -2, "retryable");
  if (stale) {
    lua_pushboolean(L, true);
    lua_setfield(L, -2, "stale"); /* for neap.http.upload */
  }
  return lua_error(L);
}

static int await_bytes(lua_State *L);

static int received(lua_State *L, const neap_op *op) {
  const neapL_http_held *held = lua_touserdata(L, 1);
  if (op->status == NEAP_EBUSY)
    return neapL_error_raise(L, "busy",
                             "%s: another task is waiting for the body already",
                             held->what);
  return await_bytes(L);
}

/* Waits for bytes of the body, unless `status` says that it has ended.
 * [-0, +0, v] */
static int await_more(lua_State *L, neap_op *op, int status) {
  if (status == 0)
    return 0;
  if (status != NEAP_EAGAIN)
    return neapL_http_fail(L, 1, status, neap_status_text(status));
  static const neapL_wait_then then = {.finish = received};
  const neapL_http_held *held = lua_touserdata(L, 1);
  int started = neap_http_read(neapL_engine(L), op, held->response);
  return neapL_wait(L, op, started, &then);
}

/* Returns the holder at 1, which is open, until something runs Lua. [-0, +0, v]
 */
static neapL_http_held *check_open(lua_State *L) {
  const neapL_http_held *held = lua_touserdata(L, 1);
  return neapL_class_open(L, 1, RESPONSE_META, held->what);
}

/* Returns the next bytes of the response held at 1. */
static int await_bytes(lua_State *L) {
  for (;;) {
    lua_settop(L, 1);
    neap_op *op = neapL_wait_begin(L, "the body of a response");
    neapL_http_held *held = check_open(L);
    const char *bytes;
    size_t size;
    int status = neap_http_peek(held->response, &bytes, &size);
    if (size == 0)
      return await_more(L, op, status);
    uint64_t taken = held->taken;
    lua_pushlstring(L, bytes, size); /* may raise: take them later */
    if (held->response && held->taken == taken) {
      held->taken++;
      neap_http_take(held->response, size);
      return 1;
    } /* else a finalizer has taken the bytes, or closed the response */
  }
}

/* response:receive() -> bytes, nil at the end */
static int receive(lua_State *L) {
  neapL_class_check(L, 1, RESPONSE_META);
  lua_settop(L, 1);
  return await_bytes(L);
}

/* response:limit_idle(seconds), 0 for no limit */
static int limit_idle(lua_State *L) {
  neapL_class_check(L, 1, RESPONSE_META);
  double seconds = neapL_check_number(L, 2);
  lua_settop(L, 1);
  const neapL_http_held *held = check_open(L);
  neap_http_limit_idle(held->response, neap__ns_of_seconds(seconds));
  return 0;
}

/* response:close() */
static int close_response(lua_State *L) {
  neap_http_free(neapL_class_take(L, 1, RESPONSE_META));
  return 0;
}

void neapL_http_response_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"receive", receive},
                                     {"limit_idle", limit_idle},
                                     {"close", close_response},
                                     {"__gc", close_response},
                                     {NULL, NULL}};
  neapL_class_define(L, RESPONSE_META, methods, 0);
  lua_pop(L, 1);
}
