/* A sandbox beneath the state of the executable: for `neap run --untrusted`.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_PROGRAM_BOX_H
#define NEAP_BINDINGS_PROGRAM_BOX_H

#include <lua.h>

/* The function of the module neap.cli.box:
 *
 *   box(options, print) -> box; or nil and what is wrong with the grants
 *
 * `options` has `grants`, a list of texts, and the numbers `memory`, `output`,
 * `compute`. `print(fd, text)` gets what the script prints. The methods of a
 * box:
 *
 *   box:start(text, name, options, ...) runs the text of a script in it, with
 *     these arguments; `options` is a text for lua/neap/cli/inside.lua
 *   box:slice(seconds) -> whether the script has ended
 *   box:wait() waits until it has something to do
 *   box:cancel() cancels all that goes on in it
 *   box:result() -> a text of lua/neap/cli/inside.lua; or nil, and the
 *     message and the code of the error that has ended the script
 *   box:close() */
int neapL_box(lua_State *L);

/* Registers the class. [-0, +0, v] */
void neapL_box_open(lua_State *L);

#endif
