/* The nodes of one walk, and which of them has a name.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_FLOW_LEVEL_H
#define NEAP_FLOW_LEVEL_H

#include "flow.h"

/* Room to look at one level after another. */
typedef struct neap__level {
  const neap_flow *flow;
  const neap_node **nodes; /* *owned*: those of the level, `start` first */
  size_t count;
  size_t *seen; /* *owned*: by number, the level in which a node was last met */
  size_t turn;  /* the level that is looked at, from 1 */
} neap__level;

int neap__level_init(neap__level *level, const neap_flow *flow);
void neap__level_free(neap__level *level);

/* Finds all nodes that a walk from `start` can come to. */
void neap__level_open(neap__level *level, const neap_node *start);

/* The same of a node alone, whose successors do not count. */
void neap__level_put(neap__level *level, const neap_node *node);

/* Finds the nodes of the level with a name: returns how many there are, and
 * the first. */
size_t neap__level_find(const neap__level *level, const char *name, size_t size,
                        const neap_node **out);

#endif
