/* `load` of a sandbox.
 * SPDX-License-Identifier: MIT */
#include "chunk.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "task/error.h"
#include "task/protect.h"
#include "work.h"

/* The bytes that the compiler gets at once, so that the limits are looked at
 * meanwhile; and how many steps of work a byte of source text is. */
enum { PIECE = 4096, STEPS = 4 };

typedef struct source {
  neapL_work work;
  const char *text; /* what is left of it */
  size_t size;      /* of that */
  size_t taken;     /* bytes */
  int function;     /* the index of the one that gives the pieces; 0: none */
} source;

/* Asks the function for the next piece. It stays where the function's index
 * plus 1 is. [-0, +0, v] */
static void ask(lua_State *L, source *s) {
  lua_pushvalue(L, s->function);
  lua_call(L, 0, 1);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  if (!lua_isstring(L, -1))
    luaL_error(L, "reader function must return a string");
  s->text = lua_tolstring(L, -1, &s->size);
  lua_replace(L, s->function + 1);
}

static const char *next_piece(lua_State *L, void *ud, size_t *size) {
  source *s = ud;
  if (s->size == 0 && s->function)
    ask(L, s);
  if (s->size == 0)
    return NULL;
  const char *piece = s->text;
  *size = s->size < PIECE ? s->size : PIECE;
  s->text += *size;
  s->size -= *size;
  s->taken += *size;
  if (s->taken > NEAPL_CHUNK_LARGEST)
    neapL_error_raise(L, "limit",
                      "load: a chunk of more than 1 MiB is not compiled");
  neapL_work_add(&s->work, *size * STEPS);
  return piece;
}

static int load(lua_State *L, source *s, const char *name, int globals) {
  int status = lua_load(L, next_piece, s, name, "t");
  if (status != LUA_OK)
    return status;
  lua_pushvalue(L, globals);
  if (!lua_setupvalue(L, -2, 1))
    lua_pop(L, 1);
  return LUA_OK;
}

int neapL_chunk_push(lua_State *L, const char *text, size_t size,
                     const char *name, int globals) {
  source s = {.text = text, .size = size};
  globals = lua_absindex(L, globals);
  neapL_work_begin(&s.work, L, "load");
  return load(L, &s, name, globals);
}

int neapL_chunk_load(lua_State *L) {
  source s = {0};
  neapL_work_begin(&s.work, L, "load");
  bool is_text = lua_isstring(L, 1);
  if (is_text)
    s.text = lua_tolstring(L, 1, &s.size);
  const char *name = luaL_optstring(L, 2, is_text ? s.text : "=(load)");
  const char *mode = luaL_optstring(L, 3, "bt");
  int globals = lua_isnone(L, 4) ? lua_upvalueindex(1) : 4;
  if (!is_text) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 5);
    lua_pushvalue(L, 1);
    lua_pushnil(L); /* for the piece that is compiled */
    s.function = 6;
  }
  if (!strchr(mode, 't')) {
    lua_pushnil(L);
    lua_pushfstring(L, "attempt to load a text chunk (mode is '%s')", mode);
    return 2;
  }
  if (load(L, &s, name, globals) == LUA_OK)
    return 1;
  if (neapL_error_is(L, -1) || neapL_protect_must_pass(L))
    return lua_error(L); /* of a limit, or it ends the task */
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}
