/* What the HTTP library offers to the engine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_LIBRARY_H
#define NEAP_HTTP_LIBRARY_H

#include "api.h"

/* The one symbol that the library exports, by the name NEAP__HTTP_SYMBOL. */
extern NEAP_API const neap__http_api neap__http_library;

#endif
