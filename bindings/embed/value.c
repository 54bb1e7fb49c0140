/* Values of Lua's that a host holds.
 * SPDX-License-Identifier: MIT */
#include "flow/value.h"

#include "guard.h"
#include "neap_lua.h"

static int make_value(lua_State *L) {
  neapL_value_new(L, lua_touserdata(L, 1));
  return 0;
}

int neap_lua_value_new(lua_State *L, int index, neap_value *out) {
  if (!L || !out || index == 0)
    return NEAP_EINVAL;
  neap_value value;
  int status = neapL_guard_call(L, make_value, &value, index);
  if (status == 0)
    *out = value;
  return status;
}

void neap_lua_value_free(neap_value *value) {
  if (value)
    neapL_value_free(value);
}

int neap_lua_value_push(lua_State *L, neap_value value) {
  if (!L || !neapL_host_find(L))
    return NEAP_EINVAL;
  if (!lua_checkstack(L, LUA_MINSTACK))
    return NEAP_ENOMEM;
  return neapL_value_push(L, value) ? 0 : NEAP_EINVAL;
}
