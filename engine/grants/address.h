/* Addresses of the network, whatever their spelling: which of them are public.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_GRANTS_ADDRESS_H
#define NEAP_GRANTS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

/* An address of IPv6; one of IPv4 in its mapped form, ::ffff:a.b.c.d. So the
 * two spellings of an address of IPv4 are the same address. */
typedef struct neap__address {
  uint8_t bytes[16];
} neap__address;

/* The room for an address as text. */
enum { NEAP__ADDRESS_SIZE = 64 };

/* Reads digits in any spelling that the system's resolver takes for an address
 * ("127.0.0.1", "127.1", "2130706433", "0x7f.1", "::1", "[::1]", "fe80::1%lo"),
 * without asking anybody. False for any other text. */
bool neap__address_parse(const char *text, neap__address *out);

/* Takes the address and the port of IPv4 or IPv6; false for any other family.
 */
bool neap__address_take(const struct sockaddr *from, neap__address *out,
                        uint16_t *port);

bool neap__address_is_same(const neap__address *one,
                           const neap__address *other);

/* Writes the address in its usual digits: "127.0.0.1", "::1". */
void neap__address_write(const neap__address *address, char *text, size_t size);

/* What kind of address it is if it is not one of the public network: "a
 * loopback address", for instance. NULL for one that is public. An address of
 * IPv6 that stands for one of IPv4 (6to4, NAT64, ...) is of the kind of that.
 */
const char *neap__address_kind(const neap__address *address);

#endif
