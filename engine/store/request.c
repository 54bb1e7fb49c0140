/* Requests to stores: made with a copy of what they are given.
 * SPDX-License-Identifier: MIT */
#include "request.h"

#include <string.h>

#include "base/alloc.h"
#include "result.h"

/* Where copies go. Without `at` nothing is copied, and only their size is
 * counted. */
typedef struct copier {
  char *at;
  size_t size;
} copier;

/* Copies bytes to the next place. */
static void *copy(copier *c, const void *bytes, size_t size) {
  const size_t align = _Alignof(max_align_t);
  size_t room = (size + align - 1) / align * align;
  if (!bytes || size == 0)
    return NULL;
  c->size += room;
  if (!c->at)
    return NULL;
  void *to = c->at;
  c->at += room;
  return memcpy(to, bytes, size);
}

static void copy_text(copier *c, const char **text) {
  void *to = *text ? copy(c, *text, strlen(*text) + 1) : NULL;
  if (c->at)
    *text = to;
}

static void copy_span(copier *c, neap_span *span) {
  void *to = copy(c, span->bytes, span->size);
  if (c->at)
    *span = (neap_span){.bytes = to, .size = span->size};
}

/* NOLINTBEGIN(bugprone-macro-parentheses): a type cannot be in them */

/* Copies an array and what its items point to, by `item`, or measures them. */
#define COPY_ARRAY(c, list, count, type, item)                                 \
  do {                                                                         \
    type *to = copy(c, list, (count) * sizeof(type));                          \
    for (size_t i = 0; i < (count); i++) {                                     \
      type own = (list)[i];                                                    \
      item(c, to ? &to[i] : &own);                                             \
    }                                                                          \
    if ((c)->at)                                                               \
      (list) = to;                                                             \
  } while (0)
/* NOLINTEND(bugprone-macro-parentheses) */

static void copy_value(copier *c, neap_store_value *value) {
  copy_span(c, &value->name);
  copy_span(c, &value->value);
}

static void copy_tag(copier *c, neap_store_tag *tag) {
  copy_text(c, &tag->key);
  copy_text(c, &tag->value);
}

static void copy_change(copier *c, neap_store_change *change) {
  copy_span(c, &change->name);
  copy_span(c, &change->value);
}

static void copy_room(copier *c, neap_store_room *room) {
  copy_text(c, &room->queue);
}

static void copy_held(copier *c, neap_store_held *held) {
  (void)c;
  (void)held;
}

static void copy_start(copier *c, neap_store_start_opts *o) {
  copy_text(c, &o->id);
  copy_text(c, &o->flow);
  copy_text(c, &o->queue);
  copy_span(c, &o->params);
  copy_span(c, &o->frames);
  COPY_ARRAY(c, o->vars, o->var_count, neap_store_value, copy_value);
  COPY_ARRAY(c, o->parts, o->part_count, neap_store_value, copy_value);
  COPY_ARRAY(c, o->tags, o->tag_count, neap_store_tag, copy_tag);
}

static void copy_join(copier *c, neap_store_join_opts *o) {
  copy_text(c, &o->owner);
}

static void copy_owner(copier *c, neap__store_owner *o) {
  copy_text(c, &o->owner);
}

static void copy_claim(copier *c, neap__store_claim *o) {
  copy_text(c, &o->owner);
  COPY_ARRAY(c, o->rooms, o->count, neap_store_room, copy_room);
}

static void copy_save(copier *c, neap_store_save_opts *o) {
  copy_text(c, &o->waits);
  copy_text(c, &o->node);
  copy_text(c, &o->action);
  copy_span(c, &o->frames);
  copy_span(c, &o->result);
  COPY_ARRAY(c, o->changes, o->change_count, neap_store_change, copy_change);
}

static void copy_release(copier *c, neap__store_release *o) {
  COPY_ARRAY(c, o->held, o->count, neap_store_held, copy_held);
}

static void copy_send(copier *c, neap__store_send *o) {
  copy_text(c, &o->id);
  copy_text(c, &o->name);
  copy_text(c, &o->dedupe);
  copy_span(c, &o->value);
}

static void copy_wish(copier *c, neap__store_wish *o) {
  copy_text(c, &o->id);
  copy_span(c, &o->reason);
}

static void copy_list(copier *c, neap_store_list_opts *o) {
  copy_text(c, &o->flow);
  COPY_ARRAY(c, o->tags, o->tag_count, neap_store_tag, copy_tag);
}

static void copy_schedule(copier *c, neap__store_schedule *o) {
  copy_text(c, &o->name);
  copy_span(c, &o->spec);
}

static void copy_given(copier *c, neap__store_call call,
                       neap__store_given *given) {
  switch (call) {
  case NEAP__STORE_start:
    return copy_start(c, &given->start);
  case NEAP__STORE_join:
    return copy_join(c, &given->join);
  case NEAP__STORE_beat:
  case NEAP__STORE_leave:
    return copy_owner(c, &given->beat);
  case NEAP__STORE_claim:
    return copy_claim(c, &given->claim);
  case NEAP__STORE_save:
    return copy_save(c, &given->save);
  case NEAP__STORE_release:
    return copy_release(c, &given->release);
  case NEAP__STORE_send:
    return copy_send(c, &given->send);
  case NEAP__STORE_wish:
    return copy_wish(c, &given->wish);
  case NEAP__STORE_schedule:
    return copy_schedule(c, &given->schedule);
  case NEAP__STORE_read:
    return copy_text(c, &given->read.id);
  case NEAP__STORE_history:
    return copy_text(c, &given->history.id);
  case NEAP__STORE_list:
  case NEAP__STORE_count:
    return copy_list(c, &given->list);
  case NEAP__STORE_backup:
    return copy_text(c, &given->backup.path);
  case NEAP__STORE_OPEN:
  case NEAP__STORE_due:
  case NEAP__STORE_prune:
  case NEAP__STORE_workers:
  case NEAP__STORE_schedules:
  case NEAP__STORE_check:
    return;
  }
}

neap__store_request *neap__store_request_new(const neap_alloc *alloc,
                                             neap__store_call call,
                                             const neap__store_given *given) {
  const size_t align = _Alignof(max_align_t);
  const size_t head = (sizeof(neap__store_request) + align - 1) / align * align;
  neap__store_given measured = *given;
  copier c = {0};
  copy_given(&c, call, &measured);
  size_t size = head + c.size;
  neap__store_request *request = alloc->fn(alloc->ud, NULL, 0, size);
  if (!request)
    return NULL;
  *request = (neap__store_request){.size = size, .call = call, .given = *given};
  c.at = (char *)request + head;
  copy_given(&c, call, &request->given);
  return request;
}

void neap__store_request_free(const neap_alloc *alloc,
                              neap__store_request *request) {
  neap__result_free(request->result);
  neap__free(alloc, request, request->size);
}
