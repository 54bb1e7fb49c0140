/* The addresses of sockets, as text and from names.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_IO_NET_ADDRESS_H
#define NEAP_IO_NET_ADDRESS_H

#include "neap.h"

struct sockaddr_storage;

/* Copies the options with the defaults filled in. Returns 0, or NEAP_EINVAL for
 * a struct that is none. */
int neap__net_opts(const neap_net_opts *opts, neap_net_opts *out);

/* Writes an address that needs no lookup, and its size: that of the path if
 * there is one, else that of a host in digits. Returns 0 or libuv's code,
 * UV_EINVAL for a host that is a name. */
int neap__net_address(const neap_net_opts *opts, struct sockaddr_storage *out,
                      unsigned *size);

/* Makes a socket of this family that does not block and is not inherited.
 * Returns its descriptor, or libuv's code. */
int neap__net_socket(int family, bool delays);

#endif
