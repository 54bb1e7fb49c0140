/* What belongs to a task but is no task itself, such as a program.
 * SPDX-License-Identifier: MIT */
#include "belonging.h"

#include <stddef.h>

void neapL_belonging_add(neapL_belonging **list, neapL_belonging *belonging,
                         uint32_t serial) {
  belonging->serial = serial;
  belonging->next = *list;
  belonging->at = list;
  if (*list)
    (*list)->at = &belonging->next;
  *list = belonging;
}

void neapL_belonging_leave(neapL_belonging *belonging) {
  if (!belonging->at)
    return;
  *belonging->at = belonging->next;
  if (belonging->next)
    belonging->next->at = belonging->at;
  belonging->next = NULL;
  belonging->at = NULL;
}

void neapL_belonging_end_since(neapL_belonging **list, uint32_t serial) {
  while (*list && (*list)->serial >= serial) {
    neapL_belonging *first = *list;
    neapL_belonging_leave(first);
    first->end(first);
  }
}

void neapL_belonging_move(neapL_belonging **to, neapL_belonging **from,
                          uint32_t serial) {
  neapL_belonging **last = from;
  for (; *last; last = &(*last)->next)
    (*last)->serial = serial;
  if (last == from)
    return;
  *last = *to;
  if (*to)
    (*to)->at = last;
  *to = *from;
  (*to)->at = to;
  *from = NULL;
}
