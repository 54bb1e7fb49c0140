/* Responses, until Lua has all of them.
 * SPDX-License-Identifier: MIT */
#include "http_response.h"

#include <string.h>

#include <lauxlib.h>

#include "error.h"
#include "object.h"
#include "wait.h"

#define RESPONSE_META "neap.http.response"

neap__http_held *neap__http_hold(lua_State *L, const char *what) {
  neap__http_held *held = lua_newuserdatauv(L, sizeof *held, 0);
  *held = (neap__http_held){.what = what};
  luaL_setmetatable(L, RESPONSE_META);
  return held;
}

void neap__http_release(neap__http_held *held) {
  neap_http_response *response = held->response;
  held->response = NULL;
  neap_http_free(response);
}

/* Adds a value to what the table below has for the name on top, which it takes
 * away: of Set-Cookie a list. [-1, +0, m] */
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

/* RFC 9110 5.3: values of one name may be joined with commas, but for those of
 * Set-Cookie, which have commas themselves. [-0, +1, m] */
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

void neap__http_push(lua_State *L, const neap__http_held *held, bool streamed) {
  const neap_http_response *response = held->response;
  int status = neap_http_status(response);
  lua_createtable(L, 0, 8); /* with what Lua adds */
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

int neap__http_fail(lua_State *L, const char *what, int status,
                    const char *text, const neap_http_response *response) {
  bool transient = false;
  if (response)
    text = neap_http_error(response, &transient);
  neap__error_push(L, status == NEAP_ETIMEDOUT ? "timeout" : "http", "%s %s",
                   what, text);
  lua_pushboolean(L, transient);
  lua_setfield(L, -2, "retryable");
  if (response) {
    const char *url = neap_http_url(response);
    lua_pushlstring(L, url, strcspn(url, "?#"));
    lua_setfield(L, -2, "url");
  }
  return lua_error(L);
}

static int received(lua_State *L, int status, lua_KContext context);

/* Gives the next bytes of the response held at 1. */
static int await_bytes(lua_State *L) {
  const neap__http_held *held = lua_touserdata(L, 1);
  neap_op *op = neap__wait_begin(L, "the body of a response");
  neap_http_response *response = held->response;
  if (!response)
    return neap__error_raise(L, "closed", "%s: the response has been closed",
                             held->what);
  const char *bytes;
  size_t size;
  int peeked = neap_http_peek(response, &bytes, &size);
  if (size > 0) {
    lua_pushlstring(L, bytes, size); /* may raise; then they are still there */
    neap_http_take(response, size);
    return 1;
  }
  if (peeked == 0)
    return 0;
  if (peeked != NEAP_EAGAIN)
    return neap__http_fail(L, held->what, peeked, NULL, response);
  if (neap_http_read(neap__engine(L), op, response) < 0)
    return neap__error_raise(
        L, "busy", "%s: somebody else is waiting for the body", held->what);
  return neap__wait(L, received);
}

static int received(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  neap__wait_end(L);
  return await_bytes(L);
}

/* response:receive() -> bytes, nil at the end */
static int receive(lua_State *L) {
  neap__object_check(L, 1, RESPONSE_META);
  lua_settop(L, 1);
  return await_bytes(L);
}

/* response:close() */
static int close_response(lua_State *L) {
  neap__http_release(neap__object_check(L, 1, RESPONSE_META));
  return 0;
}

void neap__http_response_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"receive", receive},
                                     {"close", close_response},
                                     {"__gc", close_response},
                                     {NULL, NULL}};
  neap__object_class(L, RESPONSE_META, methods, 0);
  lua_pop(L, 1);
}
