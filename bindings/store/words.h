/* The words for what neap_store.h has numbers for.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_STORE_WORDS_H
#define NEAP_BINDINGS_STORE_WORDS_H

#include <lua.h>

#include "neap_store.h"

/* "queued", ...; NULL for a number that is no status. */
const char *neapL_words_status(neap_store_status status);

/* The status of the word at `index`. [-0, +0, v] */
neap_store_status neapL_words_status_at(lua_State *L, int index);

/* "cancel", "pause"; NULL where there is no mark. */
const char *neapL_words_mark(neap_store_mark mark);

/* The wish of the word at `index`: "cancel", "pause", "resume", "retry".
 * [-0, +0, v] */
neap_store_wish neapL_words_wish_at(lua_State *L, int index);

/* The code of the error for a status of the engine. */
const char *neapL_words_code(int status);

#endif
