/* Finds and loads the HTTP library.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_LOAD_H
#define NEAP_HTTP_LOAD_H

#include "http.h"

/* Loads the library named by `path`, or found where neap_engine_opts says when
 * it is NULL, for this engine. On failure, NEAP_ENOLIB or NEAP_ENOMEM, `why`
 * has a sentence. */
int neap__http_load(neap_engine *engine, const char *path, neap__http **out,
                    char why[NEAP__HTTP_WHY_SIZE]);

/* Begin to close it, and free it once the loop has been run down. NULL is
 * ignored. */
void neap__http_close(neap__http *http);
void neap__http_free(neap__http *http);

#endif
