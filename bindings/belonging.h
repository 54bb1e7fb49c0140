/* What ends with a task but is no task itself, such as a program.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_BELONGING_H
#define NEAP_BINDINGS_BELONGING_H

#include <stdint.h>

typedef struct neap__belonging neap__belonging;

/* Part of whatever belongs to a task, which sees to it that this leaves the
 * task before its memory goes. Zero before it belongs to anybody. */
struct neap__belonging {
  neap__belonging *next; /* of the same task: it has come before, or NULL */
  neap__belonging **at;  /* where the task leads to this one; NULL: nowhere */
  uint32_t serial;       /* the task's count of tasks when it came */
  /* Ends it. Called once, when it has left the task already. Runs no code of
   * the user's, and needs no memory of Lua's. */
  void (*end)(neap__belonging *belonging);
};

/* Puts one before all that have come to a task. */
void neap__belonging_add(neap__belonging **list, neap__belonging *belonging,
                         uint32_t serial);

/* Takes it from its task, if it has one. */
void neap__belonging_leave(neap__belonging *belonging);

/* Ends those that came when the count was at least `serial`. */
void neap__belonging_end_since(neap__belonging **list, uint32_t serial);

/* Moves all of `from` before those of `to`, as if they had come now. */
void neap__belonging_move(neap__belonging **to, neap__belonging **from,
                          uint32_t serial);

#endif
