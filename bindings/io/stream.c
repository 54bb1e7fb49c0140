/* Streams for Lua: the C functions for lua/neap/stream.lua.
 * SPDX-License-Identifier: MIT */
#include "stream.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <unistd.h>

#include "task/check.h"
#include "task/class.h"
#include "task/error.h"
#include "task/refusal.h"
#include "task/wait.h"

#define STREAM_META "neap.stream"

typedef struct box {
  neap_stream *stream; /* *owned*; NULL when it has been closed */
  const char *code;    /* of errors */
  uint64_t taken;      /* the number of times that bytes were taken */
} box;

/* The user values of a box: what each of its methods does, in words. They also
 * name what a task waits for, so they must last as long as the box. */
typedef enum method { READ = 1, WRITE, FINISH, METHODS = FINISH } method;

/* The stack of each method: the box, and of write the bytes. */
enum { BOX = 1, BYTES };

neap_stream **neapL_stream_push(lua_State *L, const char *code) {
  static const char *const formats[] = {"", "read from %s", "write to %s",
                                        "finish %s"};
  box *b = neapL_class_new(L, STREAM_META, sizeof *b, METHODS); /* label box */
  b->code = code;
  for (int i = READ; i <= METHODS; i++) {
    lua_pushfstring(L, formats[i], lua_tostring(L, -2));
    lua_setiuservalue(L, -2, i);
  }
  lua_replace(L, -2);
  return &b->stream;
}

neap_stream **neapL_stream_of(lua_State *L, int index) {
  box *b = lua_touserdata(L, index);
  return &b->stream;
}

/* Returns what a method of the box at BOX does, in words. [-0, +0, -] */
static const char *words_for(lua_State *L, method which) {
  lua_getiuservalue(L, BOX, which);
  const char *words = lua_tostring(L, -1);
  lua_pop(L, 1);
  return words;
}

/* Raises the error of a method that has failed. [-0, +0, v] */
static int fail(lua_State *L, method which, int status, int detail) {
  const box *b = lua_touserdata(L, BOX);
  if (status == NEAP_ECLOSED && !b->stream)
    return neapL_class_closed(L, STREAM_META, words_for(L, which));
  if (status == NEAP_EBUSY)
    return neapL_error_raise(L, "busy",
                             "%s: another task is waiting for that already",
                             words_for(L, which));
  neapL_refusal_push_status(L, status == NEAP_ECLOSED ? "closed" : b->code,
                            words_for(L, which), status, detail);
  return lua_error(L);
}

/* Returns the box at BOX, which is open, until something runs Lua. [-0, +0, v]
 */
static box *check_open(lua_State *L, method which) {
  return neapL_class_open(L, BOX, STREAM_META, words_for(L, which));
}

/* Begins the wait of a method of the box at BOX. *stream is valid until
 * something runs Lua. [-0, +0, v] */
static neap_op *begin(lua_State *L, method which, neap_stream **stream) {
  check_open(L, which);
  neap_op *op = neapL_wait_begin(L, words_for(L, which));
  *stream = check_open(L, which)->stream;
  return op;
}

static int await_bytes(lua_State *L);

static int received(lua_State *L, const neap_op *op) {
  if (op->status < 0 && op->status != NEAP_ECLOSED)
    return fail(L, READ, op->status, op->detail);
  for (;;) {
    lua_settop(L, BOX);
    box *b = check_open(L, READ); /* it may have been closed after the wait */
    const char *bytes;
    size_t size;
    int peeked = neap_stream_peek(b->stream, &bytes, &size);
    if (peeked == NEAP_EAGAIN)
      return await_bytes(L);
    if (peeked < 0)
      return fail(L, READ, peeked, neap_stream_detail(b->stream));
    if (size == 0)
      return 0;
    uint64_t taken = b->taken;
    lua_pushlstring(L, bytes, size); /* may raise: take them later */
    if (b->stream && b->taken == taken) {
      b->taken++;
      neap_stream_take(b->stream, size);
      return 1;
    } /* else a finalizer has taken the bytes, or closed the stream */
  }
}

static int await_bytes(lua_State *L) {
  static const neapL_wait_then then = {.finish = received};
  neap_stream *stream;
  neap_op *op = begin(L, READ, &stream);
  return neapL_wait(L, op, neap_stream_read(stream, op), &then);
}

/* stream:receive() -> bytes, nil at the end */
static int receive(lua_State *L) {
  neapL_class_check(L, BOX, STREAM_META);
  lua_settop(L, BOX);
  return await_bytes(L);
}

/* stream:available() -> bytes that can be received without waiting */
static int available(lua_State *L) {
  const box *b = neapL_class_check(L, BOX, STREAM_META);
  size_t size = b->stream ? neap_stream_available(b->stream) : 0;
  lua_pushinteger(L, (lua_Integer)size);
  return 1;
}

static int written(lua_State *L, const neap_op *op) {
  return op->status < 0 ? fail(L, WRITE, op->status, op->detail) : 0;
}

/* stream:write(bytes) */
static int write_bytes(lua_State *L) {
  static const neapL_wait_then then = {.finish = written};
  neapL_class_check(L, BOX, STREAM_META);
  size_t size;
  const char *bytes = neapL_check_lstring(L, BYTES, &size);
  neap_stream *stream;
  neap_op *op = begin(L, WRITE, &stream);
  bool at_once;
  int started = neap_stream_write(stream, op, bytes, size, &at_once);
  return neapL_wait(L, op, started < 0 ? started : at_once, &then);
}

static int finished(lua_State *L, const neap_op *op) {
  return op->status < 0 ? fail(L, FINISH, op->status, op->detail) : 0;
}

/* stream:finish() */
static int finish(lua_State *L) {
  static const neapL_wait_then then = {.finish = finished};
  neapL_class_check(L, BOX, STREAM_META);
  neap_stream *stream;
  neap_op *op = begin(L, FINISH, &stream);
  return neapL_wait(L, op, neap_stream_end(stream, op), &then);
}

/* stream:close() */
static int close_stream(lua_State *L) {
  neap_stream_close(neapL_class_take(L, BOX, STREAM_META));
  return 0;
}

/* pair() -> stream, stream */
static int pair(lua_State *L) {
  neap_stream **ends[2], *streams[2];
  for (int i = 0; i < 2; i++) {
    lua_pushliteral(L, "a pair");
    ends[i] = neapL_stream_push(L, "stream");
  }
  int status = neap_stream_pair(neapL_engine(L), streams);
  if (status < 0)
    return neapL_error_raise(L, "stream", "stream.pair: %s",
                             neap_status_text(status));
  *ends[0] = streams[0];
  *ends[1] = streams[1];
  return 2;
}

/* input() -> stream of the standard input, with a descriptor of its own */
static int open_input(lua_State *L) {
  neapL_refusal_check(L, "standard input", "input");
  lua_pushliteral(L, "standard input");
  neap_stream **held = neapL_stream_push(L, "stream");
  int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  int status =
      fd < 0 ? NEAP_EINVAL : neap_stream_open(neapL_engine(L), fd, true, held);
  if (status == 0)
    return 1;
  if (fd >= 0)
    close(fd);
  return neapL_error_raise(L, "stream", "standard input cannot be read: %s",
                           fd < 0 ? "it is closed" : neap_status_text(status));
}

int neapL_stream_open(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"receive", receive}, {"available", available}, {"write", write_bytes},
      {"finish", finish},   {"close", close_stream},  {"__gc", close_stream},
      {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"pair", pair}, {"input", open_input}, {NULL, NULL}};
  neapL_class_define(L, STREAM_META, methods, 0);
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
