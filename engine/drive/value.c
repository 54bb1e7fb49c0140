/* Values by path: numbers, strings and JSON inside of what phases share.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/opts.h"
#include "neap.h"

/* The most steps that a path may have. */
enum { MAX_KEYS = 32 };

typedef struct key_list {
  neap_key keys[MAX_KEYS];
  size_t count;
} key_list;

/* Reads an index up to the bracket that closes it: NULL when it is none. */
static const char *read_index(const char *at, neap_key *key) {
  int64_t index = 0;
  const char *first = at;
  for (; *at >= '0' && *at <= '9'; at++) {
    if (index > INT64_MAX / 10 - 1)
      return NULL;
    index = index * 10 + (*at - '0');
  }
  if (at == first || index == 0 || *at != ']')
    return NULL;
  *key = (neap_key){.index = index};
  return at + 1;
}

/* Reads what stands in brackets, after the first of them. */
static const char *read_bracket(const char *at, neap_key *key) {
  if (*at != '"')
    return read_index(at, key);
  const char *name = at + 1;
  const char *end = strchr(name, '"');
  if (!end || end[1] != ']')
    return NULL;
  *key = (neap_key){.name = name, .size = (size_t)(end - name)};
  return end + 2;
}

static const char *read_name(const char *at, neap_key *key) {
  size_t size = strcspn(at, ".[");
  *key = (neap_key){.name = at, .size = size};
  return size > 0 ? at + size : NULL;
}

/* Takes a path apart; NEAP_EINVAL when it is none. */
static int parse(const char *text, key_list *p) {
  p->count = 0;
  if (!text)
    return NEAP_EINVAL;
  for (const char *at = text; *at;) {
    if (p->count == MAX_KEYS)
      return NEAP_EINVAL;
    neap_key *key = &p->keys[p->count++];
    if (*at == '[')
      at = read_bracket(at + 1, key);
    else if (at == text)
      at = read_name(at, key);
    else
      at = *at == '.' ? read_name(at + 1, key) : NULL;
    if (!at)
      return NEAP_EINVAL;
  }
  return 0;
}

static int get(neap_value value, const char *text, neap_type wanted,
               neap_datum *out) {
  key_list p;
  *out = (neap_datum){.type = wanted};
  if (!value.ops || !value.ops->get || parse(text, &p) < 0)
    return NEAP_EINVAL;
  int status = value.ops->get(value.self, p.keys, p.count, out);
  if (status < 0)
    return status;
  return out->type == NEAP_TYPE_NIL ? NEAP_ENOVALUE : 0;
}

int neap_get_number(neap_value value, const char *path, double *out) {
  neap_datum datum;
  int status = out ? get(value, path, NEAP_TYPE_NUMBER, &datum) : NEAP_EINVAL;
  if (status < 0)
    return status;
  if (datum.type == NEAP_TYPE_INTEGER)
    *out = (double)datum.integer;
  else if (datum.type == NEAP_TYPE_NUMBER)
    *out = datum.number;
  else
    return NEAP_ETYPE;
  return 0;
}

/* A number that is whole is an integer, too, as Lua sees it. */
int neap_get_integer(neap_value value, const char *path, int64_t *out) {
  neap_datum datum;
  int status = out ? get(value, path, NEAP_TYPE_INTEGER, &datum) : NEAP_EINVAL;
  if (status < 0)
    return status;
  if (datum.type == NEAP_TYPE_INTEGER) {
    *out = datum.integer;
    return 0;
  }
  bool fits = datum.type == NEAP_TYPE_NUMBER && datum.number >= -0x1p63 &&
              datum.number < 0x1p63 &&
              (double)(int64_t)datum.number == datum.number;
  if (!fits)
    return NEAP_ETYPE;
  *out = (int64_t)datum.number;
  return 0;
}

int neap_get_bool(neap_value value, const char *path, bool *out) {
  neap_datum datum;
  int status = out ? get(value, path, NEAP_TYPE_BOOL, &datum) : NEAP_EINVAL;
  if (status < 0)
    return status;
  if (datum.type != NEAP_TYPE_BOOL)
    return NEAP_ETYPE;
  *out = datum.boolean;
  return 0;
}

static int get_text(neap_value value, const char *path, neap_type type,
                    const char **out, size_t *size) {
  neap_datum datum;
  int status = out && size ? get(value, path, type, &datum) : NEAP_EINVAL;
  if (status < 0)
    return status;
  if (datum.type != type)
    return NEAP_ETYPE;
  *out = datum.text;
  *size = datum.size;
  return 0;
}

int neap_get_string(neap_value value, const char *path, const char **out,
                    size_t *size) {
  return get_text(value, path, NEAP_TYPE_STRING, out, size);
}

int neap_get_json(neap_value value, const char *path, const char **out,
                  size_t *size) {
  return get_text(value, path, NEAP_TYPE_JSON, out, size);
}

static int set(neap_value value, const char *text, const neap_datum *datum) {
  key_list p;
  if (!value.ops || !value.ops->set || parse(text, &p) < 0 || p.count == 0)
    return NEAP_EINVAL;
  return value.ops->set(value.self, p.keys, p.count, datum);
}

int neap_set_number(neap_value value, const char *path, double number) {
  return set(value, path,
             &(neap_datum){.type = NEAP_TYPE_NUMBER, .number = number});
}

int neap_set_integer(neap_value value, const char *path, int64_t number) {
  return set(value, path,
             &(neap_datum){.type = NEAP_TYPE_INTEGER, .integer = number});
}

int neap_set_bool(neap_value value, const char *path, bool boolean) {
  return set(value, path,
             &(neap_datum){.type = NEAP_TYPE_BOOL, .boolean = boolean});
}

int neap_set_string(neap_value value, const char *path, const char *text,
                    size_t size) {
  if (!text)
    return NEAP_EINVAL;
  return set(
      value, path,
      &(neap_datum){.type = NEAP_TYPE_STRING, .text = text, .size = size});
}

int neap_set_json(neap_value value, const char *path, const char *json,
                  size_t size) {
  if (!json)
    return NEAP_EINVAL;
  return set(value, path,
             &(neap_datum){.type = NEAP_TYPE_JSON, .text = json, .size = size});
}

int neap_set_nil(neap_value value, const char *path) {
  return set(value, path, &(neap_datum){.type = NEAP_TYPE_NIL});
}
