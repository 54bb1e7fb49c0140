/* The calls of a store in a file; `self` is a neap__db.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SQLITE_CALLS_H
#define NEAP_SQLITE_CALLS_H

#include "store/call.h"

extern const neap__store_calls neap__calls;

#endif
