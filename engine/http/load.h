/* Finds and loads the HTTP library.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_LOAD_H
#define NEAP_HTTP_LOAD_H

#include "api.h"

/* Loads the library at `path`, or if that is NULL, where neap_engine_opts says.
 * On failure, NEAP_ENOLIB or NEAP_ENOMEM, `why` has a sentence. */
int neap__http_load(neap_engine *engine, const char *path, neap__http **out,
                    char why[NEAP__HTTP_WHY_SIZE]);

/* Begins to close the library's handles; and frees the rest when the loop has
 * been closed. NULL is ignored. */
void neap__http_close(neap__http *http);
void neap__http_free(neap__http *http);

/* Lets go of the library's handles in the child of a fork. NULL is ignored. */
void neap__http_disown(neap__http *http);

#endif
