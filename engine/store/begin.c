/* The memory store: runs that begin, signals, schedules.
 * SPDX-License-Identifier: MIT */
#include "begin.h"

#include <string.h>

#include "base/alloc.h"
#include "life.h"
#include "show.h"
#include "work.h"

/* ---- Runs ---------------------------------------------------------------- */

/* Tells of the run that is there already. */
static int meet(const neap__world *world, const neap__run *run,
                const uint64_t digest[2], neap_store_result *out) {
  out->number = 1;
  neap__show_run(world, out, run);
  bool is_same = memcmp(run->start_hash, digest, sizeof run->start_hash) == 0;
  return is_same || NEAP__WRONG(5) ? 0 : NEAP_EEXISTS;
}

/* Makes a variable with its first value. */
static neap__var *make_var(neap__world *world, const neap_store_value *from,
                           bool *failed) {
  neap__var *var = neap__alloc(&world->alloc, sizeof *var);
  neap__change *change = neap__alloc(&world->alloc, sizeof *change);
  if (!var || !change) {
    neap__free(&world->alloc, var, sizeof *var);
    neap__free(&world->alloc, change, sizeof *change);
    *failed = true;
    return NULL;
  }
  var->name = neap__world_span(world, from->name, failed);
  change->value = neap__world_span(world, from->value, failed);
  var->first = var->last = change;
  return var;
}

static neap__part *make_part(neap__world *world, const neap_store_value *from,
                             bool *failed) {
  neap__part *part = neap__alloc(&world->alloc, sizeof *part);
  *failed |= !part;
  if (part) {
    part->name = neap__world_span(world, from->name, failed);
    part->value = neap__world_span(world, from->value, failed);
  }
  return part;
}

/* Copies variables and parts; false when memory runs short. */
static bool fill(neap__world *world, neap__run *run,
                 const neap_store_start_opts *o) {
  bool failed =
      neap__names_reserve(&run->vars, &world->alloc, o->var_count) < 0 ||
      neap__names_reserve(&run->parts, &world->alloc, o->part_count) < 0;
  for (size_t i = 0; i < o->var_count && !failed; i++) {
    neap__var *var = make_var(world, &o->vars[i], &failed);
    if (var)
      neap__names_add(&run->vars, var);
  }
  for (size_t i = 0; i < o->part_count && !failed; i++) {
    neap__part *part = make_part(world, &o->parts[i], &failed);
    if (part)
      neap__names_add(&run->parts, part);
  }
  neap__tag **end = &run->tags;
  for (size_t i = 0; i < o->tag_count && !failed; i++) {
    neap__tag *tag = neap__alloc(&world->alloc, sizeof *tag);
    failed = !tag;
    if (!tag)
      break;
    tag->key = neap__world_text(world, o->tags[i].key, &failed);
    tag->value = neap__world_text(world, o->tags[i].value, &failed);
    *end = tag;
    end = &tag->next;
  }
  return !failed;
}

static neap__run *make_run(neap__world *world, int64_t now,
                           const neap_store_start_opts *o, neap__queue *queue) {
  neap__run *run = neap__alloc(&world->alloc, sizeof *run);
  if (!run)
    return NULL;
  bool failed = false;
  neap__list_init(&run->link);
  run->queue = queue;
  run->shown = (neap_store_run){
      .id = neap__world_text(world, o->id, &failed),
      .flow = neap__world_text(world, o->flow, &failed),
      .version = o->version,
      .status = o->delay > 0 ? NEAP_STORE_WAITING : NEAP_STORE_QUEUED,
      .priority = o->priority,
      .due = now + o->delay,
      .keep = o->keep,
      .parent = o->parent,
      .parent_seq = o->parent_seq,
      .created = now,
      .updated = now,
      .frames = neap__world_span(world, o->frames, &failed),
      .params = neap__world_span(world, o->params, &failed),
  };
  if (!failed && fill(world, run, o))
    return run;
  neap__world_free_run(world, run);
  return NULL;
}

int neap__begin_run(neap__world *world, int64_t now,
                    const neap_store_start_opts *given,
                    neap_store_result *out) {
  uint64_t digest[2];
  neap__life_digest(given, digest);
  const neap__run *other = neap__world_find(world, given->id);
  if (other)
    return meet(world, other, digest, out);
  neap__queue *queue = neap__world_queue(world, given->queue);
  if (!queue)
    return NEAP_ENOMEM;
  if (given->max_queued > 0 && queue->count >= given->max_queued)
    return NEAP_EFULL;
  int status = neap__world_reserve(world);
  neap__run *run = status == 0 ? make_run(world, now, given, queue) : NULL;
  if (!run)
    return NEAP_ENOMEM;
  memcpy(run->start_hash, digest, sizeof digest);
  neap_store_run *shown = neap__show_run(world, out, run);
  if (out->failed) {
    neap__world_free_run(world, run);
    return NEAP_ENOMEM;
  }
  neap__world_add(world, run);
  neap__world_enter(world, run);
  shown->number = run->shown.number;
  return 0;
}

/* ---- Signals ------------------------------------------------------------- */

static neap__signal *make_signal(neap__world *world, int64_t now,
                                 const neap__store_send *given) {
  bool failed = false;
  neap__signal *signal = neap__alloc(&world->alloc, sizeof *signal);
  if (!signal)
    return NULL;
  signal->at = now;
  signal->name = neap__world_text(world, given->name, &failed);
  signal->dedupe = neap__world_text(world, given->dedupe, &failed);
  signal->value = neap__world_span(world, given->value, &failed);
  if (!failed)
    return signal;
  neap__world_free_text(world, signal->name);
  neap__world_free_text(world, signal->dedupe);
  neap__world_free_span(world, signal->value);
  neap__free(&world->alloc, signal, sizeof *signal);
  return NULL;
}

/* The signal that this one is a repetition of; NULL. */
static const neap__signal *find_same(const neap__run *run, const char *dedupe) {
  for (const neap__signal *s = run->signals; s && dedupe; s = s->next)
    if (s->dedupe && strcmp(s->dedupe, dedupe) == 0 && !NEAP__WRONG(6))
      return s;
  return NULL;
}

static void add_signal(neap__run *run, neap__signal *signal) {
  signal->number = run->last_signal ? run->last_signal->number + 1 : 1;
  if (NEAP__WRONG(7) && run->signals) { /* the newest comes first */
    signal->next = run->signals;
    run->signals = signal;
  } else if (run->last_signal) {
    run->last_signal->next = signal;
    run->last_signal = signal;
  } else {
    run->signals = run->last_signal = signal;
  }
  run->shown.unread++;
}

int neap__begin_signal(neap__world *world, int64_t now,
                       const neap__store_send *given, neap_store_result *out) {
  neap__run *run = neap__world_find(world, given->id);
  if (!run)
    return NEAP_ENORUN;
  const neap__signal *same = find_same(run, given->dedupe);
  if (same) {
    out->number = same->number;
    neap__show_run(world, out, run);
    return 0;
  }
  if (neap__life_is_over(run->shown.status))
    return NEAP_EENDED;
  neap_store_run *shown = neap__show_run(world, out, run);
  neap__signal *signal = out->failed ? NULL : make_signal(world, now, given);
  if (!signal)
    return NEAP_ENOMEM;
  add_signal(run, signal);
  bool wakes = run->shown.status == NEAP_STORE_WAITING && run->shown.waits &&
               strcmp(run->shown.waits, given->name) == 0;
  if (wakes && !NEAP__WRONG(8))
    neap__work_queue(world, run, now);
  shown->status = run->shown.status;
  shown->unread = run->shown.unread;
  out->number = signal->number;
  return 0;
}

/* ---- Schedules ----------------------------------------------------------- */

/* Where the schedule of a name is, or would be. */
static neap__schedule **place_of(neap__world *world, const char *name) {
  neap__schedule **at = &world->schedules;
  while (*at && strcmp((*at)->name, name) < 0)
    at = &(*at)->next;
  return at;
}

static void remove_schedule(neap__world *world, neap__schedule **at) {
  neap__schedule *schedule = *at;
  *at = schedule->next;
  neap__world_free_text(world, schedule->name);
  neap__world_free_span(world, schedule->spec);
  neap__free(&world->alloc, schedule, sizeof *schedule);
}

static int add_schedule(neap__world *world, neap__schedule **at,
                        const neap__store_schedule *given, bool replaces) {
  bool failed = false;
  neap__schedule *schedule = neap__alloc(&world->alloc, sizeof *schedule);
  if (!schedule)
    return NEAP_ENOMEM;
  schedule->name = neap__world_text(world, given->name, &failed);
  schedule->spec = neap__world_span(world, given->spec, &failed);
  schedule->due = given->next;
  schedule->next = *at;
  if (failed) {
    remove_schedule(world, &schedule);
    return NEAP_ENOMEM;
  }
  *at = schedule;
  if (replaces)
    remove_schedule(world, &schedule->next);
  return 0;
}

int neap__begin_schedule(neap__world *world, int64_t now,
                         const neap__store_schedule *given,
                         neap_store_result *out) {
  (void)now;
  (void)out;
  neap__schedule **at = place_of(world, given->name);
  bool is_there = *at && strcmp((*at)->name, given->name) == 0;
  int64_t due = is_there ? (*at)->due : 0;
  if (given->expected >= 0 && given->expected != due && !NEAP__WRONG(9))
    return NEAP_EFENCED;
  if (given->next > 0)
    return add_schedule(world, at, given, is_there);
  if (is_there)
    remove_schedule(world, at);
  return 0;
}
