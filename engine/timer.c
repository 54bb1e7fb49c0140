/* Timers: a hierarchical wheel of operations that wait for a time.
 * SPDX-License-Identifier: MIT
 *
 * After G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels",
 * SOSP 1987, scheme 7. Time is cut into ticks of 2^20 ns (about 1 ms). A timer
 * hangs in level 0 when it is due within the current 64 ticks, in level 1 when
 * within the current 64 * 64, and so on; when the clock enters the range of a
 * slot of a higher level, its timers move down. Adding, removing and expiring
 * therefore cost the same however many timers there are.
 *
 * Invariant: in every level above 0 the slot that contains the current tick is
 * empty, so all of a level's timers are due before those of the level above.
 */
#include "timer.h"

#include "alloc.h"
#include "list.h"

enum {
  TICK_SHIFT = 20,
  SLOT_BITS = 6,
  SLOTS = 1 << SLOT_BITS,
  LEVELS = 8, /* 8 * 6 bits of ticks hold any 64-bit time */
};

struct neap__timers {
  neap_loop *loop;
  size_t count;
  uint64_t tick;             /* the first tick that has not expired whole */
  uint64_t alarm;            /* when the loop's alarm is set to ring */
  uint64_t occupied[LEVELS]; /* a bit for each slot that may have timers */
  neap_link slots[LEVELS][SLOTS];
};

static void ring(void *ud) {
  neap__timers *timers = ud;
  timers->alarm = NEAP_FOREVER;
  neap__timers_expire(timers);
}

int neap__timers_new(neap_loop *loop, neap__timers **out) {
  neap__timers *timers = neap__alloc(neap__loop_alloc(loop), sizeof *timers);
  if (!timers)
    return NEAP_ENOMEM;
  timers->loop = loop;
  timers->tick = neap__loop_now(loop) >> TICK_SHIFT;
  timers->alarm = NEAP_FOREVER;
  for (int level = 0; level < LEVELS; level++)
    for (int slot = 0; slot < SLOTS; slot++)
      neap__list_init(&timers->slots[level][slot]);
  neap__loop_on_alarm(loop, ring, timers);
  *out = timers;
  return 0;
}

static neap_op *op_of(neap_link *link) {
  return NEAP__ITEM(link, neap_op, link);
}

/* Hangs a timer into its slot, one that is overdue into the current one. */
static void hang(neap__timers *timers, neap_op *op) {
  uint64_t tick = op->u.deadline >> TICK_SHIFT;
  if (tick < timers->tick)
    tick = timers->tick;
  uint64_t differing = (tick ^ timers->tick) | (SLOTS - 1);
  int level = (63 - __builtin_clzll(differing)) / SLOT_BITS;
  int slot = (int)(tick >> (level * SLOT_BITS)) & (SLOTS - 1);
  neap__list_append(&timers->slots[level][slot], &op->link);
  timers->occupied[level] |= UINT64_C(1) << slot;
}

/* Finds the first slot that has timers; false when there are none at all. */
static bool first_slot(neap__timers *timers, int *level, int *slot) {
  for (int l = 0; l < LEVELS; l++) {
    while (timers->occupied[l]) {
      int s = __builtin_ctzll(timers->occupied[l]);
      if (!neap__list_empty(&timers->slots[l][s])) {
        *level = l;
        *slot = s;
        return true;
      }
      timers->occupied[l] &= ~(UINT64_C(1) << s);
    }
  }
  return false;
}

void neap__timers_free(neap__timers *timers) {
  if (!timers)
    return;
  int level, slot;
  while (first_slot(timers, &level, &slot))
    neap_op_forget(op_of(timers->slots[level][slot].next));
  neap__free(neap__loop_alloc(timers->loop), timers, sizeof *timers);
}

/* The first tick of a slot that is not before the current one. */
static uint64_t slot_start(const neap__timers *timers, int level, int slot) {
  int shift = level * SLOT_BITS;
  uint64_t above = timers->tick >> shift >> SLOT_BITS << SLOT_BITS;
  return (above | (uint64_t)slot) << shift;
}

/* Sorts a list by deadline, equal ones as they were: a merge sort that first
 * sees whether there is anything to do, as with equal delays there is not. */
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

/* Sets the loop's alarm to the end of the first slot, unless it rings sooner
 * anyway: then all timers of that slot are due. */
static void set_alarm(neap__timers *timers) {
  int level, slot;
  if (!first_slot(timers, &level, &slot))
    return;
  uint64_t tick = slot_start(timers, level, slot) + (level == 0);
  uint64_t at = tick << TICK_SHIFT;
  if (at < timers->alarm) {
    timers->alarm = at;
    neap__loop_set_alarm(timers->loop, at);
  }
}

/* The caller of `drop` takes the operation out of its list. */
static void drop(neap_op *op) {
  neap__timers *timers = neap__loop_alarm_user(op->loop);
  timers->count--;
}

void neap__timers_add(neap__timers *timers, neap_op *op, uint64_t deadline) {
  neap__op_begin(timers->loop, op, drop);
  if (deadline == 0) {
    neap__op_finish(op, 0, 0);
    return;
  }
  op->u.deadline = deadline;
  if (timers->alarm == NEAP_FOREVER) /* none hangs: catch up with the clock */
    timers->tick = neap__loop_now(timers->loop) >> TICK_SHIFT;
  timers->count++;
  hang(timers, op);
  uint64_t latest = (deadline >> TICK_SHIFT) + 1;
  if (latest << TICK_SHIFT < timers->alarm)
    set_alarm(timers);
}

/* Ends those of a slot that are due at `now`, in order; the others stay. */
static void finish_due(neap__timers *timers, neap_link *list, uint64_t now) {
  sort(list);
  while (!neap__list_empty(list)) {
    neap_op *op = op_of(list->next);
    if (op->u.deadline > now)
      break;
    timers->count--;
    neap__op_finish(op, 0, 0);
  }
}

void neap__timers_expire(neap__timers *timers) {
  uint64_t now = neap__loop_now(timers->loop);
  uint64_t target = now >> TICK_SHIFT;
  int level, slot;
  while (first_slot(timers, &level, &slot)) {
    uint64_t start = slot_start(timers, level, slot);
    neap_link *list = &timers->slots[level][slot];
    if (start > target)
      break;
    timers->tick = start;
    if (level == 0) {
      finish_due(timers, list, now);
      if (start == target)
        break;
      timers->tick = start + 1;
    } else {
      neap_link moving;
      neap__list_init(&moving);
      neap__list_splice(&moving, list);
      timers->occupied[level] &= ~(UINT64_C(1) << slot);
      while (!neap__list_empty(&moving)) {
        neap_op *op = op_of(moving.next);
        neap__list_remove(&op->link);
        hang(timers, op);
      }
    }
  }
  if (target > timers->tick)
    timers->tick = target;
  set_alarm(timers);
}

void neap__timers_rebase(neap__timers *timers, uint64_t before) {
  uint64_t now = neap__loop_now(timers->loop);
  neap_link all;
  neap__list_init(&all);
  int level, slot;
  while (first_slot(timers, &level, &slot))
    neap__list_splice(&all, &timers->slots[level][slot]);
  sort(&all);
  timers->tick = now >> TICK_SHIFT;
  timers->alarm = NEAP_FOREVER;
  while (!neap__list_empty(&all)) {
    neap_op *op = op_of(all.next);
    neap__list_remove(&op->link);
    if (op->u.deadline != NEAP_FOREVER)
      op->u.deadline =
          op->u.deadline > before ? op->u.deadline - before + now : now;
    hang(timers, op);
  }
  set_alarm(timers);
}

size_t neap__timers_count(const neap__timers *timers) {
  return timers->count;
}

uint64_t neap__timers_next(neap__timers *timers) {
  int level, slot;
  if (!first_slot(timers, &level, &slot))
    return NEAP_FOREVER;
  uint64_t earliest = NEAP_FOREVER;
  neap_link *list = &timers->slots[level][slot];
  for (neap_link *item = list->next; item != list; item = item->next)
    if (op_of(item)->u.deadline < earliest)
      earliest = op_of(item)->u.deadline;
  return earliest;
}
