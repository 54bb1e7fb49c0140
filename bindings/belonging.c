/* What ends with a task but is no task itself, such as a program.
 * SPDX-License-Identifier: MIT */
#include "belonging.h"

#include <stddef.h>

void neap__belonging_add(neap__belonging **list, neap__belonging *belonging,
                         uint32_t serial) {
  belonging->serial = serial;
  belonging->next = *list;
  belonging->at = list;
  if (*list)
    (*list)->at = &belonging->next;
  *list = belonging;
}

void neap__belonging_leave(neap__belonging *belonging) {
  if (!belonging->at)
    return;
  *belonging->at = belonging->next;
  if (belonging->next)
    belonging->next->at = belonging->at;
  belonging->next = NULL;
  belonging->at = NULL;
}

void neap__belonging_end_since(neap__belonging **list, uint32_t serial) {
  while (*list && (*list)->serial >= serial) {
    neap__belonging *first = *list;
    neap__belonging_leave(first);
    first->end(first);
  }
}

void neap__belonging_move(neap__belonging **to, neap__belonging **from,
                          uint32_t serial) {
  neap__belonging **last = from;
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
