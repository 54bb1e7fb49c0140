/* Items with names, sorted by these.
 * SPDX-License-Identifier: MIT */
#include "names.h"

#include <string.h>

#include "base/alloc.h"

int neap__names_compare(neap_span a, neap_span b) {
  size_t size = a.size < b.size ? a.size : b.size;
  int order = size > 0 ? memcmp(a.bytes, b.bytes, size) : 0;
  return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static neap_span name_of(const neap__names *names, size_t index) {
  return *(const neap_span *)names->items[index];
}

size_t neap__names_place(const neap__names *names, neap_span name) {
  size_t low = 0, high = names->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (neap__names_compare(name_of(names, middle), name) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void *neap__names_find(const neap__names *names, neap_span name) {
  size_t place = neap__names_place(names, name);
  bool is_there = place < names->count &&
                  neap__names_compare(name_of(names, place), name) == 0;
  return is_there ? names->items[place] : NULL;
}

size_t neap__names_end(const neap__names *names, size_t first,
                       neap_span prefix) {
  size_t end = first;
  while (end < names->count) {
    neap_span name = name_of(names, end);
    if (name.size < prefix.size)
      break;
    name.size = prefix.size;
    if (neap__names_compare(name, prefix) != 0)
      break;
    end++;
  }
  return end;
}

int neap__names_reserve(neap__names *names, const neap_alloc *alloc,
                        size_t more) {
  return neap__reserve(alloc, &names->items, &names->capacity,
                       names->count + more, sizeof *names->items);
}

void neap__names_add(neap__names *names, void *item) {
  size_t place = neap__names_place(names, *(const neap_span *)item);
  memmove(names->items + place + 1, names->items + place,
          (names->count - place) * sizeof *names->items);
  names->items[place] = item;
  names->count++;
}

void neap__names_cut(neap__names *names, size_t first, size_t end) {
  if (first == end)
    return;
  memmove(names->items + first, names->items + end,
          (names->count - end) * sizeof *names->items);
  names->count -= end - first;
}

void neap__names_free(neap__names *names, const neap_alloc *alloc) {
  neap__free(alloc, names->items, names->capacity * sizeof *names->items);
  *names = (neap__names){0};
}
