/* The calls on the stack of a coroutine, from the innermost outwards.
 * SPDX-License-Identifier: MIT
 *
 * lua_getstack counts from the innermost call each time, so that a walk through
 * a stack of 100,000 calls would take seconds. A lua_Debug points to Lua's
 * record of the call, whose third word points to that of the call around it: in
 * all releases of Lua 5.4 so far. neapL_frame_open looks whether it does. If
 * not, walks are slow.
 */
#include "frame.h"

#include <stdatomic.h>

/* How Lua's record of a call begins. */
typedef struct record {
  void *function, *top;
  struct record *previous;
} record;

static atomic_bool is_known;

static record *record_of(const lua_Debug *ar) {
  return (record *)(void *)ar->i_ci;
}

bool neapL_frame_first(lua_State *L, neapL_frame *frame) {
  frame->L = L;
  frame->level = 0;
  return lua_getstack(L, 0, &frame->ar) != 0;
}

bool neapL_frame_next(neapL_frame *frame) {
  frame->level++;
  if (!atomic_load_explicit(&is_known, memory_order_relaxed))
    return lua_getstack(frame->L, frame->level, &frame->ar) != 0;
  record *previous = record_of(&frame->ar)->previous;
  if (!previous || !previous->previous)
    return false; /* the outermost is no call */
  frame->ar.i_ci = (void *)previous;
  return true;
}

/* Compares what the records say with lua_getstack. */
static int inspect(lua_State *L) {
  lua_Debug inner, outer;
  if (lua_getstack(L, 0, &inner) && lua_getstack(L, 1, &outer))
    is_known = record_of(&inner)->previous == record_of(&outer);
  return 0;
}

static int inspect_twice(lua_State *L) {
  lua_pushcfunction(L, inspect);
  lua_call(L, 0, 0);
  return 0;
}

void neapL_frame_open(lua_State *L) {
  lua_pushcfunction(L, inspect_twice);
  lua_call(L, 0, 0);
}
