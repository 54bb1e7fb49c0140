/* Streams: bytes that come and go through pipes, sockets and terminals.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_STREAM_H
#define NEAP_STREAM_H

#include "neap.h"

/* Closes the streams that are left; nothing waits for them any more. Their
 * memory is their owners' still. */
void neap__streams_close(neap_engine *engine);

#endif
