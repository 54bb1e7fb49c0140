/* Tokens: numbers by which any thread sends word to an engine.
 * SPDX-License-Identifier: MIT
 *
 * A token is the place of a slot in a table, and a stamp, which the slot
 * changes whenever its token becomes stale. The stamps of an engine begin at
 * numbers drawn by chance. So a token that another engine has given, of this
 * program or an earlier one, fits a slot of this engine once in 10^12 times at
 * most.
 *
 * The table is guarded by a lock, held for a few instructions. A slot that has
 * word to be handed on is in a list through the slots, so that sending needs no
 * memory.
 */
#include "token.h"

#include <string.h>

#include "base/alloc.h"
#include "engine.h"
#include "home.h"

/* A token has the number of its slot, from 1, in its low bits. */
enum { INDEX_BITS = 24, STAMP_BITS = 64 - INDEX_BITS };

#define MAX_SLOTS ((UINT32_C(1) << INDEX_BITS) - 1)
#define STAMPS    (UINT64_C(1) << STAMP_BITS)

enum state {
  FREE, /* in the list of free slots */
  OPEN,
  SENT,         /* in the list of those with word */
  SENT_IN_VAIN, /* the same, but the token has been closed */
  ARRIVED,
};

typedef struct neap__slot {
  uint64_t stamp;
  neap__addressee *to;
  uint32_t next; /* the number of the next slot in its list; 0: none */
  int status;
  uint8_t state, kind;
} slot;

/* Splitmix64, by which one number becomes many. */
static uint64_t mix(uint64_t z) {
  z += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

int neap__tokens_open(neap_engine *engine) {
  if (uv_mutex_init(&engine->token_lock) < 0)
    return NEAP_ESYS;
  atomic_init(&engine->has_word, false);
  /* No two engines that are there at once have the same address, and those that
   * have it one after the other are made at different times. */
  engine->token_key = mix(uv_hrtime()) ^ mix((uintptr_t)engine);
  return 0;
}

void neap__tokens_close(neap_engine *engine) {
  neap__free(&engine->alloc, engine->slots,
             engine->slot_capacity * sizeof *engine->slots);
  uv_mutex_destroy(&engine->token_lock);
}

/* Makes room for more slots. Only the engine's thread changes the table, so it
 * may read that without the lock. */
static int grow(neap_engine *engine) {
  uint32_t old = engine->slot_capacity;
  if (old == MAX_SLOTS)
    return NEAP_ENOMEM;
  uint32_t capacity = old < 4 ? 8 : old > MAX_SLOTS / 2 ? MAX_SLOTS : 2 * old;
  slot *slots = neap__alloc(&engine->alloc, capacity * sizeof *slots);
  if (!slots)
    return NEAP_ENOMEM;
  for (uint32_t i = old; i < capacity; i++) {
    slots[i].stamp = mix(engine->token_key + i) % STAMPS;
    slots[i].next = i + 1 < capacity ? i + 2 : 0;
  }
  slot *replaced = engine->slots;
  uv_mutex_lock(&engine->token_lock);
  if (replaced)
    memcpy(slots, replaced, old * sizeof *slots);
  engine->slots = slots;
  engine->slot_capacity = capacity;
  uv_mutex_unlock(&engine->token_lock);
  engine->free_slot = old + 1;
  neap__free(&engine->alloc, replaced, old * sizeof *replaced);
  return 0;
}

int neap__token_open(neap_engine *engine, neap__addressee *to,
                     neap__token_kind kind) {
  if (engine->free_slot == 0) {
    int status = grow(engine);
    if (status < 0)
      return status;
  }
  uint32_t number = engine->free_slot;
  uv_mutex_lock(&engine->token_lock);
  slot *s = &engine->slots[number - 1];
  engine->free_slot = s->next;
  s->to = to;
  s->next = 0;
  s->state = OPEN;
  s->kind = (uint8_t)kind;
  to->token = s->stamp << INDEX_BITS | number;
  uv_mutex_unlock(&engine->token_lock);
  return 0;
}

/* Puts a slot, whose token is stale, in the list of free ones. */
static void release(neap_engine *engine, slot *s) {
  s->state = FREE;
  s->next = engine->free_slot;
  engine->free_slot = (uint32_t)(s - engine->slots) + 1;
}

void neap__token_close(neap_engine *engine, neap__addressee *to) {
  if (to->token == 0)
    return;
  if (neap__home_is_left(engine)) {
    to->token = 0; /* a thread of the parent's may have had the lock */
    return;
  }
  uv_mutex_lock(&engine->token_lock);
  slot *s = &engine->slots[(to->token & MAX_SLOTS) - 1];
  s->stamp = (s->stamp + 1) % STAMPS;
  s->to = NULL;
  if (s->state == SENT)
    s->state = SENT_IN_VAIN;
  else
    release(engine, s);
  uv_mutex_unlock(&engine->token_lock);
  to->token = 0;
}

/* The slot of a token; NULL when it is stale. */
static slot *find(neap_engine *engine, neap_token token) {
  uint32_t number = (uint32_t)(token & MAX_SLOTS);
  if (number == 0 || number > engine->slot_capacity)
    return NULL;
  slot *s = &engine->slots[number - 1];
  bool open = s->state != FREE && s->state != SENT_IN_VAIN;
  return open && s->stamp == token >> INDEX_BITS ? s : NULL;
}

int neap__token_send(neap_engine *engine, neap_token token,
                     neap__token_kind kind, int status) {
  if (neap__home_is_left(engine))
    return NEAP_EFORK;
  uv_mutex_lock(&engine->token_lock);
  slot *s = find(engine, token);
  int result = !s ? NEAP_ESTALE : s->kind != kind ? NEAP_EINVAL : 0;
  bool first = result == 0 && s->state == OPEN;
  if (first) {
    uint32_t number = (uint32_t)(s - engine->slots) + 1;
    s->state = SENT;
    s->status = status;
    s->next = 0;
    if (engine->last_word == 0)
      engine->first_word = number;
    else
      engine->slots[engine->last_word - 1].next = number;
    engine->last_word = number;
    atomic_store_explicit(&engine->has_word, true, memory_order_release);
  }
  uv_mutex_unlock(&engine->token_lock);
  if (first)
    neap_wake(engine);
  return result;
}

void neap__tokens_receive(neap_engine *engine) {
  if (!atomic_load_explicit(&engine->has_word, memory_order_acquire))
    return;
  uv_mutex_lock(&engine->token_lock);
  atomic_store_explicit(&engine->has_word, false, memory_order_relaxed);
  uint32_t number = engine->first_word;
  engine->first_word = engine->last_word = 0;
  while (number != 0) {
    slot *s = &engine->slots[number - 1];
    number = s->next;
    s->next = 0;
    if (s->state == SENT_IN_VAIN) {
      release(engine, s);
    } else {
      s->state = ARRIVED;
      s->to->arrive(s->to, s->status);
    }
  }
  uv_mutex_unlock(&engine->token_lock);
}
