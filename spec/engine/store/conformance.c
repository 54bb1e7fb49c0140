/* What every store has to do, as a list of cases that take a store.
 *
 * It is one long list, so that you see at a glance what is asked of a store.
 * SPDX-License-Identifier: MIT */
#include "store/conformance.h"

#include <stdlib.h>

#include "store/scene.h"

/* ---- Steps that many cases have ------------------------------------------ */

typedef struct claimed {
  int64_t run, seq;
  uint8_t token[16];
} claimed;

static int start(scene *s, const char *id) {
  neap_store_start_opts o = NEAP_STORE_START_OPTS_INIT;
  o.id = id;
  o.flow = "tide";
  return CALL(neap_store_start, &o);
}

static int join(scene *s, const char *owner) {
  neap_store_join_opts o = NEAP_STORE_JOIN_OPTS_INIT;
  o.owner = owner;
  o.lease = 3000;
  return CALL(neap_store_join, &o);
}

/* Claims from the default queue. */
static int claim(scene *s, const char *owner, uint32_t room) {
  neap_store_room rooms = {.queue = "default", .room = room};
  return CALL(neap_store_claim, owner, &rooms, 1);
}

/* What is needed to save the run of the last claim. */
static claimed held(scene *s) {
  const neap_store_run *run = first_run(s);
  CHECK(run != NULL);
  claimed c = {.run = run->number, .seq = run->seq};
  memcpy(c.token, run->token, sizeof c.token);
  return c;
}

/* A run that "a" has claimed. */
static claimed claimed_run(scene *s, const char *id) {
  EQUAL(0, start(s, id));
  int status = join(s, "a");
  CHECK(status == 0 || status == NEAP_EEXISTS);
  EQUAL(0, claim(s, "a", 1));
  EQUAL(1, neap_store_run_count(s->result));
  CHECK(strcmp(id, first_run(s)->id) == 0);
  return held(s);
}

static neap_store_save_opts save_of(const claimed *c) {
  neap_store_save_opts o = NEAP_STORE_SAVE_OPTS_INIT;
  o.run = c->run;
  o.seq = c->seq;
  memcpy(o.token, c->token, sizeof o.token);
  o.status = NEAP_STORE_RUNNING;
  return o;
}

static int save(scene *s, claimed *c, const neap_store_save_opts *o) {
  int status = CALL(neap_store_save, o);
  if (status == 0)
    c->seq = neap_store_number(s->result);
  return status;
}

/* Saves with one change of a variable or part. */
static int save_change(scene *s, claimed *c, neap_store_change_kind kind,
                       const char *name, const char *value, bool values) {
  neap_store_save_opts o = save_of(c);
  neap_store_change change = {
      .kind = kind, .name = span_of(name), .value = span_of(value)};
  o.changes = &change;
  o.change_count = 1;
  o.node = "node";
  o.values = values;
  return save(s, c, &o);
}

static int save_status(scene *s, claimed *c, neap_store_status status) {
  neap_store_save_opts o = save_of(c);
  o.status = status;
  o.keep = 1000;
  return save(s, c, &o);
}

static int wait_for(scene *s, claimed *c, const char *signal, int64_t delay) {
  neap_store_save_opts o = save_of(c);
  o.status = NEAP_STORE_WAITING;
  o.waits = signal;
  o.delay = delay;
  return save(s, c, &o);
}

static const neap_store_run *read_at(scene *s, const char *id, int64_t seq) {
  EQUAL(0, CALL(neap_store_read, id, 15, seq));
  EQUAL(1, neap_store_run_count(s->result));
  return first_run(s);
}

static const neap_store_run *read_run(scene *s, const char *id) {
  return read_at(s, id, -1);
}

static void expect_status(scene *s, const char *id, neap_store_status status) {
  EQUAL(status, read_run(s, id)->status);
}

/* The value of a variable or part; NULL when there is none. */
static const neap_span *find_in(const neap_store_value *values, size_t count,
                                neap_span name) {
  for (size_t i = 0; i < count; i++)
    if (values[i].name.size == name.size &&
        (name.size == 0 ||
         memcmp(values[i].name.bytes, name.bytes, name.size) == 0))
      return &values[i].value;
  return NULL;
}

static const neap_span *var_of(const neap_store_run *run, const char *name) {
  return find_in(run->vars, run->var_count, span_of(name));
}

static const neap_span *part_of(const neap_store_run *run, const char *name) {
  return find_in(run->parts, run->part_count, span_of(name));
}

static bool var_is(const neap_store_run *run, const char *name,
                   const char *value) {
  const neap_span *var = var_of(run, name);
  return var && is_text(*var, value);
}

static int send(scene *s, const char *id, const char *name, const char *dedupe,
                const char *value) {
  return CALL(neap_store_send, id, name, dedupe, span_of(value));
}

static int wish(scene *s, const char *id, neap_store_wish what) {
  return CALL(neap_store_wish_for, id, what, span_of("because"), 1000);
}

static int due(scene *s) {
  return CALL(neap_store_due, 0);
}

/* Has all that is asked go the second way, or the first again. */
static void change_ways(scene *s) {
  neap_store *store = s->store;
  s->store = s->other;
  s->other = store;
}

/* ---- Values -------------------------------------------------------------- */

enum { VALUES = 9 };

/* Bytes of every sort. They are freed with the scene. */
static neap_span value_at(int which, char *large) {
  static const char all_bytes[] = "\0\1\2 neap \377\376\200 \xc3\x28 '\";--\n";
  switch (which) {
  case 0:
    return (neap_span){.bytes = "", .size = 0};
  case 1:
    return (neap_span){.bytes = "\0", .size = 1};
  case 2:
    return (neap_span){.bytes = all_bytes, .size = sizeof all_bytes - 1};
  case 3:
    return span_of("plain");
  case 4:
    return span_of("null");
  case 5:
    return span_of("12345678901234567890");
  case 6:
    return (neap_span){.bytes = large, .size = 4095};
  case 7:
    return (neap_span){.bytes = large, .size = 65536};
  default:
    return (neap_span){.bytes = large, .size = 1500000};
  }
}

enum { PLACES = 9 };

static const char *const places[PLACES] = {
    "variable at start",
    "variable saved",
    "name of a variable",
    "part",
    "params",
    "frames",
    "signal",
    "result",
    "appended variable",
};

/* Puts a value in its place and says what comes back. */
static neap_span carry(scene *s, neap_span value) {
  const char *id = "r";
  neap_store_start_opts o = NEAP_STORE_START_OPTS_INIT;
  neap_store_value var = {.name = span_of("v"), .value = value};
  o.id = id;
  o.flow = "tide";
  o.vars = &var;
  o.var_count = s->place == 0;
  if (s->place == 4)
    o.params = value;
  EQUAL(0, CALL(neap_store_start, &o));
  EQUAL(0, join(s, "a"));
  EQUAL(0, claim(s, "a", 1));
  claimed c = held(s);
  neap_store_save_opts save_opts = save_of(&c);
  neap_store_change changes[2] = {
      {.kind = NEAP_STORE_SET, .name = span_of("v"), .value = value}};
  save_opts.changes = changes;
  if (s->place == 1 || s->place == 2 || s->place == 3 || s->place == 8)
    save_opts.change_count = 1;
  if (s->place == 2) {
    changes[0].name = value;
    changes[0].value = value;
  } else if (s->place == 3) {
    changes[0].kind = NEAP_STORE_PART;
  } else if (s->place == 5) {
    save_opts.frames = value;
  } else if (s->place == 7) {
    save_opts.result = value;
  } else if (s->place == 8) {
    size_t half = value.size / 2;
    changes[0].value.size = half;
    changes[1] = (neap_store_change){
        .kind = NEAP_STORE_APPEND,
        .name = span_of("v"),
        .value = {.bytes = value.bytes + half, .size = value.size - half}};
    save_opts.change_count = 2;
  }
  EQUAL(0, save(s, &c, &save_opts));
  if (s->place == 6)
    EQUAL(0, CALL(neap_store_send, id, "n", NULL, value));
  change_ways(s);
  const neap_store_run *run = read_run(s, id);
  const neap_span *found = NULL;
  switch (s->place) {
  case 2:
    found = find_in(run->vars, run->var_count, value);
    break;
  case 3:
    found = part_of(run, "v");
    break;
  case 4:
    return run->params;
  case 5:
    return run->frames;
  case 6:
    EQUAL(1, run->signal_count);
    return run->signals[0].value;
  case 7:
    return run->result;
  default:
    found = var_of(run, "v");
  }
  CHECK(found != NULL);
  return *found;
}

static void values_come_back(scene *s) {
  char *large = malloc(1500000);
  CHECK(large != NULL);
  uint32_t seed = 7;
  for (int i = 0; i < 1500000; i++)
    large[i] = (char)((seed = seed * 1664525 + 1013904223) >> 24);
  neap_span value = value_at(s->which, large), got = carry(s, value);
  bool same =
      got.size == value.size &&
      (value.size == 0 || memcmp(got.bytes, value.bytes, got.size) == 0);
  free(large);
  CHECK(same);
}

/* ---- Starting ------------------------------------------------------------ */

static void starting_makes_a_run(scene *s) {
  neap_store_start_opts o = NEAP_STORE_START_OPTS_INIT;
  neap_store_tag tags[] = {{"topic", "tides"}, {"lang", "en"}};
  o.id = "r";
  o.flow = "tide";
  o.version = 7;
  o.queue = "q";
  o.priority = 3;
  o.keep = 99;
  o.tags = tags;
  o.tag_count = 2;
  s->now = 5000;
  EQUAL(0, CALL(neap_store_start, &o));
  EQUAL(0, neap_store_number(s->result));
  CHECK(first_run(s)->number > 0);
  EQUAL(5000, neap_store_time(s->result));
  change_ways(s);
  const neap_store_run *run = read_run(s, "r");
  CHECK(strcmp("r", run->id) == 0 && strcmp("tide", run->flow) == 0);
  CHECK(strcmp("q", run->queue) == 0 && !run->owner);
  EQUAL(7, run->version);
  EQUAL(NEAP_STORE_QUEUED, run->status);
  EQUAL(3, run->priority);
  EQUAL(0, run->seq);
  EQUAL(0, run->claims);
  EQUAL(99, run->keep);
  EQUAL(5000, run->created);
  EQUAL(0, run->keep_until);
  EQUAL(0, run->due);
  EQUAL(2, run->tag_count);
}

static void starting_again_is_starting_once(scene *s) {
  EQUAL(0, start(s, "r"));
  int64_t number = first_run(s)->number;
  change_ways(s);
  EQUAL(0, start(s, "r"));
  EQUAL(1, neap_store_number(s->result));
  EQUAL(number, first_run(s)->number);
  neap_store_list_opts o = NEAP_STORE_LIST_OPTS_INIT;
  EQUAL(0, CALL(neap_store_count, &o));
  EQUAL(1, neap_store_number(s->result));
}

static int start_with(scene *s, const char *flow, const char *params,
                      const char *name, const char *value) {
  neap_store_start_opts o = NEAP_STORE_START_OPTS_INIT;
  neap_store_value vars[] = {{span_of(name), span_of(value)},
                             {span_of("b"), span_of("2")}};
  o.id = "r";
  o.flow = flow;
  o.params = span_of(params);
  o.vars = vars;
  o.var_count = 2;
  return CALL(neap_store_start, &o);
}

static void another_start_under_an_id_is_refused(scene *s) {
  EQUAL(0, start_with(s, "tide", "p", "a", "1"));
  EQUAL(0, start_with(s, "tide", "p", "a", "1"));
  EQUAL(NEAP_EEXISTS, start_with(s, "tide2", "p", "a", "1"));
  EQUAL(NEAP_EEXISTS, start_with(s, "tide", "q", "a", "1"));
  EQUAL(NEAP_EEXISTS, start_with(s, "tide", "p", "c", "1"));
  EQUAL(NEAP_EEXISTS, start_with(s, "tide", "p", "a", "3"));
  CHECK(var_is(read_run(s, "r"), "a", "1"));
}

static void the_order_of_variables_is_no_difference(scene *s) {
  neap_store_start_opts o = NEAP_STORE_START_OPTS_INIT;
  neap_store_value vars[] = {{span_of("b"), span_of("2")},
                             {span_of("a"), span_of("1")}};
  EQUAL(0, start_with(s, "tide", "p", "a", "1"));
  o.id = "r";
  o.flow = "tide";
  o.params = span_of("p");
  o.vars = vars;
  o.var_count = 2;
  EQUAL(0, CALL(neap_store_start, &o));
}

static void a_run_that_has_ended_still_has_its_id(scene *s) {
  claimed c = claimed_run(s, "r");
  EQUAL(0, save_status(s, &c, NEAP_STORE_DONE));
  EQUAL(0, start(s, "r"));
  EQUAL(1, neap_store_number(s->result));
  EQUAL(NEAP_STORE_DONE, first_run(s)->status);
}

static void a_full_queue_takes_no_more(scene *s) {
  neap_store_start_opts o = NEAP_STORE_START_OPTS_INIT;
  o.id = "1";
  o.flow = "tide";
  o.max_queued = 2;
  EQUAL(0, CALL(neap_store_start, &o));
  o.id = "2";
  EQUAL(0, CALL(neap_store_start, &o));
  o.id = "3";
  EQUAL(NEAP_EFULL, CALL(neap_store_start, &o));
  EQUAL(NEAP_ENORUN, CALL(neap_store_read, "3", 0, -1));
  o.id = "2";
  EQUAL(0, CALL(neap_store_start, &o));
  o.id = "3";
  o.queue = "another";
  EQUAL(0, CALL(neap_store_start, &o));
}

static void a_delayed_run_waits(scene *s) {
  neap_store_start_opts o = NEAP_STORE_START_OPTS_INIT;
  o.id = "r";
  o.flow = "tide";
  o.delay = 500;
  s->now = 1000;
  EQUAL(0, CALL(neap_store_start, &o));
  const neap_store_run *run = read_run(s, "r");
  EQUAL(NEAP_STORE_WAITING, run->status);
  EQUAL(1500, run->due);
  EQUAL(0, join(s, "a"));
  EQUAL(0, claim(s, "a", 10));
  EQUAL(0, neap_store_run_count(s->result));
  s->now = 1499;
  EQUAL(0, due(s));
  EQUAL(0, neap_store_number(s->result));
  EQUAL(1500, neap_store_row_at(s->result, 0)->time);
  s->now = 1500;
  EQUAL(0, due(s));
  EQUAL(1, neap_store_number(s->result));
  EQUAL(0, neap_store_row_at(s->result, 0)->time);
  EQUAL(0, claim(s, "a", 10));
  EQUAL(1, neap_store_run_count(s->result));
}

static void wrong_starts_are_refused(scene *s) {
  neap_store_start_opts o = NEAP_STORE_START_OPTS_INIT;
  o.flow = "tide";
  EQUAL(NEAP_EINVAL, CALL(neap_store_start, &o));
  o.id = "";
  EQUAL(NEAP_EINVAL, CALL(neap_store_start, &o));
  o.id = "r";
  o.priority = 10;
  EQUAL(NEAP_EINVAL, CALL(neap_store_start, &o));
  o.priority = 0;
  o.delay = -1;
  EQUAL(NEAP_EINVAL, CALL(neap_store_start, &o));
  o.delay = 0;
  o.var_count = 1;
  EQUAL(NEAP_EINVAL, CALL(neap_store_start, &o));
  EQUAL(NEAP_EINVAL, CALL(neap_store_start, NULL));
  EQUAL(NEAP_ENORUN, CALL(neap_store_read, "r", 0, -1));
}

/* ---- Claims -------------------------------------------------------------- */

static void a_claim_gives_all_that_a_run_has(scene *s) {
  neap_store_start_opts o = NEAP_STORE_START_OPTS_INIT;
  neap_store_value var = {span_of("v"), span_of("1")};
  neap_store_value part = {span_of("p"), span_of("2")};
  o.id = "r";
  o.flow = "tide";
  o.version = 4;
  o.vars = &var;
  o.var_count = 1;
  o.parts = &part;
  o.part_count = 1;
  o.frames = span_of("frames");
  o.params = span_of("params");
  EQUAL(0, CALL(neap_store_start, &o));
  EQUAL(0, send(s, "r", "n", NULL, "3"));
  EQUAL(0, join(s, "a"));
  EQUAL(0, claim(s, "a", 5));
  EQUAL(1, neap_store_run_count(s->result));
  const neap_store_run *run = first_run(s);
  CHECK(strcmp("r", run->id) == 0 && strcmp("tide", run->flow) == 0);
  EQUAL(NEAP_STORE_RUNNING, run->status);
  EQUAL(4, run->version);
  EQUAL(1, run->claims);
  CHECK(run->owner && strcmp("a", run->owner) == 0);
  CHECK(is_text(run->frames, "frames") && is_text(run->params, "params"));
  CHECK(var_is(run, "v", "1"));
  CHECK(part_of(run, "p") && is_text(*part_of(run, "p"), "2"));
  EQUAL(1, run->signal_count);
  CHECK(is_text(run->signals[0].value, "3"));
  CHECK(strcmp("n", run->signals[0].name) == 0);
  EQUAL(1, run->unread);
}

static void a_run_is_claimed_once(scene *s) {
  claimed_run(s, "r");
  change_ways(s);
  EQUAL(0, join(s, "b"));
  EQUAL(0, claim(s, "b", 10));
  EQUAL(0, neap_store_run_count(s->result));
}

static void no_more_is_claimed_than_there_is_room_for(scene *s) {
  char id[8];
  for (int i = 0; i < 5; i++) {
    snprintf(id, sizeof id, "r%d", i);
    EQUAL(0, start(s, id));
  }
  EQUAL(0, join(s, "a"));
  EQUAL(0, claim(s, "a", 0));
  EQUAL(0, neap_store_run_count(s->result));
  EQUAL(0, claim(s, "a", 3));
  EQUAL(3, neap_store_run_count(s->result));
  EQUAL(0, claim(s, "a", 3));
  EQUAL(2, neap_store_run_count(s->result));
}

static int start_in(scene *s, const char *id, const char *queue, int priority) {
  neap_store_start_opts o = NEAP_STORE_START_OPTS_INIT;
  o.id = id;
  o.flow = "tide";
  o.queue = queue;
  o.priority = priority;
  return CALL(neap_store_start, &o);
}

/* Whether the runs of a result are these, one letter each, in this order. */
static void expect_ids(scene *s, const char *ids) {
  EQUAL(strlen(ids), neap_store_run_count(s->result));
  for (size_t i = 0; ids[i]; i++)
    CHECK(ids[i] == neap_store_run_at(s->result, i)->id[0]);
}

static void priorities_come_first_then_age(scene *s) {
  s->now = 10;
  EQUAL(0, start_in(s, "a", "default", 0));
  EQUAL(0, start_in(s, "b", "default", 9));
  s->now = 20;
  EQUAL(0, start_in(s, "c", "default", 5));
  EQUAL(0, start_in(s, "d", "default", 9));
  EQUAL(0, start_in(s, "e", "default", 0));
  EQUAL(0, join(s, "a"));
  EQUAL(0, claim(s, "a", 10));
  expect_ids(s, "bdcae");
}

static void what_waited_longer_comes_first(scene *s) {
  neap_store_start_opts o = NEAP_STORE_START_OPTS_INIT;
  s->now = 1000;
  o.id = "a";
  o.flow = "tide";
  o.delay = 300;
  EQUAL(0, CALL(neap_store_start, &o));
  o.id = "b";
  o.delay = 100;
  EQUAL(0, CALL(neap_store_start, &o));
  s->now = 1200;
  EQUAL(0, start(s, "c"));
  s->now = 1400;
  EQUAL(0, due(s)); /* "a" and "b" get in line by their times */
  EQUAL(0, join(s, "a"));
  EQUAL(0, claim(s, "a", 10));
  expect_ids(s, "bca");
}

static void claims_look_at_their_queues_only(scene *s) {
  EQUAL(0, start_in(s, "a", "x", 0));
  EQUAL(0, start_in(s, "b", "y", 0));
  EQUAL(0, start_in(s, "c", "z", 0));
  EQUAL(0, join(s, "a"));
  neap_store_room rooms[] = {{"y", 1}, {"x", 5}, {"none", 5}};
  EQUAL(0, CALL(neap_store_claim, "a", rooms, 3));
  expect_ids(s, "ba");
}

static void only_a_worker_can_claim(scene *s) {
  EQUAL(0, start(s, "r"));
  EQUAL(NEAP_EFENCED, claim(s, "stranger", 1));
  expect_status(s, "r", NEAP_STORE_QUEUED);
}

static void tokens_differ(scene *s) {
  claimed first = claimed_run(s, "r");
  neap_store_held back = {.run = first.run};
  memcpy(back.token, first.token, sizeof back.token);
  EQUAL(0, CALL(neap_store_release, &back, 1));
  EQUAL(1, neap_store_number(s->result));
  EQUAL(0, claim(s, "a", 1));
  claimed second = held(s);
  EQUAL(first.run, second.run);
  CHECK(memcmp(first.token, second.token, sizeof first.token) != 0);
  neap_store_save_opts o = save_of(&first);
  EQUAL(NEAP_EFENCED, save(s, &first, &o));
  o = save_of(&second);
  EQUAL(0, save(s, &second, &o));
}

static void claims_without_progress_are_counted(scene *s) {
  claimed c = claimed_run(s, "r");
  for (int i = 2; i <= 4; i++) {
    s->now += 10000;
    EQUAL(0, due(s));
    char owner[2] = {(char)('a' + i), 0};
    EQUAL(0, join(s, owner));
    EQUAL(0, claim(s, owner, 1));
    c = held(s);
    EQUAL(i, first_run(s)->claims);
  }
  neap_store_save_opts o = save_of(&c);
  o.stays = true;
  EQUAL(0, save(s, &c, &o));
  EQUAL(4, read_run(s, "r")->claims);
  o = save_of(&c);
  EQUAL(0, save(s, &c, &o));
  EQUAL(0, read_run(s, "r")->claims);
}

static void a_claim_given_back_does_not_count(scene *s) {
  claimed c = claimed_run(s, "r");
  neap_store_held back[2] = {{.run = c.run}, {.run = c.run}};
  memcpy(back[0].token, c.token, sizeof c.token);
  EQUAL(0, CALL(neap_store_release, back, 2));
  EQUAL(1, neap_store_number(s->result));
  EQUAL(0, read_run(s, "r")->claims);
  expect_status(s, "r", NEAP_STORE_QUEUED);
  EQUAL(0, claim(s, "a", 1));
  EQUAL(1, first_run(s)->claims);
}

/* ---- Saves --------------------------------------------------------------- */

static void a_save_moves_a_run_on(scene *s) {
  claimed c = claimed_run(s, "r");
  neap_store_save_opts o = save_of(&c);
  o.frames = span_of("there");
  EQUAL(0, save(s, &c, &o));
  EQUAL(1, c.seq);
  EQUAL(NEAP_STORE_RUNNING, first_run(s)->status);
  o = save_of(&c);
  o.frames = span_of("further");
  EQUAL(0, save(s, &c, &o));
  change_ways(s);
  const neap_store_run *run = read_run(s, "r");
  EQUAL(2, run->seq);
  CHECK(is_text(run->frames, "further"));
}

static void a_save_of_another_seq_is_refused(scene *s) {
  claimed c = claimed_run(s, "r");
  neap_store_save_opts o = save_of(&c);
  EQUAL(0, CALL(neap_store_save, &o));
  EQUAL(NEAP_EFENCED, CALL(neap_store_save, &o));
  o.seq = 2;
  EQUAL(NEAP_EFENCED, CALL(neap_store_save, &o));
  EQUAL(1, read_run(s, "r")->seq);
}

static void a_save_of_another_token_is_refused(scene *s) {
  claimed c = claimed_run(s, "r");
  neap_store_save_opts o = save_of(&c);
  neap_store_change change = {NEAP_STORE_SET, span_of("v"), span_of("1")};
  o.token[15] ^= 1;
  o.changes = &change;
  o.change_count = 1;
  EQUAL(NEAP_EFENCED, CALL(neap_store_save, &o));
  EQUAL(0, read_run(s, "r")->var_count);
  o.run = 12345;
  EQUAL(NEAP_EFENCED, CALL(neap_store_save, &o));
}

static void variables_are_set_and_removed(scene *s) {
  claimed c = claimed_run(s, "r");
  EQUAL(0, save_change(s, &c, NEAP_STORE_SET, "a", "1", false));
  EQUAL(0, save_change(s, &c, NEAP_STORE_SET, "b", "2", false));
  EQUAL(0, save_change(s, &c, NEAP_STORE_SET, "a", "3", false));
  EQUAL(0, save_change(s, &c, NEAP_STORE_GONE, "b", "", false));
  EQUAL(0, save_change(s, &c, NEAP_STORE_GONE, "none", "", false));
  const neap_store_run *run = read_run(s, "r");
  EQUAL(1, run->var_count);
  CHECK(var_is(run, "a", "3"));
  EQUAL(0, save_change(s, &c, NEAP_STORE_SET, "b", "4", false));
  CHECK(var_is(read_run(s, "r"), "b", "4"));
}

static void variables_grow(scene *s) {
  claimed c = claimed_run(s, "r");
  EQUAL(0, save_change(s, &c, NEAP_STORE_APPEND, "a", "1", s->which));
  EQUAL(0, save_change(s, &c, NEAP_STORE_APPEND, "a", "2", s->which));
  EQUAL(0, save_change(s, &c, NEAP_STORE_APPEND, "ab", "x", s->which));
  CHECK(var_is(read_run(s, "r"), "a", "12"));
  EQUAL(0, save_change(s, &c, NEAP_STORE_SET, "a", "3", s->which));
  EQUAL(0, save_change(s, &c, NEAP_STORE_APPEND, "a", "4", s->which));
  EQUAL(0, save_change(s, &c, NEAP_STORE_APPEND, "a", "5", s->which));
  CHECK(var_is(read_run(s, "r"), "a", "345"));
  EQUAL(0, save_change(s, &c, NEAP_STORE_GONE, "a", "", s->which));
  CHECK(!var_of(read_run(s, "r"), "a"));
  EQUAL(0, save_change(s, &c, NEAP_STORE_APPEND, "a", "6", s->which));
  CHECK(var_is(read_run(s, "r"), "a", "6"));
  CHECK(var_is(read_run(s, "r"), "ab", "x"));
}

static void changes_of_a_save_are_made_in_order(scene *s) {
  claimed c = claimed_run(s, "r");
  neap_store_save_opts o = save_of(&c);
  neap_store_change changes[] = {
      {NEAP_STORE_SET, span_of("a"), span_of("1")},
      {NEAP_STORE_APPEND, span_of("a"), span_of("2")},
      {NEAP_STORE_APPEND, span_of("a"), span_of("3")},
      {NEAP_STORE_SET, span_of("b"), span_of("1")},
      {NEAP_STORE_SET, span_of("b"), span_of("2")},
      {NEAP_STORE_SET, span_of("c"), span_of("1")},
      {NEAP_STORE_GONE, span_of("c"), span_of("")},
      {NEAP_STORE_PART, span_of("p"), span_of("1")},
      {NEAP_STORE_PARTS_GONE, span_of("p"), span_of("")},
      {NEAP_STORE_PART, span_of("p2"), span_of("2")},
  };
  o.changes = changes;
  o.change_count = sizeof changes / sizeof *changes;
  o.values = s->which;
  o.node = "n";
  EQUAL(0, save(s, &c, &o));
  const neap_store_run *run = read_run(s, "r");
  CHECK(var_is(run, "a", "123") && var_is(run, "b", "2") && !var_of(run, "c"));
  EQUAL(1, run->part_count);
  CHECK(part_of(run, "p2") != NULL);
}

static void parts_are_removed_by_how_they_begin(scene *s) {
  claimed c = claimed_run(s, "r");
  static const char *const names[] = {"a", "a.1", "a.2", "ab", "b", "a\377z"};
  for (int i = 0; i < 6; i++)
    EQUAL(0, save_change(s, &c, NEAP_STORE_PART, names[i], "1", false));
  EQUAL(0, save_change(s, &c, NEAP_STORE_PART, "b", "2", false));
  EQUAL(6, read_run(s, "r")->part_count);
  CHECK(is_text(*part_of(first_run(s), "b"), "2"));
  EQUAL(0, save_change(s, &c, NEAP_STORE_PARTS_GONE, "a.", "", false));
  EQUAL(4, read_run(s, "r")->part_count);
  EQUAL(0, save_change(s, &c, NEAP_STORE_PARTS_GONE, "a\377", "", false));
  EQUAL(3, read_run(s, "r")->part_count);
  CHECK(part_of(first_run(s), "ab") != NULL);
  EQUAL(0, save_change(s, &c, NEAP_STORE_PARTS_GONE, "", "", false));
  EQUAL(0, read_run(s, "r")->part_count);
}

static void the_flow_version_can_change(scene *s) {
  claimed c = claimed_run(s, "r");
  neap_store_save_opts o = save_of(&c);
  o.version = 5;
  EQUAL(0, save(s, &c, &o));
  EQUAL(0, read_run(s, "r")->version);
  o = save_of(&c);
  o.version = 5;
  o.has_flow_version = true;
  EQUAL(0, save(s, &c, &o));
  EQUAL(5, read_run(s, "r")->version);
}

static void a_run_that_ends_has_no_owner(scene *s) {
  claimed c = claimed_run(s, "r");
  EQUAL(0, save_change(s, &c, NEAP_STORE_PART, "p", "1", false));
  neap_store_save_opts o = save_of(&c);
  neap_store_status status = (neap_store_status)s->which;
  o.status = status;
  o.keep = 2000;
  o.result = span_of("action");
  s->now = 10000;
  EQUAL(0, save(s, &c, &o));
  const neap_store_run *run = read_run(s, "r");
  EQUAL(status, run->status);
  CHECK(!run->owner);
  EQUAL(12000, run->keep_until);
  CHECK(is_text(run->result, "action"));
  bool keeps_parts =
      status == NEAP_STORE_FAILED || status == NEAP_STORE_POISONED;
  EQUAL(keeps_parts, run->part_count);
  o = save_of(&c);
  EQUAL(NEAP_EFENCED, save(s, &c, &o));
  EQUAL(0, due(s));
  s->now = 100000;
  EQUAL(0, due(s));
  expect_status(s, "r", status);
}

static void a_run_can_be_given_up_by_a_save(scene *s) {
  claimed c = claimed_run(s, "r");
  EQUAL(0, save_status(s, &c, NEAP_STORE_QUEUED));
  EQUAL(NEAP_STORE_QUEUED, first_run(s)->status);
  EQUAL(0, claim(s, "a", 1));
  c = held(s);
  EQUAL(0, save_status(s, &c, NEAP_STORE_STUCK));
  expect_status(s, "r", NEAP_STORE_STUCK);
  EQUAL(0, claim(s, "a", 1));
  EQUAL(0, neap_store_run_count(s->result));
}

/* ---- Waiting and signals ------------------------------------------------- */

static void signals_come_in_order(scene *s) {
  EQUAL(0, start(s, "r"));
  static const char *const values[] = {"1", "2", "3"};
  int64_t last = 0;
  for (int i = 0; i < 3; i++) {
    s->now = 100 + i;
    EQUAL(0, send(s, "r", i == 1 ? "other" : "n", NULL, values[i]));
    CHECK(neap_store_number(s->result) > last);
    last = neap_store_number(s->result);
    EQUAL(i + 1, first_run(s)->unread);
  }
  const neap_store_run *run = read_run(s, "r");
  EQUAL(3, run->signal_count);
  for (int i = 0; i < 3; i++) {
    CHECK(is_text(run->signals[i].value, values[i]));
    EQUAL(100 + i, run->signals[i].at);
  }
  CHECK(strcmp("other", run->signals[1].name) == 0);
}

static void a_signal_sent_twice_is_one(scene *s) {
  EQUAL(0, start(s, "r"));
  EQUAL(0, send(s, "r", "n", "k1", "1"));
  int64_t number = neap_store_number(s->result);
  change_ways(s);
  EQUAL(0, send(s, "r", "n", "k1", "2"));
  EQUAL(number, neap_store_number(s->result));
  EQUAL(0, send(s, "r", "n", "k2", "3"));
  EQUAL(0, send(s, "r", "n", NULL, "4"));
  EQUAL(0, send(s, "r", "n", NULL, "4"));
  const neap_store_run *run = read_run(s, "r");
  EQUAL(4, run->signal_count);
  CHECK(is_text(run->signals[0].value, "1"));
}

static void a_repeated_signal_is_known_after_the_end(scene *s) {
  claimed c = claimed_run(s, "r");
  EQUAL(0, send(s, "r", "n", "k1", "1"));
  EQUAL(0, save_status(s, &c, NEAP_STORE_DONE));
  EQUAL(0, send(s, "r", "n", "k1", "1"));
  EQUAL(NEAP_EENDED, send(s, "r", "n", "k2", "1"));
  EQUAL(NEAP_EENDED, send(s, "r", "n", NULL, "1"));
}

static void signals_to_no_run_are_refused(scene *s) {
  EQUAL(NEAP_ENORUN, send(s, "none", "n", NULL, "1"));
}

static void a_signal_wakes_who_waits_for_it(scene *s) {
  claimed c = claimed_run(s, "r");
  EQUAL(0, wait_for(s, &c, "go", 0));
  EQUAL(NEAP_STORE_WAITING, first_run(s)->status);
  EQUAL(0, claim(s, "a", 1));
  EQUAL(0, neap_store_run_count(s->result));
  EQUAL(0, send(s, "r", "other", NULL, "1"));
  EQUAL(NEAP_STORE_WAITING, first_run(s)->status);
  s->now += 100000;
  EQUAL(0, due(s));
  expect_status(s, "r", NEAP_STORE_WAITING);
  EQUAL(0, send(s, "r", "go", NULL, "2"));
  EQUAL(NEAP_STORE_QUEUED, first_run(s)->status);
  EQUAL(0, join(s, "b"));
  EQUAL(0, claim(s, "b", 1));
  EQUAL(1, neap_store_run_count(s->result));
  EQUAL(2, first_run(s)->signal_count);
}

static void a_signal_that_is_there_is_not_waited_for(scene *s) {
  claimed c = claimed_run(s, "r");
  EQUAL(0, send(s, "r", "go", NULL, "1"));
  EQUAL(0, wait_for(s, &c, "other", 0));
  EQUAL(NEAP_STORE_WAITING, first_run(s)->status);
  EQUAL(0, send(s, "r", "other", NULL, "1"));
  EQUAL(0, claim(s, "a", 1));
  c = held(s);
  EQUAL(0, wait_for(s, &c, "go", 60000));
  EQUAL(NEAP_STORE_QUEUED, first_run(s)->status);
}

static void a_signal_is_used_up_by_the_save_that_takes_it(scene *s) {
  claimed c = claimed_run(s, "r");
  EQUAL(0, send(s, "r", "go", NULL, "1"));
  int64_t number = neap_store_number(s->result);
  EQUAL(0, send(s, "r", "go", NULL, "2"));
  neap_store_save_opts o = save_of(&c);
  o.taken = number;
  o.seq++;
  EQUAL(NEAP_EFENCED, save(s, &c, &o));
  EQUAL(2, read_run(s, "r")->signal_count);
  o.seq--;
  EQUAL(0, save(s, &c, &o));
  EQUAL(1, first_run(s)->unread);
  const neap_store_run *run = read_run(s, "r");
  EQUAL(1, run->signal_count);
  CHECK(is_text(run->signals[0].value, "2"));
  o = save_of(&c);
  o.taken = number;
  EQUAL(0, save(s, &c, &o));
  EQUAL(1, first_run(s)->unread);
}

static void a_wait_ends_at_its_time(scene *s) {
  s->now = 1000;
  claimed c = claimed_run(s, "r");
  EQUAL(0, wait_for(s, &c, "go", 5000));
  EQUAL(6000, read_run(s, "r")->due);
  CHECK(strcmp("go", first_run(s)->waits) == 0);
  s->now = 5999;
  EQUAL(0, due(s));
  expect_status(s, "r", NEAP_STORE_WAITING);
  s->now = 6000;
  EQUAL(0, due(s));
  expect_status(s, "r", NEAP_STORE_QUEUED);
  EQUAL(0, join(s, "b"));
  EQUAL(0, claim(s, "b", 1));
  EQUAL(0, first_run(s)->due);
  CHECK(!first_run(s)->waits);
}

static void an_owner_may_wait(scene *s) {
  claimed c = claimed_run(s, "r");
  neap_store_save_opts o = save_of(&c);
  o.waits = "go";
  o.delay = 60000;
  EQUAL(0, save(s, &c, &o));
  expect_status(s, "r", NEAP_STORE_RUNNING);
  neap_store_list_opts list = NEAP_STORE_LIST_OPTS_INIT;
  list.statuses = 1u << NEAP_STORE_WAITING;
  EQUAL(0, CALL(neap_store_list, &list));
  EQUAL(1, neap_store_run_count(s->result));
  s->now += 4000; /* the owner has died: the run waits on */
  EQUAL(0, due(s));
  expect_status(s, "r", NEAP_STORE_WAITING);
  EQUAL(0, send(s, "r", "go", NULL, "1"));
  expect_status(s, "r", NEAP_STORE_QUEUED);
}

static void many_waits_end_in_their_order(scene *s) {
  neap_store_start_opts o = NEAP_STORE_START_OPTS_INIT;
  static const int delays[] = {700, 100, 500, 300, 900, 200, 800};
  char id[2] = "a";
  for (int i = 0; i < 7; i++, id[0]++) {
    o.id = id;
    o.flow = "tide";
    o.delay = delays[i];
    EQUAL(0, CALL(neap_store_start, &o));
  }
  EQUAL(0, join(s, "w"));
  s->now += 500;
  EQUAL(0, due(s));
  EQUAL(4, neap_store_number(s->result));
  EQUAL(0, claim(s, "w", 9));
  expect_ids(s, "bfdc");
  s->now += 1000;
  EQUAL(0, CALL(neap_store_due, 2));
  EQUAL(0, claim(s, "w", 9));
  expect_ids(s, "ag");
}

/* ---- Workers ------------------------------------------------------------- */

static void runs_of_a_silent_worker_are_queued_again(scene *s) {
  s->now = 1000;
  claimed c = claimed_run(s, "r");
  s->now = 4000;
  change_ways(s);
  EQUAL(0, due(s));
  expect_status(s, "r", NEAP_STORE_RUNNING);
  s->now = 4001;
  EQUAL(0, due(s));
  EQUAL(1, neap_store_number(s->result));
  expect_status(s, "r", NEAP_STORE_QUEUED);
  change_ways(s);
  neap_store_save_opts o = save_of(&c);
  EQUAL(NEAP_EFENCED, save(s, &c, &o));
  EQUAL(NEAP_EFENCED, CALL(neap_store_beat, "a", 3000));
  EQUAL(NEAP_EFENCED, claim(s, "a", 1));
}

static void a_beat_keeps_the_lease(scene *s) {
  claimed_run(s, "r");
  for (int i = 0; i < 5; i++) {
    s->now += 2000;
    EQUAL(0, CALL(neap_store_beat, "a", 3000));
    EQUAL(0, neap_store_run_count(s->result));
    EQUAL(0, due(s));
  }
  expect_status(s, "r", NEAP_STORE_RUNNING);
}

static void a_beat_brings_news(scene *s) {
  claimed_run(s, "r");
  claimed_run(s, "q");
  EQUAL(0, send(s, "r", "n", NULL, "1"));
  CHECK(first_run(s)->owner && strcmp("a", first_run(s)->owner) == 0);
  EQUAL(0, wish(s, "q", NEAP_STORE_WISH_CANCEL));
  EQUAL(0, CALL(neap_store_beat, "a", 3000));
  EQUAL(2, neap_store_run_count(s->result));
  for (int i = 0; i < 2; i++) {
    const neap_store_run *run = neap_store_run_at(s->result, (size_t)i);
    bool is_q = strcmp("q", run->id) == 0;
    EQUAL(is_q ? NEAP_STORE_CANCEL : NEAP_STORE_UNMARKED, run->mark);
    EQUAL(!is_q, run->unread);
    CHECK(!is_q || is_text(run->reason, "because"));
  }
  EQUAL(0, CALL(neap_store_beat, "a", 3000));
  EQUAL(2, neap_store_run_count(s->result));
}

static void a_worker_that_leaves_gives_all_back(scene *s) {
  claimed_run(s, "r");
  claimed_run(s, "q");
  EQUAL(0, CALL(neap_store_leave, "a"));
  EQUAL(2, neap_store_number(s->result));
  expect_status(s, "r", NEAP_STORE_QUEUED);
  EQUAL(0, read_run(s, "r")->claims);
  EQUAL(NEAP_EFENCED, CALL(neap_store_beat, "a", 3000));
  EQUAL(0, CALL(neap_store_leave, "a"));
  EQUAL(0, CALL_ALONE(neap_store_workers));
  EQUAL(0, neap_store_row_count(s->result));
}

static void workers_are_listed(scene *s) {
  claimed_run(s, "r");
  EQUAL(0, join(s, "b"));
  EQUAL(0, CALL_ALONE(neap_store_workers));
  EQUAL(2, neap_store_row_count(s->result));
  int64_t runs = 0;
  for (size_t i = 0; i < 2; i++) {
    const neap_store_row *row = neap_store_row_at(s->result, i);
    runs += row->number;
    EQUAL(s->now + 3000, row->time);
    EQUAL(strcmp("a", row->name) == 0, row->number);
  }
  EQUAL(1, runs);
}

static void a_name_of_a_worker_is_used_once(scene *s) {
  EQUAL(0, join(s, "a"));
  change_ways(s);
  EQUAL(NEAP_EEXISTS, join(s, "a"));
}

/* ---- Wishes -------------------------------------------------------------- */

static void a_run_without_owner_is_cancelled_at_once(scene *s) {
  EQUAL(0, start(s, "r"));
  s->now = 10000;
  EQUAL(0, wish(s, "r", NEAP_STORE_WISH_CANCEL));
  EQUAL(NEAP_STORE_CANCELLED, first_run(s)->status);
  const neap_store_run *run = read_run(s, "r");
  CHECK(is_text(run->result, "because"));
  EQUAL(11000, run->keep_until);
  EQUAL(NEAP_EENDED, wish(s, "r", NEAP_STORE_WISH_CANCEL));
  EQUAL(NEAP_EENDED, wish(s, "r", NEAP_STORE_WISH_RETRY));
  EQUAL(NEAP_ENORUN, wish(s, "none", NEAP_STORE_WISH_CANCEL));
}

static void an_owner_learns_that_it_shall_cancel(scene *s) {
  claimed c = claimed_run(s, "r");
  EQUAL(0, wish(s, "r", NEAP_STORE_WISH_CANCEL));
  EQUAL(NEAP_STORE_RUNNING, first_run(s)->status);
  EQUAL(NEAP_STORE_CANCEL, first_run(s)->mark);
  neap_store_save_opts o = save_of(&c);
  EQUAL(0, save(s, &c, &o));
  EQUAL(NEAP_STORE_CANCEL, first_run(s)->mark);
  CHECK(is_text(first_run(s)->reason, "because"));
  EQUAL(0, save_status(s, &c, NEAP_STORE_CANCELLED));
  const neap_store_run *run = read_run(s, "r");
  EQUAL(NEAP_STORE_CANCELLED, run->status);
  EQUAL(NEAP_STORE_UNMARKED, run->mark);
}

static void a_marked_run_that_is_given_up_is_cancelled(scene *s) {
  claimed c = claimed_run(s, "r");
  s->now = 10000;
  EQUAL(0, CALL(neap_store_beat, "a", 3000));
  EQUAL(0, wish(s, "r", NEAP_STORE_WISH_CANCEL));
  if (s->which == 0)
    EQUAL(0, wait_for(s, &c, "go", 0));
  else if (s->which == 1)
    EQUAL(0, save_status(s, &c, NEAP_STORE_STUCK));
  else
    EQUAL(0, CALL(neap_store_leave, "a"));
  const neap_store_run *run = read_run(s, "r");
  EQUAL(NEAP_STORE_CANCELLED, run->status);
  EQUAL(11000, run->keep_until);
  CHECK(is_text(run->result, "because"));
}

static void a_run_is_paused_and_resumed(scene *s) {
  EQUAL(0, start(s, "r"));
  EQUAL(NEAP_EBUSY, wish(s, "r", NEAP_STORE_WISH_RESUME));
  EQUAL(0, wish(s, "r", NEAP_STORE_WISH_PAUSE));
  EQUAL(NEAP_STORE_PAUSED, first_run(s)->status);
  EQUAL(0, join(s, "a"));
  EQUAL(0, claim(s, "a", 1));
  EQUAL(0, neap_store_run_count(s->result));
  EQUAL(0, wish(s, "r", NEAP_STORE_WISH_PAUSE));
  EQUAL(0, wish(s, "r", NEAP_STORE_WISH_RESUME));
  EQUAL(NEAP_STORE_QUEUED, first_run(s)->status);
  EQUAL(0, claim(s, "a", 1));
  claimed c = held(s);
  EQUAL(0, wish(s, "r", NEAP_STORE_WISH_PAUSE));
  EQUAL(NEAP_STORE_PAUSE, first_run(s)->mark);
  EQUAL(0, wish(s, "r", NEAP_STORE_WISH_RESUME));
  EQUAL(NEAP_STORE_UNMARKED, first_run(s)->mark);
  EQUAL(0, wish(s, "r", NEAP_STORE_WISH_PAUSE));
  EQUAL(0, save_status(s, &c, NEAP_STORE_QUEUED));
  EQUAL(NEAP_STORE_PAUSED, first_run(s)->status);
  EQUAL(NEAP_STORE_UNMARKED, read_run(s, "r")->mark);
}

static void a_paused_wait_goes_on(scene *s) {
  s->now = 1000;
  claimed c = claimed_run(s, "r");
  EQUAL(0, wait_for(s, &c, "go", 60000));
  EQUAL(0, wish(s, "r", NEAP_STORE_WISH_PAUSE));
  s->now = 2000;
  EQUAL(0, wish(s, "r", NEAP_STORE_WISH_RESUME));
  EQUAL(NEAP_STORE_WAITING, first_run(s)->status);
  EQUAL(61000, read_run(s, "r")->due);
  EQUAL(0, wish(s, "r", NEAP_STORE_WISH_PAUSE));
  EQUAL(0, send(s, "r", "go", NULL, "1"));
  expect_status(s, "r", NEAP_STORE_PAUSED);
  EQUAL(0, wish(s, "r", NEAP_STORE_WISH_RESUME));
  EQUAL(NEAP_STORE_QUEUED, first_run(s)->status);
}

static void a_failed_run_is_retried(scene *s) {
  claimed c = claimed_run(s, "r");
  EQUAL(0, save_change(s, &c, NEAP_STORE_PART, "p", "1", false));
  EQUAL(NEAP_EBUSY, wish(s, "r", NEAP_STORE_WISH_RETRY));
  neap_store_save_opts o = save_of(&c);
  o.status = s->which ? NEAP_STORE_FAILED : NEAP_STORE_POISONED;
  o.frames = span_of("there");
  o.result = span_of("error");
  EQUAL(0, save(s, &c, &o));
  EQUAL(0, wish(s, "r", NEAP_STORE_WISH_RETRY));
  EQUAL(NEAP_STORE_QUEUED, first_run(s)->status);
  EQUAL(0, claim(s, "a", 1));
  const neap_store_run *run = first_run(s);
  EQUAL(1, run->claims);
  EQUAL(c.seq, run->seq);
  EQUAL(0, run->keep_until);
  EQUAL(0, run->result.size);
  CHECK(is_text(run->frames, "there") && part_of(run, "p"));
}

/* ---- Reading ------------------------------------------------------------- */

static void steps_are_told_in_order(scene *s) {
  claimed c = claimed_run(s, "r");
  static const char *const nodes[] = {"draft", "ask", "publish"};
  for (int i = 0; i < 3; i++) {
    neap_store_save_opts o = save_of(&c);
    neap_store_change change = {NEAP_STORE_SET, span_of("v"), span_of("1")};
    o.node = nodes[i];
    o.action = i == 1 ? NULL : "go";
    o.attempt = (uint32_t)i;
    o.took = 10 * i;
    o.changes = &change;
    o.change_count = 1;
    s->now = 100 + i;
    EQUAL(0, save(s, &c, &o));
    o = save_of(&c);
    EQUAL(0, save(s, &c, &o)); /* without a row */
  }
  EQUAL(0, CALL(neap_store_history, "r", 0, 0));
  EQUAL(3, neap_store_step_count(s->result));
  for (int i = 0; i < 3; i++) {
    const neap_store_step *step = neap_store_step_at(s->result, (size_t)i);
    EQUAL(2 * i + 1, step->seq);
    CHECK(strcmp(nodes[i], step->node) == 0);
    CHECK(i == 1 ? !step->action : strcmp("go", step->action) == 0);
    CHECK(strcmp("a", step->worker) == 0);
    EQUAL(i, step->attempt);
    EQUAL(10 * i, step->took);
    EQUAL(100 + i, step->at);
    EQUAL(2, step->changed_size);
    CHECK(strcmp("v", step->changed) == 0);
  }
  EQUAL(0, CALL(neap_store_history, "r", 1, 1));
  EQUAL(1, neap_store_step_count(s->result));
  EQUAL(3, neap_store_step_at(s->result, 0)->seq);
  EQUAL(NEAP_ENORUN, CALL(neap_store_history, "none", 0, 0));
}

static void a_run_can_be_read_as_it_was(scene *s) {
  claimed c = claimed_run(s, "r");
  static const char *const frames[] = {"", "one", "two", "three", "four"};
  for (int i = 1; i <= 4; i++) {
    neap_store_save_opts o = save_of(&c);
    neap_store_change changes[] = {
        {NEAP_STORE_SET, span_of("v"), span_of(frames[i])},
        {i == 3 ? NEAP_STORE_GONE : NEAP_STORE_APPEND, span_of("w"),
         span_of("x")},
    };
    o.changes = changes;
    o.change_count = 2;
    o.frames = span_of(frames[i]);
    o.node = "n";
    o.values = true;
    EQUAL(0, save(s, &c, &o));
  }
  static const char *const grown[] = {NULL, "x", "xx", NULL, "x"};
  for (int i = 1; i <= 4; i++) {
    const neap_store_run *run = read_at(s, "r", i);
    EQUAL(i, run->seq);
    CHECK(is_text(run->frames, frames[i]) && var_is(run, "v", frames[i]));
    CHECK(grown[i] ? var_is(run, "w", grown[i]) : !var_of(run, "w"));
  }
  EQUAL(NEAP_ENOVALUE, CALL(neap_store_read, "r", 15, 5));
}

static void what_was_not_kept_cannot_be_read(scene *s) {
  claimed c = claimed_run(s, "r");
  EQUAL(0, save_change(s, &c, NEAP_STORE_SET, "v", "1", false));
  EQUAL(0, save_change(s, &c, NEAP_STORE_SET, "v", "2", false));
  EQUAL(NEAP_ENOVALUE, CALL(neap_store_read, "r", 15, 1));
  CHECK(var_is(read_at(s, "r", 2), "v", "2"));
}

static void reading_tells_what_is_asked_for(scene *s) {
  EQUAL(0, start_with(s, "tide", "p", "a", "1"));
  EQUAL(0, send(s, "r", "n", NULL, "1"));
  EQUAL(0, CALL(neap_store_read, "r", 0, -1));
  const neap_store_run *run = first_run(s);
  EQUAL(0, run->var_count + run->signal_count);
  EQUAL(1, run->unread);
  EQUAL(0, CALL(neap_store_read, "r", NEAP_STORE_VARS, -1));
  EQUAL(2, first_run(s)->var_count);
  EQUAL(0, first_run(s)->signal_count);
  EQUAL(NEAP_ENORUN, CALL(neap_store_read, "none", 15, -1));
}

static void a_fork_is_a_run_of_its_own(scene *s) {
  claimed c = claimed_run(s, "r");
  EQUAL(0, save_change(s, &c, NEAP_STORE_SET, "v", "1", true));
  EQUAL(0, save_change(s, &c, NEAP_STORE_SET, "v", "2", true));
  neap_store_result *kept = NULL;
  const neap_store_run *from = read_at(s, "r", 1);
  kept = s->result;
  s->result = NULL;
  neap_store_start_opts o = NEAP_STORE_START_OPTS_INIT;
  o.id = "fork";
  o.flow = from->flow;
  o.vars = from->vars;
  o.var_count = from->var_count;
  o.frames = from->frames;
  o.parent = from->number;
  o.parent_seq = from->seq;
  int first = CALL(neap_store_start, &o), again = CALL(neap_store_start, &o);
  o.parent_seq = 2;
  int other = CALL(neap_store_start, &o);
  neap_store_result_free(kept);
  EQUAL(0, first);
  EQUAL(0, again);
  EQUAL(NEAP_EEXISTS, other);
  const neap_store_run *run = read_run(s, "fork");
  EQUAL(c.run, run->parent);
  EQUAL(1, run->parent_seq);
  CHECK(run->parent_id && strcmp("r", run->parent_id) == 0);
  CHECK(var_is(run, "v", "1"));
  EQUAL(0, run->seq);
  EQUAL(0, save_change(s, &c, NEAP_STORE_SET, "v", "3", true));
  CHECK(var_is(read_run(s, "fork"), "v", "1"));
}

static int start_tagged(scene *s, const char *id, const char *flow,
                        const char *tag) {
  neap_store_start_opts o = NEAP_STORE_START_OPTS_INIT;
  neap_store_tag tags[] = {{"topic", tag}, {"all", "yes"}};
  o.id = id;
  o.flow = flow;
  o.tags = tags;
  o.tag_count = 2;
  return CALL(neap_store_start, &o);
}

static void lists_come_in_pages(scene *s) {
  char id[2] = "a";
  for (int i = 0; i < 5; i++, id[0]++)
    EQUAL(0, start(s, id));
  neap_store_list_opts o = NEAP_STORE_LIST_OPTS_INIT;
  o.limit = 2;
  static const char *const pages[] = {"ed", "cb", "a"};
  for (int i = 0; i < 3; i++) {
    EQUAL(0, CALL(neap_store_list, &o));
    expect_ids(s, pages[i]);
    o.after = neap_store_number(s->result);
    CHECK(i == 2 ? o.after == 0 : o.after > 0);
  }
  o.after = 0;
  o.limit = 5;
  EQUAL(0, CALL(neap_store_list, &o));
  EQUAL(0, neap_store_number(s->result));
}

static void new_runs_do_not_move_pages(scene *s) {
  char id[2] = "a";
  for (int i = 0; i < 4; i++, id[0]++)
    EQUAL(0, start(s, id));
  neap_store_list_opts o = NEAP_STORE_LIST_OPTS_INIT;
  o.limit = 2;
  EQUAL(0, CALL(neap_store_list, &o));
  o.after = neap_store_number(s->result);
  EQUAL(0, start(s, "x"));
  EQUAL(0, CALL(neap_store_list, &o));
  expect_ids(s, "ba");
}

static void lists_are_filtered(scene *s) {
  s->now = 100;
  EQUAL(0, start_tagged(s, "a", "tide", "x"));
  s->now = 200;
  EQUAL(0, start_tagged(s, "b", "tide", "y"));
  EQUAL(0, start_tagged(s, "c", "ebb", "x"));
  EQUAL(0, wish(s, "b", NEAP_STORE_WISH_CANCEL));
  neap_store_list_opts o = NEAP_STORE_LIST_OPTS_INIT;
  o.flow = "tide";
  EQUAL(0, CALL(neap_store_list, &o));
  expect_ids(s, "ba");
  EQUAL(2, first_run(s)->tag_count);
  o.statuses = 1u << NEAP_STORE_QUEUED | 1u << NEAP_STORE_DONE;
  EQUAL(0, CALL(neap_store_list, &o));
  expect_ids(s, "a");
  o = (neap_store_list_opts)NEAP_STORE_LIST_OPTS_INIT;
  neap_store_tag tags[] = {{"topic", "x"}, {"all", "yes"}};
  o.tags = tags;
  o.tag_count = 2;
  EQUAL(0, CALL(neap_store_list, &o));
  expect_ids(s, "ca");
  tags[1].value = "no";
  EQUAL(0, CALL(neap_store_list, &o));
  expect_ids(s, "");
  o = (neap_store_list_opts)NEAP_STORE_LIST_OPTS_INIT;
  o.since = 200;
  EQUAL(0, CALL(neap_store_list, &o));
  expect_ids(s, "cb");
}

static void counts_are_by_status(scene *s) {
  claimed_run(s, "a");
  EQUAL(0, start(s, "b"));
  EQUAL(0, start(s, "c"));
  EQUAL(0, wish(s, "c", NEAP_STORE_WISH_PAUSE));
  EQUAL(0, start(s, "d"));
  neap_store_list_opts o = NEAP_STORE_LIST_OPTS_INIT;
  EQUAL(0, CALL(neap_store_count, &o));
  EQUAL(4, neap_store_number(s->result));
  EQUAL(3, neap_store_row_count(s->result));
  for (size_t i = 0; i < 3; i++) {
    const neap_store_row *row = neap_store_row_at(s->result, i);
    EQUAL(row->status == NEAP_STORE_QUEUED ? 2 : 1, row->number);
  }
  o.flow = "none";
  EQUAL(0, CALL(neap_store_count, &o));
  EQUAL(0, neap_store_number(s->result));
}

/* ---- Retention ----------------------------------------------------------- */

static void end_run(scene *s, const char *id, int64_t keep) {
  claimed c = claimed_run(s, id);
  neap_store_save_opts o = save_of(&c);
  o.status = NEAP_STORE_DONE;
  o.keep = keep;
  EQUAL(0, save(s, &c, &o));
}

static void runs_are_pruned_after_their_time(scene *s) {
  s->now = 1000;
  end_run(s, "a", 100);
  end_run(s, "b", 200);
  EQUAL(0, start(s, "c"));
  s->now = 1099;
  EQUAL(0, CALL(neap_store_prune, 0, 0));
  EQUAL(0, neap_store_number(s->result));
  s->now = 1100;
  EQUAL(0, CALL(neap_store_prune, 0, 0));
  EQUAL(1, neap_store_number(s->result));
  EQUAL(NEAP_ENORUN, CALL(neap_store_read, "a", 15, -1));
  EQUAL(NEAP_ENORUN, send(s, "a", "n", NULL, "1"));
  s->now = 100000;
  EQUAL(0, CALL(neap_store_prune, 0, 0));
  EQUAL(1, neap_store_number(s->result));
  expect_status(s, "c", NEAP_STORE_QUEUED);
  EQUAL(0, start(s, "a"));
  EQUAL(0, neap_store_number(s->result));
}

static void pruning_by_hand_beats_keeping(scene *s) {
  s->now = 1000;
  end_run(s, "a", 1000000);
  s->now = 2000;
  EQUAL(0, CALL(neap_store_beat, "a", 3000));
  end_run(s, "b", 0);
  EQUAL(0, CALL(neap_store_prune, 2000, 0));
  EQUAL(1, neap_store_number(s->result));
  expect_status(s, "b", NEAP_STORE_DONE);
}

static void pruning_has_a_limit(scene *s) {
  end_run(s, "a", 0);
  end_run(s, "b", 0);
  end_run(s, "c", 0);
  s->now += 1;
  EQUAL(0, CALL(neap_store_prune, 0, 2));
  EQUAL(2, neap_store_number(s->result));
  EQUAL(0, CALL(neap_store_prune, 0, 2));
  EQUAL(1, neap_store_number(s->result));
}

static void pruned_runs_leave_nothing(scene *s) {
  neap_store_list_opts o = NEAP_STORE_LIST_OPTS_INIT;
  neap_store_tag tag = {"topic", "x"};
  EQUAL(0, start_tagged(s, "r", "tide", "x"));
  EQUAL(0, wish(s, "r", NEAP_STORE_WISH_CANCEL));
  s->now += 10000;
  EQUAL(0, CALL(neap_store_prune, 0, 0));
  EQUAL(1, neap_store_number(s->result));
  o.tags = &tag;
  o.tag_count = 1;
  EQUAL(0, CALL(neap_store_list, &o));
  EQUAL(0, neap_store_run_count(s->result));
  EQUAL(0, start(s, "r"));
  const neap_store_run *run = read_run(s, "r");
  EQUAL(0, run->tag_count + run->var_count + run->signal_count);
}

/* ---- Schedules ----------------------------------------------------------- */

static int schedule(scene *s, const char *name, const char *spec,
                    int64_t expected, int64_t next) {
  return CALL(neap_store_schedule, name, span_of(spec), expected, next);
}

static void one_of_many_advances_a_schedule(scene *s) {
  EQUAL(0, schedule(s, "nightly", "spec", 0, 1000));
  EQUAL(NEAP_EFENCED, schedule(s, "nightly", "spec", 0, 1000));
  EQUAL(0, schedule(s, "nightly", "spec", 1000, 2000));
  change_ways(s);
  EQUAL(NEAP_EFENCED, schedule(s, "nightly", "spec", 1000, 2000));
  EQUAL(0, schedule(s, "nightly", "other", -1, 3000));
  EQUAL(0, CALL_ALONE(neap_store_schedules));
  EQUAL(1, neap_store_row_count(s->result));
  const neap_store_row *row = neap_store_row_at(s->result, 0);
  EQUAL(3000, row->time);
  CHECK(strcmp("nightly", row->name) == 0 && is_text(row->value, "other"));
}

static void schedules_are_removed(scene *s) {
  EQUAL(0, schedule(s, "b", "1", 0, 1000));
  EQUAL(0, schedule(s, "a", "2", 0, 1000));
  EQUAL(0, schedule(s, "c", "3", 0, 1000));
  EQUAL(0, CALL_ALONE(neap_store_schedules));
  EQUAL(3, neap_store_row_count(s->result));
  CHECK(strcmp("a", neap_store_row_at(s->result, 0)->name) == 0);
  EQUAL(0, schedule(s, "b", "", -1, 0));
  EQUAL(0, schedule(s, "none", "", -1, 0));
  EQUAL(0, CALL_ALONE(neap_store_schedules));
  EQUAL(2, neap_store_row_count(s->result));
}

/* ---- Two ways, and the end ----------------------------------------------- */

static void two_ways_share_the_runs(scene *s) {
  char id[8];
  EQUAL(0, join(s, "a"));
  change_ways(s);
  EQUAL(0, join(s, "b"));
  int got[2] = {0};
  for (int i = 0; i < 20; i++) {
    snprintf(id, sizeof id, "r%d", i);
    EQUAL(0, start(s, id));
  }
  for (int i = 0; i < 20; i++) {
    EQUAL(0, claim(s, i % 2 ? "a" : "b", 1));
    got[i % 2] += (int)neap_store_run_count(s->result);
    change_ways(s);
  }
  EQUAL(10, got[0]);
  EQUAL(10, got[1]);
}

enum { MANY = 300 };

static void count_done(neap_op *op) {
  ++*(int *)op->data;
}

/* All that is asked before anything is answered takes effect in its order. */
static void calls_take_effect_in_order(scene *s) {
  claimed c = claimed_run(s, "r");
  static neap_op ops[MANY];
  neap_store_result *results[MANY] = {0};
  int done = 0;
  for (int i = 0; i < MANY; i++) {
    neap_store_save_opts o = save_of(&c);
    neap_store_change change = {NEAP_STORE_APPEND, span_of("v"), span_of("x")};
    o.changes = &change;
    o.change_count = 1;
    o.seq = i % 3 == 2 ? 9999 : c.seq++; /* each third is refused, alone */
    neap_op_init(&ops[i], count_done, &done);
    EQUAL(0, neap_store_save(s->store, &ops[i], &o, &results[i]));
  }
  while (done < MANY)
    neap_poll(s->engine, NEAP_FOREVER);
  bool good = true;
  for (int i = 0; i < MANY; i++) {
    good = good && ops[i].status == (i % 3 == 2 ? NEAP_EFENCED : 0);
    neap_store_result_free(results[i]);
  }
  CHECK(good);
  EQUAL(MANY / 3 * 2, var_of(read_run(s, "r"), "v")->size);
}

static void cancelled_calls_answer_nobody(scene *s) {
  neap_store_start_opts o = NEAP_STORE_START_OPTS_INIT;
  o.id = "r";
  o.flow = "tide";
  scene_prepare(s);
  EQUAL(0, neap_store_start(s->store, &s->op, &o, &s->result));
  bool pending = !s->done && neap_op_active(&s->op);
  neap_op_cancel(&s->op, NEAP_ECANCELED);
  while (!s->done)
    neap_poll(s->engine, NEAP_FOREVER);
  CHECK(pending);
  CHECK(s->op.status == 0 || (s->op.status == NEAP_ECANCELED && !s->result));
  EQUAL(0, start(s, "r"));
}

static void the_whole_store_can_be_checked(scene *s) {
  claimed_run(s, "r");
  EQUAL(0, CALL_ALONE(neap_store_check));
}

/* ---- The list ------------------------------------------------------------ */

typedef struct test_case {
  const char *name;
  void (*run)(scene *s);
  int first, count; /* `which` goes from first, for so many; 0: once */
} test_case;

#define CASE(name)                                                             \
  { #name, name, 0, 0 }
#define CASES(name, from, many)                                                \
  { #name, name, from, many }

static const test_case cases[] = {
    CASE(starting_makes_a_run),
    CASE(starting_again_is_starting_once),
    CASE(another_start_under_an_id_is_refused),
    CASE(the_order_of_variables_is_no_difference),
    CASE(a_run_that_has_ended_still_has_its_id),
    CASE(a_full_queue_takes_no_more),
    CASE(a_delayed_run_waits),
    CASE(wrong_starts_are_refused),
    CASE(a_claim_gives_all_that_a_run_has),
    CASE(a_run_is_claimed_once),
    CASE(no_more_is_claimed_than_there_is_room_for),
    CASE(priorities_come_first_then_age),
    CASE(what_waited_longer_comes_first),
    CASE(claims_look_at_their_queues_only),
    CASE(only_a_worker_can_claim),
    CASE(tokens_differ),
    CASE(claims_without_progress_are_counted),
    CASE(a_claim_given_back_does_not_count),
    CASE(a_save_moves_a_run_on),
    CASE(a_save_of_another_seq_is_refused),
    CASE(a_save_of_another_token_is_refused),
    CASE(variables_are_set_and_removed),
    CASES(variables_grow, 0, 2),
    CASES(changes_of_a_save_are_made_in_order, 0, 2),
    CASE(parts_are_removed_by_how_they_begin),
    CASE(the_flow_version_can_change),
    CASES(a_run_that_ends_has_no_owner, NEAP_STORE_DONE, 4),
    CASE(a_run_can_be_given_up_by_a_save),
    CASE(signals_come_in_order),
    CASE(a_signal_sent_twice_is_one),
    CASE(a_repeated_signal_is_known_after_the_end),
    CASE(signals_to_no_run_are_refused),
    CASE(a_signal_wakes_who_waits_for_it),
    CASE(a_signal_that_is_there_is_not_waited_for),
    CASE(a_signal_is_used_up_by_the_save_that_takes_it),
    CASE(a_wait_ends_at_its_time),
    CASE(an_owner_may_wait),
    CASE(many_waits_end_in_their_order),
    CASE(runs_of_a_silent_worker_are_queued_again),
    CASE(a_beat_keeps_the_lease),
    CASE(a_beat_brings_news),
    CASE(a_worker_that_leaves_gives_all_back),
    CASE(workers_are_listed),
    CASE(a_name_of_a_worker_is_used_once),
    CASE(a_run_without_owner_is_cancelled_at_once),
    CASE(an_owner_learns_that_it_shall_cancel),
    CASES(a_marked_run_that_is_given_up_is_cancelled, 0, 3),
    CASE(a_run_is_paused_and_resumed),
    CASE(a_paused_wait_goes_on),
    CASES(a_failed_run_is_retried, 0, 2),
    CASE(steps_are_told_in_order),
    CASE(a_run_can_be_read_as_it_was),
    CASE(what_was_not_kept_cannot_be_read),
    CASE(reading_tells_what_is_asked_for),
    CASE(a_fork_is_a_run_of_its_own),
    CASE(lists_come_in_pages),
    CASE(new_runs_do_not_move_pages),
    CASE(lists_are_filtered),
    CASE(counts_are_by_status),
    CASE(runs_are_pruned_after_their_time),
    CASE(pruning_by_hand_beats_keeping),
    CASE(pruning_has_a_limit),
    CASE(pruned_runs_leave_nothing),
    CASE(one_of_many_advances_a_schedule),
    CASE(schedules_are_removed),
    CASE(two_ways_share_the_runs),
    CASE(calls_take_effect_in_order),
    CASE(cancelled_calls_answer_nobody),
    CASE(the_whole_store_can_be_checked),
    CASES(values_come_back, 0, VALUES *PLACES),
};

static int times(const test_case *c) {
  return c->count > 0 ? c->count : 1;
}

/* The case of an index; *which is how often it was done before. */
static const test_case *case_at(int index, int *which) {
  const test_case *c = cases;
  while (index >= times(c))
    index -= times(c++);
  *which = index;
  return c;
}

int conformance_count(void) {
  int count = 0;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    count += times(&cases[i]);
  return count;
}

const char *conformance_name(int index) {
  static char name[128];
  int which;
  const test_case *c = case_at(index, &which);
  if (c->run == values_come_back)
    snprintf(name, sizeof name, "%s: value %d as a %s", c->name, which / PLACES,
             places[which % PLACES]);
  else if (c->count > 0)
    snprintf(name, sizeof name, "%s (%d)", c->name, c->first + which);
  else
    snprintf(name, sizeof name, "%s", c->name);
  return name;
}

static void note_done(neap_op *op) {
  ((scene *)op->data)->done = true;
}

static int64_t clock_of(void *ud) {
  return __atomic_load_n((int64_t *)ud, __ATOMIC_RELAXED);
}

static void open_way(scene *s, int way, neap_store *first, neap_store **out) {
  neap_store_opts opts = NEAP_STORE_OPTS_INIT;
  opts.clock = clock_of;
  opts.clock_ud = &s->now;
  s->kind->fill(s->kind->ud, way, first, &opts);
  scene_prepare(s);
  EQUAL(0, scene_finish(
               s, neap_store_open(s->engine, &s->op, &opts, out, &s->result)));
}

static void play(scene *s, void (*run)(scene *s)) {
  if (setjmp(s->out) != 0)
    return;
  EQUAL(0, neap_engine_new(NULL, &s->engine));
  open_way(s, 0, NULL, &s->store);
  open_way(s, 1, s->store, &s->other);
  run(s);
}

const char *conformance_run(int index, const store_kind *kind) {
  static scene scenes; /* what it says is told after it has ended */
  scene *s = &scenes;
  int which;
  const test_case *c = case_at(index, &which);
  *s = (scene){.kind = kind, .now = 1000};
  s->which = c->first + which;
  if (c->run == values_come_back) {
    s->which = which / PLACES;
    s->place = which % PLACES;
  }
  neap_op_init(&s->op, note_done, s);
  play(s, c->run);
  scene_prepare(s);
  neap_store_free(s->store);
  neap_store_free(s->other);
  neap_engine_free(s->engine);
  if (kind->clean)
    kind->clean(kind->ud);
  return s->why[0] ? s->why : NULL;
}
