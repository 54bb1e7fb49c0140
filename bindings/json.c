/* JSON for Lua: decoding with jansson, encoding straight from Lua values.
 * SPDX-License-Identifier: MIT */
#include "json.h"

#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <lauxlib.h>

#include "error.h"

/* Long for one file, but one idea: what the first half reads the second has to
 * write, and the two share the marks of null and of arrays. */

#define ARRAY_META    "neap.json.array"
#define NULL_KEY      "neap.json.null"
#define DOCUMENT_META "neap.json.document"

/* What jansson reads, the encoder writes. */
#define MAX_DEPTH JSON_PARSER_MAX_DEPTH

/* The upvalues that all functions of the module share. */
enum { NULL_VALUE = lua_upvalueindex(1), ARRAY_TABLE = lua_upvalueindex(2) };

/* A userdata that holds what jansson has read. Pushing Lua values may raise at
 * any time for want of memory; the collector then frees the document. */
struct document {
  json_t *root;
};

/* Pushes an empty document. [-0, +1, m] */
static struct document *push_document(lua_State *L) {
  struct document *document = lua_newuserdatauv(L, sizeof(*document), 0);
  document->root = NULL;
  luaL_setmetatable(L, DOCUMENT_META);
  return document;
}

static void release(struct document *document) {
  json_decref(document->root);
  document->root = NULL;
}

static int document_gc(lua_State *L) {
  release(luaL_checkudata(L, 1, DOCUMENT_META));
  return 0;
}

/* Pushes the Lua value of a jansson one. Recursive: jansson has seen to it
 * that no document is deeper than MAX_DEPTH. [-0, +1, v] */
static void push_value(lua_State *L, json_t *value) {
  luaL_checkstack(L, 3, "JSON too deep for what the stack already holds");
  switch (json_typeof(value)) {
  case JSON_OBJECT: {
    const char *key;
    size_t size;
    json_t *member;
    lua_createtable(L, 0, (int)json_object_size(value));
    json_object_keylen_foreach(value, key, size, member) {
      lua_pushlstring(L, key, size);
      push_value(L, member); /* table key value */
      lua_rawset(L, -3);
    }
    break;
  }
  case JSON_ARRAY: {
    size_t count = json_array_size(value);
    lua_createtable(L, (int)count, 0);
    lua_pushvalue(L, ARRAY_TABLE);
    lua_setmetatable(L, -2);
    for (size_t i = 0; i < count; i++) {
      push_value(L, json_array_get(value, i));
      lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    break;
  }
  case JSON_STRING:
    lua_pushlstring(L, json_string_value(value), json_string_length(value));
    break;
  case JSON_INTEGER:
    lua_pushinteger(L, json_integer_value(value));
    break;
  case JSON_REAL:
    lua_pushnumber(L, json_real_value(value));
    break;
  case JSON_TRUE:
  case JSON_FALSE:
    lua_pushboolean(L, json_is_true(value));
    break;
  case JSON_NULL:
    lua_pushvalue(L, NULL_VALUE);
    break;
  }
}

/* Returns the end of the string that begins at the quote `at`; past the end of
 * the text when it is not closed. */
static const char *string_end(const char *at) {
  for (at++; *at != '"' && *at != '\0'; at++)
    if (*at == '\\' && at[1] != '\0')
      at++;
  return at + 1;
}

static const char *number_end(const char *at) {
  static const char digits[] = "0123456789";
  at += *at == '-';
  at += strspn(at, digits);
  if (*at == '.')
    at += 1 + strspn(at + 1, digits);
  if (*at == 'e' || *at == 'E') {
    at++;
    at += *at == '+' || *at == '-';
    at += strspn(at, digits);
  }
  return at;
}

/* Returns the end of the token that begins at `at`, as jansson cuts them. */
static const char *token_end(const char *at) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  size_t word = strspn(at, letters);
  if (word > 0)
    return at + word;
  if (*at == '"')
    return string_end(at);
  if (*at == '-' || (*at >= '0' && *at <= '9'))
    return number_end(at);
  do
    at++;
  while (((unsigned char)*at & 0xC0) == 0x80);
  return at;
}

/* Returns the place of the error. jansson says how far it had read; what
 * people look for is where the token that it could not use begins, or which
 * byte inside a string it stopped at. */
static const char *error_place(const char *text, const json_error_t *error) {
  const char *read = text + error->position;
  enum json_error_code code = json_error_code(error);
  if (code == json_error_premature_end_of_input ||
      code == json_error_invalid_utf8)
    return read; /* the end of the text, the byte that is not counted yet */
  if (strncmp(error->text, "invalid escape", strlen("invalid escape")) == 0) {
    while (*--read != '\\')
      ;
    return read;
  }
  for (const char *at = text;;) {
    at += strspn(at, " \t\r\n");
    const char *end = at < read ? token_end(at) : at;
    if (end == read)
      return at;
    if (end > read || at >= read)
      return read;
    at = end;
  }
}

/* Raises the error that `reason` tells of, at `place` in what is called `what`.
 * [-0, +0, v] */
static int refuse_text(lua_State *L, const char *what, const char *text,
                       const char *place, const char *reason) {
  lua_Integer line = 1, column = 1, offset = place - text + 1;
  for (const char *at = text; at < place; at++) {
    if (*at == '\n') {
      line++;
      column = 1;
    } else if (((unsigned char)*at & 0xC0) != 0x80) {
      column++;
    }
  }
  neap__error_push(L, "json", "%s at line %I, column %I (byte %I): %s", what,
                   (LUAI_UACINT)line, (LUAI_UACINT)column, (LUAI_UACINT)offset,
                   reason);
  lua_pushinteger(L, line);
  lua_setfield(L, -2, "line");
  lua_pushinteger(L, column);
  lua_setfield(L, -2, "column");
  lua_pushinteger(L, offset);
  lua_setfield(L, -2, "offset");
  return lua_error(L);
}

/* Raises the error that jansson has told of. [-0, +0, v] */
static int refuse_error(lua_State *L, const char *text,
                        const json_error_t *error) {
  const char *place = error_place(text, error);
  if (json_error_code(error) != json_error_numeric_overflow)
    return refuse_text(L, "invalid JSON", text, place, error->text);
  /* JSON sets no bounds to numbers, Lua does. */
  bool integer = strcspn(place, ".eE") >= (size_t)(number_end(place) - place);
  return refuse_text(L, "JSON", text, place,
                     integer ? "the integer does not fit 64 bits"
                             : "the number does not fit a double");
}

/* Parses the text; NULL when it is no JSON, or without an error text when
 * memory ran out. jansson 2.14 reads reals with strtod, and asserts that the
 * locale's decimal point has one byte; in Persian, say, it has two. */
static json_t *load(const char *text, size_t size, json_error_t *error) {
  size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
  if (strlen(localeconv()->decimal_point) == 1)
    return json_loadb(text, size, flags, error);
  error->text[0] = '\0';
  locale_t plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
  if (plain == (locale_t)0)
    return NULL;
  locale_t before = uselocale(plain); /* of this thread only */
  json_t *value = json_loadb(text, size, flags, error);
  uselocale(before);
  freelocale(plain);
  return value;
}

/* decode(text): see json.h. */
static int decode(lua_State *L) {
  luaL_checktype(L, 1, LUA_TSTRING);
  size_t size;
  const char *text = lua_tolstring(L, 1, &size);
  /* jansson counts what it has read in an int. */
  luaL_argcheck(L, size < INT_MAX, 1, "2 GB or more");
  /* jansson 2.14 overlooks a NUL byte that follows a number or a word. */
  const char *nul = memchr(text, '\0', size);
  if (nul != NULL)
    return refuse_text(L, "invalid JSON", text, nul, "NUL byte");

  struct document *document = push_document(L);
  json_error_t error;
  document->root = load(text, size, &error);
  if (document->root == NULL) {
    if (error.text[0] == '\0')
      return luaL_error(L, "not enough memory");
    return refuse_error(L, text, &error);
  }
  push_value(L, document->root);
  release(document);
  return 1;
}

/* One call of encode. What is written grows in `bytes`: first the `start`
 * here, then a userdata that stands at BYTES_SLOT, so that the collector frees
 * it whatever is raised. */
struct encoder {
  lua_State *L;
  char *bytes;
  size_t used, size;
  int indent;
  bool sort_keys;
  char start[1024];
};

enum { BYTES_SLOT = 3 };

/* A table being written, and which member of it is at hand: `key`, or `index`
 * when that is NULL. They live on the C stack, linked from the inside out. */
struct place {
  const struct place *up; /* NULL: the table is the value given to encode */
  const void *table;
  int depth; /* from 1 */
  const char *key;
  size_t key_size;
  lua_Integer index;
};

static void write_value(struct encoder *e, const struct place *in);

/* Adds ".name", or ["name"] for what is no identifier; shortened, and without
 * control characters. [-0, +0, m] */
static void add_key(luaL_Buffer *b, const char *key, size_t size) {
  enum { SHOWN = 40 };
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz_"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  size_t shown = size < SHOWN ? size : SHOWN;
  while (shown > 0 && shown < size &&
         ((unsigned char)key[shown] & 0xC0) == 0x80)
    shown--;
  bool plain = size > 0 && strspn(key, letters) == size &&
               !(key[0] >= '0' && key[0] <= '9');
  luaL_addstring(b, plain ? "." : "[\"");
  for (size_t i = 0; i < shown; i++)
    luaL_addchar(b, (unsigned char)key[i] < ' ' ? '?' : key[i]);
  luaL_addstring(b, shown < size ? "..." : "");
  luaL_addstring(b, plain ? "" : "\"]");
}

/* Adds the members from the outermost to that of `in`; of many the first and
 * the last. [-0, +0, m] */
static void add_members(luaL_Buffer *b, const struct place *in, int depth) {
  enum { SHOWN = 10 };
  if (in == NULL)
    return;
  add_members(b, in->up, depth);
  if (in->depth > SHOWN && in->depth <= depth - SHOWN) {
    if (in->depth == SHOWN + 1)
      luaL_addstring(b, "...");
  } else if (in->key != NULL) {
    add_key(b, in->key, in->key_size);
  } else {
    lua_pushfstring(b->L, "[%I]", (LUAI_UACINT)in->index);
    luaL_addvalue(b);
  }
}

/* Pushes the path of the member at hand, "$" for NULL. [-0, +1, m] */
static const char *push_path(lua_State *L, const struct place *in) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addchar(&b, '$');
  add_members(&b, in, in == NULL ? 0 : in->depth);
  luaL_pushresult(&b);
  return lua_tostring(L, -1);
}

/* Raises an error about the member at hand. [-0, +0, v] */
static int refuse(struct encoder *e, const struct place *in, const char *format,
                  ...) {
  lua_State *L = e->L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  va_list args;
  va_start(args, format);
  const char *reason = lua_pushvfstring(L, format, args);
  va_end(args);
  const char *path = push_path(L, in); /* reason path */
  neap__error_push(L, "json", "cannot encode %s: %s", path, reason);
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

/* Begins a line for what stands `depth` levels inside; nothing when encode
 * was asked for no indentation. */
static void append_line(struct encoder *e, int depth) {
  if (e->indent == 0)
    return;
  size_t spaces = (size_t)e->indent * (size_t)depth;
  append_char(e, '\n');
  memset(reserve(e, spaces), ' ', spaces);
  e->used += spaces;
}

/* Returns the length of the UTF-8 sequence of 2 to 4 bytes at `s`, 0 when it
 * is not well-formed (Unicode 15, table 3-7). */
static size_t utf8_sequence(const unsigned char *s, size_t left) {
  unsigned lead = s[0];
  size_t size = lead < 0xC2   ? 0
                : lead < 0xE0 ? 2
                : lead < 0xF0 ? 3
                : lead < 0xF5 ? 4
                              : 0;
  if (size == 0 || size > left)
    return 0;
  for (size_t i = 1; i < size; i++)
    if ((s[i] & 0xC0) != 0x80)
      return 0;
  bool overlong =
      (lead == 0xE0 && s[1] < 0xA0) || (lead == 0xF0 && s[1] < 0x90);
  bool surrogate = lead == 0xED && s[1] >= 0xA0;
  bool beyond = lead == 0xF4 && s[1] >= 0x90;
  return overlong || surrogate || beyond ? 0 : size;
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

/* Appends a JSON string, `what` by name in the error. [-0, +0, v] */
static void write_string(struct encoder *e, const struct place *in,
                         const char *what, const char *text, size_t size) {
  const unsigned char *s = (const unsigned char *)text;
  size_t copied = 0;
  append_char(e, '"');
  for (size_t i = 0; i < size;) {
    if (s[i] >= 0x80) {
      size_t step = utf8_sequence(s + i, size - i);
      if (step == 0)
        refuse(e, in, "%s is not UTF-8 (at its byte %I)", what,
               (LUAI_UACINT)i + 1);
      i += step;
    } else if (s[i] < ' ' || s[i] == '"' || s[i] == '\\') {
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

/* Appends the shortest of 15 to 17 digits that reads back as the same double,
 * always with a point or an exponent. [-0, +0, v] */
static void write_real(struct encoder *e, const struct place *in, double x) {
  if (!isfinite(x))
    refuse(e, in, "%s is no JSON number", isnan(x) ? "NaN" : "an infinity");
  char digits[32];
  int precision = 15;
  do
    snprintf(digits, sizeof(digits), "%.*g", precision, x);
  while (strtod(digits, NULL) != x && ++precision <= 17);

  /* Whatever is no digit, sign or exponent is the locale's decimal point, of
   * one byte or several. */
  char text[sizeof(digits) + 2];
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

static void write_integer(struct encoder *e, lua_Integer n) {
  char digits[32];
  append(e, digits,
         (size_t)snprintf(digits, sizeof(digits), LUA_INTEGER_FMT, n));
}

/* True when the table on top carries the mark of arrays. [-0, +0, -] */
static bool is_marked(lua_State *L) {
  if (!lua_getmetatable(L, -1))
    return false;
  bool marked = lua_rawequal(L, -1, ARRAY_TABLE);
  lua_pop(L, 1);
  return marked;
}

/* Tells a list, its length into *length, from an object by the keys of the
 * table on top; refuses what is neither. [-0, +0, v] */
static bool is_list(struct encoder *e, const struct place *in,
                    lua_Integer *length) {
  lua_State *L = e->L;
  lua_Integer border = (lua_Integer)lua_rawlen(L, -1);
  lua_Integer listed = 0;
  bool list = is_marked(L) || border > 0, names = false;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (lua_type(L, -2) == LUA_TSTRING) {
      names = true;
    } else if (lua_isinteger(L, -2)) {
      lua_Integer index = lua_tointeger(L, -2);
      if (index < 1 || index > border)
        refuse(e, in, "integer keys that are not 1 to n without a hole");
      listed++;
    } else {
      refuse(e, in, "a %s as a key", luaL_typename(L, -2));
    }
  }
  if (listed != border)
    refuse(e, in, "integer keys that are not 1 to n without a hole");
  if (list && names)
    refuse(e, in, "a list that has string keys too");
  *length = border;
  return list;
}

/* Appends the list of `length` items on top. [-0, +0, v] */
static void write_list(struct encoder *e, struct place *here,
                       lua_Integer length) {
  for (lua_Integer i = 1; i <= length; i++) {
    if (i > 1)
      append_char(e, ',');
    append_line(e, here->depth);
    here->index = i;
    lua_rawgeti(e->L, -1, i);
    write_value(e, here);
    lua_pop(e->L, 1);
  }
}

/* Appends the member whose key and value are on top. [-0, +0, v] */
static void write_member(struct encoder *e, struct place *here) {
  bool first = here->key == NULL;
  here->key = lua_tolstring(e->L, -2, &here->key_size);
  if (!first)
    append_char(e, ',');
  append_line(e, here->depth);
  write_string(e, here->up, "a key", here->key, here->key_size);
  append(e, ": ", e->indent == 0 ? 1 : 2);
  write_value(e, here);
}

/* Appends the members of the object on top, in the order of its table.
 * [-0, +0, v] */
static void write_members(struct encoder *e, struct place *here) {
  lua_State *L = e->L;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
    write_member(e, here);
}

struct key {
  const char *text;
  size_t size;
};

/* Compares bytes, which puts UTF-8 in the order of its code points; Lua's own
 * comparison of strings would follow the locale. */
static int compare_keys(const void *left, const void *right) {
  const struct key *a = left, *b = right;
  int order = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);
  return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

/* Appends the members of the object on top, sorted by key. [-0, +0, v] */
static void write_sorted_members(struct encoder *e, struct place *here) {
  lua_State *L = e->L;
  size_t room = 0, count = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
    room++;
  struct key *keys = lua_newuserdatauv(L, room * sizeof(*keys), 0);
  /* The list keeps the strings alive, should a finalizer empty the object. */
  lua_createtable(L, (int)room, 0); /* object keys list */
  lua_pushnil(L);
  while (lua_next(L, -4)) { /* object keys list key value */
    lua_pop(L, 1);
    if (count == room || lua_type(L, -1) != LUA_TSTRING)
      continue;
    keys[count].text = lua_tolstring(L, -1, &keys[count].size);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, (lua_Integer)++count);
  }
  qsort(keys, count, sizeof(*keys), compare_keys);
  for (size_t i = 0; i < count; i++) {
    lua_pushlstring(L, keys[i].text, keys[i].size);
    lua_pushvalue(L, -1);
    lua_rawget(L, -5); /* object keys list key value */
    write_member(e, here);
    lua_pop(L, 2);
  }
  lua_pop(L, 2);
}

/* Appends the table on top, the member at hand of `in`. [-0, +0, v] */
static void write_table(struct encoder *e, const struct place *in) {
  lua_State *L = e->L;
  struct place here = {.up = in,
                       .table = lua_topointer(L, -1),
                       .depth = in == NULL ? 1 : in->depth + 1};
  for (const struct place *outer = in; outer != NULL; outer = outer->up)
    if (outer->table == here.table)
      refuse(e, in, "a cycle, it is %s again", push_path(L, outer->up));
  if (here.depth > MAX_DEPTH)
    refuse(e, in, "nested deeper than %d", MAX_DEPTH);
  luaL_checkstack(L, 10, "a table too deep for what the stack already holds");

  lua_Integer length;
  bool list = is_list(e, in, &length);
  size_t before = e->used;
  append_char(e, list ? '[' : '{');
  if (list)
    write_list(e, &here, length);
  else if (e->sort_keys)
    write_sorted_members(e, &here);
  else
    write_members(e, &here);
  if (e->used > before + 1)
    append_line(e, here.depth - 1);
  append_char(e, list ? ']' : '}');
}

/* Appends the value on top, the member at hand of `in`. [-0, +0, v] */
static void write_value(struct encoder *e, const struct place *in) {
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
    write_string(e, in, "the string", text, size);
    return;
  }
  case LUA_TTABLE:
    write_table(e, in);
    return;
  case LUA_TNIL:
    refuse(e, in, "nil (json.null is what becomes null)");
    return;
  default:
    if (!lua_rawequal(L, -1, NULL_VALUE))
      refuse(e, in, "a %s", luaL_typename(L, -1));
    append(e, "null", 4);
  }
}

/* Reads the options at `arg` into the encoder. [-0, +0, v] */
static void check_options(lua_State *L, int arg, struct encoder *e) {
  if (lua_isnoneornil(L, arg))
    return;
  luaL_checktype(L, arg, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1)) {
    lua_pushvalue(L, -2); /* key value key */
    const char *name = luaL_tolstring(L, -1, NULL);
    if (strcmp(name, "indent") == 0) {
      lua_Integer indent = lua_isinteger(L, -3) ? lua_tointeger(L, -3) : -1;
      luaL_argcheck(L, indent >= 0 && indent <= JSON_MAX_INDENT, arg,
                    "indent is an integer from 0 to 31");
      e->indent = (int)indent;
    } else if (strcmp(name, "sort_keys") == 0) {
      luaL_argcheck(L, lua_isboolean(L, -3), arg, "sort_keys is true or false");
      e->sort_keys = lua_toboolean(L, -3);
    } else {
      lua_pushfstring(L, "unknown option '%s'; did you mean '%s'?", name,
                      name[0] == 's' ? "sort_keys" : "indent");
      luaL_argerror(L, arg, lua_tostring(L, -1));
    }
    lua_pop(L, 2);
  }
}

/* encode(value, opts): see json.h. */
static int encode(lua_State *L) {
  luaL_checkany(L, 1);
  struct encoder e = {.L = L};
  e.bytes = e.start;
  e.size = sizeof(e.start);
  check_options(L, 2, &e);
  lua_settop(L, BYTES_SLOT);
  lua_pushvalue(L, 1);
  write_value(&e, NULL);
  lua_pushlstring(L, e.bytes, e.used);
  return 1;
}

/* array(t): see json.h. */
static int array(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  luaL_argcheck(L, !lua_getmetatable(L, 1) || lua_rawequal(L, -1, ARRAY_TABLE),
                1, "it has a metatable of its own");
  lua_pushvalue(L, ARRAY_TABLE);
  lua_setmetatable(L, 1);
  lua_settop(L, 1);
  return 1;
}

static int null_tostring(lua_State *L) {
  lua_pushliteral(L, "null");
  return 1;
}

/* Pushes json.null of this state, which the registry keeps. [-0, +1, m] */
static void push_null(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, NULL_KEY) == LUA_TUSERDATA)
    return;
  lua_pop(L, 1);
  lua_newuserdatauv(L, 0, 0);
  lua_newtable(L); /* null metatable */
  lua_pushcfunction(L, null_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pushliteral(L, NULL_KEY);
  lua_setfield(L, -2, "__name");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, NULL_KEY);
}

int neap__json_open(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"decode", decode}, {"encode", encode}, {"array", array}, {NULL, NULL}};
  luaL_newmetatable(L, DOCUMENT_META);
  lua_pushcfunction(L, document_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newlibtable(L, functions);
  push_null(L);
  luaL_newmetatable(L, ARRAY_META); /* module null array */
  lua_pushvalue(L, -2);
  lua_setfield(L, -4, "null");
  luaL_setfuncs(L, functions, 2);
  return 1;
}
