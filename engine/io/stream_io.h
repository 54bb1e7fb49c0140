/* The system calls of streams, without waiting and without signals.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_IO_STREAM_IO_H
#define NEAP_IO_STREAM_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A descriptor and what is known of it. */
typedef struct neap__channel {
  int fd;       /* *owned*, -1 when it has been closed */
  bool socket;  /* else a pipe, a terminal, a file */
  bool one_way; /* can only be written to */
  bool asks;    /* it may block: a poll goes before each call */
} neap__channel;

/* Looks at a descriptor. UV_EINVAL for a socket that is not one of streams. */
int neap__channel_init(neap__channel *channel, int fd);

/* Both return how many bytes were moved, or libuv's code: UV_EAGAIN when there
 * is nothing to read, or no room to write, at the moment. Reading returns 0 at
 * the end. Writing where nobody reads any more is UV_EPIPE, and raises no
 * signal. */
ssize_t neap__channel_read(const neap__channel *channel, void *bytes,
                           size_t size);
ssize_t neap__channel_write(const neap__channel *channel, const void *bytes,
                            size_t size);

/* How many bytes can be read at the moment without waiting. */
size_t neap__channel_available(const neap__channel *channel);

/* Tells the peer that nothing more will be written. Returns 0 or libuv's code.
 */
int neap__channel_end(neap__channel *channel);

/* Closes the descriptor if it is open. */
void neap__channel_close(neap__channel *channel);

#endif
