/* What stat tells about a file, for Lua.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_IO_FS_STAT_H
#define NEAP_BINDINGS_IO_FS_STAT_H

#include <lua.h>

#include "neap.h"

/* Returns the name of a type of file in Lua: "file". */
const char *neapL_fs_stat_type(neap_file_type type);

/* Pushes the table of a stat, and returns 1. [-0, +1, m] */
int neapL_fs_stat_push(lua_State *L, neap_fs_result *result);

#endif
