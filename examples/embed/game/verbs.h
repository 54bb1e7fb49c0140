/* What flows can do in the town. SPDX-License-Identifier: MIT */
#ifndef VERBS_H
#define VERBS_H

#include <neap_lua.h>

/* Makes these known in a state with neap: the module "town", the function
 * walk_to, and the node "walk". Returns 0 or a negative status. */
int verbs_open(lua_State *L);

/* Pushes the store of a person: the `shared` of their flow. */
void verbs_push_store(lua_State *L, int who);

#endif
