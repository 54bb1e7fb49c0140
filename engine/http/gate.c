/* What the HTTP library asks a restricted engine.
 * SPDX-License-Identifier: MIT */
#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

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
