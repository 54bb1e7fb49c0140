/* Where a visit or an item was when its run was saved, in bytes and in memory.
 * SPDX-License-Identifier: MIT
 *
 * Nothing here calls itself: how deep bytes nest is up to whoever wrote them.
 */
#include "place.h"

#include <string.h>

#include "base/alloc.h"

enum { FORMAT = 1 };

/* Of the first byte of a record: the stage, the kind (or that it is an item),
 * and whether a byte of marks follows. */
enum { KIND_SHIFT = 4, IS_ITEM = 7, HAS_MARKS = 0x80 };
/* What follows the marks, in this order; OVER stands for itself. */
enum { RISES = 1, HAS_ATTEMPT = 2, HAS_VISIT = 4, OVER = 8, ALL_MARKS = 15 };

static void put_byte(neap__writer *w, unsigned byte) {
  if (w->size < w->room)
    w->bytes[w->size] = (uint8_t)byte;
  w->size++;
}

/* Seven bits in each byte, the lowest first, the highest bit set in all but the
 * last (LEB128, as in DWARF). */
static void put_number(neap__writer *w, uint64_t number) {
  for (; number >= 0x80; number >>= 7)
    put_byte(w, (unsigned)(number & 0x7f) | 0x80);
  put_byte(w, (unsigned)number);
}

static void put_bytes(neap__writer *w, const char *bytes, size_t size) {
  if (size > 0 && w->size < w->room && size <= w->room - w->size)
    memcpy(w->bytes + w->size, bytes, size);
  w->size += size;
}

static void put_action(neap__writer *w, const char *action, size_t size) {
  put_number(w, action ? (uint64_t)size + 1 : 0);
  if (action)
    put_bytes(w, action, size);
}

void neap__write_head(neap__writer *w, const neap__head *head) {
  put_byte(w, FORMAT);
  put_number(w, head->steps);
  put_number(w, head->visits);
  for (int shift = 0; shift < 64; shift += 8)
    put_byte(w, head->random >> shift & 0xff);
}

static bool has_action(const neap__record *record) {
  return record->stage == NEAP__RETURNED ||
         (record->stage == NEAP__DONE && !record->is_item);
}

void neap__write_record(neap__writer *w, const neap__record *record) {
  unsigned marks = (record->depth < w->depth ? RISES : 0) |
                   (record->attempt > 0 ? HAS_ATTEMPT : 0) |
                   (record->visit > 0 && !record->is_item ? HAS_VISIT : 0) |
                   (record->over ? OVER : 0);
  unsigned kind = record->is_item ? IS_ITEM : (unsigned)record->kind;
  put_byte(w, record->stage | kind << KIND_SHIFT | (marks ? HAS_MARKS : 0));
  if (marks)
    put_byte(w, marks);
  if (marks & RISES)
    put_number(w, w->depth - record->depth);
  if (marks & HAS_ATTEMPT)
    put_number(w, record->attempt);
  if (marks & HAS_VISIT)
    put_number(w, record->visit);
  if (record->is_item) {
    put_number(w, record->index);
  } else {
    put_number(w, record->name_size);
    put_bytes(w, record->name, record->name_size);
  }
  if (record->stage == NEAP__LATER || record->stage == NEAP__WAIT)
    put_number(w, record->delay_ns);
  if (record->stage == NEAP__ITEMS) {
    put_number(w, record->count + 1); /* 0 when it is NEAP_UNCOUNTED */
    put_number(w, record->next);
    put_number(w, record->failed);
  }
  if (has_action(record))
    put_action(w, record->action, record->action_size);
  w->depth = record->depth + 1;
}

static bool get_byte(neap__reader *r, unsigned *out) {
  if (r->offset == r->size)
    return false;
  *out = r->bytes[r->offset++];
  return true;
}

static bool get_number(neap__reader *r, uint64_t *out) {
  uint64_t number = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    unsigned byte;
    if (!get_byte(r, &byte) || (shift == 63 && byte > 1))
      return false;
    number |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *out = number;
      return true;
    }
  }
  return false;
}

/* Gets a number below UINT32_MAX, so that one more can be counted. */
static bool get_small(neap__reader *r, uint32_t *out) {
  uint64_t number;
  if (!get_number(r, &number) || number >= UINT32_MAX)
    return false;
  *out = (uint32_t)number;
  return true;
}

static bool get_bytes(neap__reader *r, uint64_t size, const char **out) {
  if (size > r->size - r->offset)
    return false;
  *out = (const char *)r->bytes + r->offset;
  r->offset += (size_t)size;
  return true;
}

static bool get_action(neap__reader *r, neap__record *out) {
  uint64_t size;
  if (!get_number(r, &size))
    return false;
  if (size == 0)
    return true;
  out->action_size = (size_t)(size - 1);
  return get_bytes(r, size - 1, &out->action);
}

int neap__read_head(neap__reader *r, neap__head *out) {
  unsigned byte;
  *out = (neap__head){0};
  if (!get_byte(r, &byte) || byte == 0)
    return NEAP_EDAMAGED;
  if (byte != FORMAT)
    return NEAP_ENEWER;
  if (!get_number(r, &out->steps) || !get_number(r, &out->visits))
    return NEAP_EDAMAGED;
  for (int shift = 0; shift < 64; shift += 8) {
    if (!get_byte(r, &byte))
      return NEAP_EDAMAGED;
    out->random |= (uint64_t)byte << shift;
  }
  return 1;
}

/* Gets what the marks of a record announce, with its depth. */
static bool get_marked(neap__reader *r, unsigned marks, neap__record *out) {
  uint32_t rise = 0;
  if (marks & ~(unsigned)ALL_MARKS ||
      (marks & RISES && (!get_small(r, &rise) || rise == 0)) ||
      (marks & HAS_ATTEMPT && !get_small(r, &out->attempt)) ||
      (marks & HAS_VISIT && !get_number(r, &out->visit)) || rise > r->depth)
    return false;
  out->over = marks & OVER;
  out->depth = r->depth - rise;
  /* Only the first record is that of a visit without another around it. */
  return (out->depth == 0) == (r->depth == 0);
}

static bool get_record(neap__reader *r, neap__record *out) {
  unsigned first, marks = 0;
  uint64_t size;
  if (!get_byte(r, &first) || (first & HAS_MARKS && !get_byte(r, &marks)) ||
      !get_marked(r, marks, out))
    return false;
  unsigned kind = first >> KIND_SHIFT & 7;
  out->stage = first & 15;
  out->is_item = kind == IS_ITEM;
  if (out->stage >= NEAP__STAGES || (!out->is_item && kind > NEAP_PARALLEL))
    return false;
  if (out->is_item) {
    if (!get_number(r, &out->index))
      return false;
  } else {
    out->kind = (neap_kind)kind;
    if (!get_number(r, &size) || !get_bytes(r, size, &out->name))
      return false;
    out->name_size = (size_t)size;
  }
  if ((out->stage == NEAP__LATER || out->stage == NEAP__WAIT) &&
      !get_number(r, &out->delay_ns))
    return false;
  if (out->stage == NEAP__ITEMS) {
    if (!get_number(r, &out->count) || !get_number(r, &out->next) ||
        !get_number(r, &out->failed))
      return false;
    out->count--;
  }
  return !has_action(out) || get_action(r, out);
}

int neap__read_record(neap__reader *r, neap__record *out) {
  if (r->offset == r->size)
    return 0;
  *out = (neap__record){0};
  if (!get_record(r, out))
    return NEAP_EDAMAGED;
  r->depth = out->depth + 1;
  return 1;
}

neap__place *neap__place_new(const neap_alloc *alloc,
                             const neap__record *record,
                             const neap_node *node) {
  neap__place *place = neap__alloc(alloc, sizeof *place);
  if (!place)
    return NULL;
  place->record = *record;
  place->record.name = node->opts.name;
  place->record.name_size = strlen(node->opts.name);
  place->node = node;
  if (record->action) {
    place->record.action =
        neap__copy(alloc, record->action, record->action_size);
    if (!place->record.action) {
      neap__free(alloc, place, sizeof *place);
      return NULL;
    }
  }
  return place;
}

static void free_one(const neap_alloc *alloc, neap__place *place) {
  if (place->record.action)
    neap__free(alloc, (char *)place->record.action,
               place->record.action_size + 1);
  neap__free(alloc, place, sizeof *place);
}

void neap__place_free(const neap_alloc *alloc, neap__place *place) {
  for (neap__place *p = place, *after; p; p = after) {
    after = p->inside;
    if (after) {
      p->inside = after->next;
    } else {
      after = p == place ? NULL : p->outer;
      free_one(alloc, p);
    }
  }
}

void neap__places_free(const neap_alloc *alloc, neap__place *first) {
  for (neap__place *next; first; first = next) {
    next = first->next;
    neap__place_free(alloc, first);
  }
}

static neap__place *merge(neap__place *a, neap__place *b) {
  neap__place *first = NULL, **end = &first;
  while (a && b) {
    neap__place **less = a->record.index <= b->record.index ? &a : &b;
    *end = *less;
    *less = (*less)->next;
    end = &(*end)->next;
  }
  *end = a ? a : b;
  return first;
}

neap__place *neap__places_sort(neap__place *first) {
  /* sorted[i] is NULL, or a sorted list of 2 ^ i items. */
  neap__place *sorted[64] = {0}, *all = NULL;
  for (neap__place *next; first; first = next) {
    next = first->next;
    first->next = NULL;
    int i = 0;
    for (; sorted[i]; i++) {
      first = merge(sorted[i], first);
      sorted[i] = NULL;
    }
    sorted[i] = first;
  }
  for (int i = 0; i < 64; i++)
    all = merge(sorted[i], all);
  return all;
}

void neap__place_write(neap__writer *w, const neap__place *place,
                       uint32_t depth) {
  const neap__place *p = place;
  for (;;) {
    neap__record record = p->record;
    record.depth = depth;
    neap__write_record(w, &record);
    if (p->inside) {
      p = p->inside;
      depth++;
      continue;
    }
    for (; p != place && !p->next; depth--)
      p = p->outer;
    if (p == place)
      return;
    p = p->next;
  }
}
