/* neap for Lua 5.4: what a host needs to put neap into a Lua state.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_LUA_H
#define NEAP_LUA_H

#include "neap.h"

#ifdef __cplusplus
extern "C" {
#endif

#include <lua.h> /* which does not know of C++ */

typedef struct neap_lua_opts {
  size_t size;
  const neap_engine_opts *engine; /* of the state's engine; NULL: the defaults.
                                     Its `http_library` is *kept* as long as the
                                     state */
} neap_lua_opts;

#define NEAP_LUA_OPTS_INIT NEAP_OPTS_INIT(neap_lua_opts)

/* Puts neap into a Lua state, with an engine of its own that lives as long as
 * the state. Afterwards `require "neap"` and its other modules need no file:
 * libneap_lua has them in it. The state needs to have the library `package`,
 * and the others that its scripts use, as luaL_openlibs opens them. `opts` may
 * be NULL. Raises nothing, and may be called outside of protected calls.
 *
 * Returns 0, NEAP_EBUSY when neap is open in the state already, NEAP_EINVAL
 * when `opts` are wrong or the state is of another version of Lua, NEAP_ENOMEM,
 * or NEAP_ESYS when there are no more descriptors. After a failure you can try
 * again. [-0, +0, -] */
NEAP_API int neap_lua_open(lua_State *L, const neap_lua_opts *opts);

/* Makes a Lua state with the standard libraries and with neap, as
 * neap_lua_open puts it in. All memory of the state and of its engine comes
 * from the allocator of `opts->engine`, and is counted. `opts` may be NULL. The
 * state has no function that gets warnings, nor one for a panic: set yours,
 * with lua_setwarnf and lua_atpanic.
 *
 * On success *out is *owned*: end it with lua_close, which ends its engine as
 * well. Not from beneath a call into this state. Returns 0, NEAP_EINVAL when
 * `opts` or those of the engine are wrong, NEAP_ENOMEM, or NEAP_ESYS when there
 * are no more descriptors. */
NEAP_API int neap_lua_new(const neap_lua_opts *opts, lua_State **out);

/* Opens `neap.core`, the part of neap that is written in C, and nothing else:
 * for a state that finds the Lua modules in `package.path`. A host calls it
 * through luaL_requiref or package.preload under the name "neap.core". Leaves
 * the module's table on the stack, and raises what goes wrong. [-0, +1, v] */
NEAP_API int luaopen_neap_core(lua_State *L);

/* The engine of a Lua state in which neap.core is open, *kept* by it: for
 * neap_on_event, neap_wake and the like. Do not poll or free it. NULL when neap
 * is not open, or has ended because the state is being closed. [-0, +0, -] */
NEAP_API neap_engine *neap_lua_engine(lua_State *L);

#ifdef __cplusplus
}
#endif

#endif
