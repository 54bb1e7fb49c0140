/* Sockets that wait for connections.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_NET_LISTEN_H
#define NEAP_NET_LISTEN_H

#include "neap.h"

/* Closes the listeners that are left; nothing waits for them any more. Their
 * memory is their owners' still. */
void neap__listeners_close(neap_engine *engine);

#endif
