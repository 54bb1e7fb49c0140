/* What the library for SQLite offers to the engine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SQLITE_LIBRARY_H
#define NEAP_SQLITE_LIBRARY_H

#include "store/store.h"

/* The one symbol that the library exports, by the name NEAP__SQLITE_SYMBOL. */
extern NEAP_API const neap__store_library neap__sqlite_library;

#define NEAP__SQLITE_SYMBOL "neap__sqlite_library"

#endif
