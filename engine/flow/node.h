/* A node: its options, its successors, and how long it waits between attempts.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_FLOW_NODE_H
#define NEAP_FLOW_NODE_H

#include "neap.h"

typedef struct neap__successor {
  const char *action;
  size_t size;
  bool copied;   /* else the bytes are the host's */
  neap_node *to; /* NULL: the end */
} neap__successor;

struct neap_node {
  neap_node_opts opts;   /* normalised; `name` is a copy */
  neap_node *start;      /* of the kinds that walk, else NULL */
  neap_node *next;       /* in the list of the flow's nodes */
  const neap_flow *flow; /* that it belongs to */
  size_t number;         /* among the nodes of the flow, from 0 */
  neap_node **branches;  /* of a parallel */
  size_t branch_count, branch_capacity;
  neap__successor *successors;
  size_t count, capacity;
  uint32_t *index;    /* hash table over many successors: position + 1, or 0 */
  size_t index_size;  /* a power of two, 0 for few successors */
  neap_node_ops *ops; /* *owned*: its functions in C; NULL: it has none */
  void *self;         /* what they work for */
};

/* Makes a node, or refuses options that are wrong. *out is *owned*. */
int neap__node_new(const neap_alloc *alloc, const neap_node_opts *opts,
                   neap_node **out);

/* Gives a node functions in C, and the phases that these are. */
int neap__node_set_ops(const neap_alloc *alloc, neap_node *node,
                       const neap_node_ops *ops, void *self);

/* Frees a node; `drop` of its functions is called. */
void neap__node_free(const neap_alloc *alloc, neap_node *node);

/* See neap_flow_wire. */
int neap__node_wire(const neap_alloc *alloc, neap_node *node,
                    const char *action, size_t size, bool keep, neap_node *to);

/* See neap_flow_branch. */
int neap__node_branch(const neap_alloc *alloc, neap_node *node,
                      neap_node *branch);

/* True of the action "default"; NULL stands for it. */
bool neap__is_default(const char *action, size_t size);

/* Finds the successor for an action; NULL stands for "default". Returns NULL
 * when the node is not wired for it. */
const neap__successor *neap__node_successor(const neap_node *node,
                                            const char *action, size_t size);

/* The same as neap_may_retry, for options of a node, which have defaults. */
bool neap__node_retries(const neap_node_opts *opts, uint32_t attempt,
                        const neap_failure *failure);

static inline bool neap__node_has(const neap_node *node, neap_phase phase) {
  return node->opts.methods & 1u << phase;
}

static inline bool neap__node_walks(const neap_node *node) {
  return node->opts.kind == NEAP_FLOW || node->opts.kind == NEAP_BATCH_FLOW;
}

static inline bool neap__node_is_parallel(const neap_node *node) {
  return node->opts.kind == NEAP_PARALLEL;
}

/* True of batches, and of a parallel, whose branches are items. */
static inline bool neap__node_has_items(const neap_node *node) {
  return node->opts.kind >= NEAP_BATCH_NODE;
}

#endif
