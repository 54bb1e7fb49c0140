/* The calls of neap_store.h as methods: what each is given, and gives.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_STORE_CALLS_H
#define NEAP_BINDINGS_STORE_CALLS_H

#include <lua.h>

#include "neap_store.h"

/* The stack of a method: the store, its arguments, what is made of these, and
 * the holder of the result. */
enum {
  NEAPL_CALL_STORE = 1,
  NEAPL_CALL_FIRST,
  NEAPL_CALL_LAST = NEAPL_CALL_FIRST + 3,
  NEAPL_CALL_READY,
  NEAPL_CALL_RESULT = NEAPL_CALL_READY + 4,
};

typedef struct neapL_call {
  const char *name; /* "claim" */
  const char *what; /* for errors, and for neap.dump: "store.claim" */
  /* Starts the operation, with what has been made ready. [-0, +0, -] */
  int (*start)(lua_State *L, neap_op *op, neap_store *store,
               neap_store_result **result);
  /* Checks the arguments, and pushes what `start` needs besides, from
   * NEAPL_CALL_READY on. NULL: nothing. [-0, +?, v] */
  void (*prepare)(lua_State *L);
  /* Pushes what the method returns, and returns how many values these are;
   * NULL: nothing. [-0, +n, m] */
  int (*answer)(lua_State *L, const neap_store_result *result);
} neapL_call;

/* All of them; the last has no name. */
extern const neapL_call neapL_calls[];

#endif
