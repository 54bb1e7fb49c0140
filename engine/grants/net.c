/* Which hosts and addresses were granted.
 * SPDX-License-Identifier: MIT */
#include "net.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Looking up a name is for no port: 0. Listening at 0 is listening at any. */
static bool has_port(const neap__grant *g, uint16_t port) {
  bool is_any = port == 0 && g->kind == NEAP__GRANT_NET;
  return g->port == 0 || g->port == port || is_any;
}

static bool has_address(const neap__grants *grants, neap__grant_kind kind,
                        const neap__address *address, uint16_t port) {
  for (size_t i = 0; i < grants->count; i++) {
    const neap__grant *g = &grants->items[i];
    if (g->kind == kind && g->is_address && has_port(g, port) &&
        neap__address_is_same(&g->address, address))
      return true;
  }
  return false;
}

static bool has_name(const neap__grants *grants, const char *name,
                     uint16_t port) {
  size_t size = strlen(name);
  if (size > 1 && name[size - 1] == '.') /* a name that is complete */
    size--;
  for (size_t i = 0; i < grants->count; i++) {
    const neap__grant *g = &grants->items[i];
    if (g->kind == NEAP__GRANT_NET && !g->is_address && has_port(g, port) &&
        strlen(g->name) == size && strncasecmp(g->name, name, size) == 0)
      return true;
  }
  return false;
}

/* Writes "net=HOST:PORT", as it would be granted. */
static void write_grant(char *out, size_t size, const char *kind,
                        const char *host, uint16_t port) {
  bool is_v6 = strchr(host, ':') && *host != '[';
  const char *open = is_v6 ? "[" : "", *end = is_v6 ? "]" : "";
  if (port > 0)
    snprintf(out, size, "%s=%s%.100s%s:%u", kind, open, host, end, port);
  else
    snprintf(out, size, "%s=%s%.100s%s", kind, open, host, end);
}

bool neap__grants_host(neap__grants *grants, const char *host, uint16_t port,
                       int *number) {
  neap__address address;
  char grant[160];
  bool is_address = neap__address_parse(host, &address);
  if (is_address ? has_address(grants, NEAP__GRANT_NET, &address, port)
                 : has_name(grants, host, port))
    return true;
  char digits[NEAP__ADDRESS_SIZE];
  if (is_address)
    neap__address_write(&address, digits, sizeof digits);
  write_grant(grant, sizeof grant, "net", is_address ? digits : host, port);
  *number = neap__grants_refuse(grants, "%s would allow it", grant);
  return false;
}

bool neap__grants_address(neap__grants *grants, const char *host,
                          const struct sockaddr *from, int *number) {
  neap__address address;
  uint16_t port;
  if (!neap__address_take(from, &address, &port)) {
    *number = neap__grants_refuse(grants, "it is no address of the internet");
    return false;
  }
  const char *kind = neap__address_kind(&address);
  if (!kind || has_address(grants, NEAP__GRANT_NET, &address, port))
    return true;
  char digits[NEAP__ADDRESS_SIZE], grant[160];
  neap__address_write(&address, digits, sizeof digits);
  write_grant(grant, sizeof grant, "net", digits, port);
  *number = neap__grants_refuse(
      grants, "%.100s leads to %s, %s; %s would allow that as well", host,
      digits, kind, grant);
  return false;
}

bool neap__grants_listen(neap__grants *grants, const struct sockaddr *from,
                         int *number) {
  neap__address address;
  uint16_t port;
  char digits[NEAP__ADDRESS_SIZE] = "ADDRESS", grant[160];
  if (!neap__address_take(from, &address, &port))
    port = 0;
  else if (has_address(grants, NEAP__GRANT_LISTEN, &address, port))
    return true;
  else
    neap__address_write(&address, digits, sizeof digits);
  write_grant(grant, sizeof grant, "net-listen", digits, port);
  *number = neap__grants_refuse(grants, "%s would allow it", grant);
  return false;
}
