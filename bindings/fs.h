/* Files for Lua: neap.fs.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FS_H
#define NEAP_BINDINGS_FS_H

#include <lua.h>

/* Pushes the module table. [-0, +1, m]
 *
 * read(path, { max_size = bytes }): the whole content of a file, also of one
 * that is not regular. Without `max_size` there is no limit.
 *
 * write(path, data): replaces the content; append(path, data) adds to it. Both
 * create the file when there is none, and return nothing.
 *
 * list(path): what is in a directory but "." and "..", as an array of
 * { name =, type = "file", "directory", "link" or "other" }, sorted by name
 * bytewise.
 *
 * stat(path): what a path leads to, links followed: { type =, as above,
 * size = bytes, mtime = seconds since 1970, mode = permission bits }.
 *
 * All of them wait. They raise an error object of code "fs" with `path` and,
 * where the system refused, `errno` ("ENOENT"). Cancelled while writing, a
 * file may have got a part of the data. */
int neap__fs_open(lua_State *L);

#endif
