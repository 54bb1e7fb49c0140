/* The tables that an encoder has met, and those that it has met again.
 * SPDX-License-Identifier: MIT */
#include "seen.h"

#include <string.h>

#include "head.h"
#include "values.h"

/* A place where a table was met again. */
struct again {
  size_t at;
  uint32_t table;
};

/* The tag SHARED. */
static const char mark[] = {'\xD8', NEAPL_CBOR_SHARED};

enum { FIRST_SLOTS = 64 };

static neapL_cbor_table *tables_of(const neapL_cbor_seen *seen) {
  return (neapL_cbor_table *)(void *)seen->tables.bytes;
}

neapL_cbor_table *neapL_cbor_seen_at(const neapL_cbor_seen *seen,
                                     uint32_t number) {
  return &tables_of(seen)[number];
}

uint32_t neapL_cbor_seen_count(const neapL_cbor_seen *seen) {
  return (uint32_t)(seen->tables.used / sizeof(neapL_cbor_table));
}

/* Makes room for one more item of `size` bytes. */
static bool reserve(lua_State *L, neapL_cbor_block *block, size_t size) {
  enum { FIRST_ITEMS = 16 };
  if (block->size - block->used >= size)
    return true;
  size_t more = block->size > 0 ? block->size : FIRST_ITEMS * size;
  return neapL_cbor_block_grow(L, block, block->used + more);
}

/* Makes `count` slots, all empty. */
static bool empty_slots(lua_State *L, neapL_cbor_seen *seen, uint32_t count) {
  size_t size = count * sizeof(uint32_t);
  if (!neapL_cbor_block_grow(L, &seen->slots, size))
    return false;
  memset(seen->slots.bytes, 0, size);
  seen->mask = count - 1;
  return true;
}

bool neapL_cbor_seen_begin(lua_State *L, neapL_cbor_seen *seen) {
  seen->tables.used = seen->again.used = 0;
  return empty_slots(L, seen, FIRST_SLOTS);
}

/* Returns the slot of a table, or the empty one that it belongs into. */
static uint32_t *find_slot(const neapL_cbor_seen *seen, const void *table) {
  static const uint64_t odd = UINT64_C(0x9E3779B97F4A7C15);
  uint32_t *slots = (uint32_t *)(void *)seen->slots.bytes;
  uint32_t slot = (uint32_t)(((uintptr_t)table >> 4) * odd >> 32);
  for (;; slot++) {
    uint32_t *found = &slots[slot & seen->mask];
    if (*found == 0 || tables_of(seen)[*found - 1].table == table)
      return found;
  }
}

/* Makes more slots when half of them are taken. */
static bool spread(lua_State *L, neapL_cbor_seen *seen) {
  uint32_t count = neapL_cbor_seen_count(seen);
  if (count <= seen->mask / 2)
    return true;
  if (!empty_slots(L, seen, (seen->mask + 1) * 4))
    return false;
  for (uint32_t i = 0; i < count; i++)
    *find_slot(seen, tables_of(seen)[i].table) = i + 1;
  return true;
}

neapL_cbor_table *neapL_cbor_seen_meet(lua_State *L, neapL_cbor_seen *seen,
                                       const void *table, size_t at,
                                       uint32_t variable, bool *ok) {
  if (!reserve(L, &seen->tables, sizeof(neapL_cbor_table)) ||
      !spread(L, seen)) {
    *ok = false;
    return NULL;
  }
  uint32_t *slot = find_slot(seen, table);
  if (*slot != 0)
    return &tables_of(seen)[*slot - 1];
  uint32_t count = neapL_cbor_seen_count(seen);
  tables_of(seen)[count] =
      (neapL_cbor_table){.table = table, .at = at, .variable = variable};
  seen->tables.used += sizeof(neapL_cbor_table);
  *slot = count + 1;
  return NULL;
}

bool neapL_cbor_seen_refer(lua_State *L, neapL_cbor_seen *seen,
                           neapL_cbor_table *table, size_t at) {
  if (!reserve(L, &seen->again, sizeof(struct again)))
    return false;
  table->again = true;
  uint32_t number = (uint32_t)(table - tables_of(seen));
  struct again *again = (struct again *)(void *)seen->again.bytes;
  again[seen->again.used / sizeof(*again)] = (struct again){at, number};
  seen->again.used += sizeof(*again);
  return true;
}

/* Numbers the tables from `first` on that were met again. Returns how many
 * there are. */
static uint32_t number_tables(const neapL_cbor_seen *seen, uint32_t first) {
  uint32_t number = 0, count = neapL_cbor_seen_count(seen);
  for (uint32_t i = first; i < count; i++)
    if (tables_of(seen)[i].again)
      tables_of(seen)[i].number = number++;
  return number;
}

/* Bytes that are moved towards the end, from the last to the first. Those from
 * `from` on are moved already; they begin at `to` now. */
struct move {
  char *bytes;
  size_t from, to;
};

/* Moves the bytes from `at` on, without the first `skipped` of them, and puts
 * others before them. */
static void put_before(struct move *move, size_t at, size_t skipped,
                       const char *bytes, size_t size) {
  size_t rest = move->from - at - skipped;
  move->to -= rest;
  memmove(move->bytes + move->to, move->bytes + at + skipped, rest);
  move->to -= size;
  memcpy(move->bytes + move->to, bytes, size);
  move->from = at;
}

/* Writes a reference to the item of a number, and returns its size. */
static size_t write_reference(char *out, uint32_t number) {
  size_t size = neapL_cbor_head(out, NEAPL_CBOR_TAG, NEAPL_CBOR_AGAIN);
  return size + neapL_cbor_head(out + size, NEAPL_CBOR_POSITIVE, number);
}

bool neapL_cbor_seen_weave(lua_State *L, neapL_cbor_seen *seen, uint32_t first,
                           neapL_cbor_block *bytes) {
  size_t refer = seen->again.used / sizeof(struct again);
  if (refer == 0)
    return true;
  char reference[2 * NEAPL_CBOR_HEAD];
  const struct again *again = (struct again *)(void *)seen->again.bytes;
  size_t more = number_tables(seen, first) * sizeof(mark);
  for (size_t i = 0; i < refer; i++)
    more +=
        write_reference(reference, tables_of(seen)[again[i].table].number) - 1;
  if (!neapL_cbor_block_grow(L, bytes, bytes->used + more))
    return false;

  struct move move = {bytes->bytes, bytes->used, bytes->used + more};
  uint32_t table = neapL_cbor_seen_count(seen);
  while (move.from < move.to) {
    while (table > first && !tables_of(seen)[table - 1].again)
      table--;
    const neapL_cbor_table *last =
        table > first ? &tables_of(seen)[table - 1] : NULL;
    if (last == NULL || (refer > 0 && again[refer - 1].at > last->at)) {
      const struct again *met = &again[--refer];
      size_t size =
          write_reference(reference, tables_of(seen)[met->table].number);
      put_before(&move, met->at, 1, reference, size);
    } else {
      put_before(&move, last->at, 0, mark, sizeof(mark));
      table--;
    }
  }
  bytes->used += more;
  seen->again.used = 0;
  return true;
}

void neapL_cbor_seen_trim(lua_State *L, neapL_cbor_seen *seen, size_t most) {
  neapL_cbor_block_trim(L, &seen->tables, most);
  neapL_cbor_block_trim(L, &seen->again, most);
  neapL_cbor_block_trim(L, &seen->slots, most);
}
