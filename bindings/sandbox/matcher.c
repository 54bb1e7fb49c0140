/* Lua's patterns, matched in steps that are counted.
 * SPDX-License-Identifier: MIT
 *
 * Lua's own matcher goes back as often as a pattern asks for, and cannot be
 * interrupted: twenty letters of pattern and a kilobyte of subject last longer
 * than the universe. This one has the same results and the same errors, and
 * counts each comparison of a byte. The spec compares both on random patterns.
 */
#include "matcher.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

enum {
  OPEN = -1,      /* the size of a capture whose end was not yet met */
  MAX_DEPTH = 200 /* as in Lua */
};

static unsigned char byte_at(const char *at) {
  /* The analyzer takes the NULL of a match that failed for its subject. */
  /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
  return (unsigned char)*at;
}

void neapL_matcher_begin(neapL_matcher *m, lua_State *L, const char *what,
                         const char *subject, size_t subject_size,
                         const char *pattern, size_t pattern_size) {
  neapL_work_begin(&m->work, L, what);
  m->subject = subject;
  m->subject_end = subject + subject_size;
  m->pattern = pattern;
  m->pattern_end = pattern + pattern_size;
  m->count = 0;
  m->depth = 0;
}

/* Returns where the item at `p` ends: a letter, a class or a set, without what
 * follows it to repeat it. [-0, +0, v] */
static const char *item_end(neapL_matcher *m, const char *p) {
  const char *end = m->pattern_end;
  if (*p == '%') {
    if (p + 1 == end)
      luaL_error(m->work.L, "malformed pattern (ends with '%%')");
    return p + 2;
  }
  if (*p != '[')
    return p + 1;
  p++;
  if (p < end && *p == '^')
    p++;
  bool first = true; /* a ] that comes first stands for itself */
  for (; p < end && (first || *p != ']'); first = false) {
    neapL_work_add(&m->work, 1);
    p += *p == '%' && p + 1 < end ? 2 : 1;
  }
  if (p >= end)
    luaL_error(m->work.L, "malformed pattern (missing ']')");
  return p + 1;
}

/* Whether a byte belongs to the class that a letter stands for. */
static bool is_in_class(int byte, int letter) {
  bool in;
  switch (tolower(letter)) {
  case 'a':
    in = isalpha(byte) != 0;
    break;
  case 'c':
    in = iscntrl(byte) != 0;
    break;
  case 'd':
    in = isdigit(byte) != 0;
    break;
  case 'g':
    in = isgraph(byte) != 0;
    break;
  case 'l':
    in = islower(byte) != 0;
    break;
  case 'p':
    in = ispunct(byte) != 0;
    break;
  case 's':
    in = isspace(byte) != 0;
    break;
  case 'u':
    in = isupper(byte) != 0;
    break;
  case 'w':
    in = isalnum(byte) != 0;
    break;
  case 'z': /* of Lua 5.1 */
    in = byte == 0;
    break;
  case 'x':
    in = isxdigit(byte) != 0;
    break;
  default:
    return letter == byte;
  }
  return isupper(letter) ? !in : in;
}

/* Whether a byte is in the set that begins with the [ at `p` and ends with the
 * ] at `last`. */
static bool is_in_set(neapL_matcher *m, int byte, const char *p,
                      const char *last) {
  bool found = true;
  p++;
  if (*p == '^') {
    found = false;
    p++;
  }
  while (p < last) {
    neapL_work_add(&m->work, 1);
    if (*p == '%') {
      if (is_in_class(byte, byte_at(p + 1)))
        return found;
      p += 2;
    } else if (p[1] == '-' && p + 2 < last) {
      if (byte_at(p) <= byte && byte <= byte_at(p + 2))
        return found;
      p += 3;
    } else if (byte_at(p++) == byte) {
      return found;
    }
  }
  return !found;
}

/* Whether the byte at `s` matches the item from `p` to `after`. */
static bool matches_item(neapL_matcher *m, const char *s, const char *p,
                         const char *after) {
  neapL_work_add(&m->work, 1);
  if (s >= m->subject_end)
    return false;
  int byte = byte_at(s);
  switch (*p) {
  case '.':
    return true;
  case '%':
    return is_in_class(byte, byte_at(p + 1));
  case '[':
    return is_in_set(m, byte, p, after - 1);
  default:
    return byte_at(p) == byte;
  }
}

static const char *match(neapL_matcher *m, const char *s, const char *p);

/* An item that may be repeated, as often as possible first. */
static const char *match_most(neapL_matcher *m, const char *s, const char *p,
                              const char *after, ptrdiff_t least) {
  ptrdiff_t count = 0;
  while (matches_item(m, s + count, p, after))
    count++;
  for (; count >= least; count--) {
    const char *end = match(m, s + count, after + 1);
    if (end)
      return end;
  }
  return NULL;
}

/* The same, as rarely as possible first. */
static const char *match_least(neapL_matcher *m, const char *s, const char *p,
                               const char *after) {
  for (;; s++) {
    const char *end = match(m, s, after + 1);
    if (end || !matches_item(m, s, p, after))
      return end;
  }
}

/* A capture begins at `s`; `p` is what follows in the pattern. */
static const char *match_opened(neapL_matcher *m, const char *s, const char *p,
                                ptrdiff_t size) {
  if (m->count >= NEAPL_MATCHER_CAPTURES)
    luaL_error(m->work.L, "too many captures");
  m->captures[m->count].at = s;
  m->captures[m->count].size = size;
  m->count++;
  const char *end = match(m, s, p);
  if (!end)
    m->count--;
  return end;
}

/* The innermost capture that is open ends at `s`. */
static const char *match_closed(neapL_matcher *m, const char *s,
                                const char *p) {
  int open = m->count - 1;
  while (open >= 0 && m->captures[open].size != OPEN)
    open--;
  if (open < 0) {
    luaL_error(m->work.L, "invalid pattern capture");
    return NULL;
  }
  m->captures[open].size = s - m->captures[open].at;
  const char *end = match(m, s, p);
  if (!end)
    m->captures[open].size = OPEN;
  return end;
}

/* %bxy: returns what is behind the text from an x to the y that balances it. */
static const char *skip_balanced(neapL_matcher *m, const char *s,
                                 const char *pair) {
  if (pair + 1 >= m->pattern_end)
    luaL_error(m->work.L, "malformed pattern (missing arguments to '%%b')");
  if (s >= m->subject_end || *s != pair[0])
    return NULL;
  for (size_t open = 1; ++s < m->subject_end;) {
    neapL_work_add(&m->work, 1);
    if (*s == pair[1]) {
      if (--open == 0)
        return s + 1;
    } else if (*s == pair[0]) {
      open++;
    }
  }
  return NULL;
}

/* %1: returns what is behind the text of a capture at `s`. */
static const char *skip_capture(neapL_matcher *m, const char *s, int digit) {
  int index = digit - '1';
  if (index < 0 || index >= m->count || m->captures[index].size == OPEN) {
    luaL_error(m->work.L, "invalid capture index %%%d", index + 1);
    return NULL;
  }
  size_t size = (size_t)m->captures[index].size; /* a position: too large */
  if ((size_t)(m->subject_end - s) < size)
    return NULL;
  neapL_work_add(&m->work, 1 + size / 16);
  return memcmp(m->captures[index].at, s, size) == 0 ? s + size : NULL;
}

/* %f[set]: whether a byte outside of the set is before `s`, and one inside is
 * at `s`. Both ends of the subject count as a zero. */
static bool is_frontier(neapL_matcher *m, const char *s, const char *set,
                        const char *after) {
  int before = s == m->subject ? 0 : byte_at(s - 1);
  int here = s == m->subject_end ? 0 : byte_at(s);
  return !is_in_set(m, before, set, after - 1) &&
         is_in_set(m, here, set, after - 1);
}

static const char *match_here(neapL_matcher *m, const char *s, const char *p) {
  while (p != m->pattern_end) {
    neapL_work_add(&m->work, 1);
    if (*p == '(') {
      bool is_position = p[1] == ')';
      return match_opened(m, s, p + 1 + is_position,
                          is_position ? NEAPL_MATCHER_POSITION : OPEN);
    }
    if (*p == ')')
      return match_closed(m, s, p + 1);
    if (*p == '$' && p + 1 == m->pattern_end)
      return s == m->subject_end ? s : NULL;
    if (*p == '%' && p[1] == 'b') {
      s = skip_balanced(m, s, p + 2);
      if (!s)
        return NULL;
      p += 4;
      continue;
    }
    if (*p == '%' && p[1] == 'f') {
      const char *set = p + 2;
      if (*set != '[')
        luaL_error(m->work.L, "missing '[' after '%%f' in pattern");
      const char *after = item_end(m, set);
      if (!is_frontier(m, s, set, after))
        return NULL;
      p = after;
      continue;
    }
    if (*p == '%' && isdigit(byte_at(p + 1))) {
      s = skip_capture(m, s, byte_at(p + 1));
      if (!s)
        return NULL;
      p += 2;
      continue;
    }
    const char *after = item_end(m, p);
    char repeat = after < m->pattern_end ? *after : '\0';
    if (repeat == '*')
      return match_most(m, s, p, after, 0);
    if (repeat == '+')
      return match_most(m, s, p, after, 1);
    if (repeat == '-')
      return match_least(m, s, p, after);
    if (matches_item(m, s, p, after)) {
      if (repeat == '?') {
        const char *end = match(m, s + 1, after + 1);
        if (end)
          return end;
        p = after + 1;
      } else {
        s++;
        p = after;
      }
    } else if (repeat == '?') {
      p = after + 1;
    } else {
      return NULL;
    }
  }
  return s;
}

static const char *match(neapL_matcher *m, const char *s, const char *p) {
  if (m->depth >= MAX_DEPTH)
    luaL_error(m->work.L, "pattern too complex");
  m->depth++;
  const char *end = match_here(m, s, p);
  m->depth--;
  return end;
}

const char *neapL_matcher_match(neapL_matcher *m, const char *at) {
  m->count = 0;
  m->depth = 0;
  return match(m, at, m->pattern);
}

void neapL_matcher_push(neapL_matcher *m, int index, const char *at,
                        const char *end) {
  lua_State *L = m->work.L;
  if (index >= m->count) {
    if (index != 0)
      luaL_error(L, "invalid capture index %%%d", index + 1);
    lua_pushlstring(L, at, (size_t)(end - at));
    return;
  }
  ptrdiff_t size = m->captures[index].size;
  if (size == OPEN)
    luaL_error(L, "unfinished capture");
  if (size == NEAPL_MATCHER_POSITION) {
    lua_pushinteger(L, m->captures[index].at - m->subject + 1);
    return;
  }
  neapL_work_add(&m->work, (uint64_t)size / 16);
  lua_pushlstring(L, m->captures[index].at, (size_t)size);
}

int neapL_matcher_push_all(neapL_matcher *m, const char *at, const char *end) {
  int count = m->count == 0 && at ? 1 : m->count;
  luaL_checkstack(m->work.L, count, "too many captures");
  for (int i = 0; i < count; i++)
    neapL_matcher_push(m, i, at, end);
  return count;
}
