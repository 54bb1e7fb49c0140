/* What is known about a file, for Lua.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_IO_FS_STAT_H
#define NEAP_BINDINGS_IO_FS_STAT_H

#include <lua.h>

#include "neap.h"

/* The name that Lua knows a type by: "file". */
const char *neapL_fs_stat_type(neap_file_type type);

/* Pushes what has been found about a file, and returns 1. [-0, +1, m] */
int neapL_fs_stat_push(lua_State *L, neap_fs_result *result);

#endif
