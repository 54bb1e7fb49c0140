/* A flow: the nodes of a graph, built and then sealed.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_FLOW_H
#define NEAP_FLOW_H

#include "node.h"

struct neap_flow {
  neap_alloc alloc;
  neap_node *nodes; /* the last one added first */
  bool sealed;
};

#endif
