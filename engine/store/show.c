/* Showing runs of the memory store in results.
 * SPDX-License-Identifier: MIT */
#include "show.h"

#include <string.h>

#include "life.h"

static neap_span copy(neap_store_result *result, neap_span span) {
  return neap__result_span(result, span.bytes, span.size);
}

neap_store_run *neap__show_run(const neap__world *world,
                               neap_store_result *result,
                               const neap__run *run) {
  neap_store_run *shown = neap__result_add_run(result);
  *shown = run->shown;
  shown->id = neap__result_text(result, shown->id);
  shown->flow = neap__result_text(result, shown->flow);
  shown->waits = neap__result_text(result, shown->waits);
  shown->queue = neap__result_text(result, run->queue->name);
  shown->owner =
      run->owner ? neap__result_text(result, run->owner->name) : NULL;
  shown->reason = copy(result, shown->reason);
  shown->result = copy(result, shown->result);
  shown->frames = shown->params = (neap_span){0};
  memset(shown->token, 0, sizeof shown->token);
  if (shown->status == NEAP_STORE_QUEUED)
    shown->due = 0;
  if (!neap__life_is_over(shown->status))
    shown->keep_until = 0;
  const neap__run *parent = neap__world_at(world, shown->parent);
  shown->parent_id =
      parent ? neap__result_text(result, parent->shown.id) : NULL;
  return shown;
}

void neap__show_frames(neap_store_result *result, neap_store_run *shown,
                       const neap__run *run) {
  shown->frames = copy(result, run->shown.frames);
  shown->params = copy(result, run->shown.params);
}

void neap__show_vars(neap_store_result *result, neap_store_run *shown,
                     const neap__run *run, int64_t seq) {
  for (size_t i = 0; i < run->vars.count; i++) {
    const neap__var *var = run->vars.items[i];
    for (const neap__change *c = var->first; c; c = c->next)
      if (c->seq <= seq || NEAP__WRONG(2))
        neap__result_add_change(result, shown, c->kind, var->name, c->value);
  }
}

void neap__show_parts(neap_store_result *result, neap_store_run *shown,
                      const neap__run *run) {
  for (size_t i = 0; i < run->parts.count; i++) {
    const neap__part *part = run->parts.items[i];
    neap__result_add_part(result, shown, part->name, part->value);
  }
}

void neap__show_signals(neap_store_result *result, neap_store_run *shown,
                        const neap__run *run) {
  for (const neap__signal *s = run->signals; s; s = s->next) {
    neap_store_signal signal = {
        .number = s->number, .name = s->name, .value = s->value, .at = s->at};
    if (!s->is_taken)
      neap__result_add_signal(result, shown, &signal);
  }
}

void neap__show_tags(neap_store_result *result, neap_store_run *shown,
                     const neap__run *run) {
  for (const neap__tag *tag = run->tags; tag; tag = tag->next)
    neap__result_add_tag(result, shown, tag->key, tag->value);
}

/* The row of a save whose values are kept; NULL. */
static const neap__row *row_of(const neap__run *run, int64_t seq) {
  const neap__row *row = run->rows;
  while (row && (row->seq != seq || !row->has_values))
    row = row->next;
  return row;
}

int neap__show_read(neap__world *world, const neap__store_read *given,
                    neap_store_result *out) {
  const neap__run *run = neap__world_find(world, given->id);
  if (!run)
    return NEAP_ENORUN;
  bool is_past = given->seq >= 0 && given->seq != run->shown.seq;
  const neap__row *row = is_past ? row_of(run, given->seq) : NULL;
  if (is_past && !row)
    return NEAP_ENOVALUE;
  neap_store_run *shown = neap__show_run(world, out, run);
  neap__show_frames(out, shown, run);
  if (given->parts & NEAP_STORE_VARS)
    neap__show_vars(out, shown, run, row ? row->seq : run->shown.seq);
  if (given->parts & NEAP_STORE_TAGS)
    neap__show_tags(out, shown, run);
  if (row) {
    shown->seq = row->seq;
    shown->frames = copy(out, row->frames);
  } else {
    if (given->parts & NEAP_STORE_PARTS)
      neap__show_parts(out, shown, run);
    if (given->parts & NEAP_STORE_SIGNALS)
      neap__show_signals(out, shown, run);
  }
  return 0;
}

int neap__show_history(neap__world *world, const neap__store_page *given,
                       neap_store_result *out) {
  const neap__run *run = neap__world_find(world, given->id);
  if (!run)
    return NEAP_ENORUN;
  uint32_t count = 0;
  for (const neap__row *row = run->rows; row && count < given->limit;
       row = row->next) {
    if (row->seq <= given->after)
      continue;
    neap_store_step *step = neap__result_add_step(out);
    neap_span changed = copy(out, row->changed);
    *step = (neap_store_step){
        .seq = row->seq,
        .node = neap__result_text(out, row->node),
        .action = neap__result_text(out, row->action),
        .worker = neap__result_text(out, row->worker),
        .attempt = row->attempt,
        .at = row->at,
        .took = row->took,
        .has_values = row->has_values,
        .changed = changed.bytes,
        .changed_size = changed.size,
    };
    count++;
  }
  return 0;
}

static bool has_tag(const neap__run *run, const neap_store_tag *wanted) {
  for (const neap__tag *tag = run->tags; tag; tag = tag->next)
    if (strcmp(tag->key, wanted->key) == 0 &&
        strcmp(tag->value, wanted->value) == 0)
      return true;
  return false;
}

static neap_store_status shown_status(const neap__run *run) {
  return neap__life_shown(run->shown.status, run->shown.waits != NULL);
}

static bool matches(const neap__run *run, const neap_store_list_opts *o) {
  if (o->flow && strcmp(o->flow, run->shown.flow) != 0)
    return false;
  if (o->statuses != 0 && !(o->statuses & 1u << shown_status(run)))
    return false;
  if (run->shown.created < o->since)
    return false;
  for (size_t i = 0; i < o->tag_count; i++)
    if (!has_tag(run, &o->tags[i]))
      return NEAP__WRONG(3);
  return true;
}

int neap__show_list(neap__world *world, const neap_store_list_opts *given,
                    neap_store_result *out) {
  size_t from = world->run_count;
  if (given->after > 0 && (uint64_t)given->after <= from)
    from = (size_t)given->after - (NEAP__WRONG(4) ? 0 : 1);
  for (size_t i = from; i-- > 0;) {
    const neap__run *run = world->runs[i];
    if (!run || !matches(run, given))
      continue;
    if (out->run_count == given->limit) {
      out->number = out->runs[out->run_count - 1].number;
      break;
    }
    neap__show_tags(out, neap__show_run(world, out, run), run);
  }
  return 0;
}

int neap__show_count(neap__world *world, const neap_store_list_opts *given,
                     neap_store_result *out) {
  int64_t counts[NEAP_STORE_POISONED + 1] = {0};
  for (size_t i = 0; i < world->run_count; i++)
    if (world->runs[i] && matches(world->runs[i], given))
      counts[shown_status(world->runs[i])]++;
  for (int status = 0; status <= NEAP_STORE_POISONED; status++) {
    if (counts[status] == 0)
      continue;
    neap_store_row *row = neap__result_add_row(out);
    row->status = (neap_store_status)status;
    row->number = counts[status];
    out->number += counts[status];
  }
  return 0;
}

int neap__show_workers(neap__world *world, neap_store_result *out) {
  for (const neap__worker *w = world->workers; w; w = w->next) {
    neap_store_row *row = neap__result_add_row(out);
    row->name = neap__result_text(out, w->name);
    row->host = "";
    row->time = w->until;
    for (const neap_link *at = w->runs.next; at != &w->runs; at = at->next)
      row->number++;
  }
  return 0;
}

int neap__show_schedules(neap__world *world, neap_store_result *out) {
  for (const neap__schedule *s = world->schedules; s; s = s->next) {
    neap_store_row *row = neap__result_add_row(out);
    row->name = neap__result_text(out, s->name);
    row->time = s->due;
    row->value = copy(out, s->spec);
  }
  return 0;
}
