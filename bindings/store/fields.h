/* Reading the fields of tables that neap's own modules have made.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_STORE_FIELDS_H
#define NEAP_BINDINGS_STORE_FIELDS_H

#include <lauxlib.h>

#include "neap_store.h"

/* Each reads the field `name` of the table at `index`; nil is NULL or 0. The
 * table keeps what they return. [-0, +0, v] */
const char *neapL_fields_text(lua_State *L, int index, const char *name);
neap_span neapL_fields_span(lua_State *L, int index, const char *name);
int64_t neapL_fields_number(lua_State *L, int index, const char *name);
bool neapL_fields_flag(lua_State *L, int index, const char *name);

/* Reads a token, of 16 bytes. [-0, +0, v] */
void neapL_fields_token(lua_State *L, int index, const char *name,
                        uint8_t *token);

/* Each pushes an array of what the field `name` has by name, as a userdata; or
 * nil where there is nothing. [-0, +1, m] */
const neap_store_value *neapL_fields_values(lua_State *L, int index,
                                            const char *name, size_t *count);
const neap_store_tag *neapL_fields_tags(lua_State *L, int index,
                                        const char *name, size_t *count);

/* The same of the changes of a save. [-0, +1, m] */
const neap_store_change *neapL_fields_changes(lua_State *L, int index,
                                              const char *name, size_t *count);

/* Reads a status by its word. [-0, +0, v] */
neap_store_status neapL_fields_status(lua_State *L, int index,
                                      const char *name);

/* Reads the statuses that a list names, as a set of bits. [-0, +0, v] */
unsigned neapL_fields_statuses(lua_State *L, int index, const char *name);

#endif
