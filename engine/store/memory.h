/* The store that keeps runs in memory.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_STORE_MEMORY_H
#define NEAP_STORE_MEMORY_H

#include "store.h"

extern const neap__keeper_api neap__memory_keeper;

#endif
