/* Errors for what a restricted engine refuses.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_REFUSAL_H
#define NEAP_BINDINGS_TASK_REFUSAL_H

#include <lua.h>

/* The code of such an error. */
#define NEAPL_DENIED "denied"

/* Pushes the error object of a refusal: its code is NEAPL_DENIED, its message
 * "WHAT: WHY", and it is not `retryable`. [-0, +1, m] */
void neapL_refusal_push(lua_State *L, const char *what, const char *why);

/* As neapL_error_push_status, also for NEAP_EPERM, whose detail says what was
 * refused; that error has its own code. [-0, +1, v] */
void neapL_refusal_push_status(lua_State *L, const char *code, const char *what,
                               int status, int detail);

/* The sentence of a refusal. [-0, +0, v] */
const char *neapL_refusal_text(lua_State *L, int detail);

/* Raises an error unless the engine was granted `grant` ("input"). [-0, +0, v]
 */
void neapL_refusal_check(lua_State *L, const char *what, const char *grant);

#endif
