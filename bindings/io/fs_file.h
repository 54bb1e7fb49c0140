/* Handles of open files for Lua.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_IO_FS_FILE_H
#define NEAP_BINDINGS_IO_FS_FILE_H

#include <lua.h>

/* Sets the field `file` of the table on top to a table of functions; what is
 * built on them is in lua/neap/fs.lua. [-0, +0, m]
 *
 * open(path, mode), temp(prefix): handle, path. All others take the handle.
 *
 * read(handle): up to 64 KiB, nil at the end. write(handle, data). seek(handle,
 * whence, offset): position. sync(handle). stat(handle). truncate(handle,
 * size). close(handle). These wait, and are served in order.
 *
 * back(handle, size): gives bytes back that were read ahead, and returns
 * whether that was possible. shut(handle): closes it without waiting; so does
 * the collector. is_open(handle). */
void neapL_fs_file_open(lua_State *L);

#endif
