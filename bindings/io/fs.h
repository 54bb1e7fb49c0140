/* Files for Lua: the C functions for lua/neap/fs.lua.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_IO_FS_H
#define NEAP_BINDINGS_IO_FS_H

#include <lua.h>

/* Pushes the table of these functions. [-0, +1, m]
 *
 * read(path, { max_size = bytes }), write(path, data), append(path, data),
 * list(path), stat(path), lstat(path), exists(path), rename(from, to),
 * copy(from, to), link(from, to), symlink(target, path), readlink(path),
 * realpath(path), chmod(path, mode) and tempdir(prefix) are those of neap.fs.
 * replace(path, data) is write with the option `atomic`. mkdir(path, parents,
 * mode) and remove(path, recursive) take their options without names.
 * remove_now(path) removes a tree without waiting, and returns what was in the
 * way.
 *
 * All others wait. They raise an error object of code "fs" with `path`, with
 * `to` where there are two paths, and with `errno` ("ENOENT") where the system
 * has refused. If a write is cancelled, the file may have a part of the data.
 */
int neapL_fs_open(lua_State *L);

#endif
