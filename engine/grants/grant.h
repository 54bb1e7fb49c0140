/* One grant, and its text.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_GRANTS_GRANT_H
#define NEAP_GRANTS_GRANT_H

#include "address.h"
#include "beneath.h"
#include "neap.h"

typedef enum neap__grant_kind {
  NEAP__GRANT_FILES,
  NEAP__GRANT_NET,
  NEAP__GRANT_LISTEN,
  NEAP__GRANT_UNIX,
  NEAP__GRANT_ENV,
  NEAP__GRANT_LLM,
  NEAP__GRANT_PROCESS,
  NEAP__GRANT_CLOCK,
  NEAP__GRANT_INPUT,
} neap__grant_kind;

/* One grant, as it was read from its text. */
typedef struct neap__grant {
  neap__grant_kind kind;
  char *text; /* *owned*: the whole of it */
  char
      *name; /* *owned*: of a host, a variable, a folder as it was given, ... */
  size_t name_size; /* of the room for it */

  /* FILES: the folder. UNIX: the one that has the socket. */
  neap__folder folder;
  char *path;       /* *owned*: of that folder, absolute */
  char *real;       /* *owned*: the same without links */
  bool read_only;   /* of FILES */
  const char *last; /* of UNIX: the name of the socket, in `name` */

  /* NET, LISTEN */
  bool is_address;
  neap__address address;
  uint16_t port; /* 0: every one */
} neap__grant;

/* Reads one grant, and opens its folder. Whatever it returns, 0, NEAP_EINVAL,
 * NEAP_ESYS or NEAP_ENOMEM, *out is to be freed. After a failure a sentence is
 * in `why`. */
int neap__grant_parse(const neap_alloc *alloc, const char *text,
                      neap__grant *out, char *why, size_t why_size);

void neap__grant_free(const neap_alloc *alloc, neap__grant *grant);

#endif
