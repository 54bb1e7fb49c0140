/* Reasons: why a step has failed.
 * SPDX-License-Identifier: MIT */
#include "reason.h"

#include <string.h>

#include "base/alloc.h"

static void free_text(const neap_alloc *alloc, char *text) {
  if (text)
    neap__free(alloc, text, strlen(text) + 1);
}

void neap__reason_clear(neap__reason *reason, const neap_alloc *alloc) {
  neap__reason old = neap__reason_take(reason);
  free_text(alloc, old.code);
  free_text(alloc, old.text);
}

neap__reason neap__reason_take(neap__reason *reason) {
  neap__reason taken = *reason;
  *reason = (neap__reason){0};
  return taken;
}

/* Copies a text; NULL where there is none, or no memory. */
static char *copy(const neap_alloc *alloc, const char *text) {
  return text ? neap__copy(alloc, text, strlen(text)) : NULL;
}

/* The new texts may be parts of the old ones. */
void neap__reason_set(neap__reason *reason, const neap_alloc *alloc, int status,
                      const char *code, const char *text) {
  neap__reason old = neap__reason_take(reason);
  *reason = (neap__reason){.status = status,
                           .failure = old.failure,
                           .code = copy(alloc, code),
                           .text = copy(alloc, text)};
  neap__reason_clear(&old, alloc);
}

static const char *code_of(int status) {
  switch (status) {
  case 0:
    return "";
  case NEAP_ECANCELED:
    return "cancelled";
  case NEAP_ETIMEDOUT:
    return "timeout";
  case NEAP_EMAXSTEPS:
    return "max_steps";
  case NEAP_EACTION:
    return "action";
  case NEAP_ENOMEM:
    return "memory";
  default:
    return "failed";
  }
}

const char *neap__reason_code(const neap__reason *reason) {
  return reason->code ? reason->code : code_of(reason->status);
}

const char *neap__reason_text(const neap__reason *reason) {
  if (reason->text)
    return reason->text;
  return reason->status == 0 ? "" : neap_status_text(reason->status);
}
