/* HTTP for Lua: the C functions for lua/neap/http/init.lua.
 * SPDX-License-Identifier: MIT */
#include "http.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <lauxlib.h>

#include "base/units.h"
#include "jar.h"
#include "neap.h"
#include "response.h"
#include "task/check.h"
#include "task/wait.h"
#include "upload.h"

/* The stack of request: the arguments and the response, which stay while it
 * waits; then what is needed until the request has been sent. */
enum {
  WHAT_SLOT = 1,
  OPTS_SLOT,
  URL_SLOT,
  RESPONSE_SLOT,
  HEADERS_SLOT,
  JAR_SLOT,
  UPLOAD_SLOT,
  LAST_SLOT = UPLOAD_SLOT
};

static const char *const names[] = {"http.request", "http.get", "http.head",
                                    "http.post",    "http.put", "http.patch",
                                    "http.delete",  NULL};

/* The kinds of options, by what they are read into. */
typedef enum kind {
  TEXT,
  SECONDS,
  COUNT,
  COUNT_32,
  FLAG,
  BODY,
  HEADERS,
  JAR,
  UPLOAD,
  IDEMPOTENCE
} kind;

static const struct {
  const char *name;
  kind kind;
  size_t offset; /* in neap_http_opts */
} fields[] = {
#define FIELD(name, kind, field)                                               \
  { name, kind, offsetof(neap_http_opts, field) }
    FIELD("method", TEXT, method),
    FIELD("url", TEXT, url),
    FIELD("max_redirects", COUNT_32, max_redirects),
    FIELD("headers", HEADERS, headers),
    FIELD("body", BODY, body),
    FIELD("timeout", SECONDS, timeout_ns),
    FIELD("connect_timeout", SECONDS, connect_timeout_ns),
    FIELD("idle_timeout", SECONDS, idle_timeout_ns),
    FIELD("max_body", COUNT, max_body),
    FIELD("stream", FLAG, stream),
    FIELD("ca_file", TEXT, ca_file),
    FIELD("proxy", TEXT, proxy),
    FIELD("cert_file", TEXT, cert_file),
    FIELD("key_file", TEXT, key_file),
    FIELD("key_password", TEXT, key_password),
    FIELD("cookies", JAR, jar),
    FIELD("upload", UPLOAD, upload),
    FIELD("idempotent", IDEMPOTENCE, idempotence),
    FIELD("unix_socket", TEXT, unix_socket),
    FIELD("fresh_connection", FLAG, fresh_connection),
    FIELD("max_idle", SECONDS, max_idle_ns),
#undef FIELD
};
enum { FIELDS = sizeof fields / sizeof *fields };

/* These functions read the value on top of the stack, which the table of
 * options keeps alive. */

/* Seconds as nanoseconds. [-0, +0, v] */
static uint64_t to_ns(lua_State *L) {
  return neap__ns_of_seconds(neapL_check_number(L, -1));
}

/* A count from 0 to `max`. [-0, +0, v] */
static uint64_t to_count(lua_State *L, uint64_t max) {
  lua_Integer count = neapL_check_integer(L, -1);
  if (count < 0)
    return 0;
  return (uint64_t)count < max ? (uint64_t)count : max;
}

/* A string. If it has a zero byte, *bad becomes `name`. [-0, +0, v] */
static const char *to_text(lua_State *L, const char *name, const char **bad) {
  neapL_check_type(L, -1, LUA_TSTRING);
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  if (strlen(text) != size)
    *bad = name;
  return text;
}

/* The array of headers, which is kept at HEADERS_SLOT. [-0, +0, v] */
static void read_headers(lua_State *L, neap_http_opts *opts, const char **bad) {
  neapL_check_type(L, -1, LUA_TTABLE);
  size_t count = (size_t)lua_rawlen(L, -1) / 2;
  neap_http_header *headers =
      lua_newuserdatauv(L, (count + 1) * sizeof *headers, 0);
  lua_replace(L, HEADERS_SLOT);
  for (size_t i = 0; i < 2 * count; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    const char *text = to_text(L, "header", bad);
    if (i % 2 == 0)
      headers[i / 2].name = text;
    else
      headers[i / 2].value = text;
    lua_pop(L, 1);
  }
  opts->headers = headers;
  opts->header_count = count;
}

/* Reads the value on top of the stack. [-0, +0, v] */
static void read_field(lua_State *L, size_t field, neap_http_opts *opts,
                       const char **bad) {
  void *place = (char *)opts + fields[field].offset;
  switch (fields[field].kind) {
  case TEXT:
    *(const char **)place = to_text(L, fields[field].name, bad);
    break;
  case SECONDS:
    *(uint64_t *)place = to_ns(L);
    break;
  case COUNT:
    *(uint64_t *)place = to_count(L, UINT64_MAX);
    break;
  case COUNT_32:
    *(uint32_t *)place = (uint32_t)to_count(L, UINT32_MAX);
    break;
  case FLAG:
    *(bool *)place = lua_toboolean(L, -1);
    break;
  case BODY:
    opts->body = neapL_check_lstring(L, -1, &opts->body_size);
    break;
  case HEADERS:
    read_headers(L, opts, bad);
    break;
  case JAR:
    lua_pushvalue(L, -1);
    lua_replace(L, JAR_SLOT);
    break;
  case UPLOAD:
    lua_pushvalue(L, -1);
    lua_replace(L, UPLOAD_SLOT);
    break;
  case IDEMPOTENCE:
    opts->idempotence =
        lua_toboolean(L, -1) ? NEAP_HTTP_IDEMPOTENT : NEAP_HTTP_NOT_IDEMPOTENT;
    break;
  }
}

/* Fills in the options, but for objects, which go to their slots. Returns the
 * name of one with a zero byte; NULL when there is none. [-0, +0, v] */
static const char *read_options(lua_State *L, neap_http_opts *opts) {
  const char *bad = NULL;
  lua_pushnil(L);
  while (lua_next(L, OPTS_SLOT)) {
    const char *name =
        lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    size_t i = 0;
    while (i < FIELDS && strcmp(fields[i].name, name) != 0)
      i++;
    if (i < FIELDS)
      read_field(L, i, opts, &bad);
    lua_pop(L, 1);
  }
  return bad;
}

/* Fills in the options that are objects. They are borrowed until something runs
 * Lua. [-0, +0, v] */
static void look_at_objects(lua_State *L, neap_http_opts *opts) {
  if (!lua_isnil(L, JAR_SLOT))
    opts->jar = neapL_http_jar_check(L, JAR_SLOT);
  if (!lua_isnil(L, UPLOAD_SLOT))
    opts->upload = neapL_http_upload_check(L, UPLOAD_SLOT);
}

static void drop_response(lua_State *L) {
  neapL_http_release(lua_touserdata(L, RESPONSE_SLOT));
}

static int end_request(lua_State *L, const neap_op *op) {
  neapL_http_held *held = lua_touserdata(L, RESPONSE_SLOT);
  if (op->status < 0) {
    const char *why = neap_http_why(neapL_engine(L));
    if (op->status != NEAP_EINVAL)
      return neapL_http_fail(L, RESPONSE_SLOT, op->status,
                             *why ? why : neap_status_text(op->status));
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
  }
  neapL_http_check(L, RESPONSE_SLOT);
  lua_getfield(L, OPTS_SLOT, "stream");
  bool streamed = lua_toboolean(L, -1);
  neapL_http_push(L, held, streamed);
  if (streamed) {
    lua_pushvalue(L, RESPONSE_SLOT);
    lua_setfield(L, -2, "handle");
  } else {
    neapL_http_release(held);
  }
  return 1;
}

static int request(lua_State *L) {
  static const neapL_wait_then then = {end_request, drop_response};
  const char *what = names[neapL_check_option(L, WHAT_SLOT, NULL, names)];
  neapL_check_type(L, OPTS_SLOT, LUA_TTABLE);
  lua_settop(L, URL_SLOT);
  neapL_http_held *held = neapL_http_hold(L, what);
  lua_settop(L, LAST_SLOT);
  neap_http_opts opts = NEAP_HTTP_OPTS_INIT;
  const char *bad = read_options(L, &opts);
  if (!lua_isnil(L, URL_SLOT)) {
    lua_pushvalue(L, URL_SLOT);
    opts.url = to_text(L, "url", &bad);
  }
  if (bad) {
    lua_pushnil(L);
    lua_pushfstring(L, "the %s has a zero byte", bad);
    return 2;
  }
  neap_op *op = neapL_wait_begin(L, what);
  look_at_objects(L, &opts);
  int started = neap_http_send(neapL_engine(L), op, &opts, &held->response);
  lua_settop(L, RESPONSE_SLOT);
  return neapL_wait(L, op, started, &then);
}

int neapL_http_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"request", request}, {NULL, NULL}};
  neapL_http_response_open(L);
  luaL_newlib(L, functions);
  neapL_http_jar_open(L);
  neapL_http_upload_open(L);
  return 1;
}
