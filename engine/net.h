/* Sockets: connections by TCP or on this machine, and who listens for them.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_NET_H
#define NEAP_NET_H

#include "stream.h"

struct sockaddr_storage;

/* The listeners of a loop, whose connections are streams. */
typedef struct neap__net {
  neap__streams *streams;
  neap_link listeners; /* of neap_listener, by their link */
} neap__net;

void neap__net_init(neap__net *net, neap__streams *streams);

/* Closes the listeners that are left; nothing waits for them any more. Their
 * memory is their owners' still. */
void neap__net_close(neap__net *net);

/* See neap_net_lookup and its siblings in neap.h. */
int neap__net_lookup(neap__net *net, neap_op *op, const char *host,
                     neap_addresses **result);
int neap__net_connect(neap__net *net, neap_op *op, const neap_net_opts *opts,
                      neap_stream **result);
int neap__net_listen(neap__net *net, const neap_net_opts *opts, int *detail,
                     neap_listener **out);

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
