/* JSON for Lua: encode, without jansson.
 * SPDX-License-Identifier: MIT */
#include "encode.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <lauxlib.h>

#include "flow/params.h"
#include "place.h"
#include "task/budget.h"
#include "task/check.h"
#include "task/error.h"
#include "utf8.h"
#include "values.h"
#include "vector/vector.h"

/* A member of an object, as it was when the object's table was read. Its key
 * and its value are in the table at KEPT_SLOT, at `kept` and after it. Members
 * of a lower rank are written first. */
struct member {
  const char *key;
  size_t size;
  lua_Integer kept;
  lua_Integer rank;
};

/* The state of one call of encode. The text grows in `bytes`: first in `start`,
 * then in a userdata at BYTES_SLOT, so that the collector frees it whatever is
 * raised. `members` is a stack of the members of all objects that are being
 * written; it grows in the same way. */
struct encoder {
  lua_State *L;
  char *bytes;
  size_t used, size;
  struct member *members;
  size_t member_count, member_room;
  int indent;
  bool sort_keys;
  unsigned tables; /* that have been written */
  char start[1024];
  struct member first_members[16];
};

enum { BYTES_SLOT = 3, MEMBERS_SLOT, KEPT_SLOT };

/* The tables between two looks at what the task may take: few tables that have
 * each other in them many times are a text without an end. */
enum { TABLES = 1024 };

/* The room for a number. */
enum { DIGITS = 32 };

/* The encoder writes only what jansson can read. */
#define MAX_DEPTH JSON_PARSER_MAX_DEPTH

static void write_value(struct encoder *e, const neapL_json_place *in);

/* Raises an error about the current member. [-0, +0, v] */
static int refuse(struct encoder *e, const neapL_json_place *in,
                  const char *format, ...) {
  lua_State *L = e->L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  va_list args;
  va_start(args, format);
  const char *reason = lua_pushvfstring(L, format, args);
  va_end(args);
  const char *path = neapL_json_place_push(L, "$", in); /* reason path */
  neapL_error_push(L, "json", "cannot encode %s: %s", path, reason);
  lua_pushvalue(L, -2); /* reason path error path */
  lua_setfield(L, -2, "path");
  lua_pushboolean(L, false);
  lua_setfield(L, -2, "retryable");
  return lua_error(L);
}

/* Makes room for `more` bytes and returns where they go. [-0, +0, m] */
static char *reserve(struct encoder *e, size_t more) {
  if (more > e->size - e->used) {
    size_t size = e->used + more + e->size;
    char *bytes = lua_newuserdatauv(e->L, size, 0);
    memcpy(bytes, e->bytes, e->used);
    lua_replace(e->L, BYTES_SLOT);
    e->bytes = bytes;
    e->size = size;
  }
  return e->bytes + e->used;
}

static void append(struct encoder *e, const char *bytes, size_t size) {
  memcpy(reserve(e, size), bytes, size);
  e->used += size;
}

static void append_char(struct encoder *e, char c) {
  *reserve(e, 1) = c;
  e->used++;
}

/* Begins a line for what is `depth` levels inside. Does nothing without
 * indentation. */
static void append_line(struct encoder *e, int depth) {
  if (e->indent == 0)
    return;
  size_t spaces = (size_t)e->indent * (size_t)depth;
  append_char(e, '\n');
  memset(reserve(e, spaces), ' ', spaces);
  e->used += spaces;
}

static void append_escape(struct encoder *e, unsigned char c) {
  static const char chars[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
  const char *found = memchr(chars, c, sizeof(chars) - 1);
  char text[8];
  int size = found != NULL
                 ? snprintf(text, sizeof(text), "\\%c", names[found - chars])
                 : snprintf(text, sizeof(text), "\\u%04x", c);
  append(e, text, (size_t)size);
}

/* Appends a JSON string, the key of a member or a value. [-0, +0, v] */
static void write_string(struct encoder *e, const neapL_json_place *in,
                         bool is_key, const char *text, size_t size) {
  const unsigned char *s = (const unsigned char *)text;
  size_t copied = 0;
  append_char(e, '"');
  for (size_t i = 0; i < size;) {
    if (s[i] >= 0x80) {
      size_t step = neapL_utf8_sequence(s + i, size - i);
      if (step == 0)
        refuse(e, in, "%s is not UTF-8 (at its byte %I)",
               is_key ? "a key" : "the string", (LUAI_UACINT)i + 1);
      i += step;
    } else if (s[i] < ' ' || s[i] == '"' || s[i] == '\\') {
      if (is_key && s[i] == '\0') /* jansson reads it in values only */
        refuse(e, in,
               "a key has a NUL byte (at its byte %I), "
               "which decode could not read",
               (LUAI_UACINT)i + 1);
      append(e, text + copied, i - copied);
      append_escape(e, s[i]);
      copied = ++i;
    } else {
      i++;
    }
  }
  append(e, text + copied, size - copied);
  append_char(e, '"');
}

/* Appends the digits of a number, always with a point or an exponent.
 * [-0, +0, m] */
static void write_digits(struct encoder *e, const char *digits) {
  /* What is no digit, sign or exponent is the locale's decimal point, of one
   * byte or several. */
  char text[DIGITS + 2];
  size_t size = 0;
  bool real = false;
  for (const char *at = digits; *at != '\0'; at++) {
    bool point = strchr("0123456789+-e", *at) == NULL;
    if (!point)
      text[size++] = *at;
    else if (!real)
      text[size++] = '.';
    real = real || point || *at == 'e';
  }
  append(e, text, size);
  if (!real)
    append(e, ".0", 2);
}

/* Appends the shortest of 15 to 17 digits that reads back as the same double.
 * [-0, +0, v] */
static void write_real(struct encoder *e, const neapL_json_place *in,
                       double x) {
  if (!isfinite(x))
    refuse(e, in, "%s is no JSON number", isnan(x) ? "NaN" : "an infinity");
  char digits[DIGITS];
  int precision = 15;
  do
    snprintf(digits, sizeof(digits), "%.*g", precision, x);
  while (strtod(digits, NULL) != x && ++precision <= 17);
  write_digits(e, digits);
}

/* Appends a vector as a list, each number by the shortest of 6 to 9 digits that
 * reads back as the same float. [-0, +0, m] */
static void write_vector(struct encoder *e, const neapL_vector *vector) {
  append_char(e, '[');
  for (size_t i = 0; i < vector->size; i++) {
    if (i > 0)
      append_char(e, ',');
    float x = vector->values[i];
    char digits[DIGITS];
    int precision = 6;
    do
      snprintf(digits, sizeof(digits), "%.*g", precision, (double)x);
    while (strtof(digits, NULL) != x && ++precision <= 9);
    write_digits(e, digits);
  }
  append_char(e, ']');
}

static void write_integer(struct encoder *e, lua_Integer n) {
  char digits[32], *at = digits + sizeof(digits);
  lua_Unsigned rest = n < 0 ? 0 - (lua_Unsigned)n : (lua_Unsigned)n;
  do
    *--at = (char)('0' + rest % 10);
  while ((rest /= 10) > 0);
  if (n < 0)
    *--at = '-';
  append(e, at, (size_t)(digits + sizeof(digits) - at));
}

/* True when the table on top is marked as an array. [-0, +0, -] */
static bool is_marked(lua_State *L) {
  if (!lua_getmetatable(L, -1))
    return false;
  bool marked = lua_rawequal(L, -1, NEAPL_JSON_ARRAY);
  lua_pop(L, 1);
  return marked;
}

/* Makes room for `more` members. Returns for how many there is room.
 * [-0, +0, m] */
static size_t reserve_members(struct encoder *e, size_t more) {
  enum { FIRST = sizeof(e->first_members) / sizeof(*e->first_members) };
  lua_State *L = e->L;
  size_t used = e->member_count, room = e->member_room;
  if (more <= room - used)
    return room - used;
  room = used + more + room;
  if (room > INT_MAX / 2)
    neapL_error_no_memory(L);
  struct member *members = e->first_members;
  if (room <= FIRST) {
    room = FIRST;
  } else {
    members = lua_newuserdatauv(L, room * sizeof(*members), 0);
    memcpy(members, e->members, used * sizeof(*members));
    lua_replace(L, MEMBERS_SLOT);
  }
  lua_createtable(L, (int)room * 2, 0);
  for (lua_Integer i = 1; i <= (lua_Integer)used * 2; i++) {
    lua_rawgeti(L, KEPT_SLOT, i);
    lua_rawseti(L, -2, i);
  }
  lua_replace(L, KEPT_SLOT);
  e->members = members;
  e->member_room = room;
  return room - used;
}

/* The kinds of keys that a table has. */
struct keys {
  size_t names;              /* the strings among them */
  lua_Integer indices, last; /* the positive integers; the greatest */
};

/* Reads the keys of the table on top, and refuses those that JSON has not.
 * Notes the members that have names, as far as there is `room`. Nothing here
 * allocates, so no finalizer can change the table meanwhile. [-0, +0, v] */
static struct keys look(struct encoder *e, const neapL_json_place *in,
                        size_t room) {
  lua_State *L = e->L;
  struct keys keys = {0, 0, 0};
  struct member *member = e->members + e->member_count;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (lua_type(L, -2) == LUA_TSTRING) {
      if (keys.names++ >= room)
        continue;
      member->key = lua_tolstring(L, -2, &member->size);
      member->kept = 2 * (member - e->members) + 1;
      member->rank = 0;
      lua_pushvalue(L, -2);
      lua_rawseti(L, KEPT_SLOT, member->kept);
      lua_pushvalue(L, -1);
      lua_rawseti(L, KEPT_SLOT, member->kept + 1);
      member++;
    } else if (lua_isinteger(L, -2)) {
      lua_Integer index = lua_tointeger(L, -2);
      if (index < 1)
        refuse(e, in,
               "the integer key %I, which is not from 1 to n without "
               "a hole",
               (LUAI_UACINT)index);
      keys.indices++;
      keys.last = index > keys.last ? index : keys.last;
    } else {
      refuse(e, in, "a %s as a key", luaL_typename(L, -2));
    }
  }
  return keys;
}

/* Returns the length of the list that `in` is about, given its keys. It is the
 * field n if there is one, as in the results of table.pack and of neap.
 * [-0, +0, v] */
static lua_Integer list_length(struct encoder *e, const neapL_json_place *in,
                               const struct keys *keys) {
  lua_State *L = e->L;
  lua_Integer n = -1;
  const char *name = NULL;
  const struct member *members = e->members + e->member_count;
  for (size_t i = 0; i < keys->names; i++) {
    lua_rawgeti(L, KEPT_SLOT, members[i].kept + 1);
    if (strcmp(members[i].key, "n") == 0 && lua_isinteger(L, -1))
      n = lua_tointeger(L, -1);
    else
      name = members[i].key;
    lua_pop(L, 1);
  }
  if (n < 0 && keys->indices != keys->last)
    refuse(e, in,
           "integer keys that are not 1 to n without a hole "
           "(a list with holes has a field n, its length)");
  if (name != NULL)
    refuse(e, in, "a list that has string keys too, such as '%s'", name);
  if (keys->names > 0 && n < keys->last)
    refuse(e, in, "a list whose field n is %I although it has an item %I",
           (LUAI_UACINT)n, (LUAI_UACINT)keys->last);
  return keys->names > 0 ? n : keys->last;
}

/* Appends the list of `length` items on top. With `holes`, an item may be nil.
 * [-0, +0, v] */
static void write_list(struct encoder *e, neapL_json_place *here,
                       lua_Integer length, bool holes) {
  for (lua_Integer i = 1; i <= length; i++) {
    if (i > 1)
      append_char(e, ',');
    append_line(e, here->depth);
    here->index = i;
    if (lua_rawgeti(e->L, -1, i) == LUA_TNIL && holes)
      append(e, "null", 4);
    else
      write_value(e, here);
    lua_pop(e->L, 1);
  }
}

/* Compares ranks, then bytes. That puts UTF-8 in the order of its code points;
 * Lua's own comparison of strings follows the locale. */
static int compare_members(const void *left, const void *right) {
  const struct member *a = left, *b = right;
  if (a->rank != b->rank)
    return a->rank < b->rank ? -1 : 1;
  int order = memcmp(a->key, b->key, a->size < b->size ? a->size : b->size);
  return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

/* Sorts by key. Most objects are small, and for those this is faster than
 * qsort. */
static void sort_members(struct member *members, size_t count) {
  enum { FEW = 12 };
  if (count > FEW) {
    qsort(members, count, sizeof(*members), compare_members);
    return;
  }
  for (size_t i = 1; i < count; i++) {
    struct member member = members[i];
    size_t at = i;
    for (; at > 0 && compare_members(&members[at - 1], &member) > 0; at--)
      members[at] = members[at - 1];
    members[at] = member;
  }
}

/* Gives the members their ranks, if the table on top has an order of its own
 * (json.object); those that it does not name come last. Returns whether it has.
 * Allocates nothing, as `look`. [-0, +0, -] */
static bool rank_members(struct encoder *e, struct member *members,
                         size_t count) {
  lua_State *L = e->L;
  if (!lua_getmetatable(L, -1))
    return false;
  lua_pushvalue(L, NEAPL_JSON_RANKS);
  bool ordered = lua_rawget(L, -2) == LUA_TTABLE;
  for (size_t i = 0; ordered && i < count; i++) {
    lua_rawgeti(L, KEPT_SLOT, members[i].kept); /* metatable ranks key */
    bool named = lua_rawget(L, -2) == LUA_TNUMBER;
    members[i].rank = named ? lua_tointeger(L, -1) : LUA_MAXINTEGER;
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  return ordered;
}

/* Appends the `count` members that are on top of the stack of members.
 * [-0, +0, v] */
static void write_members(struct encoder *e, neapL_json_place *here,
                          size_t count) {
  size_t first = e->member_count;
  bool ordered = rank_members(e, e->members + first, count);
  e->member_count += count;
  if (ordered || e->sort_keys)
    sort_members(e->members + first, count);
  for (size_t i = 0; i < count; i++) {
    const struct member *member = &e->members[first + i];
    here->key = member->key;
    here->key_size = member->size;
    lua_rawgeti(e->L, KEPT_SLOT, member->kept + 1);
    if (i > 0)
      append_char(e, ',');
    append_line(e, here->depth);
    write_string(e, here->up, true, here->key, here->key_size);
    append(e, ": ", e->indent == 0 ? 1 : 2);
    write_value(e, here);
    lua_pop(e->L, 1);
  }
  e->member_count = first;
}

/* Refuses the table on top, which is empty, if its class says that it is no
 * JSON, by the field `__json = false`, as that of secrets does. [-0, +0, v] */
static void check_class(struct encoder *e, const neapL_json_place *in) {
  lua_State *L = e->L;
  if (luaL_getmetafield(L, -1, "__json") == LUA_TNIL)
    return;
  if (!lua_isboolean(L, -1) || lua_toboolean(L, -1)) { /* none of ours */
    lua_pop(L, 1);
    return;
  }
  if (luaL_getmetafield(L, -2, "__name") == LUA_TSTRING)
    refuse(e, in, "a %s", lua_tostring(L, -1));
  refuse(e, in, "an object whose class is no JSON");
}

/* Appends the table on top, the current member of `in`. [-0, +0, v] */
static void write_table(struct encoder *e, const neapL_json_place *in) {
  lua_State *L = e->L;
  neapL_params_reveal(L); /* what pairs goes through of these; next does not */
  neapL_json_place here = {.up = in,
                           .table = lua_topointer(L, -1),
                           .depth = in == NULL ? 1 : in->depth + 1};
  for (const neapL_json_place *outer = in; outer != NULL; outer = outer->up)
    if (outer->table == here.table)
      refuse(e, in, "a cycle, it is %s again",
             neapL_json_place_push(L, "$", outer->up));
  if (here.depth > MAX_DEPTH)
    refuse(e, in, "nested deeper than %d", MAX_DEPTH);
  luaL_checkstack(L, 10, "a table too deep for what the stack already holds");
  if (++e->tables % TABLES == 0)
    neapL_budget_look(L, "json.encode");

  struct keys keys = {0, 0, 0};
  size_t room;
  do /* Making room may run finalizers, so it comes first. */
    room = reserve_members(e, keys.names);
  while ((keys = look(e, in, room)).names > room);

  if (keys.names == 0 && keys.indices == 0)
    check_class(e, in);

  bool list = keys.indices > 0 || is_marked(L);
  lua_Integer length = list ? list_length(e, in, &keys) : 0;
  size_t before = e->used;
  append_char(e, list ? '[' : '{');
  if (list)
    write_list(e, &here, length, keys.names > 0);
  else
    write_members(e, &here, keys.names);
  if (e->used > before + 1)
    append_line(e, here.depth - 1);
  append_char(e, list ? ']' : '}');
}

/* Appends the value on top, the current member of `in`. [-0, +0, v] */
static void write_value(struct encoder *e, const neapL_json_place *in) {
  lua_State *L = e->L;
  switch (lua_type(L, -1)) {
  case LUA_TBOOLEAN:
    if (lua_toboolean(L, -1))
      append(e, "true", 4);
    else
      append(e, "false", 5);
    return;
  case LUA_TNUMBER:
    if (lua_isinteger(L, -1))
      write_integer(e, lua_tointeger(L, -1));
    else
      write_real(e, in, lua_tonumber(L, -1));
    return;
  case LUA_TSTRING: {
    size_t size;
    const char *text = lua_tolstring(L, -1, &size);
    write_string(e, in, false, text, size);
    return;
  }
  case LUA_TTABLE:
    write_table(e, in);
    return;
  case LUA_TNIL:
    refuse(e, in, "nil (json.null is what becomes null)");
    return;
  default: {
    const neapL_vector *vector = neapL_vector_at(L, -1);
    if (lua_rawequal(L, -1, NEAPL_JSON_NULL))
      append(e, "null", 4);
    else if (vector)
      write_vector(e, vector);
    else
      refuse(e, in, "a %s", luaL_typename(L, -1));
  }
  }
}

/* Reads the options at `arg` into the encoder. [-0, +0, v] */
static void check_options(lua_State *L, int arg, struct encoder *e) {
  e->sort_keys = true;
  if (lua_isnoneornil(L, arg))
    return;
  bool well = lua_istable(L, arg);
  for (lua_pushnil(L); well && lua_next(L, arg); lua_pop(L, 1)) {
    const char *name =
        lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (strcmp(name, "indent") == 0) {
      lua_Integer indent = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : -1;
      well = indent >= 0 && indent <= JSON_MAX_INDENT;
      e->indent = (int)indent;
    } else {
      well = strcmp(name, "sort_keys") == 0 && lua_isboolean(L, -1);
      e->sort_keys = lua_toboolean(L, -1);
    }
  }
  if (!well)
    neapL_check_options_fail(L, arg, "json.encode");
}

int neapL_json_encode(lua_State *L) {
  neapL_check_any(L, 1);
  struct encoder e;
  e.L = L;
  e.bytes = e.start;
  e.used = 0;
  e.size = sizeof(e.start);
  e.members = e.first_members;
  e.member_count = e.member_room = 0;
  e.indent = 0;
  e.tables = 0;
  check_options(L, 2, &e);
  lua_settop(L, KEPT_SLOT);
  lua_pushvalue(L, 1);
  write_value(&e, NULL);
  lua_pushlstring(L, e.bytes, e.used);
  return 1;
}
