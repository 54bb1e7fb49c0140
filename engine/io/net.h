/* Connections that are made.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_IO_NET_H
#define NEAP_IO_NET_H

#include "neap.h"

/* Closes the sockets of connections that are being made, in the child of a
 * fork. */
void neap__net_disown(neap_engine *engine);

#endif
