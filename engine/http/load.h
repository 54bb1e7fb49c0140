/* Finds and loads the HTTP library.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_LOAD_H
#define NEAP_HTTP_LOAD_H

#include "api.h"

/* Finds the library at `path`, or if that is NULL, where neap_engine_opts says.
 * From any thread. On failure, NEAP_ENOLIB, `why` has a sentence. */
int neap__http_find(const char *path, const neap__http_api **out,
                    char why[NEAP__HTTP_WHY_SIZE]);

/* Opens the library for an engine, once it has been found. NEAP_ENOMEM. */
int neap__http_open(neap_engine *engine, const neap__http_api *api,
                    neap__http **out);

/* Begins to close the library's handles; and frees the rest when the loop has
 * been closed. NULL is ignored. */
void neap__http_close(neap__http *http);
void neap__http_free(neap__http *http);

/* Lets go of the library's handles in the child of a fork. NULL is ignored. */
void neap__http_disown(neap__http *http);

#endif
