/* The Lua modules that are part of libneap_lua and of the executable.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_MODULES_H
#define NEAP_BINDINGS_MODULES_H

#include <stddef.h>

struct neapL_lua_module {
  const char *name; /* "neap.llm" */
  const char *code; /* as lua_dump wrote it */
  size_t size;
};

/* Ends with an entry whose name is NULL. Written by program/embed.c. */
extern const struct neapL_lua_module neapL_lua_modules[];

#endif
