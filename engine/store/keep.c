/* The memory store: saves. All that needs memory is made first, so that a save
 * happens as a whole or not at all.
 * SPDX-License-Identifier: MIT */
#include "keep.h"

#include <string.h>

#include "base/alloc.h"
#include "life.h"
#include "work.h"

/* What a save will put into a run. */
typedef struct plan {
  neap__var **vars;   /* *owned*: by the index of the change, or NULL */
  neap__part **parts; /* *owned*: the same */
  size_t count;
  neap__row *row; /* *owned*; NULL: none is written */
  neap_span frames, result;
  char *waits;
} plan;

static void free_var(neap__world *world, neap__var *var) {
  neap__world_free_changes(world, var->first);
  neap__world_free_span(world, var->name);
  neap__free(&world->alloc, var, sizeof *var);
}

static void free_part(neap__world *world, neap__part *part) {
  neap__world_free_span(world, part->name);
  neap__world_free_span(world, part->value);
  neap__free(&world->alloc, part, sizeof *part);
}

/* Frees what has not been used. */
static void free_plan(neap__world *world, plan *p) {
  for (size_t i = 0; i < p->count; i++) {
    if (p->vars && p->vars[i])
      free_var(world, p->vars[i]);
    if (p->parts && p->parts[i])
      free_part(world, p->parts[i]);
  }
  neap__free(&world->alloc, p->vars, p->count * sizeof(neap__var *));
  neap__free(&world->alloc, p->parts, p->count * sizeof(neap__part *));
  neap__world_free_row(world, p->row);
  neap__world_free_span(world, p->frames);
  neap__world_free_span(world, p->result);
  neap__world_free_text(world, p->waits);
}

static bool is_of_part(neap_store_change_kind kind) {
  return kind == NEAP_STORE_PART || kind == NEAP_STORE_PARTS_GONE;
}

/* ---- Making the plan ----------------------------------------------------- */

static neap__var *plan_var(neap__world *world, const neap_store_change *from,
                           int64_t seq, bool *failed) {
  neap__var *var = neap__alloc(&world->alloc, sizeof *var);
  neap__change *change = neap__alloc(&world->alloc, sizeof *change);
  if (!var || !change) {
    neap__free(&world->alloc, var, sizeof *var);
    neap__free(&world->alloc, change, sizeof *change);
    *failed = true;
    return NULL;
  }
  change->kind = from->kind;
  change->seq = seq;
  change->value = neap__world_span(world, from->value, failed);
  var->name = neap__world_span(world, from->name, failed);
  var->first = var->last = change;
  return var;
}

static neap__part *plan_part(neap__world *world, const neap_store_change *from,
                             bool *failed) {
  neap__part *part = neap__alloc(&world->alloc, sizeof *part);
  *failed |= !part;
  if (part) {
    part->name = neap__world_span(world, from->name, failed);
    part->value = neap__world_span(world, from->value, failed);
  }
  return part;
}

/* The names of variables that change, each followed by a zero. */
static neap_span plan_names(neap__world *world, const neap_store_save_opts *o,
                            bool *failed) {
  size_t size = neap__life_names(o, NULL);
  char *names = size > 0 ? neap__alloc(&world->alloc, size + 1) : NULL;
  if (!names) {
    *failed |= size > 0;
    return (neap_span){0};
  }
  neap__life_names(o, names);
  return (neap_span){.bytes = names, .size = size};
}

static neap__row *plan_row(neap__world *world, int64_t now,
                           const neap__run *run, const neap_store_save_opts *o,
                           bool *failed) {
  neap__row *row = neap__alloc(&world->alloc, sizeof *row);
  *failed |= !row;
  if (!row)
    return NULL;
  row->seq = o->seq + 1;
  row->at = now;
  row->took = o->took;
  row->attempt = o->attempt;
  row->has_values = o->values;
  row->node = neap__world_text(world, o->node, failed);
  row->action = neap__world_text(world, o->action, failed);
  row->worker = neap__world_text(world, run->owner->name, failed);
  if (o->values)
    row->frames = neap__world_span(world, o->frames, failed);
  row->changed = plan_names(world, o, failed);
  return row;
}

/* Makes all that a save needs; NEAP_ENOMEM. */
static int make_plan(neap__world *world, int64_t now, neap__run *run,
                     const neap_store_save_opts *o, plan *p) {
  size_t count = o->change_count;
  bool failed = neap__names_reserve(&run->vars, &world->alloc, count) < 0 ||
                neap__names_reserve(&run->parts, &world->alloc, count) < 0 ||
                neap__world_reserve_alarm(world) < 0;
  *p = (plan){0};
  if (count > 0 && !failed) {
    p->count = count;
    p->vars = neap__alloc(&world->alloc, count * sizeof(neap__var *));
    p->parts = neap__alloc(&world->alloc, count * sizeof(neap__part *));
    failed = !p->vars || !p->parts;
  }
  for (size_t i = 0; i < count && !failed; i++) {
    const neap_store_change *change = &o->changes[i];
    if (change->kind == NEAP_STORE_PART)
      p->parts[i] = plan_part(world, change, &failed);
    else if (!is_of_part(change->kind))
      p->vars[i] = plan_var(world, change, o->seq + 1, &failed);
  }
  if (o->node && !failed)
    p->row = plan_row(world, now, run, o, &failed);
  p->frames = neap__world_span(world, o->frames, &failed);
  p->result = neap__world_span(world, o->result, &failed);
  p->waits = neap__world_text(world, o->waits, &failed);
  if (!failed)
    return 0;
  free_plan(world, p);
  return NEAP_ENOMEM;
}

/* ---- Doing it ------------------------------------------------------------ */

static void append(neap__var *var, neap__change *change) {
  if (var->last)
    var->last->next = change;
  else
    var->first = change;
  var->last = change;
}

static void remove_var(neap__world *world, neap__run *run, neap_span name) {
  size_t place = neap__names_place(&run->vars, name);
  neap__var *var = run->vars.items[place];
  neap__names_cut(&run->vars, place, place + 1);
  free_var(world, var);
}

/* Puts a change of a variable into a run; `planned` is that change. */
static void change_var(neap__world *world, neap__run *run, bool keeps,
                       neap__var **planned) {
  neap__change *change = (*planned)->first;
  neap__var *var = neap__names_find(&run->vars, (*planned)->name);
  bool is_gone = change->kind == NEAP_STORE_GONE;
  if (!var && !is_gone) {
    neap__names_add(&run->vars, *planned);
    *planned = NULL;
  } else if (var && is_gone && !keeps) {
    if (!NEAP__WRONG(17))
      remove_var(world, run, (*planned)->name);
  } else if (var) {
    if (change->kind == NEAP_STORE_SET && !keeps) {
      neap__world_free_changes(world, var->first);
      var->first = var->last = NULL;
    }
    append(var, change);
    (*planned)->first = NULL;
  }
}

static void change_part(neap__run *run, neap__part **planned) {
  neap__part *part = neap__names_find(&run->parts, (*planned)->name);
  if (!part) {
    neap__names_add(&run->parts, *planned);
    *planned = NULL;
    return;
  }
  neap_span old = part->value;
  part->value = (*planned)->value;
  (*planned)->value = old;
}

static void remove_parts(neap__world *world, neap__run *run, neap_span prefix) {
  size_t first = neap__names_place(&run->parts, prefix);
  size_t end = neap__names_end(&run->parts, first, prefix);
  for (size_t i = first; i < end; i++)
    free_part(world, run->parts.items[i]);
  neap__names_cut(&run->parts, first, end);
}

static void make_changes(neap__world *world, neap__run *run,
                         const neap_store_save_opts *o, plan *p) {
  for (size_t i = 0; i < p->count; i++) {
    if (p->vars[i])
      change_var(world, run, o->values, &p->vars[i]);
    else if (p->parts[i])
      change_part(run, &p->parts[i]);
    else
      remove_parts(world, run, o->changes[i].name);
  }
}

static void add_row(neap__run *run, plan *p) {
  if (!p->row)
    return;
  if (run->last_row)
    run->last_row->next = p->row;
  else
    run->rows = p->row;
  run->last_row = p->row;
  p->row = NULL;
}

static void take_signal(neap__run *run, int64_t number) {
  for (neap__signal *s = run->signals; s; s = s->next) {
    if (s->number != number || s->is_taken || NEAP__WRONG(18))
      continue;
    s->is_taken = true;
    run->shown.unread--;
  }
}

static void swap_spans(neap_span *a, neap_span *b) {
  neap_span old = *a;
  *a = *b;
  *b = old;
}

/* Moves a run to where the save says. */
static void move(neap__world *world, neap__run *run, int64_t now,
                 const neap_store_save_opts *o) {
  if (o->status == NEAP_STORE_RUNNING)
    return;
  if (neap__life_is_over(o->status)) {
    neap__world_leave(world, run);
    if (o->result.size > 0) {
      neap__world_free_span(world, run->shown.reason);
      run->shown.reason = (neap_span){0};
    }
    neap__work_end(world, run, o->status);
    run->shown.keep_until = now + o->keep;
  } else if (run->shown.mark == NEAP_STORE_UNMARKED &&
             (o->status == NEAP_STORE_PAUSED ||
              o->status == NEAP_STORE_STUCK)) {
    neap__world_leave(world, run);
    run->owner = NULL;
    run->shown.status = o->status;
  } else {
    neap__work_let_go(world, run, now);
  }
}

static void commit(neap__world *world, int64_t now, neap__run *run,
                   const neap_store_save_opts *o, plan *p) {
  make_changes(world, run, o, p);
  add_row(run, p);
  take_signal(run, o->taken);
  swap_spans(&run->shown.frames, &p->frames);
  if (o->result.size > 0)
    swap_spans(&run->shown.result, &p->result);
  char *waits = (char *)run->shown.waits;
  run->shown.waits = p->waits;
  p->waits = waits;
  run->shown.due = o->delay > 0 ? now + o->delay : 0;
  run->shown.seq++;
  run->shown.updated = now;
  if (o->has_flow_version)
    run->shown.version = o->version;
  if (!o->stays)
    run->shown.claims = 0;
  move(world, run, now, o);
}

/* Whether a save is the owner's, and the next. */
static bool is_due(const neap__run *run, const neap_store_save_opts *o) {
  return run && run->shown.status == NEAP_STORE_RUNNING &&
         (run->shown.seq == o->seq || NEAP__WRONG(19)) &&
         (memcmp(run->shown.token, o->token, sizeof o->token) == 0 ||
          NEAP__WRONG(20));
}

int neap__keep_save(neap__world *world, int64_t now,
                    const neap_store_save_opts *given, neap_store_result *out) {
  neap__run *run = neap__world_at(world, given->run);
  if (!is_due(run, given))
    return NEAP_EFENCED;
  neap_store_run *shown = neap__result_add_run(out);
  shown->reason =
      neap__result_span(out, run->shown.reason.bytes, run->shown.reason.size);
  plan p;
  if (out->failed || make_plan(world, now, run, given, &p) < 0)
    return NEAP_ENOMEM;
  shown->mark = run->shown.mark;
  commit(world, now, run, given, &p);
  free_plan(world, &p);
  shown->number = run->shown.number;
  shown->status = run->shown.status;
  shown->unread = run->shown.unread;
  shown->seq = out->number = run->shown.seq;
  return 0;
}
