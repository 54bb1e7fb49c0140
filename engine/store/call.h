/* What stores are asked, and what does it.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_STORE_CALL_H
#define NEAP_STORE_CALL_H

#include "base/list.h"
#include "neap_store.h"

/* What each call is given, as in neap_store.h. */
typedef struct neap__store_owner {
  const char *owner;
  int64_t lease;
} neap__store_owner;

typedef struct neap__store_claim {
  const char *owner;
  const neap_store_room *rooms;
  size_t count;
} neap__store_claim;

typedef struct neap__store_release {
  const neap_store_held *held;
  size_t count;
} neap__store_release;

typedef struct neap__store_send {
  const char *id, *name, *dedupe;
  neap_span value;
} neap__store_send;

typedef struct neap__store_wish {
  const char *id;
  neap_store_wish wish;
  neap_span reason;
  int64_t keep;
} neap__store_wish;

typedef struct neap__store_read {
  const char *id;
  unsigned parts;
  int64_t seq;
} neap__store_read;

/* Of _history `after`, of _prune the time. */
typedef struct neap__store_page {
  const char *id;
  int64_t after;
  uint32_t limit;
} neap__store_page;

typedef struct neap__store_schedule {
  const char *name;
  neap_span spec;
  int64_t expected, next;
} neap__store_schedule;

typedef struct neap__store_file {
  const char *path;
} neap__store_file;

/* The calls: name, type of what is given, and whether it only reads. */
#define NEAP__STORE_CALLS(X)                                                   \
  X(start, neap_store_start_opts, false)                                       \
  X(join, neap_store_join_opts, false)                                         \
  X(beat, neap__store_owner, false)                                            \
  X(leave, neap__store_owner, false)                                           \
  X(claim, neap__store_claim, false)                                           \
  X(save, neap_store_save_opts, false)                                         \
  X(release, neap__store_release, false)                                       \
  X(due, neap__store_page, false)                                              \
  X(send, neap__store_send, false)                                             \
  X(wish, neap__store_wish, false)                                             \
  X(prune, neap__store_page, false)                                            \
  X(schedule, neap__store_schedule, false)                                     \
  X(read, neap__store_read, true)                                              \
  X(history, neap__store_page, true)                                           \
  X(list, neap_store_list_opts, true)                                          \
  X(count, neap_store_list_opts, true)                                         \
  X(workers, neap__store_page, true)                                           \
  X(schedules, neap__store_page, true)                                         \
  X(check, neap__store_page, true)                                             \
  X(backup, neap__store_file, true)

typedef enum neap__store_call {
  NEAP__STORE_OPEN = 0, /* the keeper's own */
#define NEAP__STORE_ENUM(name, type, reads) NEAP__STORE_##name,
  NEAP__STORE_CALLS(NEAP__STORE_ENUM)
#undef NEAP__STORE_ENUM
} neap__store_call;

typedef union neap__store_given {
#define NEAP__STORE_FIELD(name, type, reads) type name;
  NEAP__STORE_CALLS(NEAP__STORE_FIELD)
#undef NEAP__STORE_FIELD
} neap__store_given;

/* What does the calls in a store, one at a time and without waiting for
 * anything but a disk. Each returns a status, and writes its answer into the
 * result. One that returns a status for which neap__store_is_refusal is true
 * has changed nothing; after any other the keeper takes back what it has
 * written. */
typedef struct neap__store_calls {
/* NOLINTBEGIN(bugprone-macro-parentheses): a type cannot be in them */
#define NEAP__STORE_FUNCTION(name, type, reads)                                \
  int (*name)(void *self, const type *given, neap_store_result *out);
  NEAP__STORE_CALLS(NEAP__STORE_FUNCTION)
#undef NEAP__STORE_FUNCTION
  /* NOLINTEND(bugprone-macro-parentheses) */
} neap__store_calls;

/* A call that has been made and not answered. It is one block of memory with
 * all that it was given. */
typedef struct neap__store_request {
  neap_link link; /* the keeper's */
  neap_link all;  /* in the store's list; the engine's thread's */
  neap_store *store;
  neap_op *op;             /* NULL once it has been dropped */
  neap_store_result **out; /* NULL: nobody wants to know */
  size_t size;             /* of the block */
  neap__store_call call;
  int status, detail;        /* the keeper's answer, */
  neap_store_result *result; /* and its result; *owned* */
  neap__store_given given;
} neap__store_request;

static inline bool neap__store_is_refusal(int status) {
  return status == NEAP_EFENCED || status == NEAP_EEXISTS ||
         status == NEAP_EFULL || status == NEAP_EENDED ||
         status == NEAP_ENORUN || status == NEAP_EBUSY ||
         status == NEAP_ENOVALUE || status == NEAP_EINVAL;
}

static inline bool neap__store_reads(neap__store_call call) {
  return call >= NEAP__STORE_read;
}

/* Has a request done by the functions of a store. */
static inline int neap__store_do(const neap__store_calls *calls, void *self,
                                 const neap__store_request *request) {
  const neap__store_given *given = &request->given;
  switch (request->call) {
#define NEAP__STORE_CASE(name, type, reads)                                    \
  case NEAP__STORE_##name:                                                     \
    return calls->name(self, &given->name, request->result);
    NEAP__STORE_CALLS(NEAP__STORE_CASE)
#undef NEAP__STORE_CASE
  default:
    return 0;
  }
}

#endif
