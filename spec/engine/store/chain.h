/* Runs whose value tells how far they have got: what is lost or torn shows.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SPEC_STORE_CHAIN_H
#define NEAP_SPEC_STORE_CHAIN_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "neap_store.h"

enum { CHAIN_RUNS = 4, CHAIN_SIZE = 600, CHAIN_LOG = 16 };

typedef struct chain chain;

/* A run as its owner knows it. */
typedef struct link_of_chain {
  neap_op op;
  chain *chain;
  int64_t run, seq; /* seq: as confirmed */
  uint8_t token[16];
  char frames[32];
  char value[CHAIN_SIZE];
} link_of_chain;

struct chain {
  neap_engine *engine;
  neap_store *store;
  neap_op op;
  bool done;
  neap_store_result *result;
  link_of_chain links[CHAIN_RUNS];
  int64_t most;                         /* saves of each run */
  int under_way;                        /* saves */
  bool has_failed;                      /* one of them has, */
  int status;                           /* with this */
  long confirmed;                       /* saves */
  void (*told)(int index, int64_t seq); /* of each that is confirmed; or NULL */
};

/* What the variable and the frames of a run are after a save. */
static inline void chain_fill(int index, int64_t seq, char value[CHAIN_SIZE],
                              char frames[32]) {
  uint64_t h = 1;
  for (int64_t i = 1; i <= seq; i++)
    h = (h ^ (uint64_t)i * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u +
        (uint64_t)index;
  for (int i = 0; i < CHAIN_SIZE; i++)
    value[i] = (char)(h >> (i % 8 * 8));
  snprintf(frames, 32, "%d:%lld", index, (long long)seq);
}

static inline void chain_done(neap_op *op) {
  ((chain *)op->data)->done = true;
}

static inline int chain_finish(chain *c, int status) {
  while (status == 0 && !c->done)
    neap_poll(c->engine, NEAP_FOREVER);
  return status < 0 ? status : c->op.status;
}

static inline void chain_prepare(chain *c) {
  neap_store_result_free(c->result);
  c->result = NULL;
  c->done = false;
}

/* Opens the store; 0 or a status. */
static inline int chain_open(chain *c, const char *path, const char *sync,
                             const char *library) {
  neap_store_opts opts = NEAP_STORE_OPTS_INIT;
  opts.kind = "sqlite";
  opts.path = path;
  opts.sync = sync;
  opts.library = library;
  neap_op_init(&c->op, chain_done, c);
  int status = neap_engine_new(NULL, &c->engine);
  chain_prepare(c);
  return status < 0 ? status
                    : chain_finish(c, neap_store_open(c->engine, &c->op, &opts,
                                                      &c->store, &c->result));
}

static inline void chain_close(chain *c) {
  neap_store_result_free(c->result);
  neap_store_free(c->store);
  neap_engine_free(c->engine);
  c->result = NULL;
  c->store = NULL;
  c->engine = NULL;
}

/* Starts the runs that are not there, and claims all. 0 or a status. */
static inline int chain_claim(chain *c, const char *owner) {
  neap_store_start_opts start = NEAP_STORE_START_OPTS_INIT;
  neap_store_join_opts join = NEAP_STORE_JOIN_OPTS_INIT;
  neap_store_room room = {.queue = "default", .room = CHAIN_RUNS};
  char id[8];
  int status = 0;
  start.flow = "chain";
  for (int i = 0; i < CHAIN_RUNS && status == 0; i++) {
    snprintf(id, sizeof id, "%d", i);
    start.id = id;
    chain_prepare(c);
    status =
        chain_finish(c, neap_store_start(c->store, &c->op, &start, &c->result));
  }
  join.owner = owner;
  join.lease = 60000;
  if (status == 0) {
    chain_prepare(c);
    status =
        chain_finish(c, neap_store_join(c->store, &c->op, &join, &c->result));
  }
  if (status == 0) {
    chain_prepare(c);
    status = chain_finish(
        c, neap_store_claim(c->store, &c->op, owner, &room, 1, &c->result));
  }
  for (size_t i = 0; status == 0 && i < neap_store_run_count(c->result); i++) {
    const neap_store_run *run = neap_store_run_at(c->result, i);
    link_of_chain *link = &c->links[atoi(run->id)];
    link->run = run->number;
    link->seq = run->seq;
    memcpy(link->token, run->token, sizeof link->token);
  }
  return status;
}

static inline void chain_saved(neap_op *op);

/* Saves the next step of a run, if it has one. */
static inline void chain_step(link_of_chain *link) {
  chain *c = link->chain;
  if (c->has_failed || link->run == 0 || link->seq >= c->most)
    return;
  int index = (int)(link - c->links);
  neap_store_save_opts o = NEAP_STORE_SAVE_OPTS_INIT;
  neap_store_change changes[2] = {
      {.kind = NEAP_STORE_SET,
       .name = {"v", 1},
       .value = {link->value, CHAIN_SIZE}},
      {.kind = NEAP_STORE_APPEND, .name = {"log", 3}, .value = {"x", 1}},
  };
  if ((link->seq + 1) % CHAIN_LOG == 0) /* begins anew */
    changes[1] =
        (neap_store_change){.kind = NEAP_STORE_SET, .name = {"log", 3}};
  chain_fill(index, link->seq + 1, link->value, link->frames);
  o.run = link->run;
  o.seq = link->seq;
  memcpy(o.token, link->token, sizeof o.token);
  o.status = NEAP_STORE_RUNNING;
  o.frames = (neap_span){link->frames, strlen(link->frames)};
  o.changes = changes;
  o.change_count = 2;
  o.node = "node";
  neap_op_init(&link->op, chain_saved, link);
  if (neap_store_save(c->store, &link->op, &o, NULL) < 0)
    c->has_failed = true;
  else
    c->under_way++;
}

static inline void chain_saved(neap_op *op) {
  link_of_chain *link = op->data;
  chain *c = link->chain;
  c->under_way--;
  if (op->status < 0) {
    c->has_failed = true;
    c->status = op->status;
    return;
  }
  link->seq++;
  c->confirmed++;
  if (c->told)
    c->told((int)(link - c->links), link->seq);
  chain_step(link);
}

/* Saves the steps of all runs, until `most` or a failure. */
static inline void chain_go(chain *c, int64_t most) {
  c->most = most;
  for (int i = 0; i < CHAIN_RUNS; i++) {
    c->links[i].chain = c;
    chain_step(&c->links[i]);
  }
  while (c->under_way > 0)
    neap_poll(c->engine, NEAP_FOREVER);
}

/* Reads a run. Returns how far it has got; -1: there is none; -2: it is torn.
 */
static inline int64_t chain_read(chain *c, int index) {
  char id[8], value[CHAIN_SIZE], frames[32];
  snprintf(id, sizeof id, "%d", index);
  chain_prepare(c);
  int status = chain_finish(
      c, neap_store_read(c->store, &c->op, id, 15, -1, &c->result));
  if (status < 0)
    return status == NEAP_ENORUN ? -1 : -2;
  const neap_store_run *run = neap_store_run_at(c->result, 0);
  if (run->seq == 0)
    return run->var_count == 0 ? 0 : -2;
  chain_fill(index, run->seq, value, frames);
  if (run->var_count != 2 || run->vars[1].value.size != CHAIN_SIZE ||
      memcmp(run->vars[1].value.bytes, value, CHAIN_SIZE) != 0 ||
      run->vars[0].value.size != (size_t)run->seq % CHAIN_LOG ||
      run->frames.size != strlen(frames) ||
      memcmp(run->frames.bytes, frames, run->frames.size) != 0)
    return -2;
  return run->seq;
}

/* Whether the file is sound. */
static inline bool chain_check(chain *c) {
  chain_prepare(c);
  return chain_finish(c, neap_store_check(c->store, &c->op, &c->result)) == 0;
}

#endif
