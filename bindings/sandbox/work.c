/* The work that one call of a library function does in a sandbox.
 * SPDX-License-Identifier: MIT */
#include "work.h"

#include "task/budget.h"
#include "task/error.h"

void neapL_work_begin(neapL_work *work, lua_State *L, const char *what) {
  *work = (neapL_work){.L = L,
                       .what = what,
                       .left = NEAPL_WORK_MOST - NEAPL_WORK_PERIOD,
                       .now = NEAPL_WORK_PERIOD};
}

void neapL_work_look(neapL_work *work) {
  uint64_t beyond = work->now < 0 ? (uint64_t)-work->now : 0;
  if (beyond > work->left)
    neapL_error_raise(work->L, "limit",
                      "%s: one call would do more work than it may",
                      work->what);
  work->left -= beyond;
  uint64_t next =
      work->left < NEAPL_WORK_PERIOD ? work->left : NEAPL_WORK_PERIOD;
  work->left -= next;
  work->now = (int64_t)next;
  neapL_budget_look(work->L, work->what);
}

void neapL_work_check_size(lua_State *L, const char *what, uint64_t size) {
  if (size > NEAPL_WORK_LARGEST)
    neapL_error_raise(
        L, "limit", "%s: strings of more than 16 MiB are not worked on", what);
}
