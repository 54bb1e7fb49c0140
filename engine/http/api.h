/* HTTP: a library of its own, loaded when the first request is made.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_API_H
#define NEAP_HTTP_API_H

#include "neap.h"

struct sockaddr;
struct uv_loop_s;

typedef struct neap__http neap__http;

/* The size of the buffer for what is wrong with a request. */
#define NEAP__HTTP_WHY_SIZE 1024

/* What a restricted engine is asked. Who may not gets a sentence in `why`. */
typedef struct neap__http_gate {
  bool (*may_ask)(neap_engine *engine, const char *host, uint16_t port,
                  char why[NEAP__HTTP_WHY_SIZE]);
  bool (*may_connect)(neap_engine *engine, const char *host,
                      const struct sockaddr *address,
                      char why[NEAP__HTTP_WHY_SIZE]);
  /* These return 0, NEAP_EPERM, or NEAP_EINVAL when there is no such file. The
   * socket is open with O_PATH; -1 where there is none at the path. */
  int (*open_file)(neap_engine *engine, const char *path, int *file,
                   char why[NEAP__HTTP_WHY_SIZE]);
  int (*open_socket)(neap_engine *engine, const char *path, int *file,
                     char why[NEAP__HTTP_WHY_SIZE]);
} neap__http_gate;

/* What the library needs of the engine. It reaches the engine by these alone
 * and by no symbol, so that it can be loaded into any program, however the
 * engine got there. */
typedef struct neap__http_host {
  neap_engine *engine;
  struct uv_loop_s *uv;
  neap_alloc alloc;
  void (*begin)(neap_engine *engine, neap_op *op, neap_op_fn drop);
  void (*finish)(neap_op *op, int status, int detail);
  const neap__http_gate *gate; /* NULL: the engine is not restricted */
  long max_connections;        /* of one that is */
} neap__http_host;

/* What the engine needs of the library, which exports one symbol:
 * `neap__http_library`. `version` has to be the engine's NEAP_VERSION, since
 * both sides know the structs of response.h and upload.h. */
typedef struct neap__http_api {
  const char *version;
  int (*open)(const neap__http_host *host, neap__http **out);
  /* Begins to close all handles. Operations that are under way are dropped:
   * they never end. The caller runs the loop until no handle is left, and then
   * calls `free`. */
  void (*close)(neap__http *http);
  void (*free)(neap__http *http);
  /* Has libcurl do what is due, until the clock of uv_hrtime is at `until`, but
   * at least one thing; with NEAP_FOREVER all of it. Nothing else drives
   * libcurl: the callbacks of uv only note what is due. */
  void (*drive)(neap__http *http, uint64_t until);
  /* Initializes libcurl, which `open` does otherwise; from any thread.
   * NEAP_ENOMEM. */
  int (*prepare)(void);
  /* In the child of a fork, instead of these two: closes the descriptors of
   * connections, and lets go of responses and bodies. libcurl is not called: it
   * would take leave of the servers in the parent's name. */
  void (*disown)(neap__http *http);
  /* neap_http_send, of options that have been checked; with NEAP_EINVAL or
   * NEAP_EPERM a sentence is in `why`. */
  int (*send)(neap__http *http, neap_op *op, const neap_http_opts *opts,
              neap_http_response **response, char why[NEAP__HTTP_WHY_SIZE]);
  /* Drops the transfer of a response whose body is still coming. */
  void (*abandon)(neap_http_response *response);
  /* Says that bytes were taken: there may be room for more. */
  void (*taken)(neap_http_response *response);
  /* neap_http_limit_idle, for one whose body is still coming. */
  void (*limit_idle)(neap_http_response *response, uint64_t ns);
  /* Says that there is more to send, or the end. */
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
  bool is_due; /* there is something for `drive` to do */
};

struct neap_http_jar {
  const neap__http_api *api;
};

#endif
