/* What the memory store has: runs, queues, workers, schedules.
 * SPDX-License-Identifier: MIT */
#include "world.h"

#include <string.h>

#include "base/alloc.h"

#ifdef NEAP_WRONG_STORES
int neap__wrong_store = 0;
#endif

neap__world *neap__world_new(const neap_alloc *alloc) {
  neap__world *world = neap__alloc(alloc, sizeof *world);
  if (world) {
    world->alloc = *alloc;
    world->ways = 1;
  }
  return world;
}

char *neap__world_text(neap__world *world, const char *text, bool *failed) {
  if (!text)
    return NULL;
  char *copy = neap__copy(&world->alloc, text, strlen(text));
  *failed |= !copy;
  return copy;
}

neap_span neap__world_span(neap__world *world, neap_span span, bool *failed) {
  if (span.size == 0)
    return (neap_span){0};
  char *copy = neap__copy(&world->alloc, span.bytes, span.size);
  *failed |= !copy;
  return (neap_span){.bytes = copy, .size = copy ? span.size : 0};
}

void neap__world_free_text(neap__world *world, const char *text) {
  if (text)
    neap__free(&world->alloc, (void *)text, strlen(text) + 1);
}

void neap__world_free_span(neap__world *world, neap_span span) {
  neap__free(&world->alloc, (void *)span.bytes, span.size + 1);
}

/* ---- Runs ---------------------------------------------------------------- */

void neap__world_free_changes(neap__world *world, neap__change *change) {
  while (change) {
    neap__change *next = change->next;
    neap__world_free_span(world, change->value);
    neap__free(&world->alloc, change, sizeof *change);
    change = next;
  }
}

void neap__world_free_row(neap__world *world, neap__row *row) {
  if (!row)
    return;
  neap__world_free_text(world, row->node);
  neap__world_free_text(world, row->action);
  neap__world_free_text(world, row->worker);
  neap__world_free_span(world, row->frames);
  neap__world_free_span(world, row->changed);
  neap__free(&world->alloc, row, sizeof *row);
}

static void free_vars(neap__world *world, neap__run *run) {
  for (size_t i = 0; i < run->vars.count; i++) {
    neap__var *var = run->vars.items[i];
    neap__world_free_changes(world, var->first);
    neap__world_free_span(world, var->name);
    neap__free(&world->alloc, var, sizeof *var);
  }
  neap__names_free(&run->vars, &world->alloc);
}

static void free_parts(neap__world *world, neap__run *run) {
  for (size_t i = 0; i < run->parts.count; i++) {
    neap__part *part = run->parts.items[i];
    neap__world_free_span(world, part->name);
    neap__world_free_span(world, part->value);
    neap__free(&world->alloc, part, sizeof *part);
  }
  neap__names_free(&run->parts, &world->alloc);
}

static void free_signals(neap__world *world, neap__run *run) {
  while (run->signals) {
    neap__signal *signal = run->signals;
    run->signals = signal->next;
    neap__world_free_text(world, signal->name);
    neap__world_free_text(world, signal->dedupe);
    neap__world_free_span(world, signal->value);
    neap__free(&world->alloc, signal, sizeof *signal);
  }
}

static void free_tags(neap__world *world, neap__run *run) {
  while (run->tags) {
    neap__tag *tag = run->tags;
    run->tags = tag->next;
    neap__world_free_text(world, tag->key);
    neap__world_free_text(world, tag->value);
    neap__free(&world->alloc, tag, sizeof *tag);
  }
}

void neap__world_free_run(neap__world *world, neap__run *run) {
  free_vars(world, run);
  free_parts(world, run);
  free_signals(world, run);
  free_tags(world, run);
  while (run->rows) {
    neap__row *row = run->rows;
    run->rows = row->next;
    neap__world_free_row(world, row);
  }
  neap__world_free_text(world, run->shown.id);
  neap__world_free_text(world, run->shown.flow);
  neap__world_free_text(world, run->shown.waits);
  neap__world_free_span(world, run->shown.reason);
  neap__world_free_span(world, run->shown.frames);
  neap__world_free_span(world, run->shown.params);
  neap__world_free_span(world, run->shown.result);
  neap__free(&world->alloc, run, sizeof *run);
}

/* FNV-1a. */
static uint64_t hash_of(const char *id) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (; *id; id++)
    hash = (hash ^ (unsigned char)*id) * UINT64_C(0x100000001b3);
  return hash;
}

static neap__run **bucket_of(const neap__world *world, const char *id) {
  return &world->buckets[hash_of(id) & (world->bucket_count - 1)];
}

neap__run *neap__world_find(const neap__world *world, const char *id) {
  if (world->bucket_count == 0)
    return NULL;
  neap__run *run = *bucket_of(world, id);
  while (run && strcmp(run->shown.id, id) != 0)
    run = run->same;
  return run;
}

neap__run *neap__world_at(const neap__world *world, int64_t number) {
  bool is_there = number >= 1 && (uint64_t)number <= world->run_count;
  return is_there ? world->runs[number - 1] : NULL;
}

/* Makes as many buckets as there will be runs. */
static int reserve_buckets(neap__world *world) {
  if (world->live < world->bucket_count)
    return 0;
  size_t count = world->bucket_count ? world->bucket_count * 2 : 16;
  neap__run **old = world->buckets;
  neap__run **buckets = neap__alloc(&world->alloc, count * sizeof *buckets);
  if (!buckets)
    return NEAP_ENOMEM;
  size_t old_count = world->bucket_count;
  world->buckets = buckets;
  world->bucket_count = count;
  for (size_t i = 0; i < old_count; i++)
    for (neap__run *run = old[i], *next; run; run = next) {
      next = run->same;
      neap__run **bucket = bucket_of(world, run->shown.id);
      run->same = *bucket;
      *bucket = run;
    }
  neap__free(&world->alloc, old, old_count * sizeof *old);
  return 0;
}

int neap__world_reserve(neap__world *world) {
  int status = reserve_buckets(world);
  if (status == 0)
    status = neap__reserve(&world->alloc, &world->runs, &world->run_capacity,
                           world->run_count + 1, sizeof *world->runs);
  return status < 0 ? status : neap__world_reserve_alarm(world);
}

void neap__world_add(neap__world *world, neap__run *run) {
  world->runs[world->run_count++] = run;
  world->live++;
  run->shown.number = (int64_t)world->run_count;
  neap__run **bucket = bucket_of(world, run->shown.id);
  run->same = *bucket;
  *bucket = run;
}

void neap__world_remove(neap__world *world, neap__run *run) {
  neap__run **at = bucket_of(world, run->shown.id);
  while (*at != run)
    at = &(*at)->same;
  *at = run->same;
  world->runs[run->shown.number - 1] = NULL;
  world->live--;
  neap__world_free_run(world, run);
}

/* ---- Queues and workers -------------------------------------------------- */

neap__queue *neap__world_queue(neap__world *world, const char *name) {
  for (neap__queue *queue = world->queues; queue; queue = queue->next)
    if (strcmp(queue->name, name) == 0)
      return queue;
  bool failed = false;
  neap__queue *queue = neap__alloc(&world->alloc, sizeof *queue);
  char *copy = neap__world_text(world, name, &failed);
  if (!queue || !copy) {
    neap__free(&world->alloc, queue, sizeof *queue);
    neap__world_free_text(world, copy);
    return NULL;
  }
  queue->name = copy;
  for (int i = 0; i < NEAP__PRIORITIES; i++)
    neap__list_init(&queue->ready[i]);
  queue->next = world->queues;
  world->queues = queue;
  return queue;
}

neap__worker *neap__world_worker(const neap__world *world, const char *name) {
  neap__worker *worker = world->workers;
  while (worker && strcmp(worker->name, name) != 0)
    worker = worker->next;
  return worker;
}

/* ---- Alarms -------------------------------------------------------------- */

static bool is_real(const neap__world *world, const neap__alarm *alarm) {
  const neap__run *run = neap__world_at(world, alarm->number);
  return run && run->shown.status == NEAP_STORE_WAITING &&
         run->shown.due == alarm->due;
}

static bool comes_before(const neap__alarm *a, const neap__alarm *b) {
  return a->due != b->due ? a->due < b->due : a->number < b->number;
}

static void sink(neap__world *world, size_t at) {
  neap__alarm *alarms = world->alarms, alarm = alarms[at];
  for (size_t child; (child = 2 * at + 1) < world->alarm_count; at = child) {
    if (child + 1 < world->alarm_count &&
        comes_before(&alarms[child + 1], &alarms[child]))
      child++;
    if (!comes_before(&alarms[child], &alarm))
      break;
    alarms[at] = alarms[child];
  }
  alarms[at] = alarm;
}

static void push(neap__world *world, neap__alarm alarm) {
  size_t at = world->alarm_count++;
  for (; at > 0 && comes_before(&alarm, &world->alarms[(at - 1) / 2]);
       at = (at - 1) / 2)
    world->alarms[at] = world->alarms[(at - 1) / 2];
  world->alarms[at] = alarm;
}

/* Forgets the alarms that no run waits for any more. */
static void sweep(neap__world *world) {
  size_t kept = 0;
  for (size_t i = 0; i < world->alarm_count; i++)
    if (is_real(world, &world->alarms[i]))
      world->alarms[kept++] = world->alarms[i];
  world->alarm_count = kept;
  for (size_t i = kept / 2; i-- > 0;)
    sink(world, i);
}

int neap__world_reserve_alarm(neap__world *world) {
  if (world->alarm_count == world->alarm_capacity)
    sweep(world);
  /* At least half is free after a sweep, or each would be soon followed by the
   * next. */
  return neap__reserve(&world->alloc, &world->alarms, &world->alarm_capacity,
                       world->alarm_count * 2 >= world->alarm_capacity
                           ? world->alarm_count * 2 + 1
                           : world->alarm_count + 1,
                       sizeof *world->alarms);
}

neap__run *neap__world_first_due(neap__world *world) {
  while (world->alarm_count > 0 && !is_real(world, &world->alarms[0])) {
    world->alarms[0] = world->alarms[--world->alarm_count];
    if (world->alarm_count > 0)
      sink(world, 0);
  }
  return world->alarm_count > 0 ? neap__world_at(world, world->alarms[0].number)
                                : NULL;
}

/* ---- Where a run is ------------------------------------------------------ */

/* Puts a run in line: most are the last. */
static void line_up(neap__run *run) {
  neap_link *line = &run->queue->ready[run->shown.priority];
  neap_link *before = line->prev;
  while (before != line) {
    const neap_store_run *other = &NEAP__ITEM(before, neap__run, link)->shown;
    if (NEAP__WRONG(1) || other->due < run->shown.due ||
        (other->due == run->shown.due && other->number < run->shown.number))
      break;
    before = before->prev;
  }
  neap__list_append(before->next, &run->link);
  run->queue->count++;
}

void neap__world_enter(neap__world *world, neap__run *run) {
  switch (run->shown.status) {
  case NEAP_STORE_QUEUED:
    line_up(run);
    break;
  case NEAP_STORE_RUNNING:
    neap__list_append(&run->owner->runs, &run->link);
    break;
  case NEAP_STORE_WAITING:
    if (run->shown.due > 0)
      push(world,
           (neap__alarm){.due = run->shown.due, .number = run->shown.number});
    break;
  default:
    break;
  }
}

void neap__world_leave(neap__world *world, neap__run *run) {
  (void)world;
  if (run->shown.status == NEAP_STORE_QUEUED)
    run->queue->count--;
  neap__list_remove(&run->link);
}

/* ---- The end ------------------------------------------------------------- */

void neap__world_free(neap__world *world) {
  neap_alloc alloc = world->alloc;
  for (size_t i = 0; i < world->run_count; i++)
    if (world->runs[i])
      neap__world_free_run(world, world->runs[i]);
  neap__free(&alloc, world->runs, world->run_capacity * sizeof *world->runs);
  neap__free(&alloc, world->buckets,
             world->bucket_count * sizeof *world->buckets);
  neap__free(&alloc, world->alarms,
             world->alarm_capacity * sizeof *world->alarms);
  while (world->queues) {
    neap__queue *queue = world->queues;
    world->queues = queue->next;
    neap__world_free_text(world, queue->name);
    neap__free(&alloc, queue, sizeof *queue);
  }
  while (world->workers) {
    neap__worker *worker = world->workers;
    world->workers = worker->next;
    neap__world_free_text(world, worker->name);
    neap__free(&alloc, worker, sizeof *worker);
  }
  while (world->schedules) {
    neap__schedule *schedule = world->schedules;
    world->schedules = schedule->next;
    neap__world_free_text(world, schedule->name);
    neap__world_free_span(world, schedule->spec);
    neap__free(&alloc, schedule, sizeof *schedule);
  }
  neap__free(&alloc, world, sizeof *world);
}
