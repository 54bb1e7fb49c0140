/* Errors for what a restricted engine refuses.
 * SPDX-License-Identifier: MIT */
#include "refusal.h"

#include "error.h"
#include "wait.h"

void neapL_refusal_push(lua_State *L, const char *what, const char *why) {
  neapL_error_push(L, NEAPL_DENIED, "%s: %s", what, why);
  lua_pushboolean(L, false);
  lua_setfield(L, -2, "retryable");
}

const char *neapL_refusal_text(lua_State *L, int detail) {
  return neap_refusal_text(neapL_engine(L), detail);
}

void neapL_refusal_push_status(lua_State *L, const char *code, const char *what,
                               int status, int detail) {
  if (status == NEAP_EPERM)
    neapL_refusal_push(L, what, neapL_refusal_text(L, detail));
  else
    neapL_error_push_status(L, code, what, status, detail);
}

void neapL_refusal_check(lua_State *L, const char *what, const char *grant) {
  if (neap_is_granted(neapL_engine(L), grant))
    return;
  lua_pushfstring(L, "not granted; %s would allow it", grant);
  neapL_refusal_push(L, what, lua_tostring(L, -1));
  lua_error(L);
}
