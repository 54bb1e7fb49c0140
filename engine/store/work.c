/* The memory store: workers, and the runs that they have.
 * SPDX-License-Identifier: MIT */
#include "work.h"

#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "life.h"
#include "show.h"

/* ---- Where a run goes ---------------------------------------------------- */

static bool has_signal(const neap__run *run) {
  for (const neap__signal *s = run->signals; s && run->shown.waits; s = s->next)
    if (!s->is_taken && strcmp(s->name, run->shown.waits) == 0)
      return true;
  return false;
}

static void forget_wait(neap__world *world, neap__run *run) {
  neap__world_free_text(world, run->shown.waits);
  run->shown.waits = NULL;
  run->shown.due = 0;
}

static void forget_mark(neap__world *world, neap__run *run) {
  neap__world_free_span(world, run->shown.reason);
  run->shown.reason = (neap_span){0};
  run->shown.mark = NEAP_STORE_UNMARKED;
}

static void free_all_parts(neap__world *world, neap__run *run) {
  for (size_t i = 0; i < run->parts.count; i++) {
    neap__part *part = run->parts.items[i];
    neap__world_free_span(world, part->name);
    neap__world_free_span(world, part->value);
    neap__free(&world->alloc, part, sizeof *part);
  }
  run->parts.count = 0;
}

void neap__work_end(neap__world *world, neap__run *run,
                    neap_store_status status) {
  if (status == NEAP_STORE_CANCELLED && run->shown.reason.size > 0) {
    neap__world_free_span(world, run->shown.result);
    run->shown.result = run->shown.reason;
    run->shown.reason = (neap_span){0};
  }
  forget_wait(world, run);
  forget_mark(world, run);
  if (neap__life_is_final(status))
    free_all_parts(world, run);
  run->owner = NULL;
  run->shown.status = status;
}

void neap__work_let_go(neap__world *world, neap__run *run, int64_t now) {
  const neap__life life = {
      .mark = NEAP__WRONG(10) ? NEAP_STORE_UNMARKED : run->shown.mark,
      .waits = run->shown.waits != NULL,
      .has_signal = has_signal(run),
      .due = run->shown.due,
  };
  neap_store_status status = neap__life_after(&life, now);
  neap__world_leave(world, run);
  run->owner = NULL;
  run->shown.status = status;
  run->shown.updated = now;
  if (status == NEAP_STORE_CANCELLED) {
    neap__work_end(world, run, status);
  } else if (status == NEAP_STORE_QUEUED) {
    forget_wait(world, run);
    run->shown.due = now;
  } else if (status == NEAP_STORE_PAUSED) {
    forget_mark(world, run);
  }
  neap__world_enter(world, run);
}

void neap__work_queue(neap__world *world, neap__run *run, int64_t due) {
  neap__world_leave(world, run);
  forget_wait(world, run);
  run->shown.status = NEAP_STORE_QUEUED;
  run->shown.due = due;
  neap__world_enter(world, run);
}

/* Lets go of the runs of a worker, at most `limit`. `counts` is whether the
 * claims still count. */
static int let_go_all(neap__world *world, neap__worker *worker, int64_t now,
                      uint32_t limit, bool counts, int64_t *count) {
  for (; limit > 0 && !neap__list_empty(&worker->runs); limit--) {
    if (neap__world_reserve_alarm(world) < 0)
      return NEAP_ENOMEM;
    neap__run *run = NEAP__ITEM(worker->runs.next, neap__run, link);
    if (!counts && run->shown.claims > 0)
      run->shown.claims--;
    neap__work_let_go(world, run, now);
    (*count)++;
  }
  return 0;
}

/* ---- Workers ------------------------------------------------------------- */

static void remove_worker(neap__world *world, neap__worker *worker) {
  neap__worker **at = &world->workers;
  while (*at != worker)
    at = &(*at)->next;
  *at = worker->next;
  neap__world_free_text(world, worker->name);
  neap__free(&world->alloc, worker, sizeof *worker);
}

int neap__work_join(neap__world *world, int64_t now,
                    const neap_store_join_opts *given, neap_store_result *out) {
  (void)out;
  if (neap__world_worker(world, given->owner))
    return NEAP_EEXISTS;
  bool failed = false;
  neap__worker *worker = neap__alloc(&world->alloc, sizeof *worker);
  char *name = neap__world_text(world, given->owner, &failed);
  if (!worker || failed) {
    neap__free(&world->alloc, worker, sizeof *worker);
    neap__world_free_text(world, name);
    return NEAP_ENOMEM;
  }
  worker->name = name;
  worker->until = now + given->lease;
  neap__list_init(&worker->runs);
  worker->next = world->workers;
  world->workers = worker;
  return 0;
}

/* The worker of a name that has not been given up; NULL. */
static neap__worker *find_living(const neap__world *world, const char *name) {
  neap__worker *worker = neap__world_worker(world, name);
  return worker && !worker->is_dead ? worker : NULL;
}

int neap__work_beat(neap__world *world, int64_t now,
                    const neap__store_owner *given, neap_store_result *out) {
  neap__worker *worker = find_living(world, given->owner);
  if (!worker)
    return NEAP_EFENCED;
  if (!NEAP__WRONG(11))
    worker->until = now + given->lease;
  neap_link *runs = &worker->runs;
  for (const neap_link *at = runs->next; at != runs; at = at->next) {
    const neap__run *run = NEAP__ITEM(at, neap__run, link);
    if (run->shown.mark != NEAP_STORE_UNMARKED || run->shown.unread > 0)
      neap__show_run(world, out, run);
  }
  return 0;
}

int neap__work_leave(neap__world *world, int64_t now,
                     const neap__store_owner *given, neap_store_result *out) {
  neap__worker *worker = neap__world_worker(world, given->owner);
  if (!worker)
    return 0;
  int status = let_go_all(world, worker, now, UINT32_MAX, false, &out->number);
  if (status == 0)
    remove_worker(world, worker);
  return status;
}

/* ---- Claims -------------------------------------------------------------- */

/* Shows the runs of a queue that a claim would take. They are told with the
 * token of the claim, which they do not have yet. */
static void choose(const neap__world *world, const neap__queue *queue,
                   uint32_t room, neap_store_result *out) {
  for (int i = 0; i < NEAP__PRIORITIES; i++) {
    int priority = NEAP__WRONG(12) ? i : NEAP__PRIORITIES - 1 - i;
    const neap_link *line = &queue->ready[priority];
    for (const neap_link *at = line->next; at != line && room > 0;
         at = at->next, room--) {
      const neap__run *run = NEAP__ITEM(at, neap__run, link);
      neap_store_run *shown = neap__show_run(world, out, run);
      neap__show_frames(out, shown, run);
      neap__show_vars(out, shown, run, INT64_MAX);
      neap__show_parts(out, shown, run);
      neap__show_signals(out, shown, run);
    }
  }
}

static const neap__queue *find_queue(const neap__world *world,
                                     const char *name) {
  const neap__queue *queue = world->queues;
  while (queue && strcmp(queue->name, name) != 0)
    queue = queue->next;
  return queue;
}

int neap__work_claim(neap__world *world, int64_t now,
                     const neap__store_claim *given, neap_store_result *out) {
  neap__worker *worker = find_living(world, given->owner);
  if (!worker)
    return NEAP_EFENCED;
  uint8_t token[16] = {1};
  if (!NEAP__WRONG(13) &&
      getrandom(token, sizeof token, 0) != (ssize_t)sizeof token)
    return NEAP_ESTORE;
  for (size_t i = 0; i < given->count; i++) {
    const neap__queue *queue = find_queue(world, given->rooms[i].queue);
    if (queue)
      choose(world, queue, given->rooms[i].room, out);
  }
  for (size_t i = 0; i < out->run_count; i++) {
    neap_store_run *shown = &out->runs[i];
    shown->owner = neap__result_text(out, worker->name);
  }
  if (out->failed)
    return NEAP_ENOMEM;
  for (size_t i = 0; i < out->run_count; i++) {
    neap_store_run *shown = &out->runs[i];
    neap__run *run = neap__world_at(world, shown->number);
    neap__world_leave(world, run);
    forget_wait(world, run);
    run->owner = worker;
    run->shown.status = NEAP_STORE_RUNNING;
    run->shown.claims += !NEAP__WRONG(14);
    run->shown.updated = now;
    memcpy(run->shown.token, token, sizeof token);
    neap__world_enter(world, run);
    memcpy(shown->token, token, sizeof token);
    shown->claims = run->shown.claims;
    shown->status = NEAP_STORE_RUNNING;
    shown->waits = NULL;
  }
  return 0;
}

int neap__work_release(neap__world *world, int64_t now,
                       const neap__store_release *given,
                       neap_store_result *out) {
  for (size_t i = 0; i < given->count; i++) {
    const neap_store_held *held = &given->held[i];
    neap__run *run = neap__world_at(world, held->run);
    if (!run || run->shown.status != NEAP_STORE_RUNNING ||
        memcmp(run->shown.token, held->token, sizeof held->token) != 0)
      continue;
    if (neap__world_reserve_alarm(world) < 0)
      return NEAP_ENOMEM;
    if (run->shown.claims > 0)
      run->shown.claims--;
    neap__work_let_go(world, run, now);
    out->number++;
  }
  return 0;
}

/* ---- Time ---------------------------------------------------------------- */

/* Takes the runs of workers that have not been heard of. One that has lost some
 * of its runs has lost all. */
static int reap(neap__world *world, int64_t now, uint32_t limit,
                int64_t *count) {
  neap__worker *next;
  for (neap__worker *worker = world->workers; worker; worker = next) {
    next = worker->next;
    if (worker->until >= now && !worker->is_dead)
      continue;
    worker->is_dead = true;
    int64_t before = *count;
    int status = let_go_all(world, worker, now, limit, true, count);
    if (status < 0)
      return status;
    limit -= (uint32_t)(*count - before);
    if (neap__list_empty(&worker->runs))
      remove_worker(world, worker);
  }
  return 0;
}

int neap__work_due(neap__world *world, int64_t now,
                   const neap__store_page *given, neap_store_result *out) {
  neap_store_row *row = neap__result_add_row(out);
  if (out->failed)
    return NEAP_ENOMEM;
  int status = reap(world, now, given->limit, &out->number);
  if (status < 0)
    return status;
  neap__run *run;
  for (uint32_t i = 0; (run = neap__world_first_due(world)); i++) {
    if (i == given->limit || run->shown.due > now + (NEAP__WRONG(15) ? 1 : 0))
      break;
    neap__work_queue(world, run, run->shown.due);
    out->number++;
  }
  row->time = run ? run->shown.due : 0;
  return 0;
}

/* ---- From outside -------------------------------------------------------- */

/* Puts a run that has no owner where a wish wants it. */
static void move(neap__world *world, neap__run *run, int64_t now,
                 const neap__store_wish *given, neap_store_status status) {
  if (given->wish == NEAP_STORE_WISH_RESUME) {
    neap__work_let_go(world, run, now);
    return;
  }
  neap__world_leave(world, run);
  run->shown.updated = now;
  run->shown.status = status;
  if (status == NEAP_STORE_CANCELLED) {
    neap__work_end(world, run, status);
    run->shown.keep_until = now + given->keep;
  } else if (given->wish == NEAP_STORE_WISH_RETRY) {
    run->shown.claims = run->shown.keep_until = 0;
    neap__world_free_span(world, run->shown.result);
    run->shown.result = (neap_span){0};
    run->shown.due = now;
  } else if (run->shown.due <= now) {
    run->shown.due = 0; /* it was queued, and so it will be */
  }
  neap__world_enter(world, run);
}

/* What a run says in a result, after it has changed. */
static void show_outcome(neap_store_run *shown, const neap__run *run) {
  shown->status = run->shown.status;
  shown->mark = run->shown.mark;
}

int neap__work_wish(neap__world *world, int64_t now,
                    const neap__store_wish *given, neap_store_result *out) {
  neap__run *run = neap__world_find(world, given->id);
  if (!run)
    return NEAP_ENORUN;
  neap_store_status status = run->shown.status;
  neap_store_mark mark = run->shown.mark;
  int refusal = neap__life_wish(given->wish, &status, &mark);
  if (refusal < 0)
    return refusal;
  bool failed = neap__world_reserve_alarm(world) < 0;
  neap_store_run *shown = neap__show_run(world, out, run);
  neap_span reason = {0};
  if (given->wish == NEAP_STORE_WISH_CANCEL || mark != run->shown.mark)
    reason = neap__world_span(world, given->reason, &failed);
  if (failed || out->failed) {
    neap__world_free_span(world, reason);
    return NEAP_ENOMEM;
  }
  if (reason.size > 0 || mark != run->shown.mark) {
    neap__world_free_span(world, run->shown.reason);
    run->shown.reason = reason;
  }
  if (run->shown.status == NEAP_STORE_RUNNING) {
    run->shown.mark = mark;
    if (given->wish == NEAP_STORE_WISH_CANCEL)
      run->shown.keep_until = now + given->keep;
  } else if (status != run->shown.status) {
    move(world, run, now, given, status);
  }
  show_outcome(shown, run);
  return 0;
}

int neap__work_prune(neap__world *world, int64_t now,
                     const neap__store_page *given, neap_store_result *out) {
  for (size_t i = 0; i < world->run_count; i++) {
    neap__run *run = world->runs[i];
    if (!run || !neap__life_is_over(run->shown.status))
      continue;
    bool is_over = given->after > 0 ? run->shown.updated < given->after
                                    : run->shown.keep_until <= now;
    if (!is_over && !NEAP__WRONG(16))
      continue;
    if (out->number == given->limit)
      break;
    neap__world_remove(world, run);
    out->number++;
  }
  return 0;
}
