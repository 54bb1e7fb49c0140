/* Loading: a run that goes on where a saved one was.
 * SPDX-License-Identifier: MIT
 *
 * The bytes may come from anywhere, and the flow may have changed since they
 * were written. So all is looked at before there is a run: each record becomes
 * a place (place.h), below the one around it, with its node of today's flow.
 * The run takes the places one by one as it is driven.
 */
#include <string.h>

#include "base/opts.h"
#include "level.h"
#include "run.h"

typedef neap__place place;
typedef neap__record record;

typedef struct loader {
  neap_load_opts opts;
  neap__level level;
  const neap_node *root;
  place *first, *last;
  neap_stuck stuck;
} loader;

#define BIT(stage) (1u << NEAP__##stage)

/* Which stages a visit may be at, and an item, by the kind of its node. */
static const unsigned of_visits[] = {
    [NEAP_NODE] =
        BIT(BEGIN) | BIT(LATER) | BIT(EXEC) | BIT(WAIT) | BIT(POST) | BIT(DONE),
    [NEAP_FLOW] = BIT(BEGIN) | BIT(EXEC) | BIT(WAIT) | BIT(INSIDE) |
                  BIT(RETURNED) | BIT(FALLBACK) | BIT(POST) | BIT(DONE),
    [NEAP_BATCH_NODE] = BIT(BEGIN) | BIT(EXEC) | BIT(ITEMS) | BIT(DONE),
    [NEAP_BATCH_FLOW] = BIT(BEGIN) | BIT(EXEC) | BIT(ITEMS) | BIT(DONE),
    [NEAP_PARALLEL] = BIT(BEGIN) | BIT(EXEC) | BIT(ITEMS) | BIT(DONE),
};
static const unsigned of_items[] = {
    [NEAP_BATCH_NODE] = BIT(EXEC) | BIT(WAIT),
    [NEAP_BATCH_FLOW] =
        BIT(EXEC) | BIT(WAIT) | BIT(INSIDE) | BIT(FALLBACK) | BIT(DONE),
    [NEAP_PARALLEL] =
        BIT(EXEC) | BIT(WAIT) | BIT(INSIDE) | BIT(FALLBACK) | BIT(RETURNED),
};

/* Whether a record can have been written below another; NULL: as the first. */
static bool is_possible(const record *r, const place *outer) {
  if (r->over && r->stage != NEAP__ITEMS)
    return false;
  if (r->stage == NEAP__ITEMS && (r->next > r->count || r->failed > r->next))
    return false;
  if (r->is_item)
    return outer && outer->record.stage == NEAP__ITEMS &&
           r->index < outer->record.next &&
           of_items[outer->node->opts.kind] >> r->stage & 1;
  bool has_room =
      !outer || (outer->record.stage == NEAP__INSIDE && !outer->inside);
  return has_room && of_visits[r->kind] >> r->stage & 1;
}

static int get_stuck(loader *l, neap_stuck_why why, const record *r,
                     const place *outer) {
  l->stuck.why = why;
  l->stuck.name = r->name;
  l->stuck.name_size = r->name_size;
  l->stuck.kind = r->kind;
  l->stuck.depth = r->depth;
  l->stuck.inside = outer ? outer->node : NULL;
  return NEAP_ESTUCK;
}

/* The nodes that a visit inside a place may be of. */
static void open_level(loader *l, const place *outer) {
  const neap_node *node = outer ? outer->node : l->root;
  if (outer && outer->record.is_item && neap__node_is_parallel(node))
    node = node->branches[outer->record.index];
  else if (outer)
    node = node->start;
  bool is_alone = !outer || neap__node_is_parallel(outer->node);
  if (is_alone)
    neap__level_put(&l->level, node);
  else
    neap__level_open(&l->level, node);
}

/* Finds the node of a visit in today's flow. */
static int find(loader *l, const record *r, const place *outer,
                const neap_node **out) {
  open_level(l, outer);
  size_t found = neap__level_find(&l->level, r->name, r->name_size, out);
  if (found != 1)
    return get_stuck(l, found == 0 ? NEAP_STUCK_GONE : NEAP_STUCK_TWICE, r,
                     outer);
  if ((*out)->opts.kind != r->kind)
    return get_stuck(l, NEAP_STUCK_KIND, r, outer);
  if (r->stage == NEAP__ITEMS && neap__node_is_parallel(*out) &&
      r->next > (*out)->branch_count)
    return get_stuck(l, NEAP_STUCK_BRANCHES, r, outer);
  return 0;
}

/* Tells the name that a visit has today, if the host knows another. */
static void rename_visit(loader *l, record *r) {
  if (!l->opts.rename)
    return;
  const neap_saved saved = {.name = r->name,
                            .name_size = r->name_size,
                            .depth = r->depth,
                            .kind = r->kind,
                            .attempt = r->attempt,
                            .visit = r->visit};
  const char *name = l->opts.rename(l->opts.rename_data, &saved);
  if (name) {
    r->name = name;
    r->name_size = strlen(name);
  }
}

/* No record below a place follows: whether what it needs has come. */
static bool close_place(place *p) {
  if (p->record.stage == NEAP__INSIDE)
    return p->inside;
  if (p->record.stage != NEAP__ITEMS)
    return true;
  p->inside = neap__places_sort(p->inside);
  for (const place *item = p->inside; item && item->next; item = item->next)
    if (item->record.index == item->next->record.index)
      return false;
  return true;
}

/* Closes the places that a record at `depth` is not below. */
static bool close_above(loader *l, uint32_t depth) {
  while (l->last && l->last->record.depth >= depth) {
    if (!close_place(l->last))
      return false;
    l->last = l->last->outer;
  }
  return true;
}

/* Makes a place of a record, below the last that is open. */
static int add(loader *l, record *r) {
  place *outer = l->last;
  const neap_node *node = outer ? outer->node : NULL;
  if (!is_possible(r, outer))
    return NEAP_EDAMAGED;
  if (!r->is_item) {
    rename_visit(l, r);
    int status = find(l, r, outer, &node);
    if (status < 0)
      return status;
  }
  place *p = neap__place_new(&l->level.flow->alloc, r, node);
  if (!p)
    return NEAP_ENOMEM;
  if (r->stage == NEAP__ITEMS && neap__node_is_parallel(node))
    p->record.count = node->branch_count;
  p->outer = outer;
  l->last = p;
  if (!outer) {
    l->first = p;
    return 0;
  }
  p->next = outer->inside;
  outer->inside = p;
  return 0;
}

static int add_all(loader *l, neap__reader *r) {
  record next;
  int status;
  while ((status = neap__read_record(r, &next)) > 0) {
    status = close_above(l, next.depth) ? add(l, &next) : NEAP_EDAMAGED;
    if (status < 0)
      return status;
    l->stuck.number++;
  }
  if (status == 0 && (!l->first || !close_above(l, 0)))
    return NEAP_EDAMAGED;
  return status;
}

/* Makes the run that the places are those of. */
static int make(const loader *l, neap_flow *flow, const neap__head *head,
                neap_run **out) {
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  opts.max_steps = l->opts.max_steps;
  opts.data = l->opts.data;
  opts.seed = head->random;
  int status = neap__run_make(flow, &opts, out);
  if (status < 0)
    return status;
  (*out)->steps = head->steps;
  (*out)->visits = head->visits;
  neap__run_resume(*out, l->root, l->first);
  return 0;
}

int neap_run_load(neap_flow *flow, const neap_node *node, const void *bytes,
                  size_t size, const neap_load_opts *opts, neap_stuck *stuck,
                  neap_run **out) {
  loader l = {.root = node};
  const size_t least = NEAP__SIZE_WITH(neap_load_opts, rename_data);
  neap__reader reader = {.bytes = bytes, .size = size};
  neap__head head;
  if (!flow || !flow->sealed || !node || node->flow != flow || !bytes || !out ||
      (opts && neap__opts_take(&l.opts, sizeof l.opts, least, opts) < 0))
    return NEAP_EINVAL;
  int status = neap__read_head(&reader, &head);
  if (status > 0)
    status = neap__level_init(&l.level, flow);
  if (status < 0)
    return status;
  status = add_all(&l, &reader);
  neap__level_free(&l.level);
  if (status == 0)
    status = make(&l, flow, &head, out);
  if (status < 0)
    neap__place_free(&flow->alloc, l.first);
  if (status == NEAP_ESTUCK && stuck)
    *stuck = l.stuck;
  return status;
}

bool neap_run_redoes(const neap_run *run) {
  if (!run)
    return false;
  const neap__frame *f = &run->frames[run->depth];
  if (f->state == FETCHING)
    return run->resume;
  return f->state == ENTERING && f->again;
}

int neap_saved_next(const void *bytes, size_t size, neap_saved *at) {
  if (!bytes || !at)
    return NEAP_EINVAL;
  neap__reader reader = {.bytes = bytes, .size = size, .offset = at->offset};
  neap__head head;
  if (at->offset > size)
    return NEAP_EINVAL;
  int status = 0;
  if (at->offset > 0)
    reader.depth = at->depth + 1;
  else
    status = neap__read_head(&reader, &head);
  record r;
  if (status >= 0)
    status = neap__read_record(&reader, &r);
  if (status <= 0)
    return status < 0 ? status : NEAP_ENOVALUE;
  *at =
      (neap_saved){.name = r.name,
                   .name_size = r.name_size,
                   .offset = reader.offset,
                   .index = r.index,
                   .visit = r.visit,
                   .depth = r.depth,
                   .attempt = r.attempt,
                   .kind = r.kind,
                   .is_item = r.is_item,
                   .begins = r.stage == NEAP__BEGIN || r.stage == NEAP__LATER};
  return 0;
}

/* Looks for a name that two nodes of the level have. */
static const neap_node *find_twin(const neap__level *level) {
  const neap_node *first = NULL;
  for (size_t i = 0; i < level->count; i++) {
    const char *name = level->nodes[i]->opts.name;
    neap__level_find(level, name, strlen(name), &first);
    if (first != level->nodes[i])
      return level->nodes[i];
  }
  return NULL;
}

int neap_flow_check_names(const neap_flow *flow, const neap_node **out) {
  if (!flow || !flow->sealed)
    return NEAP_EINVAL;
  neap__level level;
  int status = flow->count > 0 ? neap__level_init(&level, flow) : NEAP_EINVAL;
  if (status < 0)
    return status;
  const neap_node *twin = NULL;
  for (const neap_node *n = flow->nodes; n && !twin; n = n->next)
    if (n->start) {
      neap__level_open(&level, n->start);
      twin = find_twin(&level);
    }
  neap__level_free(&level);
  if (twin && out)
    *out = twin;
  return twin ? NEAP_ESTUCK : 0;
}
