/* The memory store: saves.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_STORE_KEEP_H
#define NEAP_STORE_KEEP_H

#include "result.h"
#include "world.h"

/* neap_store_save, at a time. */
int neap__keep_save(neap__world *world, int64_t now,
                    const neap_store_save_opts *given, neap_store_result *out);

#endif
