/* HTTP for Lua: what lua/neap/http.lua is made of.
 * SPDX-License-Identifier: MIT */
#include "http.h"

#include <stdbool.h>
#include <string.h>

#include <lauxlib.h>

#include "http_jar.h"
#include "http_response.h"
#include "http_upload.h"
#include "neap.h"
#include "wait.h"

/* Where arguments and response stand while a request waits. */
enum { WHAT_SLOT = 1, OPTS_SLOT, RESPONSE_SLOT };

static const char *const names[] = {"http.request", "http.get", "http.post",
                                    NULL};

/* These read from the table of options, which keeps the strings alive. */

/* Returns a string without zero bytes, NULL when there is none. Notes in *bad
 * the name of one that has any. [-0, +0, v] */
static const char *text_option(lua_State *L, const char *name,
                               const char **bad) {
  if (lua_getfield(L, OPTS_SLOT, name) == LUA_TNIL) {
    lua_pop(L, 1);
    return NULL;
  }
  luaL_checktype(L, -1, LUA_TSTRING);
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  if (strlen(text) != size)
    *bad = name;
  lua_pop(L, 1);
  return text;
}

/* Returns seconds as nanoseconds, 0 when there are none. [-0, +0, v] */
static uint64_t time_option(lua_State *L, const char *name) {
  lua_getfield(L, OPTS_SLOT, name);
  double ns = luaL_optnumber(L, -1, 0) * 1e9;
  lua_pop(L, 1);
  if (!(ns > 0))
    return 0;
  if (ns >= 0x1p63)
    return NEAP_FOREVER;
  return ns < 1 ? 1 : (uint64_t)(ns + 0.5);
}

/* Returns a count from 0 to `max`, 0 when there is none. [-0, +0, v] */
static uint64_t count_option(lua_State *L, const char *name, uint64_t max) {
  lua_getfield(L, OPTS_SLOT, name);
  lua_Integer count = luaL_optinteger(L, -1, 0);
  lua_pop(L, 1);
  if (count < 0)
    return 0;
  return (uint64_t)count < max ? (uint64_t)count : max;
}

/* Pushes what holds the array of headers and, so that its strings live, the
 * list that they come from. [-0, +2, v] */
static void push_headers(lua_State *L, neap_http_opts *opts, const char **bad) {
  if (lua_getfield(L, OPTS_SLOT, "headers") == LUA_TNIL) {
    lua_pushnil(L);
    return;
  }
  luaL_checktype(L, -1, LUA_TTABLE);
  size_t count = (size_t)lua_rawlen(L, -1);
  const char **texts = lua_newuserdatauv(L, (count + 1) * sizeof *texts, 0);
  for (size_t i = 0; i < count; i++) {
    size_t size;
    if (lua_rawgeti(L, -2, (lua_Integer)i + 1) != LUA_TSTRING)
      luaL_error(L, "headers must be strings");
    texts[i] = lua_tolstring(L, -1, &size);
    if (strlen(texts[i]) != size)
      *bad = "header";
    lua_pop(L, 1); /* list texts */
  }
  neap_http_header *headers =
      lua_newuserdatauv(L, (count / 2 + 1) * sizeof *headers, 0);
  for (size_t i = 0; i < count / 2; i++)
    headers[i] = (neap_http_header){texts[2 * i], texts[2 * i + 1]};
  lua_replace(L, -2); /* list headers */
  opts->headers = headers;
  opts->header_count = count / 2;
}

/* Fills in the options. Returns the name of one with a zero byte, NULL when
 * all are well. Pushes what they point into. [-0, +2, v] */
static const char *read_options(lua_State *L, neap_http_opts *opts) {
  const char *bad = NULL;
  opts->url = text_option(L, "url", &bad);
  opts->method = text_option(L, "method", &bad);
  opts->ca_file = text_option(L, "ca_file", &bad);
  opts->proxy = text_option(L, "proxy", &bad);
  opts->cert_file = text_option(L, "cert_file", &bad);
  opts->key_file = text_option(L, "key_file", &bad);
  opts->key_password = text_option(L, "key_password", &bad);
  opts->timeout_ns = time_option(L, "timeout");
  opts->connect_timeout_ns = time_option(L, "connect_timeout");
  opts->idle_timeout_ns = time_option(L, "idle_timeout");
  opts->max_redirects = (uint32_t)count_option(L, "max_redirects", UINT32_MAX);
  opts->max_body = count_option(L, "max_body", UINT64_MAX);
  if (lua_getfield(L, OPTS_SLOT, "jar") != LUA_TNIL)
    opts->jar = neap__http_jar_check(L, -1);
  lua_pop(L, 1);
  if (lua_getfield(L, OPTS_SLOT, "body") != LUA_TNIL)
    opts->body = luaL_checklstring(L, -1, &opts->body_size);
  lua_pop(L, 1);
  if (lua_getfield(L, OPTS_SLOT, "upload") != LUA_TNIL)
    opts->upload = neap__http_upload_check(L, -1);
  lua_pop(L, 1);
  lua_getfield(L, OPTS_SLOT, "stream");
  opts->stream = lua_toboolean(L, -1);
  lua_pop(L, 1);
  push_headers(L, opts, &bad);
  return bad;
}

/* The task has been cancelled when the response was there already. */
static void drop_response(neap__task *task) {
  neap__http_release(task->dropped);
}

static int end_request(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  neap_op *op = neap__wait_end(L);
  neap__http_held *held = lua_touserdata(L, RESPONSE_SLOT);
  bool streamed = ctx != 0;
  if (op->status < 0)
    return neap__http_fail(L, held->what, op->status,
                           neap_status_text(op->status), held->response);
  neap__http_push(L, held->response, streamed);
  if (streamed) {
    lua_pushvalue(L, RESPONSE_SLOT);
    lua_setfield(L, -2, "handle");
  } else {
    neap__http_release(held);
  }
  return 1;
}

static int request(lua_State *L) {
  const char *what = names[luaL_checkoption(L, WHAT_SLOT, NULL, names)];
  luaL_checktype(L, OPTS_SLOT, LUA_TTABLE);
  lua_settop(L, OPTS_SLOT);
  neap__http_held *held = neap__http_hold(L, what);
  neap_http_opts opts = NEAP_HTTP_OPTS_INIT;
  const char *bad = read_options(L, &opts);
  if (bad) {
    lua_pushnil(L);
    lua_pushfstring(L, "the %s has a zero byte", bad);
    return 2;
  }
  neap_op *op = neap__wait_begin(L, what);
  neap_engine *engine = neap__engine(L);
  int started = neap_http_send(engine, op, &opts, &held->response);
  if (started == NEAP_EINVAL) {
    lua_pushnil(L);
    lua_pushstring(L, neap_http_why(engine));
    return 2;
  }
  if (started < 0) {
    const char *why = neap_http_why(engine);
    return neap__http_fail(L, what, started,
                           *why ? why : neap_status_text(started), NULL);
  }
  lua_settop(L, RESPONSE_SLOT);
  neap__wait_drops(L, drop_response, held);
  return neap__wait_with(L, opts.stream, end_request);
}

int neap__http_open_lua(lua_State *L) {
  static const luaL_Reg functions[] = {{"request", request}, {NULL, NULL}};
  neap__http_response_open(L);
  luaL_newlib(L, functions);
  neap__http_jar_open(L);
  neap__http_upload_open(L);
  return 1;
}
