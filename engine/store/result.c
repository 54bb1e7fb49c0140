/* Results of stores: what a call has found, in memory of its own.
 * SPDX-License-Identifier: MIT */
#include "result.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* The size of a chunk, unless what is asked for needs a larger one. */
enum { CHUNK = 2048 };

typedef struct neap__result_chunk {
  struct neap__result_chunk *next;
  size_t size, used; /* with the head */
  max_align_t bytes[];
} chunk;

neap_store_result *neap__result_new(const neap_alloc *alloc) {
  neap_alloc own = neap__alloc_or_default(alloc);
  neap_store_result *result = neap__alloc(&own, sizeof *result);
  if (result)
    result->alloc = own;
  return result;
}

static void free_chunks(neap_store_result *result) {
  while (result->chunks) {
    chunk *c = result->chunks;
    result->chunks = c->next;
    neap__free(&result->alloc, c, c->size);
  }
}

void neap__result_clear(neap_store_result *result) {
  free_chunks(result);
  *result = (neap_store_result){.alloc = result->alloc};
}

void neap__result_free(neap_store_result *result) {
  if (!result)
    return;
  free_chunks(result);
  neap_alloc alloc = result->alloc;
  neap__free(&alloc, result, sizeof *result);
}

static chunk *add_chunk(neap_store_result *result, size_t size) {
  size_t wanted = size > CHUNK - sizeof(chunk) ? size + sizeof(chunk) : CHUNK;
  chunk *c = result->alloc.fn(result->alloc.ud, NULL, 0, wanted);
  if (!c)
    return NULL;
  c->size = wanted;
  c->used = sizeof *c;
  c->next = result->chunks;
  result->chunks = c;
  return c;
}

void *neap__result_alloc(neap_store_result *result, size_t size) {
  const size_t align = _Alignof(max_align_t);
  if (size > SIZE_MAX / 2) {
    result->failed = true;
    return NULL;
  }
  size = (size + align - 1) / align * align;
  chunk *c = result->chunks;
  if (!c || c->size - c->used < size)
    c = add_chunk(result, size);
  if (!c) {
    result->failed = true;
    return NULL;
  }
  void *at = (char *)c + c->used;
  c->used += size;
  return at;
}

neap_span neap__result_span(neap_store_result *result, const void *bytes,
                            size_t size) {
  if (!bytes)
    return (neap_span){0};
  char *copy = neap__result_alloc(result, size + 1);
  if (!copy)
    return (neap_span){0};
  memcpy(copy, bytes, size);
  copy[size] = '\0';
  return (neap_span){.bytes = copy, .size = size};
}

const char *neap__result_text(neap_store_result *result, const char *text) {
  return text ? neap__result_span(result, text, strlen(text)).bytes : NULL;
}

void neap__result_explain(neap_store_result *result, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  result->why = neap__result_text(result, text);
}

/* Makes room for one more item behind `count`. An array has room for a power of
 * two, and moves when it grows; what it was stays in its chunk. */
static bool make_room(neap_store_result *result, void *items, size_t count,
                      size_t item_size) {
  if ((count & (count - 1)) != 0)
    return true;
  if (count > SIZE_MAX / 4 / item_size)
    return false;
  void *grown =
      neap__result_alloc(result, (count == 0 ? 1 : count * 2) * item_size);
  if (!grown)
    return false;
  void *old;
  memcpy(&old, items, sizeof old);
  if (count > 0)
    memcpy(grown, old, count * item_size);
  memcpy(items, &grown, sizeof grown);
  return true;
}

neap_store_run *neap__result_add_run(neap_store_result *result) {
  neap_store_run *run = &result->lost_run;
  if (make_room(result, &result->runs, result->run_count, sizeof *run))
    run = &result->runs[result->run_count++];
  *run = (neap_store_run){0};
  return run;
}

neap_store_step *neap__result_add_step(neap_store_result *result) {
  neap_store_step *step = &result->lost_step;
  if (make_room(result, &result->steps, result->step_count, sizeof *step))
    step = &result->steps[result->step_count++];
  *step = (neap_store_step){0};
  return step;
}

neap_store_row *neap__result_add_row(neap_store_result *result) {
  neap_store_row *row = &result->lost_row;
  if (make_room(result, &result->rows, result->row_count, sizeof *row))
    row = &result->rows[result->row_count++];
  *row = (neap_store_row){0};
  return row;
}

/* Adds a value that has been copied to one of the two arrays of a run. */
static void add_value(neap_store_result *result, const neap_store_value **list,
                      size_t *count, neap_span name, neap_span value) {
  if (!make_room(result, list, *count, sizeof **list) || !*list)
    return;
  neap_store_value *values = (neap_store_value *)*list;
  values[(*count)++] = (neap_store_value){.name = name, .value = value};
}

void neap__result_add_part(neap_store_result *result, neap_store_run *run,
                           neap_span name, neap_span value) {
  add_value(result, &run->parts, &run->part_count,
            neap__result_span(result, name.bytes, name.size),
            neap__result_span(result, value.bytes, value.size));
}

void neap__result_add_signal(neap_store_result *result, neap_store_run *run,
                             const neap_store_signal *signal) {
  if (!make_room(result, &run->signals, run->signal_count, sizeof *signal))
    return;
  neap_store_signal *own =
      (neap_store_signal *)&run->signals[run->signal_count++];
  *own = *signal;
  own->name = neap__result_text(result, signal->name);
  own->value =
      neap__result_span(result, signal->value.bytes, signal->value.size);
}

void neap__result_add_tag(neap_store_result *result, neap_store_run *run,
                          const char *key, const char *value) {
  if (!make_room(result, &run->tags, run->tag_count, sizeof *run->tags))
    return;
  neap_store_tag *own = (neap_store_tag *)&run->tags[run->tag_count++];
  own->key = neap__result_text(result, key);
  own->value = neap__result_text(result, value);
}

static bool is_same(neap_span a, neap_span b) {
  return a.size == b.size &&
         (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

/* The bytes of two spans, one behind the other. */
static neap_span join(neap_store_result *result, neap_span a, neap_span b) {
  char *joined = neap__result_alloc(result, a.size + b.size + 1);
  if (!joined)
    return a;
  if (a.size > 0)
    memcpy(joined, a.bytes, a.size);
  if (b.size > 0)
    memcpy(joined + a.size, b.bytes, b.size);
  joined[a.size + b.size] = '\0';
  return (neap_span){.bytes = joined, .size = a.size + b.size};
}

void neap__result_add_change(neap_store_result *result, neap_store_run *run,
                             neap_store_change_kind kind, neap_span name,
                             neap_span value) {
  neap_store_value *last =
      run->var_count > 0 ? (neap_store_value *)&run->vars[run->var_count - 1]
                         : NULL;
  if (last && !is_same(last->name, name))
    last = NULL;
  if (kind == NEAP_STORE_GONE) {
    run->var_count -= last != NULL;
  } else if (!last) {
    add_value(
        result, &run->vars, &run->var_count,
        neap__result_span(result, name.bytes, name.size),
        neap__result_span(result, value.bytes ? value.bytes : "", value.size));
  } else if (kind == NEAP_STORE_APPEND) {
    last->value = join(result, last->value, value);
  } else {
    last->value =
        neap__result_span(result, value.bytes ? value.bytes : "", value.size);
  }
}
