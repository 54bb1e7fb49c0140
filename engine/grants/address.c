/* Addresses of the network, whatever their spelling: which of them are public.
 * SPDX-License-Identifier: MIT
 *
 * The kinds are those of the IANA registries of special-purpose addresses (RFC
 * 6890 and its updates). Of IPv6, only 2000::/3 is given to the public network,
 * so all else is special, whether or not it has been given a purpose yet.
 */
#include "address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* A range of addresses: those whose first `bits` are the same. */
typedef struct range4 {
  uint32_t first;
  unsigned bits;
  const char *kind;
} range4;

typedef struct range6 {
  uint8_t first[6]; /* no range here is told by more */
  unsigned bits;
  const char *kind;
} range6;

static const char loopback[] = "a loopback address";
static const char private[] = "a private address";
static const char link_local[] = "a link-local address";
static const char multicast[] = "a multicast address";
static const char metadata[] = "the address of a metadata service";
static const char reserved[] = "a reserved address";

#define IP(a, b, c, d)                                                         \
  ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

static const range4 ranges4[] = {
    {IP(169, 254, 169, 254), 32, metadata},
    {IP(168, 63, 129, 16), 32, metadata},   /* of Azure */
    {IP(100, 100, 100, 200), 32, metadata}, /* of Alibaba */
    {IP(0, 0, 0, 0), 8, loopback}, /* Linux connects 0.0.0.0 to itself */
    {IP(127, 0, 0, 0), 8, loopback},
    {IP(10, 0, 0, 0), 8, private},
    {IP(172, 16, 0, 0), 12, private},
    {IP(192, 168, 0, 0), 16, private},
    {IP(100, 64, 0, 0), 10, private}, /* of carriers, RFC 6598 */
    {IP(169, 254, 0, 0), 16, link_local},
    {IP(224, 0, 0, 0), 4, multicast},
    {IP(192, 0, 0, 0), 24, reserved},
    {IP(192, 0, 2, 0), 24, reserved},
    {IP(192, 88, 99, 0), 24, reserved},
    {IP(198, 18, 0, 0), 15, reserved},
    {IP(198, 51, 100, 0), 24, reserved},
    {IP(203, 0, 113, 0), 24, reserved},
    {IP(240, 0, 0, 0), 4, reserved},
};

static const range6 ranges6[] = {
    {{0xfd, 0x00, 0x0e, 0xc2}, 48, metadata}, /* of EC2 */
    {{0xfc}, 7, private},
    {{0xfe, 0xc0}, 10, private}, /* site-local, of old */
    {{0xfe, 0x80}, 10, link_local},
    {{0xff}, 8, multicast},
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, private}, /* NAT64, RFC 8215 */
    {{0x20, 0x01, 0x00}, 23, reserved}, /* Teredo, benchmarks, ... */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, reserved},
    {{0x3f, 0xff, 0x00}, 20, reserved},
};

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

/* Puts an address of IPv4 (`bytes`, as they are sent) into its mapped form. */
static void map(const void *bytes, neap__address *out) {
  memcpy(out->bytes, mapped, sizeof mapped);
  memcpy(out->bytes + sizeof mapped, bytes, 4);
}

bool neap__address_take(const struct sockaddr *from, neap__address *out,
                        uint16_t *port) {
  if (from->sa_family == AF_INET) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
    map(&v4->sin_addr, out);
    *port = ntohs(v4->sin_port);
    return true;
  }
  if (from->sa_family == AF_INET6) {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
    memcpy(out->bytes, &v6->sin6_addr, sizeof out->bytes);
    *port = ntohs(v6->sin6_port);
    return true;
  }
  return false;
}

bool neap__address_parse(const char *text, neap__address *out) {
  char digits[NEAP__ADDRESS_SIZE];
  size_t size = strlen(text);
  if (size > 2 && text[0] == '[' && text[size - 1] == ']') {
    text++;
    size -= 2;
    if (!memchr(text, ':', size))
      return false;
  }
  if (size == 0 || size >= sizeof digits)
    return false;
  memcpy(digits, text, size);
  digits[size] = '\0';
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                           .ai_flags = AI_NUMERICHOST},
                  *found;
  if (getaddrinfo(digits, NULL, &hints, &found) != 0)
    return false;
  uint16_t port;
  bool is_known = neap__address_take(found->ai_addr, out, &port);
  freeaddrinfo(found);
  return is_known;
}

bool neap__address_is_same(const neap__address *one,
                           const neap__address *other) {
  return memcmp(one->bytes, other->bytes, sizeof one->bytes) == 0;
}

static bool is_mapped(const neap__address *address) {
  return memcmp(address->bytes, mapped, sizeof mapped) == 0;
}

void neap__address_write(const neap__address *address, char *text,
                         size_t size) {
  if (is_mapped(address))
    inet_ntop(AF_INET, address->bytes + sizeof mapped, text, (socklen_t)size);
  else
    inet_ntop(AF_INET6, address->bytes, text, (socklen_t)size);
}

static const char *kind4(const uint8_t *bytes) {
  uint32_t address = IP(bytes[0], bytes[1], bytes[2], bytes[3]);
  for (size_t i = 0; i < sizeof ranges4 / sizeof *ranges4; i++) {
    const range4 *r = &ranges4[i];
    if ((address ^ r->first) >> (32 - r->bits) == 0)
      return r->kind;
  }
  return NULL;
}

static bool is_in(const uint8_t *bytes, const range6 *r) {
  unsigned whole = r->bits / 8, rest = r->bits % 8;
  if (memcmp(bytes, r->first, whole) != 0)
    return false;
  return rest == 0 || (bytes[whole] ^ r->first[whole]) >> (8 - rest) == 0;
}

/* Finds the address of IPv4 for which one of IPv6 stands; NULL if it stands for
 * none. */
static const uint8_t *inner(const uint8_t *bytes) {
  static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
  static const uint8_t compatible[12] = {0};
  static const uint8_t translated[12] = {[8] = 0xff, [9] = 0xff}; /* RFC 2765 */
  static const uint8_t isatap[4] = {0x00, 0x00, 0x5e, 0xfe};
  if (memcmp(bytes, mapped, 12) == 0 || memcmp(bytes, nat64, 12) == 0 ||
      memcmp(bytes, compatible, 12) == 0 || memcmp(bytes, translated, 12) == 0)
    return bytes + 12;
  if (bytes[0] == 0x20 && bytes[1] == 0x02) /* 6to4 */
    return bytes + 2;
  if ((bytes[8] & ~2) == isatap[0] && memcmp(bytes + 9, isatap + 1, 3) == 0)
    return bytes + 12;
  return NULL;
}

const char *neap__address_kind(const neap__address *address) {
  const uint8_t *bytes = address->bytes;
  for (size_t i = 0; i < sizeof ranges6 / sizeof *ranges6; i++)
    if (is_in(bytes, &ranges6[i]))
      return ranges6[i].kind;
  static const uint8_t one[16] = {[15] = 1};
  if (memcmp(bytes, one, sizeof one) == 0)
    return loopback;
  const uint8_t *v4 = inner(bytes);
  if (v4)
    return kind4(v4);
  return bytes[0] >> 5 == 1 ? NULL : reserved;
}
