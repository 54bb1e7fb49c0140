/* Processes for Lua: what lua/neap/process.lua is made of.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_IO_PROCESS_H
#define NEAP_BINDINGS_IO_PROCESS_H

#include <lua.h>

/* Pushes the raw module table, for lua/neap/process.lua only. [-0, +1, m]
 *
 * spawn { argv = { program, ... }, env = { "NAME=value", ... }, cwd =,
 * stdio = { kind, kind, kind }, paths = { [i] = path }, same_group =, grace =
 * seconds }: starts a program and returns a handle and its three streams, false
 * for one that is not "pipe". A kind is "pipe", "inherit", "null", "file",
 * "append" or "stdout". Or returns nil, what it was that failed ("program",
 * "cwd", "stdin", "stdout", "stderr"), why, and the system's name for that if
 * it has one.
 *
 * handle:wait() waits for its end and returns the exit code and the name of the
 * signal that ended it, one of them nil, or nil, nil and why nobody can tell.
 * handle:kill(signal), a number or a name, returns whether there was something
 * to be killed, or nil and why not. handle:stop() has it end, with its grace;
 * so do the collector and `<close>`. handle:pid().
 *
 * signal(name): the number of "SIGTERM" or "TERM", or nil.
 * environment(): the variables of this process by their names. */
int neapL_process_open(lua_State *L);

#endif
