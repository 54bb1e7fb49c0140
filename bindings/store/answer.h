/* What a store has answered, as tables.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_STORE_ANSWER_H
#define NEAP_BINDINGS_STORE_ANSWER_H

#include <lua.h>

#include "neap_store.h"

/* Each pushes what a result tells, and returns 1: its number; its first run,
 * nil if it has none; the list of its runs, steps or rows. [-0, +1, m] */
int neapL_answer_number(lua_State *L, const neap_store_result *result);
int neapL_answer_run(lua_State *L, const neap_store_result *result);
int neapL_answer_runs(lua_State *L, const neap_store_result *result);
int neapL_answer_steps(lua_State *L, const neap_store_result *result);
int neapL_answer_rows(lua_State *L, const neap_store_result *result);

#endif
