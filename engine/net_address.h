/* The addresses of sockets, as text and from names.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_NET_ADDRESS_H
#define NEAP_NET_ADDRESS_H

#include "neap.h"

struct sockaddr_storage;

/* Copies of the options with the defaults filled in. */
neap_net_opts neap__net_opts(const neap_net_opts *opts);

/* Reads an address that needs no lookup: of the path if there is one, else of a
 * host in digits. Returns 0 or libuv's code, UV_EINVAL for a host that is a
 * name, and writes the size of the address. */
int neap__net_address(const neap_net_opts *opts, struct sockaddr_storage *out,
                      unsigned *size);

/* Makes a socket for this family, not blocking and not inherited. Returns it,
 * or libuv's code. */
int neap__net_socket(int family, bool delays);

#endif
