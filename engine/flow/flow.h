/* A flow: the nodes of a graph, built and then sealed.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_FLOW_FLOW_H
#define NEAP_FLOW_FLOW_H

#include "node.h"

struct neap_flow {
  neap_alloc alloc;
  neap_node *nodes; /* the last one added first */
  size_t count;     /* of nodes */
  size_t runs;      /* that walk it */
  bool sealed;
  bool released; /* its owner has freed it: the last run does in fact */
};

/* Counts a run that walks the flow, and counts it off again. */
void neap__flow_retain(neap_flow *flow);
void neap__flow_release(neap_flow *flow);

#endif
