/* What ends with a task but is no task itself, such as a program.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_BELONGING_H
#define NEAP_BINDINGS_TASK_BELONGING_H

#include <stdint.h>

typedef struct neapL_belonging neapL_belonging;

/* Part of whatever belongs to a task, which sees to it that this leaves the
 * task before its memory goes. Zero before it belongs to anybody. */
struct neapL_belonging {
  neapL_belonging *next; /* of the same task: it has come before, or NULL */
  neapL_belonging **at;  /* where the task leads to this one; NULL: nowhere */
  uint32_t serial;       /* the task's count of tasks when it came */
  /* Ends it. Called once, when it has left the task already. Runs no code of
   * the user's, and needs no memory of Lua's. */
  void (*end)(neapL_belonging *belonging);
};

/* Puts one before all that have come to a task. */
void neapL_belonging_add(neapL_belonging **list, neapL_belonging *belonging,
                         uint32_t serial);

/* Takes it from its task, if it has one. */
void neapL_belonging_leave(neapL_belonging *belonging);

/* Ends those that came when the count was at least `serial`. */
void neapL_belonging_end_since(neapL_belonging **list, uint32_t serial);

/* Moves all of `from` before those of `to`, as if they had come now. */
void neapL_belonging_move(neapL_belonging **to, neapL_belonging **from,
                          uint32_t serial);

#endif
