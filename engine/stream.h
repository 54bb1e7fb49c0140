/* Streams: bytes that come and go through pipes, sockets and terminals.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_STREAM_H
#define NEAP_STREAM_H

#include "list.h"
#include "loop.h"

/* The streams of a loop, and the memory that they all read into. */
typedef struct neap__streams {
  neap_loop *loop;
  neap_link open;      /* of neap_stream, by their link */
  char *slab;          /* *owned*; NULL until something is read */
  neap_stream *tenant; /* whose bytes it holds, or NULL */
} neap__streams;

void neap__streams_init(neap__streams *streams, neap_loop *loop);

/* Closes the streams that are left; nothing waits for them any more. Their
 * memory is their owners' still. */
void neap__streams_close(neap__streams *streams);

/* See neap_stream_open and neap_stream_pair in neap.h. */
int neap__stream_open(neap__streams *streams, int fd, bool shared,
                      neap_stream **out);
int neap__stream_pair(neap__streams *streams, neap_stream *out[2]);

#endif
