/* Bodies of requests that are written while they are sent.
 * SPDX-License-Identifier: MIT */
#include "upload.h"

#include <lauxlib.h>

#include "task/check.h"
#include "task/class.h"
#include "task/error.h"
#include "task/wait.h"

#define UPLOAD_META "neap.http.upload"

typedef struct box {
  neap_http_upload *upload; /* *owned*; NULL when it has been closed */
  lua_Integer size;         /* -1: unknown */
} box;

neap_http_upload *neapL_http_upload_check(lua_State *L, int arg) {
  box *b = neapL_class_given(L, arg, UPLOAD_META, NULL);
  return b->upload;
}

/* Raises the error for a status of the body. `fault` is "more" or "fewer".
 * [-0, +0, v] */
static int fail(lua_State *L, const box *b, int status, const char *fault) {
  if (status == NEAP_ECLOSED)
    return neapL_error_raise(L, "closed", "the request has ended");
  if (status == NEAP_EINVAL)
    return neapL_error_raise(L, "http",
                             "the body has %s bytes than the %I of "
                             "body_size",
                             fault, b->size);
  return neapL_error_raise(L, "http", "the body: %s", neap_status_text(status));
}

static int written(lua_State *L, const neap_op *op) {
  return op->status < 0 ? fail(L, lua_touserdata(L, 1), op->status, "more") : 0;
}

/* upload:write(bytes) */
static int write_bytes(lua_State *L) {
  static const neapL_wait_then then = {.finish = written};
  neapL_class_check(L, 1, UPLOAD_META);
  size_t size;
  const char *bytes = neapL_check_lstring(L, 2, &size);
  neap_op *op = neapL_wait_begin(L, "room for the body of a request");
  bool at_once = true;
  int started =
      neap_http_upload_write(neapL_engine(L), op, neapL_http_upload_check(L, 1),
                             bytes, size, &at_once);
  return neapL_wait(L, op, started < 0 ? started : at_once, &then);
}

/* upload:finish() */
static int finish(lua_State *L) {
  const box *b = neapL_class_check(L, 1, UPLOAD_META);
  int status = neap_http_upload_end(neapL_http_upload_check(L, 1));
  return status < 0 ? fail(L, b, status, "fewer") : 0;
}

/* upload:close() */
static int close_upload(lua_State *L) {
  neap_http_upload_free(neapL_class_take(L, 1, UPLOAD_META));
  return 0;
}

/* upload(size) */
static int new_upload(lua_State *L) {
  lua_Integer size = neapL_opt_integer(L, 1, -1);
  box *b = neapL_class_new(L, UPLOAD_META, sizeof *b, 0);
  b->size = size;
  uint64_t bytes = size < 0 ? NEAP_HTTP_SIZE_UNKNOWN : (uint64_t)size;
  if (neap_http_upload_new(neapL_engine(L), bytes, &b->upload) < 0)
    neapL_error_no_memory(L);
  return 1;
}

void neapL_http_upload_open(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"write", write_bytes},  {"finish", finish},
      {"close", close_upload}, {"__close", close_upload},
      {"__gc", close_upload},  {NULL, NULL}};
  neapL_class_define(L, UPLOAD_META, methods, 0);
  lua_pop(L, 1);
  lua_pushcfunction(L, new_upload);
  lua_setfield(L, -2, "upload");
}
