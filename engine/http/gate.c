/* What the HTTP library asks a restricted engine.
 * SPDX-License-Identifier: MIT */
#include "gate.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "grants/files.h"
#include "grants/net.h"
#include "loop/engine.h"

/* Writes the sentence of a refusal. Returns false. */
static bool refuse(const neap_engine *engine, int number,
                   char why[NEAP__HTTP_WHY_SIZE]) {
  snprintf(why, NEAP__HTTP_WHY_SIZE, "%s",
           neap__grants_refusal(engine->grants, number));
  return false;
}

static bool may_ask(neap_engine *engine, const char *host, uint16_t port,
                    char why[NEAP__HTTP_WHY_SIZE]) {
  int number;
  return neap__grants_host(engine->grants, host, port, &number) ||
         refuse(engine, number, why);
}

static bool may_connect(neap_engine *engine, const char *host,
                        const struct sockaddr *address,
                        char why[NEAP__HTTP_WHY_SIZE]) {
  int number;
  return neap__grants_address(engine->grants, host, address, &number) ||
         refuse(engine, number, why);
}

/* The status of an open that has failed; its sentence is in `why`. */
static int fail(const neap_engine *engine, int number,
                char why[NEAP__HTTP_WHY_SIZE]) {
  int code = neap__sys_code();
  if (code == NEAP__REFUSED)
    refuse(engine, number, why);
  else
    neap_sys_describe(code, NULL, 0, why, NEAP__HTTP_WHY_SIZE);
  return code == NEAP__REFUSED ? NEAP_EPERM : NEAP_EINVAL;
}

static int open_file(neap_engine *engine, const char *path, int *file,
                     char why[NEAP__HTTP_WHY_SIZE]) {
  int number;
  *file =
      neap__grants_open(engine->grants, path, O_RDONLY | O_NOCTTY, 0, &number);
  return *file < 0 ? fail(engine, number, why) : 0;
}

static int open_socket(neap_engine *engine, const char *path, int *file,
                       char why[NEAP__HTTP_WHY_SIZE]) {
  int number;
  const neap__grant *grant = neap__grants_unix(engine->grants, path, &number);
  *file = -1;
  if (!grant) {
    refuse(engine, number, why);
    return NEAP_EPERM;
  }
  *file =
      neap__grants_open_unix(grant); /* connecting will tell what it lacks */
  return 0;
}

const neap__http_gate neap__http_gate_of_grants = {
    .may_ask = may_ask,
    .may_connect = may_connect,
    .open_file = open_file,
    .open_socket = open_socket,
};

/* Takes the host and the port of a URL that is written in the plainest way:
 * "http", a name of letters, digits, dots and hyphens that is no number, and
 * perhaps a port. False for any other, which libcurl has to read. */
static bool take_plain_host(const char *url, char host[256], uint16_t *port) {
  bool is_secure = strncmp(url, "https://", 8) == 0;
  if (!is_secure && strncmp(url, "http://", 7) != 0)
    return false;
  url += is_secure ? 8 : 7;
  size_t size = 0, label = 0; /* where the last label begins */
  for (; isalnum((unsigned char)url[size]) || url[size] == '-' ||
         url[size] == '.';
       size++)
    if (url[size] == '.')
      label = size + 1;
  const char *end = url + size;
  unsigned number = is_secure ? 443 : 80;
  if (*end == ':')
    for (number = 0, end++; isdigit((unsigned char)*end) && number < 65536;)
      number = number * 10 + (unsigned)(*end++ - '0');
  if (size == 0 || size > 255 || !isalpha((unsigned char)url[label]) ||
      number == 0 || number > 65535 || (*end && !strchr("/?#", *end)))
    return false;
  memcpy(host, url, size);
  host[size] = '\0';
  *port = (uint16_t)number;
  return true;
}

bool neap__http_gate_refuses(neap_engine *engine, const neap_http_opts *opts,
                             char why[NEAP__HTTP_WHY_SIZE]) {
  char host[256];
  uint16_t port;
  return engine->grants && opts->url && !opts->proxy && !opts->unix_socket &&
         take_plain_host(opts->url, host, &port) &&
         !may_ask(engine, host, port, why);
}
