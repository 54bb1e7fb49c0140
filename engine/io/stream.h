/* Streams: bytes that come and go through pipes, sockets and terminals.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_IO_STREAM_H
#define NEAP_IO_STREAM_H

#include "neap.h"

/* Closes the streams that are left, whose operations have been forgotten. Their
 * memory still belongs to their owners. */
void neap__streams_close(neap_engine *engine);

/* Closes the descriptors of streams in the child of a fork, and drops what was
 * to be written. */
void neap__streams_disown(neap_engine *engine);

#endif
