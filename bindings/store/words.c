/* The words for what neap_store.h has numbers for.
 * SPDX-License-Identifier: MIT */
#include "words.h"

#include <lauxlib.h>
#include <string.h>

#include "task/check.h"

static const struct {
  const char *name;
  neap_store_status status;
} statuses[] = {
    {"queued", NEAP_STORE_QUEUED},     {"running", NEAP_STORE_RUNNING},
    {"waiting", NEAP_STORE_WAITING},   {"paused", NEAP_STORE_PAUSED},
    {"stuck", NEAP_STORE_STUCK},       {"done", NEAP_STORE_DONE},
    {"failed", NEAP_STORE_FAILED},     {"cancelled", NEAP_STORE_CANCELLED},
    {"poisoned", NEAP_STORE_POISONED},
};

enum { STATUSES = sizeof statuses / sizeof *statuses };

const char *neapL_words_status(neap_store_status status) {
  for (size_t i = 0; i < STATUSES; i++)
    if (statuses[i].status == status)
      return statuses[i].name;
  return NULL;
}

neap_store_status neapL_words_status_at(lua_State *L, int index) {
  const char *name = lua_tostring(L, index);
  for (size_t i = 0; name && i < STATUSES; i++)
    if (strcmp(statuses[i].name, name) == 0)
      return statuses[i].status;
  luaL_error(L, "'%s' is no status of a run", name ? name : "?");
  return NEAP_STORE_QUEUED;
}

const char *neapL_words_mark(neap_store_mark mark) {
  switch (mark) {
  case NEAP_STORE_CANCEL:
    return "cancel";
  case NEAP_STORE_PAUSE:
    return "pause";
  case NEAP_STORE_UNMARKED:
    break;
  }
  return NULL;
}

neap_store_wish neapL_words_wish_at(lua_State *L, int index) {
  static const char *const names[] = {"cancel", "pause", "resume", "retry",
                                      NULL};
  return (neap_store_wish)(neapL_check_option(L, index, NULL, names) +
                           NEAP_STORE_WISH_CANCEL);
}

const char *neapL_words_code(int status) {
  switch (status) {
  case NEAP_EFENCED:
    return "fenced";
  case NEAP_EEXISTS:
    return "exists";
  case NEAP_EFULL:
    return "full";
  case NEAP_EENDED:
    return "ended";
  case NEAP_ENORUN:
    return "run";
  case NEAP_ENOVALUE:
    return "value";
  case NEAP_EDAMAGED:
    return "damaged";
  case NEAP_ENEWER:
    return "newer";
  case NEAP_EREADONLY:
    return "read_only";
  default:
    return "store";
  }
}
