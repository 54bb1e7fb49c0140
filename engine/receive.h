/* Receiving: libuv's I/O, and HTTP.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_RECEIVE_H
#define NEAP_RECEIVE_H

#include "neap.h"

/* Receives I/O, waiting at most `max_wait_ns` for it, and drives HTTP until the
 * real clock is at `until`. */
void neap__receive(neap_engine *engine, uint64_t max_wait_ns, uint64_t until);

/* Whether there is something to be delivered, or HTTP to be driven. */
bool neap__has_work(const neap_engine *engine);

#endif
