/* A node: its options, its successors, and how long it waits between attempts.
 * SPDX-License-Identifier: MIT */
#include "node.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/opts.h"
#include "base/units.h"

/* Nodes with more successors than this find them by hash. */
enum { FEW = 8 };

static const char default_action[] = "default";

/* What max_retry_after is unless given: two minutes. */
#define MAX_RETRY_AFTER (120 * NEAP__NS_PER_S)

const char *neap_phase_name(neap_phase phase) {
  static const char *const names[] = {"prep", "exec", "fallback", "post"};
  return (unsigned)phase <= NEAP_POST ? names[phase] : "unknown";
}

/* Copies options, with the defaults that do not depend on the kind. Returns
 * NEAP_EINVAL for a struct that is none. */
static int normalise(const neap_node_opts *opts, neap_node_opts *out) {
  int status = neap__opts_take(
      out, sizeof *out, NEAP__SIZE_WITH(neap_node_opts, max_retry_after_ns),
      opts);
  if (status < 0)
    return status;
  out->size = sizeof *out;
  if (out->max_attempts == 0)
    out->max_attempts = 1;
  if (out->backoff == 0)
    out->backoff = 1;
  if (out->max_retry_after_ns == 0)
    out->max_retry_after_ns = MAX_RETRY_AFTER;
  return 0;
}

int neap__node_new(const neap_alloc *alloc, const neap_node_opts *opts,
                   neap_node **out) {
  neap_node_opts o;
  int status = normalise(opts, &o);
  if (status < 0)
    return status;
  if (o.concurrency == 0 && o.kind != NEAP_PARALLEL) /* see neap_flow_seal */
    o.concurrency = 1;
  /* The negated comparisons refuse NaN as well. */
  if ((unsigned)o.kind > NEAP_PARALLEL || !(o.backoff > 0) ||
      isinf(o.backoff) || !(o.jitter >= 0 && o.jitter <= 1))
    return NEAP_EINVAL;
  if (!o.name)
    o.name = "";
  neap_node *node = neap__alloc(alloc, sizeof *node);
  if (!node)
    return NEAP_ENOMEM;
  o.name = neap__copy(alloc, o.name, strlen(o.name));
  if (!o.name) {
    neap__free(alloc, node, sizeof *node);
    return NEAP_ENOMEM;
  }
  node->opts = o;
  *out = node;
  return 0;
}

int neap__node_set_ops(const neap_alloc *alloc, neap_node *node,
                       const neap_node_ops *ops, void *self) {
  node->ops = neap__alloc(alloc, sizeof *node->ops);
  if (!node->ops)
    return NEAP_ENOMEM;
  *node->ops = *ops;
  node->self = self;
  node->opts.methods = (ops->prep ? 1u << NEAP_PREP : 0) |
                       (ops->exec ? 1u << NEAP_EXEC : 0) |
                       (ops->fallback ? 1u << NEAP_FALLBACK : 0) |
                       (ops->post ? 1u << NEAP_POST : 0);
  return 0;
}

static void free_ops(const neap_alloc *alloc, neap_node *node) {
  if (!node->ops)
    return;
  if (node->ops->drop)
    node->ops->drop(node->self);
  neap__free(alloc, node->ops, sizeof *node->ops);
}

static void forget_action(const neap_alloc *alloc, neap__successor *successor) {
  if (successor->copied)
    neap__free(alloc, (char *)successor->action, successor->size + 1);
}

void neap__node_free(const neap_alloc *alloc, neap_node *node) {
  free_ops(alloc, node);
  for (size_t i = 0; i < node->count; i++)
    forget_action(alloc, &node->successors[i]);
  neap__free(alloc, node->successors,
             node->capacity * sizeof *node->successors);
  neap__free(alloc, node->index, node->index_size * sizeof *node->index);
  neap__free(alloc, node->branches,
             node->branch_capacity * sizeof *node->branches);
  neap__free(alloc, (char *)node->opts.name, strlen(node->opts.name) + 1);
  neap__free(alloc, node, sizeof *node);
}

static bool is_action(const neap__successor *successor, const char *action,
                      size_t size) {
  return successor->action == action ||
         (successor->size == size &&
          memcmp(successor->action, action, size) == 0);
}

/* FNV-1a (Fowler, Noll, Vo; draft-eastlake-fnv), 32 bits. */
static uint32_t hash(const char *bytes, size_t size) {
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < size; i++)
    h = (h ^ (unsigned char)bytes[i]) * 16777619u;
  return h;
}

/* The place in the hash table where an action is, or would be. */
static uint32_t *place(const neap_node *node, const char *action, size_t size) {
  size_t mask = node->index_size - 1;
  size_t i = hash(action, size) & mask;
  while (node->index[i] != 0 &&
         !is_action(&node->successors[node->index[i] - 1], action, size))
    i = (i + 1) & mask;
  return &node->index[i];
}

/* Builds the hash table anew over all successors, at most half full. */
static int build_index(const neap_alloc *alloc, neap_node *node) {
  size_t size = 4 * FEW;
  while (size < 2 * node->capacity)
    size *= 2;
  if (size > node->index_size) {
    uint32_t *index = neap__alloc(alloc, size * sizeof *index);
    if (!index)
      return NEAP_ENOMEM;
    neap__free(alloc, node->index, node->index_size * sizeof *node->index);
    node->index = index;
    node->index_size = size;
    for (size_t i = 0; i < node->count; i++)
      *place(node, node->successors[i].action, node->successors[i].size) =
          (uint32_t)i + 1;
  }
  return 0;
}

int neap__node_wire(const neap_alloc *alloc, neap_node *node,
                    const char *action, size_t size, bool keep, neap_node *to) {
  neap__successor *old =
      (neap__successor *)neap__node_successor(node, action, size);
  if (old) {
    old->to = to;
    return 0;
  }
  int status = neap__reserve(alloc, &node->successors, &node->capacity,
                             node->count + 1, sizeof *node->successors);
  if (status < 0)
    return status;
  if (node->count >= FEW) {
    status = build_index(alloc, node);
    if (status < 0)
      return status;
  }
  const char *bytes = keep ? action : neap__copy(alloc, action, size);
  if (!bytes)
    return NEAP_ENOMEM;
  node->successors[node->count++] = (neap__successor){
      .action = bytes, .size = size, .copied = !keep, .to = to};
  if (node->index)
    *place(node, bytes, size) = (uint32_t)node->count;
  return 0;
}

bool neap__is_default(const char *action, size_t size) {
  return !action || (size == sizeof default_action - 1 &&
                     memcmp(action, default_action, size) == 0);
}

const neap__successor *neap__node_successor(const neap_node *node,
                                            const char *action, size_t size) {
  if (!action) {
    action = default_action;
    size = sizeof default_action - 1;
  }
  if (node->index) {
    uint32_t at = *place(node, action, size);
    return at == 0 ? NULL : &node->successors[at - 1];
  }
  for (size_t i = 0; i < node->count; i++)
    if (is_action(&node->successors[i], action, size))
      return &node->successors[i];
  return NULL;
}

int neap__node_branch(const neap_alloc *alloc, neap_node *node,
                      neap_node *branch) {
  int status = neap__reserve(alloc, &node->branches, &node->branch_capacity,
                             node->branch_count + 1, sizeof *node->branches);
  if (status < 0)
    return status;
  node->branches[node->branch_count++] = branch;
  return 0;
}

bool neap__node_retries(const neap_node_opts *opts, uint32_t attempt,
                        const neap_failure *failure) {
  if (attempt >= opts->max_attempts - 1)
    return false;
  return !failure || (!failure->final &&
                      failure->retry_after_ns <= opts->max_retry_after_ns);
}

bool neap_may_retry(const neap_node_opts *opts, uint32_t attempt,
                    const neap_failure *failure) {
  neap_node_opts o;
  if (normalise(opts, &o) < 0)
    return false;
  return neap__node_retries(&o, attempt, failure);
}

uint64_t neap_retry_delay(const neap_node_opts *opts, uint32_t attempt,
                          double random, uint64_t retry_after_ns) {
  neap_node_opts o;
  if (normalise(opts, &o) < 0 ||
      o.wait_ns == 0) /* also where the power is infinite */
    return retry_after_ns;
  double delay = (double)o.wait_ns * pow(o.backoff, attempt);
  if (o.max_wait_ns > 0 && !(delay <= (double)o.max_wait_ns))
    delay = (double)o.max_wait_ns;
  delay *= 1 - o.jitter * random;
  uint64_t ns = neap__whole_ns(delay);
  return ns > retry_after_ns ? ns : retry_after_ns;
}

const char *neap_node_name(const neap_node *node) {
  return node ? node->opts.name : "";
}

neap_kind neap_node_kind(const neap_node *node) {
  return node ? node->opts.kind : NEAP_NODE;
}

uint32_t neap_node_concurrency(const neap_node *node) {
  return node ? node->opts.concurrency : 0;
}

uint32_t neap_node_max_attempts(const neap_node *node) {
  return node ? node->opts.max_attempts : 0;
}

uint64_t neap_node_timeout(const neap_node *node) {
  return node ? node->opts.timeout_ns : 0;
}

bool neap_node_collects(const neap_node *node) {
  return node && node->opts.collect;
}

const neap_node_ops *neap_node_get_ops(const neap_node *node) {
  return node ? node->ops : NULL;
}

void *neap_node_data(const neap_node *node) {
  return node ? node->opts.data : NULL;
}

const neap_node *neap_node_branch(const neap_node *node, size_t index) {
  return node && index < node->branch_count ? node->branches[index] : NULL;
}

bool neap_node_action(const neap_node *node, size_t index, const char **action,
                      size_t *size) {
  if (!node || !action || !size || index >= node->count)
    return false;
  *action = node->successors[index].action;
  *size = node->successors[index].size;
  return true;
}
