/* Paths: where in its flows a run is, as text.
 * SPDX-License-Identifier: MIT */
#include "path.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "flow/node.h"

typedef struct text {
  char *bytes;
  size_t size, length;
} text;

static void add(text *t, const char *bytes) {
  size_t count = strlen(bytes);
  for (size_t i = 0; i < count; i++, t->length++)
    if (t->length + 1 < t->size)
      t->bytes[t->length] = bytes[i];
}

/* Adds an item by its index, "[3]". A branch is added by its name; the visit
 * inside it is then left out. */
static void add_item(text *t, const neap_node *node, uint64_t index) {
  if (neap__node_is_parallel(node)) {
    add(t, " > ");
    add(t, neap_node_name(neap_node_branch(node, index)));
    return;
  }
  char number[32];
  snprintf(number, sizeof number, "[%" PRIu64 "]", index + 1);
  add(t, number);
}

static bool is_branch(const neap_run *run, uint32_t depth) {
  bool item;
  uint64_t index;
  if (depth == 0)
    return false;
  const neap_node *node = neap_run_node_at(run, depth - 1, &item, &index);
  return item && neap__node_is_parallel(node);
}

/* For a run that works for another, the path of that comes first: the visit at
 * depth 0 is the one on top of it. */
static void add_visits(text *t, const neap_run *run, uint32_t depth) {
  const neap_run *parent = neap_run_parent(run);
  uint32_t from = 0;
  if (parent) {
    neap_place place;
    neap_run_place(parent, &place);
    add_visits(t, parent, place.depth);
    from = 1;
  }
  for (uint32_t d = from; d <= depth; d++) {
    bool item;
    uint64_t index;
    const neap_node *node = neap_run_node_at(run, d, &item, &index);
    if (!node)
      return;
    if (item) {
      add_item(t, node, index);
    } else if (!is_branch(run, d)) {
      if (d > 0)
        add(t, " > ");
      add(t, neap_node_name(node));
    }
  }
}

size_t neap__path(const neap_run *run, uint32_t depth, char *bytes,
                  size_t size) {
  text t = {bytes, size, 0};
  add_visits(&t, run, depth);
  if (size > 0)
    bytes[t.length < size ? t.length : size - 1] = '\0';
  return t.length;
}
