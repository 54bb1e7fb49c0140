/* A flow: the nodes of a graph, built and then sealed.
 * SPDX-License-Identifier: MIT */
#include "flow.h"

#include "base/alloc.h"
#include "base/opts.h"

int neap_flow_new(const neap_alloc *alloc, neap_flow **out) {
  if (!out)
    return NEAP_EINVAL;
  neap_alloc a = neap__alloc_or_default(alloc);
  neap_flow *flow = neap__alloc(&a, sizeof *flow);
  if (!flow)
    return NEAP_ENOMEM;
  flow->alloc = a;
  *out = flow;
  return 0;
}

static void destroy(neap_flow *flow) {
  neap_alloc alloc = flow->alloc;
  while (flow->nodes) {
    neap_node *node = flow->nodes;
    flow->nodes = node->next;
    neap__node_free(&alloc, node);
  }
  neap__free(&alloc, flow, sizeof *flow);
}

void neap_flow_free(neap_flow *flow) {
  if (!flow)
    return;
  flow->released = true;
  if (flow->runs == 0)
    destroy(flow);
}

void neap__flow_retain(neap_flow *flow) {
  flow->runs++;
}

void neap__flow_release(neap_flow *flow) {
  flow->runs--;
  if (flow->runs == 0 && flow->released)
    destroy(flow);
}

/* Adds a node, with functions in C unless `ops` is NULL. */
static int add(neap_flow *flow, const neap_node_opts *opts,
               const neap_node_ops *ops, void *self, neap_node **out) {
  if (!flow || !out)
    return NEAP_EINVAL;
  if (flow->sealed)
    return NEAP_EBUSY;
  neap_node *node;
  int status = neap__node_new(&flow->alloc, opts, &node);
  if (status < 0)
    return status;
  if (ops)
    status = neap__node_set_ops(&flow->alloc, node, ops, self);
  if (status < 0) {
    neap__node_free(&flow->alloc, node);
    return status;
  }
  node->flow = flow;
  node->number = flow->count++;
  node->next = flow->nodes;
  flow->nodes = node;
  *out = node;
  return 0;
}

int neap_flow_add(neap_flow *flow, const neap_node_opts *opts,
                  neap_node **out) {
  return add(flow, opts, NULL, NULL, out);
}

int neap_flow_add_ops(neap_flow *flow, const neap_node_opts *opts,
                      const neap_node_ops *ops, void *self, neap_node **out) {
  neap_node_ops own;
  const size_t first = NEAP__SIZE_WITH(neap_node_ops, fetch);
  if (neap__opts_take(&own, sizeof own, first, ops) < 0)
    return NEAP_EINVAL;
  own.size = sizeof own;
  return add(flow, opts, &own, self, out);
}

int neap_flow_start(neap_flow *flow, neap_node *node, neap_node *start) {
  if (!flow || !node || !start)
    return NEAP_EINVAL;
  if (flow->sealed)
    return NEAP_EBUSY;
  if (!neap__node_walks(node) || node->flow != flow || start->flow != flow)
    return NEAP_EINVAL;
  node->start = start;
  return 0;
}

int neap_flow_branch(neap_flow *flow, neap_node *node, neap_node *branch) {
  if (!flow || !node || !branch)
    return NEAP_EINVAL;
  if (flow->sealed)
    return NEAP_EBUSY;
  if (!neap__node_is_parallel(node) || node->flow != flow ||
      branch->flow != flow)
    return NEAP_EINVAL;
  return neap__node_branch(&flow->alloc, node, branch);
}

int neap_flow_wire(neap_flow *flow, neap_node *from, const char *action,
                   size_t size, bool keep, neap_node *to) {
  if (!flow || !from || (!action && size > 0))
    return NEAP_EINVAL;
  if (flow->sealed)
    return NEAP_EBUSY;
  if (from->flow != flow || (to && to->flow != flow))
    return NEAP_EINVAL;
  return neap__node_wire(&flow->alloc, from, action, size, keep, to);
}

/* True of a flow without a start, and of a parallel without a branch. */
static bool is_hollow(const neap_node *node) {
  return neap__node_is_parallel(node) ? node->branch_count == 0
                                      : neap__node_walks(node) && !node->start;
}

int neap_flow_seal(neap_flow *flow) {
  if (!flow)
    return NEAP_EINVAL;
  for (neap_node *node = flow->nodes; node; node = node->next)
    if (is_hollow(node))
      return NEAP_ENOSTART;
  for (neap_node *node = flow->nodes; node; node = node->next)
    if (node->opts.concurrency == 0)
      node->opts.concurrency = node->branch_count < UINT32_MAX
                                   ? (uint32_t)node->branch_count
                                   : UINT32_MAX;
  flow->sealed = true;
  return 0;
}
