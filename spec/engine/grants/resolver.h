/* Stands in for the system's resolver, so that no name leaves a test. It has to
 * be in the program itself, where libuv and libcurl find it.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SPEC_RESOLVER_H
#define NEAP_SPEC_RESOLVER_H

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define EXPORTED __attribute__((visibility("default")))

/* The addresses of a name. */
typedef struct known {
  const char *name;
  const char *addresses[3];
} known;

static const known names[] = {
    {"good.test", {"93.184.216.34"}},
    {"good6.test", {"2606:2800:220:1::1"}},
    {"ported.test", {"93.184.216.34"}},
    {"loop.test", {"127.0.0.1"}},
    {"loop6.test", {"::1"}},
    {"private.test", {"10.1.2.3"}},
    {"mixed.test", {"127.0.0.1", "93.184.216.34", "::1"}},
    {"bad.test", {"192.168.0.1", "fe80::1"}},
    {"localhost", {"127.0.0.1", "::1"}},
};

static atomic_int lookups;
static const char *rebound; /* what rebind.test leads to, from its second
                               lookup on */

static struct addrinfo *make_info(const char *digits) {
  struct addrinfo *info = calloc(1, sizeof *info);
  struct sockaddr_storage *address = calloc(1, sizeof *address);
  struct sockaddr_in *v4 = (struct sockaddr_in *)address;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
  info->ai_addr = (struct sockaddr *)address;
  info->ai_socktype = SOCK_STREAM;
  if (inet_pton(AF_INET, digits, &v4->sin_addr) == 1) {
    info->ai_family = v4->sin_family = AF_INET;
    info->ai_addrlen = sizeof *v4;
  } else {
    inet_pton(AF_INET6, digits, &v6->sin6_addr);
    info->ai_family = v6->sin6_family = AF_INET6;
    info->ai_addrlen = sizeof *v6;
  }
  return info;
}

static bool is_digits(const char *host) {
  return strchr(host, ':') ||
         strspn(host, "0123456789.xabcdefABCDEF") == strlen(host);
}

static int resolve(const char *host, const struct addrinfo *hints,
                   struct addrinfo **found) {
  bool asks = !(hints->ai_flags & AI_NUMERICHOST);
  if (!asks || is_digits(host)) { /* the system's own, which asks nobody */
    int (*original)(const char *, const char *, const struct addrinfo *,
                    struct addrinfo **);
    *(void **)&original = dlsym(RTLD_NEXT, "getaddrinfo");
    struct addrinfo numeric = *hints, *theirs;
    numeric.ai_flags = AI_NUMERICHOST;
    int code = original(host, NULL, &numeric, &theirs);
    if (code != 0)
      return code;
    char digits[64];
    getnameinfo(theirs->ai_addr, theirs->ai_addrlen, digits, sizeof digits,
                NULL, 0, NI_NUMERICHOST);
    *found = make_info(digits);
    freeaddrinfo(theirs); /* ours, which frees theirs as well */
    return 0;
  }
  lookups++;
  if (strcmp(host, "rebind.test") == 0) {
    *found = make_info(lookups > 1 ? rebound : "93.184.216.34");
    return 0;
  }
  if (strncmp(host, "at-", 3) == 0) { /* at-DIGITS.test, with - for : */
    char digits[64];
    snprintf(digits, sizeof digits, "%s", host + 3);
    *strstr(digits, ".test") = '\0';
    for (char *c = digits; *c; c++)
      if (*c == '-')
        *c = ':';
    *found = make_info(digits);
    return 0;
  }
  struct addrinfo *first = NULL, **end = &first;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    size_t size = strlen(names[i].name); /* a dot may follow */
    bool is_it = strncasecmp(names[i].name, host, size) == 0;
    for (int k = 0; k < 3 && is_it; k++) {
      if (!names[i].addresses[k])
        break;
      *end = make_info(names[i].addresses[k]);
      end = &(*end)->ai_next;
    }
  }
  *found = first;
  return first ? 0 : EAI_NONAME;
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the names
 * in the headers of the system are reserved ones. */
EXPORTED int getaddrinfo(const char *host, const char *service,
                         const struct addrinfo *hints,
                         struct addrinfo **found) {
  int code = resolve(host, hints, found);
  struct addrinfo *info = code == 0 ? *found : NULL;
  uint16_t port = htons((uint16_t)(service ? strtol(service, NULL, 10) : 0));
  for (; info; info = info->ai_next) {
    if (info->ai_family == AF_INET)
      ((struct sockaddr_in *)info->ai_addr)->sin_port = port;
    else
      ((struct sockaddr_in6 *)info->ai_addr)->sin6_port = port;
  }
  return code;
}

EXPORTED void freeaddrinfo(struct addrinfo *info) {
  while (info) {
    struct addrinfo *next = info->ai_next;
    if ((void *)info->ai_addr != (void *)(info + 1)) /* not in glibc's block */
      free(info->ai_addr);
    free(info);
    info = next;
  }
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

#endif
