/* Programs for Lua: the C functions for lua/neap/process.lua.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_IO_PROCESS_H
#define NEAP_BINDINGS_IO_PROCESS_H

#include <lua.h>

/* Pushes the table of these functions. [-0, +1, m]
 *
 * spawn { argv = { program, ... }, env = { "NAME=value", ... }, cwd =, stdio =
 * { kind, kind, kind }, paths = { [i] = path }, same_group =, grace = seconds
 * }: starts a program. It returns a handle and three streams, false for each
 * that is not "pipe". A kind is "pipe", "inherit", "null", "file", "append" or
 * "stdout". On failure it returns nil, what failed ("program", "cwd", "stdin",
 * "stdout", "stderr"), why, and the system's name for the error if there is
 * one.
 *
 * handle:wait() waits for the end of the program. It returns the exit code and
 * the name of the signal that ended it, one of which is nil. If neither is
 * known, it returns nil, nil and why. handle:kill(signal) takes a number. It
 * returns whether there was a process to kill, or nil and why the system
 * refused. handle:stop() ends the program, and kills it after its grace, as the
 * collector and `<close>` do. handle:pid().
 *
 * signal(name): returns the number of "SIGTERM" or "TERM", or nil.
 * environment(): returns the variables of this process by their names. */
int neapL_process_open(lua_State *L);

#endif
