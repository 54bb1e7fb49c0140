/* Doubly linked lists whose links are part of the items.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BASE_LIST_H
#define NEAP_BASE_LIST_H

#include "neap.h"

typedef struct neap_link neap_link;

/* The struct of which `link` is the member called `field`. */
#define NEAP__ITEM(link, type, field)                                          \
  ((type *)((char *)(link)-offsetof(type, field)))

/* A list is a link that is no item's; empty it points at itself. */
static inline void neap__list_init(neap_link *list) {
  list->next = list->prev = list;
}

static inline bool neap__list_empty(const neap_link *list) {
  return list->next == list;
}

static inline void neap__list_append(neap_link *list, neap_link *item) {
  item->next = list;
  item->prev = list->prev;
  list->prev->next = item;
  list->prev = item;
}

/* Takes an item out of whichever list it is in. */
static inline void neap__list_remove(neap_link *item) {
  item->prev->next = item->next;
  item->next->prev = item->prev;
  item->next = item->prev = item;
}

/* Moves all items of `from` behind those of `to`. */
static inline void neap__list_splice(neap_link *to, neap_link *from) {
  if (neap__list_empty(from))
    return;
  from->next->prev = to->prev;
  to->prev->next = from->next;
  from->prev->next = to;
  to->prev = from->prev;
  neap__list_init(from);
}

#endif
