/* Timers: a hierarchical wheel of operations that wait for a time.
 * SPDX-License-Identifier: MIT
 *
 * After G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels",
 * SOSP 1987, scheme 7. Time is cut into ticks of 2^20 ns (about 1 ms). A timer
 * is in level 0 if it is due within the current 64 ticks, in level 1 if within
 * the current 64 * 64, and so on. When the clock enters the range of a slot of
 * a higher level, the timers of that slot move down. So adding, removing and
 * expiring cost the same however many timers there are.
 *
 * Invariant: in every level above 0 the slot that contains the current tick is
 * empty, so all of a level's timers are due before those of the level above.
 */
#include "timer.h"

#include "base/alloc.h"
#include "base/units.h"
#include "clock.h"
#include "engine.h"
#include "home.h"
#include "loop.h"
#include "op.h"

enum {
  TICK_SHIFT = 20,
  SLOT_BITS = 6,
  SLOTS = 1 << SLOT_BITS,
  LEVELS = 8, /* 8 * 6 bits of ticks hold any 64-bit time */
};

typedef struct neap__timers wheel;

struct neap__timers {
  size_t count;
  uint64_t tick;             /* the first tick that has not expired whole */
  uint64_t alarm;            /* when the loop's alarm is set to ring */
  uint64_t occupied[LEVELS]; /* a bit for each slot that may have timers */
  neap_link slots[LEVELS][SLOTS];
};

static void ring(neap_engine *engine) {
  engine->timers->alarm = NEAP_FOREVER;
  neap__timers_expire(engine);
}

void neap__timers_ring(neap_engine *engine, uint64_t now) {
  if (engine->is_kept) /* `now` is real */
    now = engine->is_virtual ? 0 : neap_now(engine);
  if (now >= engine->timers->alarm)
    ring(engine);
}

int neap__timers_open(neap_engine *engine) {
  wheel *w = neap__alloc(&engine->alloc, sizeof *w);
  if (!w)
    return NEAP_ENOMEM;
  w->tick = neap_now(engine) >> TICK_SHIFT;
  w->alarm = NEAP_FOREVER;
  for (int level = 0; level < LEVELS; level++)
    for (int slot = 0; slot < SLOTS; slot++)
      neap__list_init(&w->slots[level][slot]);
  neap__loop_on_alarm(engine, ring);
  engine->timers = w;
  return 0;
}

static neap_op *op_of(neap_link *link) {
  return NEAP__ITEM(link, neap_op, link);
}

/* Puts a timer into its slot, one that is overdue into the current one. */
static void insert(wheel *w, neap_op *op) {
  uint64_t tick = op->u.deadline >> TICK_SHIFT;
  if (tick < w->tick)
    tick = w->tick;
  uint64_t differing = (tick ^ w->tick) | (SLOTS - 1);
  int level = (63 - __builtin_clzll(differing)) / SLOT_BITS;
  int slot = (int)(tick >> (level * SLOT_BITS)) & (SLOTS - 1);
  neap__list_append(&w->slots[level][slot], &op->link);
  w->occupied[level] |= UINT64_C(1) << slot;
}

/* Finds the first slot that has timers; false when there are none at all. */
static bool first_slot(wheel *w, int *level, int *slot) {
  for (int l = 0; l < LEVELS; l++) {
    while (w->occupied[l]) {
      int s = __builtin_ctzll(w->occupied[l]);
      if (!neap__list_empty(&w->slots[l][s])) {
        *level = l;
        *slot = s;
        return true;
      }
      w->occupied[l] &= ~(UINT64_C(1) << s);
    }
  }
  return false;
}

void neap__timers_close(neap_engine *engine) {
  wheel *w = engine->timers;
  int level, slot;
  engine->timers = NULL;
  while (first_slot(w, &level, &slot))
    neap__ops_forget(&w->slots[level][slot]);
  neap__free(&engine->alloc, w, sizeof *w);
}

/* The first tick of a slot that is not before the current one. */
static uint64_t slot_start(const wheel *w, int level, int slot) {
  int shift = level * SLOT_BITS;
  uint64_t above = w->tick >> shift >> SLOT_BITS << SLOT_BITS;
  return (above | (uint64_t)slot) << shift;
}

/* Sorts a list by deadline and keeps the order of equal ones. This is a merge
 * sort that first looks whether the list is sorted, as it is where all delays
 * are equal. */
static void sort(neap_link *list) {
  neap_link *item = list->next;
  while (item->next != list &&
         op_of(item)->u.deadline <= op_of(item->next)->u.deadline)
    item = item->next;
  if (item == list || item->next == list)
    return;
  neap_link left, right;
  neap__list_init(&left);
  neap__list_init(&right);
  /* Two fingers, one twice as fast: `item` ends in the middle. */
  item = list->next;
  for (neap_link *end = list->next;
       end->next != list && end->next->next != list; end = end->next->next)
    item = item->next;
  right.next = item->next;
  right.prev = list->prev;
  right.next->prev = right.prev->next = &right;
  left.next = list->next;
  left.prev = item;
  left.next->prev = left.prev->next = &left;
  sort(&left);
  sort(&right);
  neap__list_init(list);
  while (!neap__list_empty(&left) && !neap__list_empty(&right)) {
    neap_link *a = left.next, *b = right.next;
    neap_link *least = op_of(b)->u.deadline < op_of(a)->u.deadline ? b : a;
    neap__list_remove(least);
    neap__list_append(list, least);
  }
  neap__list_splice(list, &left);
  neap__list_splice(list, &right);
}

/* Sets the loop's alarm to the end of the first slot, when all of its timers
 * are due, unless the alarm will ring before that. */
static void set_alarm(neap_engine *engine) {
  wheel *w = engine->timers;
  int level, slot;
  if (!first_slot(w, &level, &slot))
    return;
  uint64_t tick = slot_start(w, level, slot) + (level == 0);
  uint64_t at = tick << TICK_SHIFT;
  if (at < w->alarm) {
    w->alarm = at;
    neap__loop_set_alarm(engine, at);
  }
}

/* The caller of `drop` takes the operation out of its list. */
static void drop(neap_op *op) {
  if (op->engine->timers)
    op->engine->timers->count--;
}

int neap_sleep_until(neap_engine *engine, neap_op *op, uint64_t deadline) {
  if (!neap__op_may_start(engine, op))
    return neap__home_fault(engine);
  neap__op_begin(engine, op, drop);
  if (deadline == 0) {
    neap__op_finish(op, 0, 0);
    return 0;
  }
  wheel *w = engine->timers;
  op->u.deadline = deadline;
  if (w->alarm == NEAP_FOREVER) /* there is no other: catch up with the clock */
    w->tick = neap_now(engine) >> TICK_SHIFT;
  w->count++;
  insert(w, op);
  uint64_t latest = (deadline >> TICK_SHIFT) + 1;
  if (latest << TICK_SHIFT < w->alarm)
    set_alarm(engine);
  return 0;
}

/* Ends the timers of a slot that are due at `now`, in order. */
static void finish_due(wheel *w, neap_link *list, uint64_t now) {
  sort(list);
  while (!neap__list_empty(list)) {
    neap_op *op = op_of(list->next);
    if (op->u.deadline > now)
      break;
    w->count--;
    neap__op_finish(op, 0, 0);
  }
}

void neap__timers_expire(neap_engine *engine) {
  wheel *w = engine->timers;
  uint64_t now = neap_now(engine);
  uint64_t target = now >> TICK_SHIFT;
  int level, slot;
  while (first_slot(w, &level, &slot)) {
    uint64_t start = slot_start(w, level, slot);
    neap_link *list = &w->slots[level][slot];
    if (start > target)
      break;
    w->tick = start;
    if (level == 0) {
      finish_due(w, list, now);
      if (start == target)
        break;
      w->tick = start + 1;
    } else {
      neap_link moving;
      neap__list_init(&moving);
      neap__list_splice(&moving, list);
      w->occupied[level] &= ~(UINT64_C(1) << slot);
      while (!neap__list_empty(&moving)) {
        neap_op *op = op_of(moving.next);
        neap__list_remove(&op->link);
        insert(w, op);
      }
    }
  }
  if (target > w->tick)
    w->tick = target;
  set_alarm(engine);
}

/* The clock has been set; it was at `before`. Each timer keeps the rest of its
 * wait. */
static void rebase(neap_engine *engine, uint64_t before) {
  wheel *w = engine->timers;
  uint64_t now = neap_now(engine);
  neap_link all;
  neap__list_init(&all);
  int level, slot;
  while (first_slot(w, &level, &slot))
    neap__list_splice(&all, &w->slots[level][slot]);
  sort(&all);
  w->tick = now >> TICK_SHIFT;
  w->alarm = NEAP_FOREVER;
  while (!neap__list_empty(&all)) {
    neap_op *op = op_of(all.next);
    neap__list_remove(&op->link);
    if (op->u.deadline != NEAP_FOREVER)
      op->u.deadline =
          op->u.deadline > before ? op->u.deadline - before + now : now;
    insert(w, op);
  }
  set_alarm(engine);
}

int neap_set_clock(neap_engine *engine, neap_clock clock) {
  if (!neap__home_allows(engine) || (unsigned)clock > NEAP_CLOCK_HOST)
    return neap__home_fault(engine);
  uint64_t before = neap_now(engine);
  neap__clock_set(engine, clock);
  neap__loop_set_alarm(engine, NEAP_FOREVER);
  rebase(engine, before);
  return 0;
}

int neap_clock_advance(neap_engine *engine, uint64_t ns) {
  if (!neap__home_allows(engine) || engine->is_virtual ||
      !neap_clock_is_stopped(engine) || engine->clock_set != 0)
    return neap__home_fault(engine);
  neap__clock_move(engine, neap__time_after(neap_now(engine), ns));
  neap__timers_expire(engine);
  return 0;
}

int neap_clock_scale(neap_engine *engine, double factor) {
  bool is_real =
      neap__home_allows(engine) && (!engine->is_kept || engine->clock_set != 0);
  if (!is_real || !(factor >= 0 && factor <= NEAP_CLOCK_MAX_SCALE))
    return neap__home_fault(engine);
  uint64_t real = neap__clock_real_now();
  engine->clock_at = neap_now(engine);
  engine->clock_set = real;
  engine->clock_scale = factor;
  engine->is_kept = true;
  engine->timers->alarm = NEAP_FOREVER;
  neap__loop_set_alarm(engine, NEAP_FOREVER);
  neap__timers_expire(engine);
  return 0;
}

size_t neap__timers_count(const neap_engine *engine) {
  return engine->timers->count;
}

uint64_t neap__timers_next(neap_engine *engine) {
  wheel *w = engine->timers;
  int level, slot;
  if (!first_slot(w, &level, &slot))
    return NEAP_FOREVER;
  uint64_t earliest = NEAP_FOREVER;
  neap_link *list = &w->slots[level][slot];
  for (neap_link *item = list->next; item != list; item = item->next)
    if (op_of(item)->u.deadline < earliest)
      earliest = op_of(item)->u.deadline;
  return earliest;
}
