/* How the functions of neap.fs wait for one operation and give its result.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_IO_FS_CALL_H
#define NEAP_BINDINGS_IO_FS_CALL_H

#include <lua.h>
#include <stdbool.h>

#include "neap.h"

/* Where the arguments stand while a function waits: a path (or a handle of a
 * file), what else it needs. */
enum { NEAPL_FS_PATH = 1, NEAPL_FS_DATA, NEAPL_FS_MORE };

/* What a function does. It is a closure that has this as its only upvalue. */
typedef struct neapL_fs_call {
  const char *name; /* "read" */
  const char *what; /* for errors and those who look who waits: "fs.read" */
  bool second_path; /* the argument at NEAPL_FS_DATA is one, too */
  /* Checks the argument at NEAPL_FS_PATH, a handle, and again before the start;
   * NULL: it is a path. [-0, +0, v] */
  void (*look)(lua_State *L, const char *what);
  /* Checks the arguments beyond the paths; NULL: there are none. [-0, +0, v] */
  void (*check)(lua_State *L);
  /* Starts `op`; returns what the function of neap.h does. The arguments have
   * been checked. [-0, +0, -] */
  int (*start)(lua_State *L, neap_op *op, neap_fs_result **result);
  /* Pushes what the function returns, and says how many; NULL: nothing. An
   * operation that failed comes here only with `failed`. [-0, +n, m] */
  int (*finish)(lua_State *L, neap_fs_result *result);
  /* Sees how an operation failed: true when the results have been pushed (one)
   * nevertheless; NULL: every failure is an error. [-0, +(0|1), m] */
  bool (*failed)(lua_State *L, const neap_op *op);
  /* Takes back what the caller was given but is too late for, because he has
   * been cancelled; NULL: the result is freed. [-0, +0, -] */
  void (*discard)(lua_State *L, neap_fs_result **result);
} neapL_fs_call;

/* Sets functions in the table on top; `calls` ends with one without a name.
 * [-0, +0, m] */
void neapL_fs_call_register(lua_State *L, const neapL_fs_call *calls);

/* Raises an error about the path or handle at NEAPL_FS_PATH. [-0, +0, v] */
int neapL_fs_call_fail(lua_State *L, const char *what, bool second_path,
                       int status, int detail);

/* Returns the path at `arg`. [-0, +0, v] */
const char *neapL_fs_call_path(lua_State *L, int arg);

/* Registers the metatable of what holds results. [-0, +0, m] */
void neapL_fs_call_open(lua_State *L);

#endif
