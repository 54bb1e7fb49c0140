/* Where a visit or an item was when its run was saved, in bytes and in memory.
 * SPDX-License-Identifier: MIT
 *
 * Saved bytes are a list of records, one for each visit and each item that has
 * begun and not ended, the outer before the inner. Each knows its depth, so the
 * list stands for a tree: below a batch there may be several items.
 * docs/internals.md has the format.
 */
#ifndef NEAP_FLOW_PLACE_H
#define NEAP_FLOW_PLACE_H

#include "base/list.h"
#include "node.h"

/* How far a visit or an item has come. The numbers are part of the format. */
typedef enum neap__stage {
  NEAP__BEGIN,    /* it begins, with prep */
  NEAP__LATER,    /* the same, after a wait for the next attempt */
  NEAP__EXEC,     /* an attempt of exec begins; of a batch, its list of items */
  NEAP__WAIT,     /* an attempt has failed, the next one waits */
  NEAP__INSIDE,   /* the record of the visit inside follows */
  NEAP__ITEMS,    /* the records of items may follow */
  NEAP__RETURNED, /* the walk inside has ended with an action */
  NEAP__FALLBACK,
  NEAP__POST,
  NEAP__DONE, /* a visit has ended with an action, an item without one */
  NEAP__STAGES,
} neap__stage;

typedef struct neap__record {
  const char *name; /* of a visit: that of its node, *borrowed* */
  size_t name_size;
  const char *action; /* of RETURNED and DONE, *borrowed*; NULL: "default" */
  size_t action_size;
  uint64_t index;               /* of an item */
  uint64_t visit;               /* the number of a visit */
  uint64_t delay_ns;            /* of LATER and WAIT */
  uint64_t count, next, failed; /* of ITEMS */
  uint32_t depth;
  uint32_t attempt;
  neap_kind kind; /* of a visit */
  uint8_t stage;
  bool is_item;
  bool over; /* of ITEMS: no further item is to be fetched */
} neap__record;

/* What stands before the records. */
typedef struct neap__head {
  uint64_t steps, visits, random;
} neap__head;

/* Where bytes are written to. What has no room is counted only. */
typedef struct neap__writer {
  uint8_t *bytes;
  size_t room, size;
  uint32_t depth; /* that of the next record unless it says otherwise */
} neap__writer;

typedef struct neap__reader {
  const uint8_t *bytes;
  size_t size, offset;
  uint32_t depth; /* as of the writer */
} neap__reader;

void neap__write_head(neap__writer *w, const neap__head *head);
void neap__write_record(neap__writer *w, const neap__record *record);

/* Read what was written: 1, 0 at the end, NEAP_EDAMAGED for bytes that are none
 * of this format, NEAP_ENEWER for those of a later one. What points into the
 * bytes is borrowed from them. */
int neap__read_head(neap__reader *r, neap__head *out);
int neap__read_record(neap__reader *r, neap__record *out);

/* A record whose node has been found, with those inside it. */
typedef struct neap__place neap__place;
struct neap__place {
  neap__record record; /* its name is that of the node, its action *owned* */
  const neap_node *node;
  neap__place *outer;
  neap__place *inside; /* *owned*: the visit, or the first of the items */
  neap__place *next;   /* the next of the items */
};

/* Makes a place of a record, whose action it copies; NULL: no memory. */
neap__place *neap__place_new(const neap_alloc *alloc,
                             const neap__record *record, const neap_node *node);

/* Frees a place and what is inside; NULL is ignored. */
void neap__place_free(const neap_alloc *alloc, neap__place *place);

/* Frees a list of items. */
void neap__places_free(const neap_alloc *alloc, neap__place *first);

/* Sorts a list of items by their indices. Returns the first. */
neap__place *neap__places_sort(neap__place *first);

/* Writes a place and what is inside, from a depth on. */
void neap__place_write(neap__writer *w, const neap__place *place,
                       uint32_t depth);

#endif
