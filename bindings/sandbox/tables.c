/* The functions of `table` of a sandbox.
 * SPDX-License-Identifier: MIT
 *
 * They do what Lua's do, with each access counted: a table may claim any length
 * in __len, and answer each access in C, where no hook sees it. The sort is a
 * merge sort: its work is bounded also where the comparison makes no sense, and
 * it leaves the table alone when that raises. */
#include "tables.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdbool.h>

#include "work.h"

/* Raises unless the argument is a table, or has these metamethods. [-0, +0, v]
 */
static void check_table(lua_State *L, int arg, const char *const *methods) {
  if (lua_type(L, arg) == LUA_TTABLE)
    return;
  if (!lua_getmetatable(L, arg))
    luaL_checktype(L, arg, LUA_TTABLE);
  for (; *methods; methods++) {
    lua_pushstring(L, *methods);
    if (lua_rawget(L, -2) == LUA_TNIL)
      luaL_checktype(L, arg, LUA_TTABLE);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static const char *const reading[] = {"__index", "__len", NULL};
static const char *const reading_only[] = {"__index", NULL};
static const char *const writing_only[] = {"__newindex", NULL};
static const char *const changing[] = {"__index", "__newindex", "__len", NULL};

/* concat(list [, separator [, first [, last]]]) */
static int concat(lua_State *L) {
  check_table(L, 1, reading);
  size_t separator_size;
  const char *separator = luaL_optlstring(L, 2, "", &separator_size);
  lua_Integer first = luaL_optinteger(L, 3, 1);
  lua_Integer last = luaL_opt(L, luaL_checkinteger, 4, luaL_len(L, 1));
  neapL_work work;
  neapL_work_begin(&work, L, "table.concat");
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  for (lua_Integer i = first; i <= last; i++) {
    neapL_work_add(&work, 1);
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1))
      return luaL_error(L,
                        "invalid value (%s) at index %I in table for 'concat'",
                        luaL_typename(L, -1), (LUAI_UACINT)i);
    size_t size;
    lua_tolstring(L, -1, &size);
    neapL_work_add(&work, (size + separator_size) / 16);
    neapL_work_check_size(L, work.what,
                          luaL_bufflen(&buffer) + size + separator_size);
    luaL_addvalue(&buffer);
    if (i == last)
      break; /* the next one might be no integer */
    luaL_addlstring(&buffer, separator, separator_size);
  }
  luaL_pushresult(&buffer);
  return 1;
}

/* insert(list, [position,] value) */
static int insert(lua_State *L) {
  check_table(L, 1, changing);
  lua_Integer end = (lua_Integer)((lua_Unsigned)luaL_len(L, 1) + 1u);
  lua_Integer position = end;
  int count = lua_gettop(L);
  if (count == 3) {
    position = luaL_checkinteger(L, 2);
    luaL_argcheck(L, (lua_Unsigned)position - 1u < (lua_Unsigned)end, 2,
                  "position out of bounds");
  } else if (count != 2) {
    return luaL_error(L, "wrong number of arguments to 'insert'");
  }
  neapL_work work;
  neapL_work_begin(&work, L, "table.insert");
  for (lua_Integer i = end; i > position; i--) {
    neapL_work_add(&work, 1);
    lua_geti(L, 1, i - 1);
    lua_seti(L, 1, i);
  }
  lua_seti(L, 1, position);
  return 0;
}

/* remove(list [, position]) -> the value that was there */
static int take_out(lua_State *L) {
  check_table(L, 1, changing);
  lua_Integer size = luaL_len(L, 1);
  lua_Integer position = luaL_optinteger(L, 2, size);
  if (position != size)
    luaL_argcheck(L, (lua_Unsigned)position - 1u <= (lua_Unsigned)size, 1,
                  "position out of bounds");
  neapL_work work;
  neapL_work_begin(&work, L, "table.remove");
  lua_geti(L, 1, position);
  for (; position < size; position++) {
    neapL_work_add(&work, 1);
    lua_geti(L, 1, position + 1);
    lua_seti(L, 1, position);
  }
  lua_pushnil(L);
  lua_seti(L, 1, position);
  return 1;
}

/* move(from, first, last, at [, to]) -> to */
static int move(lua_State *L) {
  lua_Integer first = luaL_checkinteger(L, 2);
  lua_Integer last = luaL_checkinteger(L, 3);
  lua_Integer at = luaL_checkinteger(L, 4);
  int to = lua_isnoneornil(L, 5) ? 1 : 5;
  check_table(L, 1, reading_only);
  check_table(L, to, writing_only);
  if (last >= first) {
    luaL_argcheck(L, first > 0 || last < LUA_MAXINTEGER + first, 3,
                  "too many elements to move");
    lua_Integer count = last - first + 1;
    luaL_argcheck(L, at <= LUA_MAXINTEGER - count + 1, 4,
                  "destination wrap around");
    bool upwards = at > last || at <= first ||
                   (to != 1 && !lua_compare(L, 1, to, LUA_OPEQ));
    neapL_work work;
    neapL_work_begin(&work, L, "table.move");
    for (lua_Integer i = 0; i < count; i++) {
      lua_Integer offset = upwards ? i : count - 1 - i;
      neapL_work_add(&work, 1);
      lua_geti(L, 1, first + offset);
      lua_seti(L, to, at + offset);
    }
  }
  lua_pushvalue(L, to);
  return 1;
}

/* unpack(list [, first [, last]]) -> the values */
static int unpack(lua_State *L) {
  lua_Integer first = luaL_optinteger(L, 2, 1);
  lua_Integer last = luaL_opt(L, luaL_checkinteger, 3, luaL_len(L, 1));
  if (first > last)
    return 0;
  lua_Unsigned count = (lua_Unsigned)last - (lua_Unsigned)first;
  if (count >= INT_MAX || !lua_checkstack(L, (int)++count))
    return luaL_error(L, "too many results to unpack");
  neapL_work work;
  neapL_work_begin(&work, L, "table.unpack");
  for (lua_Integer i = first; i < last; i++) {
    neapL_work_add(&work, 1);
    lua_geti(L, 1, i);
  }
  lua_geti(L, 1, last);
  return (int)count;
}

/* The stack of a sort. */
enum { LIST = 1, LESS, FROM, INTO };

/* Whether the value on top comes before the one below it. [-0, +0, v] */
static bool is_less(lua_State *L, neapL_work *work) {
  neapL_work_add(work, 2);
  if (lua_isnil(L, LESS)) {
    if (lua_type(L, -1) == LUA_TSTRING && lua_type(L, -2) == LUA_TSTRING) {
      size_t a = lua_rawlen(L, -1), b = lua_rawlen(L, -2);
      neapL_work_add(work, (a < b ? a : b) / 8);
    }
    return lua_compare(L, -1, -2, LUA_OPLT);
  }
  lua_pushvalue(L, LESS);
  lua_pushvalue(L, -2);
  lua_pushvalue(L, -4);
  lua_call(L, 2, 1);
  bool less = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return less;
}

/* Merges what lies from `left` and from `middle` to `end` in FROM, each in
 * order, into INTO. [-0, +0, v] */
static void merge(lua_State *L, neapL_work *work, lua_Integer left,
                  lua_Integer middle, lua_Integer end) {
  lua_Integer right = middle, to = left;
  while (left < middle && right < end) {
    lua_rawgeti(L, FROM, left);
    lua_rawgeti(L, FROM, right);
    if (is_less(L, work)) { /* from the right */
      lua_rawseti(L, INTO, to++);
      lua_pop(L, 1);
      right++;
    } else {
      lua_pop(L, 1);
      lua_rawseti(L, INTO, to++);
      left++;
    }
  }
  if (left == middle)
    left = right, middle = end;
  for (; left < middle; left++) {
    neapL_work_add(work, 1);
    lua_rawgeti(L, FROM, left);
    lua_rawseti(L, INTO, to++);
  }
}

/* sort(list [, less]) */
static int sort(lua_State *L) {
  check_table(L, LIST, changing);
  lua_Integer count = luaL_len(L, LIST);
  lua_settop(L, LESS);
  if (count < 2)
    return 0;
  if (!lua_isnoneornil(L, LESS))
    luaL_checktype(L, LESS, LUA_TFUNCTION);
  luaL_argcheck(L, count < INT_MAX, 1, "array too big");
  neapL_work work;
  neapL_work_begin(&work, L, "table.sort");
  lua_newtable(L);
  lua_newtable(L);
  for (lua_Integer i = 1; i <= count; i++) {
    neapL_work_add(&work, 1);
    lua_geti(L, LIST, i);
    lua_rawseti(L, FROM, i);
  }
  for (lua_Integer width = 1; width < count; width *= 2) {
    for (lua_Integer left = 1; left <= count; left += 2 * width) {
      lua_Integer middle = left + width, end = left + 2 * width;
      if (end > count + 1)
        end = count + 1;
      merge(L, &work, left, middle < end ? middle : end, end);
    }
    lua_insert(L, FROM); /* what was merged into is merged next */
  }
  for (lua_Integer i = 1; i <= count; i++) {
    neapL_work_add(&work, 1);
    lua_rawgeti(L, FROM, i);
    lua_seti(L, LIST, i);
  }
  return 0;
}

void neapL_tables_bound(lua_State *L) {
  static const luaL_Reg own[] = {{"concat", concat},   {"insert", insert},
                                 {"remove", take_out}, {"move", move},
                                 {"unpack", unpack},   {"sort", sort},
                                 {NULL, NULL}};
  luaL_setfuncs(L, own, 0);
}
