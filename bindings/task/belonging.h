/* What belongs to a task but is no task itself, such as a program.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_BELONGING_H
#define NEAP_BINDINGS_TASK_BELONGING_H

#include <stdint.h>

typedef struct neapL_belonging neapL_belonging;

/* A part of anything that belongs to a task. The owner of its memory takes it
 * from its task before that memory is freed. It is zero before it belongs to a
 * task. */
struct neapL_belonging {
  neapL_belonging *next; /* the older one of the same task; or NULL */
  neapL_belonging **at;  /* the pointer that leads to this one; NULL: none */
  uint32_t serial;       /* the task's count of tasks when this was added */
  /* Ends the thing. Called once, after it has left its task. Runs no code of
   * the user's, and needs no memory of Lua's. */
  void (*end)(neapL_belonging *belonging);
};

/* Adds a belonging in front of those of a task. */
void neapL_belonging_add(neapL_belonging **list, neapL_belonging *belonging,
                         uint32_t serial);

/* Takes a belonging from its task, if it has one. */
void neapL_belonging_leave(neapL_belonging *belonging);

/* Ends those that were added when the count was at least `serial`. */
void neapL_belonging_end_since(neapL_belonging **list, uint32_t serial);

/* Moves all of `from` in front of those of `to`, as if they were added now. */
void neapL_belonging_move(neapL_belonging **to, neapL_belonging **from,
                          uint32_t serial);

#endif
