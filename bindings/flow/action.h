/* Actions, and the steps that a run refuses, as text.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_ACTION_H
#define NEAP_BINDINGS_FLOW_ACTION_H

#include "visit.h"

/* Pushes the action of a step. [-0, +1, m] */
void neapL_action_push(lua_State *L, const neap_step *step);

/* Pushes the error for a result of post, on top, that is no action. [-0, +?, m]
 */
void neapL_action_push_misfit(lua_State *L, const neap_step *step);

/* Pushes the error for a step that the run refuses. [-0, +1, m] */
void neapL_action_push_refusal(lua_State *L, const neap_step *step);

/* Warns of an action that has no successor, and says how the run goes on.
 * [-0, +0, m] */
void neapL_action_warn(lua_State *L, neapL_task *task, const neap_step *step);

#endif
