/* libcurl, driven within a budget.
 * SPDX-License-Identifier: MIT
 *
 * One call of libcurl does all that is due of its kind: a call for its timer
 * begins every transfer that has been added before. So with a budget transfers
 * are added one at a time, and the clock is looked at after each.
 */
#include "drive.h"

#include "multi.h"
#include "send.h"

/* Adds the transfers that wait to be launched, or one of them. */
static bool launch(neap__multi *multi, bool all) {
  bool any = neap__send_launch(multi);
  while (any && all && neap__send_launch(multi))
    ;
  return any;
}

/* The timer is looked at once, and after launches, which it begins: libcurl
 * sets it to 0 again and again as long as one transfer has much to read. */
void neap__drive(neap__http *http, uint64_t until) {
  neap__multi *multi = (neap__multi *)http;
  bool is_bounded = until != NEAP_FOREVER, is_told = false, any;
  do {
    any = neap__multi_act_socket(multi);
    bool is_launched = launch(multi, !is_bounded);
    any = any || is_launched;
    if (multi->timer_is_due && (is_launched || !is_told)) {
      neap__multi_act_timer(multi);
      is_told = any = true;
    }
    if (multi->idle_is_due && !any)
      neap__send_end_idle(multi, until);
  } while (any && !(is_bounded && uv_hrtime() >= until));
  http->is_due = !neap__list_empty(&multi->due) || multi->timer_is_due ||
                 !neap__list_empty(&multi->launches) || multi->idle_is_due;
}
