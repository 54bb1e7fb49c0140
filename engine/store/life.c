/* What all stores agree on: when a run goes on, and what two starts have in
 * common.
 * SPDX-License-Identifier: MIT */
#include "life.h"

#include <string.h>

neap_store_status neap__life_after(const neap__life *life, int64_t now) {
  if (life->mark == NEAP_STORE_CANCEL)
    return NEAP_STORE_CANCELLED;
  if (life->mark == NEAP_STORE_PAUSE)
    return NEAP_STORE_PAUSED;
  if (!life->waits && life->due == 0)
    return NEAP_STORE_QUEUED;
  if (life->due > 0 && life->due <= now)
    return NEAP_STORE_QUEUED;
  if (life->waits && life->has_signal)
    return NEAP_STORE_QUEUED;
  return NEAP_STORE_WAITING;
}

static int cancel(neap_store_status *status, neap_store_mark *mark) {
  if (*status == NEAP_STORE_RUNNING)
    *mark = NEAP_STORE_CANCEL;
  else
    *status = NEAP_STORE_CANCELLED;
  return 0;
}

static int pause_run(neap_store_status *status, neap_store_mark *mark) {
  if (*status == NEAP_STORE_RUNNING && *mark == NEAP_STORE_UNMARKED)
    *mark = NEAP_STORE_PAUSE;
  else if (*status == NEAP_STORE_QUEUED || *status == NEAP_STORE_WAITING)
    *status = NEAP_STORE_PAUSED;
  return 0;
}

static int resume(neap_store_status *status, neap_store_mark *mark) {
  if (*status == NEAP_STORE_RUNNING && *mark == NEAP_STORE_PAUSE)
    *mark = NEAP_STORE_UNMARKED;
  else if (*status == NEAP_STORE_PAUSED || *status == NEAP_STORE_STUCK)
    *status = NEAP_STORE_QUEUED;
  else
    return NEAP_EBUSY;
  return 0;
}

static int retry(neap_store_status *status) {
  if (neap__life_is_final(*status))
    return NEAP_EENDED;
  if (!neap__life_is_over(*status))
    return NEAP_EBUSY;
  *status = NEAP_STORE_QUEUED;
  return 0;
}

int neap__life_wish(neap_store_wish wish, neap_store_status *status,
                    neap_store_mark *mark) {
  if (wish == NEAP_STORE_WISH_RETRY)
    return retry(status);
  if (neap__life_is_over(*status))
    return NEAP_EENDED;
  if (wish == NEAP_STORE_WISH_CANCEL)
    return cancel(status, mark);
  return wish == NEAP_STORE_WISH_PAUSE ? pause_run(status, mark)
                                       : resume(status, mark);
}

size_t neap__life_names(const neap_store_save_opts *opts, char *to) {
  size_t size = 0;
  for (size_t i = 0; i < opts->change_count; i++) {
    const neap_store_change *change = &opts->changes[i];
    neap_span name = change->name;
    if (change->kind > NEAP_STORE_GONE || name.size == 0 ||
        memchr(name.bytes, '\0', name.size))
      continue;
    if (to) {
      memcpy(to + size, name.bytes, name.size);
      to[size + name.size] = '\0';
    }
    size += name.size + 1;
  }
  return size;
}

/* Two numbers that take in bytes, each in its way. */
typedef struct digest {
  uint64_t a, b;
} digest;

static uint64_t mix(uint64_t z) {
  z = (z ^ z >> 32) * UINT64_C(0xd6e8feb86659fd93);
  z = (z ^ z >> 29) * UINT64_C(0xa0761d6478bd642f);
  return z ^ z >> 32;
}

static void take_number(digest *d, uint64_t number) {
  d->a = mix(d->a + number + UINT64_C(0x9e3779b97f4a7c15));
  d->b = mix(d->b ^ (number * UINT64_C(0xe7037ed1a0b428db)));
}

static void take(digest *d, const void *bytes, size_t size) {
  const char *at = bytes;
  take_number(d, size);
  while (size > 0) {
    uint64_t word = 0;
    size_t part = size < sizeof word ? size : sizeof word;
    memcpy(&word, at, part);
    take_number(d, word);
    at += part;
    size -= part;
  }
}

void neap__life_digest(const neap_store_start_opts *opts, uint64_t out[2]) {
  digest all = {.a = 1, .b = 2};
  take(&all, opts->flow, strlen(opts->flow));
  take(&all, opts->params.bytes, opts->params.size);
  take_number(&all, (uint64_t)opts->parent);
  take_number(&all, (uint64_t)opts->parent_seq);
  uint64_t sum_a = 0, sum_b = 0;
  for (size_t i = 0; i < opts->var_count; i++) {
    digest one = {.a = 3, .b = 4};
    take(&one, opts->vars[i].name.bytes, opts->vars[i].name.size);
    take(&one, opts->vars[i].value.bytes, opts->vars[i].value.size);
    sum_a += one.a;
    sum_b += one.b;
  }
  take_number(&all, sum_a);
  take_number(&all, sum_b);
  out[0] = all.a;
  out[1] = all.b;
}
