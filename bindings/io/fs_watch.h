/* Watching files and directories from Lua.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_IO_FS_WATCH_H
#define NEAP_BINDINGS_IO_FS_WATCH_H

#include <lua.h>

/* Adds the function watch to the table on top. [-0, +0, m] */
void neapL_fs_watch_open(lua_State *L);

#endif
