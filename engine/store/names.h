/* Items with names, sorted by these.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_STORE_NAMES_H
#define NEAP_STORE_NAMES_H

#include "neap_store.h"

/* Each item is a struct that begins with its name, a neap_span. */
typedef struct neap__names {
  void **items; /* *owned* is the array */
  size_t count, capacity;
} neap__names;

/* As memcmp does; the shorter of two that begin alike comes first. */
int neap__names_compare(neap_span a, neap_span b);

/* Where an item of this name is, or would be. */
size_t neap__names_place(const neap__names *names, neap_span name);

/* The item of this name; NULL. */
void *neap__names_find(const neap__names *names, neap_span name);

/* The place behind those, from `first` on, whose names begin so. */
size_t neap__names_end(const neap__names *names, size_t first,
                       neap_span prefix);

/* Makes room for more items; NEAP_ENOMEM. */
int neap__names_reserve(neap__names *names, const neap_alloc *alloc,
                        size_t more);

/* Adds an item, of whose name there is none; there is room. */
void neap__names_add(neap__names *names, void *item);

/* Takes out those from `first` to before `end`. */
void neap__names_cut(neap__names *names, size_t first, size_t end);

void neap__names_free(neap__names *names, const neap_alloc *alloc);

#endif
