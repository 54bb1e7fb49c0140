/* HTTP: a library of its own, loaded when the first request is made.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_H
#define NEAP_HTTP_H

#include "neap.h"

struct uv_loop_s;

typedef struct neap__http neap__http;

/* What the library needs of the engine. It has no other way to reach it, so
 * that it can be loaded into any program, however the engine got there. */
typedef struct neap__http_host {
  neap_engine *engine;
  struct uv_loop_s *uv;
  neap_alloc alloc;
  void (*begin)(neap_engine *engine, neap_op *op, neap_op_fn drop);
  void (*finish)(neap_op *op, int status, int detail);
} neap__http_host;

/* The size of the buffer for what is wrong with a request. */
#define NEAP__HTTP_WHY_SIZE 1024

/* What the engine needs of the library: the one symbol that it exports,
 * `neap__http_library`. `version` is NEAP_VERSION of both. What a response
 * holds, both sides know (http_response.h). */
typedef struct neap__http_api {
  const char *version;
  int (*open)(const neap__http_host *host, neap__http **out);
  /* Begins to close all; the owner runs the loop until nothing is left, then
   * calls `free`. Operations still under way are abandoned: they never
   * finish. */
  void (*close)(neap__http *http);
  void (*free)(neap__http *http);
  /* neap_http_send; with NEAP_EINVAL a sentence is in `why`. */
  int (*send)(neap__http *http, neap_op *op, const neap_http_opts *opts,
              neap_http_response **response, char why[NEAP__HTTP_WHY_SIZE]);
  /* Drops the transfer of a response whose body is still to come. */
  void (*abandon)(neap_http_response *response);
  /* Tells that there may be room for more of its body. */
  void (*taken)(neap_http_response *response);
  /* Tells that there is more to send. */
  void (*written)(neap_http_upload *upload);
  /* neap_http_jar_new and the others. */
  int (*jar_new)(const neap__http *http, neap_http_jar **out);
  void (*jar_free)(neap_http_jar *jar);
  int (*jar_text)(neap_http_jar *jar, const char **text);
  int (*jar_add)(neap_http_jar *jar, const char *text);
  int (*jar_clear)(neap_http_jar *jar);
} neap__http_api;

#define NEAP__HTTP_SYMBOL "neap__http_library"

/* How each library's own structs begin. */
struct neap__http {
  const neap__http_api *api;
};

struct neap_http_jar {
  const neap__http_api *api;
};

#endif
