/* Sockets that wait for connections.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_IO_NET_LISTEN_H
#define NEAP_IO_NET_LISTEN_H

#include "neap.h"

/* Closes the listeners that are left, and forgets their operations. Their
 * memory still belongs to their owners. */
void neap__listeners_close(neap_engine *engine);

/* Closes the sockets of listeners in the child of a fork. */
void neap__listeners_disown(neap_engine *engine);

#endif
