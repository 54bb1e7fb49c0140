/* Which hosts and addresses were granted.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_GRANTS_NET_H
#define NEAP_GRANTS_NET_H

#include "grants.h"

struct sockaddr;

/* Whether connecting to a host is granted, before its name is looked up. If so
 * returns true; else notes the refusal in *number. */
bool neap__grants_host(neap__grants *grants, const char *host, uint16_t port,
                       int *number);

/* Whether connecting to an address is granted to which `host`, which was
 * granted, has led. */
bool neap__grants_address(neap__grants *grants, const char *host,
                          const struct sockaddr *address, int *number);

/* Whether listening at an address is granted. */
bool neap__grants_listen(neap__grants *grants, const struct sockaddr *address,
                         int *number);

#endif
