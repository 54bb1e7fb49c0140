/* string.find, match, gmatch and gsub of a sandbox.
 * SPDX-License-Identifier: MIT */
#include "search.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "matcher.h"

/* Where a search begins: an index as of string.sub, from 0. May lie behind the
 * end. [-0, +0, v] */
static size_t start_of(lua_State *L, int arg, size_t size) {
  lua_Integer at = luaL_optinteger(L, arg, 1);
  if (at > 0)
    return (size_t)at - 1;
  if (at == 0 || at < -(lua_Integer)size)
    return 0;
  return size - (size_t)-at;
}

/* Whether nothing in a pattern is magic. */
static bool is_plain(const char *pattern, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (pattern[i] != '\0' && strchr("^$*+?.([%-", pattern[i]))
      return false;
  return true;
}

/* Takes the subject and the pattern from the arguments 1 and 2. [-0, +0, v] */
static void take(lua_State *L, neapL_matcher *m, const char *what) {
  size_t subject_size, pattern_size;
  const char *subject = luaL_checklstring(L, 1, &subject_size);
  const char *pattern = luaL_checklstring(L, 2, &pattern_size);
  neapL_work_check_size(L, what, subject_size);
  neapL_work_check_size(L, what, pattern_size);
  neapL_matcher_begin(m, L, what, subject, subject_size, pattern, pattern_size);
}

/* Takes the ^ of an anchor off the pattern. */
static bool take_anchor(neapL_matcher *m) {
  bool is_anchored = m->pattern < m->pattern_end && *m->pattern == '^';
  m->pattern += is_anchored;
  return is_anchored;
}

/* Finds the pattern as a plain text from `at` on. */
static int find_plain(neapL_matcher *m, const char *at) {
  lua_State *L = m->work.L;
  size_t size = (size_t)(m->pattern_end - m->pattern);
  size_t rest = (size_t)(m->subject_end - at);
  neapL_work_add(&m->work, rest / 16);
  const char *found = size == 0 ? at : memmem(at, rest, m->pattern, size);
  if (!found) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushinteger(L, found - m->subject + 1);
  lua_pushinteger(L, found - m->subject + (lua_Integer)size);
  return 2;
}

static int search(lua_State *L, bool is_find) {
  neapL_matcher m;
  take(L, &m, is_find ? "string.find" : "string.match");
  size_t size = (size_t)(m.subject_end - m.subject);
  size_t start = start_of(L, 3, size);
  if (start > size) {
    lua_pushnil(L);
    return 1;
  }
  const char *at = m.subject + start;
  if (is_find && (lua_toboolean(L, 4) ||
                  is_plain(m.pattern, (size_t)(m.pattern_end - m.pattern))))
    return find_plain(&m, at);
  bool is_anchored = take_anchor(&m);
  do {
    const char *end = neapL_matcher_match(&m, at);
    if (end && is_find) {
      lua_pushinteger(L, at - m.subject + 1);
      lua_pushinteger(L, end - m.subject);
      return 2 + neapL_matcher_push_all(&m, NULL, NULL);
    }
    if (end)
      return neapL_matcher_push_all(&m, at, end);
  } while (at++ < m.subject_end && !is_anchored);
  lua_pushnil(L);
  return 1;
}

int neapL_search_find(lua_State *L) {
  return search(L, true);
}

int neapL_search_match(lua_State *L) {
  return search(L, false);
}

/* Upvalues: the subject, the pattern, the index from which to search on, that
 * of the end of the last match, both from 0; -1: there was none. */
static int next_match(lua_State *L) {
  neapL_matcher m;
  size_t size, pattern_size;
  const char *subject = lua_tolstring(L, lua_upvalueindex(1), &size);
  const char *pattern = lua_tolstring(L, lua_upvalueindex(2), &pattern_size);
  lua_Integer from = lua_tointeger(L, lua_upvalueindex(3));
  lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
  neapL_matcher_begin(&m, L, "string.gmatch", subject, size, pattern,
                      pattern_size);
  for (size_t at = (size_t)from; at <= size; at++) {
    const char *end = neapL_matcher_match(&m, subject + at);
    if (!end || end - subject == last)
      continue;
    lua_pushinteger(L, end - subject);
    lua_copy(L, -1, lua_upvalueindex(3));
    lua_replace(L, lua_upvalueindex(4));
    return neapL_matcher_push_all(&m, subject + at, end);
  }
  lua_pushinteger(L, (lua_Integer)size + 1);
  lua_replace(L, lua_upvalueindex(3));
  return 0;
}

int neapL_search_gmatch(lua_State *L) {
  neapL_matcher m;
  take(L, &m, "string.gmatch");
  size_t size = (size_t)(m.subject_end - m.subject);
  size_t start = start_of(L, 3, size);
  lua_settop(L, 2);
  /* A number as the subject has become a string in place. */
  lua_pushinteger(L, (lua_Integer)(start > size ? size + 1 : start));
  lua_pushinteger(L, -1);
  lua_pushcclosure(L, next_match, 4);
  return 1;
}

enum { SUBJECT = 1, PATTERN, REPLACEMENT };

/* Adds a replacement text, with its captures put in. [-0, +0, v] */
static void add_text(neapL_matcher *m, luaL_Buffer *buffer, const char *at,
                     const char *end) {
  lua_State *L = m->work.L;
  size_t size;
  const char *text = lua_tolstring(L, REPLACEMENT, &size);
  const char *text_end = text + size;
  while (text < text_end) {
    const char *mark = memchr(text, '%', (size_t)(text_end - text));
    size_t plain = (size_t)((mark ? mark : text_end) - text);
    neapL_work_add(&m->work, 1 + plain / 16);
    luaL_addlstring(buffer, text, plain);
    text += plain;
    if (!mark)
      break;
    char what = mark[1];
    if (what == '%') {
      luaL_addchar(buffer, '%');
    } else if (what == '0') {
      luaL_addlstring(buffer, at, (size_t)(end - at));
    } else if (what >= '1' && what <= '9') {
      int index = what - '1';
      neapL_matcher_push(m, index, at, end);
      luaL_tolstring(L, -1, NULL); /* of a position */
      lua_remove(L, -2);
      luaL_addvalue(buffer);
    } else {
      luaL_error(L, "invalid use of '%%' in replacement string");
    }
    text += 2;
  }
}

/* Adds what replaces a match. Returns false when the match stays as it is.
 * [-0, +0, v] */
static bool replace(neapL_matcher *m, luaL_Buffer *buffer, int type,
                    const char *at, const char *end) {
  lua_State *L = m->work.L;
  if (type == LUA_TFUNCTION) {
    lua_pushvalue(L, REPLACEMENT);
    int count = neapL_matcher_push_all(m, at, end);
    lua_call(L, count, 1);
  } else if (type == LUA_TTABLE) {
    neapL_matcher_push(m, 0, at, end);
    lua_gettable(L, REPLACEMENT);
  } else {
    add_text(m, buffer, at, end);
    return true;
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    luaL_addlstring(buffer, at, (size_t)(end - at));
    return false;
  }
  if (!lua_isstring(L, -1))
    luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  size_t size;
  lua_tolstring(L, -1, &size);
  neapL_work_add(&m->work, size / 16);
  luaL_addvalue(buffer);
  return true;
}

int neapL_search_gsub(lua_State *L) {
  neapL_matcher m;
  take(L, &m, "string.gsub");
  int type = lua_type(L, REPLACEMENT);
  if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TTABLE &&
      type != LUA_TFUNCTION)
    return luaL_typeerror(L, REPLACEMENT, "string/function/table");
  size_t size = (size_t)(m.subject_end - m.subject);
  lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)size + 1);
  bool is_anchored = take_anchor(&m), changed = false;
  const char *at = m.subject, *last = NULL;
  lua_Integer count = 0;
  if (type == LUA_TNUMBER)
    lua_tolstring(L, REPLACEMENT, NULL); /* in place, before the buffer */
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  while (count < most) {
    const char *end = neapL_matcher_match(&m, at);
    if (end && end != last) {
      count++;
      changed = replace(&m, &buffer, type, at, end) || changed;
      neapL_work_check_size(L, m.work.what, luaL_bufflen(&buffer));
      at = last = end;
    } else if (at < m.subject_end) {
      luaL_addchar(&buffer, *at++);
    } else {
      break;
    }
    if (is_anchored)
      break;
  }
  if (changed) {
    size_t rest = (size_t)(m.subject_end - at);
    neapL_work_check_size(L, m.work.what, luaL_bufflen(&buffer) + rest);
    luaL_addlstring(&buffer, at, rest);
    luaL_pushresult(&buffer);
  } else {
    lua_pushvalue(L, SUBJECT);
  }
  lua_pushinteger(L, count);
  return 2;
}
