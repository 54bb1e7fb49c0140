/* Files for Lua: neap.fs.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_IO_FS_H
#define NEAP_BINDINGS_IO_FS_H

#include <lua.h>

/* Pushes the table of what lua/neap/fs.lua is made of. [-0, +1, m]
 *
 * read(path, { max_size = bytes }), write(path, data), append(path, data),
 * list(path), stat(path), lstat(path), exists(path), rename(from, to),
 * copy(from, to), link(from, to), symlink(target, path), readlink(path),
 * realpath(path), chmod(path, mode) are neap.fs's own, described there.
 * mkdir(path, parents, mode) and remove(path, recursive) have no names for
 * their options; remove_now(path) removes a tree without waiting, and gives
 * what was in the way.
 *
 * All others wait. They raise an error object of code "fs" with `path`, `to`
 * where there are two, and, where the system refused, `errno` ("ENOENT").
 * Cancelled while writing, a file may have got a part of the data. */
int neapL_fs_open(lua_State *L);

#endif
