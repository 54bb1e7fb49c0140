/* Open files for Lua.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_IO_FS_FILE_H
#define NEAP_BINDINGS_IO_FS_FILE_H

#include <lua.h>

/* Sets the field `file` of the table on top to the table of these functions, on
 * which lua/neap/fs.lua builds. [-0, +0, m]
 *
 * open(path, mode) and temp(prefix) return a handle and its path. All others
 * take the handle.
 *
 * read(handle) returns up to 64 KiB, nil at the end. write(handle, data).
 * seek(handle, whence, offset) returns the position. sync(handle).
 * stat(handle). truncate(handle, size). close(handle). These wait, and are
 * served in order.
 *
 * back(handle, size) gives bytes back that were read ahead, and returns whether
 * that was possible. shut(handle) closes the file without waiting, as the
 * collector does. is_open(handle). */
void neapL_fs_file_open(lua_State *L);

#endif
