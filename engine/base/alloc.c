/* The one funnel through which the engine gets its memory.
 * SPDX-License-Identifier: MIT */
#include "alloc.h"

#include <stdlib.h>
#include <string.h>

static void *libc_alloc(void *ud, void *ptr, size_t old_size, size_t new_size) {
  (void)ud;
  (void)old_size;
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, new_size);
}

neap_alloc neap__alloc_or_default(const neap_alloc *alloc) {
  if (alloc && alloc->fn)
    return *alloc;
  return (neap_alloc){.fn = libc_alloc};
}

void *neap__alloc(const neap_alloc *alloc, size_t size) {
  void *ptr = alloc->fn(alloc->ud, NULL, 0, size);
  if (ptr)
    memset(ptr, 0, size);
  return ptr;
}

void neap__free(const neap_alloc *alloc, void *ptr, size_t size) {
  if (ptr)
    alloc->fn(alloc->ud, ptr, size, 0);
}

int neap__reserve(const neap_alloc *alloc, void *items, size_t *capacity,
                  size_t count, size_t item_size) {
  if (count <= *capacity)
    return 0;
  size_t wanted = *capacity > SIZE_MAX / 2 ? SIZE_MAX : *capacity * 2;
  if (wanted < count)
    wanted = count;
  if (wanted > SIZE_MAX / item_size)
    return NEAP_ENOMEM;
  void *old;
  memcpy(&old, items, sizeof old);
  void *grown =
      alloc->fn(alloc->ud, old, *capacity * item_size, wanted * item_size);
  if (!grown)
    return NEAP_ENOMEM;
  memcpy(items, &grown, sizeof grown);
  *capacity = wanted;
  return 0;
}

char *neap__copy(const neap_alloc *alloc, const char *bytes, size_t size) {
  char *copy = alloc->fn(alloc->ud, NULL, 0, size + 1);
  if (!copy)
    return NULL;
  if (size > 0)
    memcpy(copy, bytes, size);
  copy[size] = '\0';
  return copy;
}
