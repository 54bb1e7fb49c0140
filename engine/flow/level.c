/* The nodes of one walk, and which of them has a name.
 * SPDX-License-Identifier: MIT */
#include "level.h"

#include <string.h>

#include "base/alloc.h"

int neap__level_init(neap__level *level, const neap_flow *flow) {
  *level = (neap__level){.flow = flow};
  level->nodes = neap__alloc(&flow->alloc, flow->count * sizeof *level->nodes);
  level->seen = neap__alloc(&flow->alloc, flow->count * sizeof *level->seen);
  if (level->nodes && level->seen)
    return 0;
  neap__level_free(level);
  return NEAP_ENOMEM;
}

void neap__level_free(neap__level *level) {
  const neap_flow *flow = level->flow;
  neap__free(&flow->alloc, level->nodes, flow->count * sizeof *level->nodes);
  neap__free(&flow->alloc, level->seen, flow->count * sizeof *level->seen);
}

static void meet(neap__level *level, const neap_node *node) {
  if (!node || level->seen[node->number] == level->turn)
    return;
  level->seen[node->number] = level->turn;
  level->nodes[level->count++] = node;
}

void neap__level_open(neap__level *level, const neap_node *start) {
  level->turn++;
  level->count = 0;
  meet(level, start);
  for (size_t i = 0; i < level->count; i++)
    for (size_t j = 0; j < level->nodes[i]->count; j++)
      meet(level, level->nodes[i]->successors[j].to);
}

void neap__level_put(neap__level *level, const neap_node *node) {
  level->turn++;
  level->count = 0;
  meet(level, node);
}

static bool is_named(const neap_node *node, const char *name, size_t size) {
  return strlen(node->opts.name) == size &&
         memcmp(node->opts.name, name, size) == 0;
}

size_t neap__level_find(const neap__level *level, const char *name, size_t size,
                        const neap_node **out) {
  size_t found = 0;
  for (size_t i = 0; i < level->count; i++)
    if (is_named(level->nodes[i], name, size) && found++ == 0)
      *out = level->nodes[i];
  return found;
}
