/* JSON for Lua: decode, with jansson.
 * SPDX-License-Identifier: MIT */
#include "decode.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <lauxlib.h>

#include "task/check.h"
#include "task/error.h"
#include "task/host.h"
#include "values.h"

/* The largest text in a sandbox, in bytes: jansson looks at no clock. */
enum { LARGEST = 4 * 1024 * 1024 };

#define DOCUMENT_META "neap.json.document"

/* A userdata that holds what jansson has read. Pushing Lua values may raise at
 * any time for lack of memory; then the collector frees the document. */
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
  struct document *document = luaL_testudata(L, 1, DOCUMENT_META);
  if (document != NULL)
    release(document);
  return 0;
}

/* Pushes the Lua value of a jansson value. It is recursive: jansson refuses
 * documents that are deeper than JSON_PARSER_MAX_DEPTH. [-0, +1, v] */
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
    lua_pushvalue(L, NEAPL_JSON_ARRAY);
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
    lua_pushvalue(L, NEAPL_JSON_NULL);
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

/* Returns the place of the error. jansson tells how far it had read. People
 * look for the beginning of the token that it could not use, or for the byte at
 * which it stopped inside a string. */
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

/* Raises an error with `reason`, at `place` in the text, which is called
 * `what`. [-0, +0, v] */
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
  neapL_error_push(L, "json", "%s at line %I, column %I (byte %I): %s", what,
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

/* Returns the place in `text` for `place` in `read`. Both have the same tokens,
 * some of them written in another way. */
static const char *same_place(const char *text, const char *read,
                              const char *place) {
  if (text == read)
    return place;
  while (*read != '\0') {
    const char *end = token_end(read), *text_end = token_end(text);
    if (place < end) {
      ptrdiff_t into = place - read, size = text_end - text;
      return text + (into < size ? into : size - 1);
    }
    read = end;
    text = text_end;
  }
  return text;
}

/* Raises the error that jansson has found in `text`, which it was given as
 * `read`. [-0, +0, v] */
static int refuse_error(lua_State *L, const char *text, const char *read,
                        const json_error_t *error) {
  const char *place = error_place(read, error);
  const char *what = "JSON", *reason = error->text;
  switch (json_error_code(error)) {
  case json_error_numeric_overflow: /* JSON sets no bounds to numbers */
    reason = strcspn(place, ".eE") >= (size_t)(number_end(place) - place)
                 ? "the integer does not fit 64 bits"
                 : "the number does not fit a double";
    break;
  case json_error_stack_overflow:
    reason = lua_pushfstring(L, "nested beyond the depth of %d",
                             JSON_PARSER_MAX_DEPTH);
    break;
  default:
    what = "invalid JSON";
  }
  return refuse_text(L, what, text, same_place(text, read, place), reason);
}

/* Parses a text. Returns NULL when it is no JSON, and, without an error text,
 * when there is no memory. jansson 2.14 reads reals with strtod, and asserts
 * that the locale's decimal point has one byte. In Persian, for example, it has
 * two. */
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

/* What decode does with JSON that Lua or jansson cannot hold. */
struct options {
  enum { BIG_ERROR, BIG_FLOAT, BIG_STRING } big_integers;
  bool replace_surrogates;
};

/* A text that is rewritten so that jansson can read it. It is counted, and also
 * written unless `bytes` is NULL. Each token remains one token. */
struct rewriting {
  char *bytes;
  size_t size;
  bool changed;
};

static void put(struct rewriting *to, const char *bytes, size_t size) {
  if (to->bytes != NULL)
    memcpy(to->bytes + to->size, bytes, size);
  to->size += size;
}

/* True when the token is an integer beyond 64 bits. False where a key is
 * expected, so that jansson refuses it. */
static bool is_big_integer(const char *token, const char *end) {
  const char *digits = token + (*token == '-');
  if (*digits < '1' || *digits > '9' ||
      strspn(digits, "0123456789") != (size_t)(end - digits))
    return false;
  if (end[strspn(end, " \t\r\n")] == ':')
    return false;
  errno = 0;
  (void)strtoll(token, NULL, 10);
  return errno == ERANGE;
}

/* Returns the code unit of the escape \uXXXX at `at`; -1 when there is none. */
static long code_unit(const char *at) {
  if (at[0] != '\\' || at[1] != 'u' ||
      strspn(at + 2, "0123456789abcdefABCDEF") < 4)
    return -1;
  char digits[5] = {at[2], at[3], at[4], at[5], '\0'};
  return strtol(digits, NULL, 16);
}

static bool is_low_surrogate(long unit) {
  return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* Writes a string, with U+FFFD for each surrogate that has no other half. */
static void put_string(struct rewriting *to, const char *at, const char *end) {
  while (at < end) {
    const char *escape = memchr(at, '\\', (size_t)(end - at));
    if (escape == NULL || escape + 1 == end)
      escape = end;
    put(to, at, (size_t)(escape - at));
    at = escape;
    if (at == end)
      return;
    long unit = code_unit(at);
    bool high = unit >= 0xD800 && unit <= 0xDBFF;
    size_t size = unit < 0                                      ? 2
                  : high && is_low_surrogate(code_unit(at + 6)) ? 12
                                                                : 6;
    bool alone = size == 6 && (high || is_low_surrogate(unit));
    put(to, alone ? "\\uFFFD" : at, size);
    to->changed = to->changed || alone;
    at += size;
  }
}

/* Writes the text as the options want it. */
static void rewrite(struct rewriting *to, const struct options *options,
                    const char *text, size_t size) {
  const char *stop = text + size;
  for (const char *at = text, *end; at < stop; at = end) {
    end = token_end(at);
    if (end > stop) /* a string that is not closed */
      end = stop;
    if (options->replace_surrogates && *at == '"') {
      put_string(to, at, end);
      continue;
    }
    bool big = options->big_integers != BIG_ERROR && is_big_integer(at, end);
    bool quoted = big && options->big_integers == BIG_STRING;
    put(to, "\"", quoted);
    put(to, at, (size_t)(end - at));
    put(to, quoted ? "\"" : ".0", quoted ? 1 : big ? 2 : 0);
    to->changed = to->changed || big;
  }
}

/* Pushes `text` as jansson can read it; *size becomes its size. [-0, +1, m] */
static const char *push_readable(lua_State *L, const struct options *options,
                                 const char *text, size_t *size) {
  struct rewriting to = {NULL, 0, false};
  if (options->big_integers != BIG_ERROR || options->replace_surrogates)
    rewrite(&to, options, text, *size);
  if (!to.changed) {
    lua_pushnil(L);
    return text;
  }
  to.bytes = lua_newuserdatauv(L, to.size + 1, 0);
  to.size = 0;
  rewrite(&to, options, text, *size);
  to.bytes[to.size] = '\0';
  *size = to.size;
  return to.bytes;
}

/* Reads the word on top of the stack: *index becomes its index in `words`.
 * Returns false when it is none of them. [-0, +0, -] */
static bool read_word(lua_State *L, const char *const *words, int *index) {
  for (*index = 0; words[*index] != NULL; ++*index)
    if (lua_type(L, -1) == LUA_TSTRING &&
        strcmp(words[*index], lua_tostring(L, -1)) == 0)
      return true;
  return false;
}

/* Reads the options at `arg`. [-0, +0, v] */
static struct options check_options(lua_State *L, int arg) {
  static const char *const bigs[] = {"error", "float", "string", NULL};
  static const char *const lones[] = {"error", "replace", NULL};
  struct options options = {BIG_ERROR, false};
  if (lua_isnoneornil(L, arg))
    return options;
  bool well = lua_istable(L, arg);
  for (lua_pushnil(L); well && lua_next(L, arg); lua_pop(L, 1)) {
    const char *name =
        lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    int index = 0;
    if (strcmp(name, "big_integers") == 0) {
      well = read_word(L, bigs, &index);
      options.big_integers = index;
    } else {
      well =
          strcmp(name, "lone_surrogates") == 0 && read_word(L, lones, &index);
      options.replace_surrogates = index == 1;
    }
  }
  if (!well)
    neapL_check_options_fail(L, arg, "json.decode");
  return options;
}

int neapL_json_decode(lua_State *L) {
  neapL_check_type(L, 1, LUA_TSTRING);
  struct options options = check_options(L, 2);
  size_t size;
  const char *text = lua_tolstring(L, 1, &size);
  const neapL_host *host = neapL_host_find(L);
  if (size > LARGEST && host && host->is_sandbox)
    return neapL_error_raise(
        L, "limit",
        "json.decode: more than 4 MiB are not decoded in a sandbox");
  /* jansson 2.14 overlooks a NUL byte that follows a number or a word. */
  const char *nul = memchr(text, '\0', size);
  if (nul != NULL)
    return refuse_text(L, "invalid JSON", text, nul, "NUL byte");
  const char *readable = push_readable(L, &options, text, &size);
  /* jansson counts the bytes that it has read in an int. */
  neapL_check_that(L, size < INT_MAX, 1, "2 GB or more");

  struct document *document = push_document(L);
  json_error_t error;
  document->root = load(readable, size, &error);
  if (document->root == NULL) {
    if (error.text[0] == '\0')
      neapL_error_no_memory(L);
    return refuse_error(L, text, readable, &error);
  }
  push_value(L, document->root);
  release(document);
  return 1;
}

void neapL_json_decode_open(lua_State *L) {
  luaL_newmetatable(L, DOCUMENT_META);
  lua_pushcfunction(L, document_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}
