/* What the memory store has: runs, queues, workers, schedules.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_STORE_WORLD_H
#define NEAP_STORE_WORLD_H

#include "names.h"
#include "store.h"

/* A spec builds this store with faults that it has to find; see
 * spec/engine/store. A product has none. */
#ifdef NEAP_WRONG_STORES
extern int neap__wrong_store; /* the number of the fault; 0: none */
#define NEAP__WRONG(number) (neap__wrong_store == (number))
#else
#define NEAP__WRONG(number) false
#endif

/* A change of a variable. Without history a variable has one that is no
 * addition, and the additions since. */
typedef struct neap__change {
  struct neap__change *next;
  neap_store_change_kind kind;
  int64_t seq;
  neap_span value; /* *owned* */
} neap__change;

typedef struct neap__var {
  neap_span name; /* *owned*; as in names.h */
  neap__change *first, *last;
} neap__var;

typedef struct neap__part {
  neap_span name, value; /* *owned* */
} neap__part;

typedef struct neap__signal {
  struct neap__signal *next;
  int64_t number, at;
  char *name, *dedupe; /* *owned*; dedupe may be NULL */
  neap_span value;     /* *owned* */
  bool is_taken;
} neap__signal;

/* A row of the history; `frames` only if values are kept. All is *owned*. */
typedef struct neap__row {
  struct neap__row *next;
  int64_t seq, at, took;
  char *node, *action, *worker;
  uint32_t attempt;
  bool has_values;
  neap_span frames, changed;
} neap__row;

typedef struct neap__tag {
  struct neap__tag *next;
  char *key, *value; /* *owned* */
} neap__tag;

enum { NEAP__PRIORITIES = 10 };

typedef struct neap__queue {
  struct neap__queue *next;
  char *name;                        /* *owned* */
  neap_link ready[NEAP__PRIORITIES]; /* of neap__run, by due and number */
  int64_t count;                     /* of those that are queued */
} neap__queue;

typedef struct neap__worker {
  struct neap__worker *next;
  char *name;     /* *owned* */
  int64_t until;  /* when its lease is over */
  neap_link runs; /* of neap__run */
  bool is_dead;   /* it has been given up */
} neap__worker;

/* All that is pointed to is *owned*, but for queue and owner. */
typedef struct neap__run {
  neap_link link; /* in a line of its queue, or in the runs of its owner */
  struct neap__run *same; /* the next of those in the same bucket */
  neap_store_run shown;   /* numbers, texts and bytes; no lists */
  uint64_t start_hash[2]; /* of what it was started with */
  neap__queue *queue;
  neap__worker *owner; /* NULL: none */
  neap__names vars;    /* of neap__var */
  neap__names parts;   /* of neap__part */
  neap__signal *signals, *last_signal;
  neap__row *rows, *last_row;
  neap__tag *tags;
} neap__run;

typedef struct neap__schedule {
  struct neap__schedule *next; /* by name */
  char *name;                  /* *owned* */
  neap_span spec;              /* *owned* */
  int64_t due;
} neap__schedule;

/* When a waiting run is due. It may wait no longer, or for another time. */
typedef struct neap__alarm {
  int64_t due, number;
} neap__alarm;

typedef struct neap__world {
  neap_alloc alloc;
  size_t ways;      /* how many stores lead here */
  neap__run **runs; /* by number, from 1; NULL: it has been pruned */
  size_t run_count, run_capacity;
  size_t live; /* how many there are */
  neap__run **buckets;
  size_t bucket_count;
  neap__alarm *alarms; /* a heap, the first due first */
  size_t alarm_count, alarm_capacity;
  neap__queue *queues;
  neap__worker *workers;
  neap__schedule *schedules;
} neap__world;

neap__world *neap__world_new(const neap_alloc *alloc);
void neap__world_free(neap__world *world);

/* Owned copies; of an empty span an empty one, of NULL NULL. They set *failed
 * when there is no memory. */
char *neap__world_text(neap__world *world, const char *text, bool *failed);
neap_span neap__world_span(neap__world *world, neap_span span, bool *failed);
void neap__world_free_text(neap__world *world, const char *text);
void neap__world_free_span(neap__world *world, neap_span span);

/* Finds by id or number; NULL. */
neap__run *neap__world_find(const neap__world *world, const char *id);
neap__run *neap__world_at(const neap__world *world, int64_t number);

/* Makes room for one more run and one more alarm; NEAP_ENOMEM. */
int neap__world_reserve(neap__world *world);

/* Gives a run its number. There is room. */
void neap__world_add(neap__world *world, neap__run *run);

/* Removes a run, and frees it. */
void neap__world_remove(neap__world *world, neap__run *run);

/* Frees a run that has not been added. */
void neap__world_free_run(neap__world *world, neap__run *run);

/* Frees lists of changes, signals and parts. */
void neap__world_free_changes(neap__world *world, neap__change *change);
void neap__world_free_row(neap__world *world, neap__row *row);

/* The queue of a name, made if it is not there; NULL: no memory. */
neap__queue *neap__world_queue(neap__world *world, const char *name);

neap__worker *neap__world_worker(const neap__world *world, const char *name);

/* Moves a run into the state that `shown` says: a line of its queue, the runs
 * of its owner, the alarms, or none of these. It is in none before; leave takes
 * it out. There is room for an alarm. */
void neap__world_enter(neap__world *world, neap__run *run);
void neap__world_leave(neap__world *world, neap__run *run);

/* Makes room for one more alarm; NEAP_ENOMEM. */
int neap__world_reserve_alarm(neap__world *world);

/* The waiting run that is due first, NULL if none waits for a time. */
neap__run *neap__world_first_due(neap__world *world);

#endif
