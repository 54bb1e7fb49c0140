/* Paths: where in its flows a run is, as text.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_PATH_H
#define NEAP_BINDINGS_FLOW_PATH_H

#include "visit.h"

/* Pushes the path of a visit: "order > payment[3] > Charge". [-0, +1, m] */
void neapL_path_push(lua_State *L, const neap_run *run, uint32_t depth);

/* Pushes the path of the current visit, or of the one in which the run has
 * failed. [-0, +1, m] */
void neapL_path_push_current(lua_State *L, const neap_run *run);

/* Adds `node` (the path of the current visit), `phase` and `attempt` to the
 * table on top. [-0, +0, m] */
void neapL_path_note(lua_State *L, const neap_run *run);

#endif
