/* The run: loaded from any bytes.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run_host.h"
#include "run_saved.h"

/* Drives what has been loaded from whatever bytes, with what works for it. */
static void drive(neap_run *run, neap_flow *flow, uint64_t *random, int depth) {
  neap_run *children[4] = {0};
  for (int i = 0; i < 40; i++) {
    const neap_step *step = neap_run_step(run);
    *random = host_mix(*random, 5);
    bool forks = step->what == NEAP_DO_FORK || step->what == NEAP_DO_ATTEMPT;
    int at = (int)(*random >> 40) % 4;
    if (forks && depth < 3 && !children[at]) {
      neap_root root =
          step->what == NEAP_DO_FORK ? NEAP_ROOT_WORKER : NEAP_ROOT_ATTEMPT;
      /* That of a worker would have another parent. */
      if (root == NEAP_ROOT_ATTEMPT || step->depth > 0 || depth == 0) {
        children[at] = saved_add(run, flow, root);
        drive(children[at], flow, random, depth + 1);
      }
    }
    saved s;
    neap_run_save(run, s.bytes, SAVED_ROOM, &s.size);
    if (*random % 7 == 0)
      neap_run_fail(run, NULL);
    else if (*random % 5 == 0 && step->what == NEAP_DO_FETCH)
      neap_run_none(run);
    else
      saved_go(run, 1);
  }
  for (int i = 0; i < 4; i++)
    neap_run_free(children[i]);
}

static const char *const fuzzed =
    "F flow start=B post; B batchflow start=A at=2 tries=2; "
    "A flow start=C timeout=9; C exec; P parallel branch=C branch=B; "
    "B > P; N batch exec; P > N; N -x> B; A > C";

/* Saves what runs of that graph are like after some steps. */
static int make_corpus(saved *corpus, int most, text_run *t) {
  saved_build(t, fuzzed);
  for (int i = 0; i < most; i++) {
    neap_run_opts opts = NEAP_RUN_OPTS_INIT;
    neap_run *run;
    assert_int_equal(0, neap_run_new(t->flow, t->nodes[0], &opts, &run));
    saved_go(run, 3);
    neap_run *first = saved_add(run, t->flow, NEAP_ROOT_WORKER);
    saved_go(run, 1);
    saved_go(first, 1 + i % 3);
    neap_run *second = saved_add(run, t->flow, NEAP_ROOT_WORKER);
    saved_go(second, 1 + i / 3 % 3);
    neap_run *attempt = NULL;
    if (neap_run_step(second)->what == NEAP_DO_ATTEMPT) {
      attempt = saved_add(second, t->flow, NEAP_ROOT_ATTEMPT);
      saved_go(attempt, i % 2);
    }
    saved_save(run, &corpus[i]);
    neap_run_free(attempt);
    neap_run_free(second);
    neap_run_free(first);
    neap_run_free(run);
  }
  return most;
}

static unsigned below(uint64_t *random, size_t limit) {
  *random = host_mix(*random, 11);
  return (unsigned)((*random >> 20) % limit);
}

static void mutate(saved *s, const saved *other, uint64_t *random) {
  for (unsigned n = 1 + below(random, 4); n > 0; n--) {
    size_t at = below(random, s->size);
    switch (below(random, 6)) {
    case 0:
      s->bytes[at] ^= (uint8_t)(1u << below(random, 8));
      break;
    case 1:
      s->bytes[at] = (uint8_t)below(random, 256);
      break;
    case 2:
      s->size = at + 1;
      break;
    case 3: /* one byte less */
      memmove(s->bytes + at, s->bytes + at + 1, s->size - at - 1);
      s->size -= s->size > 1;
      break;
    case 4: /* a part again */
      if (s->size * 2 < SAVED_ROOM) {
        size_t part = 1 + below(random, s->size - at);
        memmove(s->bytes + at + part, s->bytes + at, s->size - at);
        s->size += part;
      }
      break;
    default: /* the end of another */
      if (at < other->size) {
        memcpy(s->bytes + at, other->bytes + at, other->size - at);
        s->size = other->size;
      }
    }
  }
}

/* NEAP_TEST_MUTATIONS: how often. */
static void any_bytes_give_a_status_or_a_run(void **state) {
  (void)state;
  enum { CORPUS = 18 };
  static saved corpus[CORPUS];
  const char *wanted = getenv("NEAP_TEST_MUTATIONS");
  long count = wanted ? strtol(wanted, NULL, 10) : 20000, loaded = 0, stuck = 0;
  text_run t;
  int filled = make_corpus(corpus, CORPUS, &t);
  uint64_t random = 7;
  for (long i = 0; i < count; i++) {
    saved s = corpus[below(&random, (size_t)filled)];
    mutate(&s, &corpus[below(&random, (size_t)filled)], &random);
    neap_run *run = NULL;
    neap_saved at = {0};
    while (neap_saved_next(s.bytes, s.size, &at) == 0)
      ;
    /* Exactly as long as it says: what reads past its end is found. */
    uint8_t *bytes = malloc(s.size);
    assert_non_null(bytes);
    memcpy(bytes, s.bytes, s.size);
    int status =
        neap_run_load(t.flow, t.nodes[0], bytes, s.size, NULL, NULL, &run);
    free(bytes);
    assert_true(status == 0 || status == NEAP_EDAMAGED ||
                status == NEAP_ENEWER || status == NEAP_ESTUCK);
    stuck += status == NEAP_ESTUCK;
    if (status < 0)
      continue;
    loaded++;
    drive(run, t.flow, &random, 0);
    neap_run_free(run);
  }
  assert_true(loaded > count / 100);
  assert_true(stuck > count / 100);
  neap_flow_free(t.flow);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(any_bytes_give_a_status_or_a_run),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
