/* How the functions of neap.fs wait for an operation and return its result.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_IO_FS_CALL_H
#define NEAP_BINDINGS_IO_FS_CALL_H

#include <lua.h>
#include <stdbool.h>

#include "neap.h"

/* The stack of a function: a path, or the handle of a file; then its other
 * arguments. */
enum { NEAPL_FS_PATH = 1, NEAPL_FS_DATA, NEAPL_FS_MORE };

/* A function of neap.fs. It is a closure that has this struct as its only
 * upvalue. */
typedef struct neapL_fs_call {
  const char *name; /* "read" */
  const char *what; /* for errors, and for neap.dump: "fs.read" */
  bool second_path; /* the argument at NEAPL_FS_DATA is a path, too */
  /* Checks the handle at NEAPL_FS_PATH. Called twice: for the arguments, and
   * again before the start. NULL: the argument is a path. [-0, +0, v] */
  void (*look)(lua_State *L, const char *what);
  /* Checks the arguments beyond the paths; NULL: there are none. [-0, +0, v] */
  void (*check)(lua_State *L);
  /* Starts `op`, and returns the status of the engine's function. The arguments
   * have been checked. [-0, +0, -] */
  int (*start)(lua_State *L, neap_op *op, neap_fs_result **result);
  /* Pushes the results of the function, and returns their number; NULL: there
   * are none. Called for an operation that failed only when it has `failed`.
   * [-0, +n, m] */
  int (*finish)(lua_State *L, neap_fs_result *result);
  /* Called when an operation has failed. Returns true when it has pushed a
   * result nevertheless. NULL: every failure is an error. [-0, +(0|1), m] */
  bool (*failed)(lua_State *L, const neap_op *op);
  /* Gives back the result of a caller that has been cancelled. NULL: the result
   * is freed. [-0, +0, -] */
  void (*discard)(lua_State *L, neap_fs_result **result);
} neapL_fs_call;

/* Sets functions in the table on top. The last of `calls` has no name.
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
