/* Random programs, driven by slices and polls as it comes: each operation ends
 * once, as it does when the engine is only polled.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "neap.h"
#include "server.h"

#define MS UINT64_C(1000000)

enum { OPS = 400, PROGRAMS = 300, REQUESTS = 24, ROUNDS = 15 };

typedef enum kind { SLEEP, HOLD, OWE, GET, HANG, KINDS } kind;

typedef struct item {
  neap_op op;
  kind kind;
  uint64_t seed; /* decides what its `done` does, however it is driven */
  neap_http_response *response;
  int calls, status;
  bool is_preempted; /* its `done` has still to be called once more */
} item;

/* What a program has done: the numbers of the operations, in order. */
typedef struct story {
  int order[2 * OPS];
  int statuses[2 * OPS];
  int count;
} story;

static failing_state memory;
static server *peer;
static neap_engine *engine;
static item items[OPS];
static int made;
static bool may_preempt;
static story told;
static uint64_t seed;

/* xorshift64* */
static uint64_t next(uint64_t *state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * UINT64_C(2685821657736338717);
}

static uint64_t below(uint64_t *state, uint64_t limit) {
  return (next(state) >> 32) % limit;
}

static void done(neap_op *op);

static void begin(uint64_t of_seed, bool has_http) {
  if (made == OPS)
    return;
  item *it = &items[made++];
  uint64_t random = of_seed * 2 + 1;
  next(&random);
  *it = (item){.seed = random, .kind = (kind)below(&random, KINDS)};
  neap_op_init(&it->op, done, it);
  /* The virtual clock would wait for what others owe. */
  if (!has_http && it->kind >= OWE)
    it->kind = SLEEP;
  neap_http_opts opts = NEAP_HTTP_OPTS_INIT;
  char url[64];
  switch (it->kind) {
  case SLEEP:
    neap_sleep_until(engine, &it->op,
                     neap_now(engine) + below(&random, 30) * MS / 2);
    break;
  case HOLD:
    neap_op_hold(engine, &it->op);
    break;
  case OWE:
    neap_owe(engine, &it->op);
    break;
  default:
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s", server_port(peer),
             it->kind == GET ? "hello" : "hang");
    opts.url = url;
    assert_int_equal(0, neap_http_send(engine, &it->op, &opts, &it->response));
    break;
  }
}

/* Ends one of those that do not end by themselves, or any. */
static void disturb(uint64_t *random, bool any) {
  for (int i = 0; i < made; i++) {
    item *it = &items[(i + (int)below(random, OPS)) % made];
    if (!neap_op_active(&it->op) || (!any && it->kind == GET))
      continue;
    neap_op_cancel(&it->op, any ? NEAP_ECANCELED : NEAP_ETIMEDOUT);
    return;
  }
}

static void done(neap_op *op) {
  item *it = op->data;
  if (!it->is_preempted) {
    it->calls++;
    it->status = op->status;
    told.order[told.count] = (int)(it - items);
    told.statuses[told.count++] = op->status;
    assert_in_range(told.count, 1, OPS);
  }
  uint64_t random = it->seed + 7;
  next(&random);
  if (may_preempt && !it->is_preempted && below(&random, 4) == 0 &&
      neap_slice_deadline(engine) != 0) {
    assert_int_equal(0, neap_preempt(engine, op));
    it->is_preempted = true;
    return;
  }
  it->is_preempted = false;
  random = it->seed;
  for (uint64_t left = below(&random, 3); left > 0; left--)
    begin(next(&random), it->kind >= GET);
  if (below(&random, 3) == 0)
    disturb(&random, false);
  if (below(&random, 8) == 0)
    neap_break(engine);
}

/* Drives the engine a little, in a way that is chosen. */
static void drive(uint64_t *random, bool only_polls) {
  switch (only_polls ? 0 : below(random, 4)) {
  case 0:
    assert_true(
        neap_poll(engine, only_polls ? 10 * MS : below(random, 2) * MS) >= 0);
    break;
  case 1:
    assert_true(neap_slice(engine, 1, NULL) >= 0);
    break;
  default:
    assert_true(neap_slice(engine, below(random, 100000) + 1, NULL) >= 0);
  }
}

static void play(uint64_t program, bool only_polls, story *out) {
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.alloc = failing_alloc(&memory, 0);
  opts.clock = NEAP_CLOCK_VIRTUAL;
  assert_int_equal(0, neap_engine_new(&opts, &engine));
  uint64_t random = program * 2 + 1, driving = seed + program;
  made = 0;
  told.count = 0;
  may_preempt = !only_polls;
  for (int i = 0; i < 12; i++)
    begin(next(&random), false);
  /* What is held is settled, when nothing else is left to do. */
  for (int idle = 0; idle < 3;) {
    int before = told.count;
    drive(&driving, only_polls);
    bool is_moving = told.count > before || neap_timeout_ms(engine) == 0;
    idle = is_moving ? 0 : idle + 1;
    if (idle < 2)
      continue;
    for (int i = 0; i < made; i++)
      if (neap_op_active(&items[i].op)) {
        neap_op_settle(&items[i].op, 0);
        idle = 0;
        break;
      }
  }
  assert_int_equal(0, neap_pending(engine));
  for (int i = 0; i < made; i++)
    assert_int_equal(1, items[i].calls);
  neap_engine_free(engine);
  assert_int_equal(0, memory.live);
  *out = told;
}

static void they_tell_the_same_story(void **state) {
  (void)state;
  static story polled, sliced;
  for (uint64_t i = 0; i < PROGRAMS; i++) {
    play(i, true, &polled);
    play(i, false, &sliced);
    if (polled.count != sliced.count ||
        memcmp(polled.order, sliced.order,
               (size_t)polled.count * sizeof *polled.order) != 0 ||
        memcmp(polled.statuses, sliced.statuses,
               (size_t)polled.count * sizeof *polled.order) != 0)
      fail_msg("program %d", (int)i);
  }
}

/* The order of answers is up to the peer, but not how each ends. */
static void requests_are_not_lost(void **state) {
  (void)state;
  peer = server_start();
  assert_non_null(peer);
  for (uint64_t round = 0; round < ROUNDS; round++) {
    neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
    opts.alloc = failing_alloc(&memory, 0);
    opts.http_library = NEAP_TEST_HTTP_LIBRARY;
    assert_int_equal(0, neap_engine_new(&opts, &engine));
    uint64_t random = seed + round * 2 + 1;
    made = 0;
    told.count = 0;
    may_preempt = true;
    for (int i = 0; i < REQUESTS; i++)
      begin(next(&random), true);
    for (int turns = 0; neap_pending(engine) > 0; turns++) {
      drive(&random, false);
      if (below(&random, 20) == 0)
        disturb(&random, true);
      if (turns > 300) /* those that hang */
        disturb(&random, false);
    }
    int ended = 0;
    for (int i = 0; i < made; i++) {
      item *it = &items[i];
      ended += it->calls;
      if (it->kind != HOLD || it->calls > 0)
        assert_int_equal(1, it->calls);
      if (it->kind == HANG)
        assert_true(it->status == NEAP_ECANCELED ||
                    it->status == NEAP_ETIMEDOUT);
      if (it->kind == GET && it->status != NEAP_ECANCELED) {
        assert_int_equal(0, it->status);
        assert_int_equal(200, neap_http_status(it->response));
      }
      neap_http_free(it->response);
      neap_op_forget(&it->op);
    }
    assert_int_equal(told.count, ended);
    neap_engine_free(engine);
    assert_int_equal(0, memory.live);
  }
  server_stop(peer);
}

int main(int argc, char **argv) {
  seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(they_tell_the_same_story),
      cmocka_unit_test(requests_are_not_lost),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
