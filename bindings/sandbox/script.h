/* What a sandboxed script has of its own: its globals and its modules.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_SANDBOX_SCRIPT_H
#define NEAP_BINDINGS_SANDBOX_SCRIPT_H

#include <lua.h>

/* Makes room for a script: pushes the table of its globals, and neap's own
 * `require` for the modules that go with it. [-0, +2, v] */
void neapL_script_push(lua_State *L);

#endif
