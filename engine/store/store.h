/* Stores: the interface that each kind implements.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_STORE_STORE_H
#define NEAP_STORE_STORE_H

#include "call.h"

struct uv_loop_s;

/* What a keeper needs of the engine. It reaches the engine by these alone and
 * by no symbol, as the HTTP library does. */
typedef struct neap__store_host {
  neap_engine *engine;
  struct uv_loop_s *uv;
  neap_alloc alloc;
  int64_t (*clock)(void *ud); /* not NULL; called from any thread */
  void *clock_ud;
  /* Ends a request, whose status and result have been set. In the engine's
   * thread only. The request is gone then. */
  void (*settle)(neap__store_request *request);
} neap__store_host;

/* What holds the data of a store that is open, or the way to it. */
typedef struct neap__keeper neap__keeper;

/* How a kind of store keeps. */
typedef struct neap__keeper_api {
  size_t size; /* of this struct */
  /* Opens, or begins to. `given` is valid during the call; `beside` is the
   * keeper of the store that it names, or NULL. On failure `why` has a
   * sentence, of at most 1023 bytes. */
  int (*open)(const neap__store_host *host, const neap_store_opts *given,
              neap__keeper *beside, neap__keeper **out, char *why);
  /* Takes a request, which it settles, now or later, and in the order in which
   * those that write have come. The first is NEAP__STORE_OPEN: it is settled
   * when the store is open. */
  void (*submit)(neap__keeper *keeper, neap__store_request *request);
  /* Ends. When it returns, no request is the keeper's any more: those that it
   * has not settled are the caller's. It may leave handles of libuv, which it
   * has begun to close. */
  void (*close)(neap__keeper *keeper);
  const char *(*durability)(const neap__keeper *keeper);
} neap__keeper_api;

/* What a library with a kind of store exports. */
typedef struct neap__store_library {
  const char *version;
  neap__keeper_api api;
} neap__store_library;

#endif
