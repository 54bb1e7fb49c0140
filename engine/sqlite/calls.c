/* The calls of a store in a file; `self` is a neap__db.
 * SPDX-License-Identifier: MIT */
#include "calls.h"

#include "crew.h"
#include "list.h"
#include "read.h"
#include "write.h"

#define DO(name, type, function)                                               \
  static int name(void *self, const type *given, neap_store_result *out) {     \
    return function(self, given, out);                                         \
  }
#define DO_PLAIN(name, type, function)                                         \
  static int name(void *self, const type *given, neap_store_result *out) {     \
    (void)given;                                                               \
    return function(self, out);                                                \
  }

DO(do_start, neap_store_start_opts, neap__write_start)
DO(do_join, neap_store_join_opts, neap__crew_join)
DO(do_beat, neap__store_owner, neap__crew_beat)
DO(do_leave, neap__store_owner, neap__crew_leave)
DO(do_claim, neap__store_claim, neap__crew_claim)
DO(do_save, neap_store_save_opts, neap__write_save)
DO(do_release, neap__store_release, neap__crew_release)
DO(do_due, neap__store_page, neap__crew_due)
DO(do_send, neap__store_send, neap__write_send)
DO(do_wish, neap__store_wish, neap__crew_wish)
DO(do_prune, neap__store_page, neap__crew_prune)
DO(do_schedule, neap__store_schedule, neap__write_schedule)
DO(do_read, neap__store_read, neap__read)
DO(do_history, neap__store_page, neap__read_history)
DO(do_list, neap_store_list_opts, neap__list_runs)
DO(do_count, neap_store_list_opts, neap__list_count)
DO(do_backup, neap__store_file, neap__read_backup)
DO_PLAIN(do_workers, neap__store_page, neap__read_workers)
DO_PLAIN(do_schedules, neap__store_page, neap__read_schedules)
DO_PLAIN(do_check, neap__store_page, neap__read_check)

const neap__store_calls neap__calls = {
#define CALL(name, type, reads) .name = do_##name,
    NEAP__STORE_CALLS(CALL)
#undef CALL
};
