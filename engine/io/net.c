/* Connections that are made.
 * SPDX-License-Identifier: MIT */
#include "net.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bounds.h"
#include "grants/files.h"
#include "grants/net.h"
#include "loop/engine.h"
#include "loop/op.h"
#include "net_address.h"

enum { NO_SOCKET = -1 };

/* A connection being made: the name is looked up, and its addresses are tried
 * one after the other. While libuv has the lookup or the handle, the attempt is
 * freed only in their callbacks. */
typedef struct attempt {
  neap_alloc alloc;
  neap_engine *engine;
  neap_op *op; /* NULL once it has been dropped */
  neap_stream **out;
  uint16_t port;
  bool delays;
  uv_getaddrinfo_t lookup;
  uv_poll_t poll;              /* of `fd` */
  struct addrinfo *list;       /* *owned* */
  const struct addrinfo *next; /* the address to be tried next */
  int fd;                      /* *owned*, or NO_SOCKET */
  int code; /* why the last address failed, 0 for one that has not */

  /* In a restricted engine. */
  char *host;  /* *owned*: as it was granted */
  int refusal; /* of the last address, if `code` is NEAP__REFUSED */
  bool counts; /* as one that is being opened */
} attempt;

static void close_socket(attempt *a) {
  if (a->fd != NO_SOCKET)
    close(a->fd);
  a->fd = NO_SOCKET;
}

static void free_attempt(attempt *a) {
  close_socket(a);
  if (a->list)
    uv_freeaddrinfo(a->list);
  neap_alloc alloc = a->alloc;
  if (a->counts && a->engine->grants)
    a->engine->grants->held--;
  if (a->host)
    neap__free(&alloc, a->host, strlen(a->host) + 1);
  neap__free(&alloc, a, sizeof *a);
}

/* Ends the operation, if it has not been dropped, with the connection or with
 * the reason why there is none. */
static void finish(attempt *a) {
  neap_op *op = a->op;
  int status = a->code < 0 ? NEAP_ESYS : 0, code = a->code;
  if (code == NEAP__REFUSED) {
    status = NEAP_EPERM;
    code = a->refusal;
  }
  if (op && status == 0) {
    status = neap_stream_open(a->engine, a->fd, false, a->out);
    if (status == 0)
      a->fd = NO_SOCKET;
  }
  free_attempt(a);
  if (op)
    neap__op_finish(op, status, code);
}

static void try_next(attempt *a);

static void on_poll_closed(uv_handle_t *handle) {
  attempt *a = handle->data;
  if (a->code < 0)
    close_socket(a);
  if (!a->op)
    free_attempt(a);
  else if (a->code < 0)
    try_next(a);
  else
    finish(a);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  (void)events;
  attempt *a = poll->data;
  int error = 0;
  getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error});
  a->code = error != 0 ? uv_translate_sys_error(error) : status;
  uv_close((uv_handle_t *)poll, on_poll_closed);
}

/* Begins to connect to an address. Returns 0 when it is connected, UV_EALREADY
 * when the poll handle will tell, or libuv's code of a failure. */
static int try_address(attempt *a, const struct sockaddr *address,
                       socklen_t size) {
  a->code = 0;
  if (a->host &&
      !neap__grants_address(a->engine->grants, a->host, address, &a->refusal))
    return NEAP__REFUSED;
  a->fd = neap__net_socket(address->sa_family, a->delays);
  if (a->fd < 0) {
    int code = a->fd;
    a->fd = NO_SOCKET;
    return code;
  }
  int result;
  do
    result = connect(a->fd, address, size);
  while (result < 0 && errno == EINTR);
  if (result == 0)
    return 0;
  int code = neap__sys_code();
  if (errno == EINPROGRESS) {
    code = uv_poll_init(&a->engine->uv, &a->poll, a->fd);
    if (code == 0) {
      uv_unref((uv_handle_t *)&a->poll);
      uv_poll_start(&a->poll, UV_WRITABLE, on_poll);
      return UV_EALREADY;
    }
  }
  close_socket(a);
  return code;
}

/* Tries the addresses that are left. The error of the last one counts. */
static void try_next(attempt *a) {
  while (a->next) {
    const struct addrinfo *info = a->next;
    a->next = info->ai_next;
    if (info->ai_family == AF_INET)
      ((struct sockaddr_in *)info->ai_addr)->sin_port = htons(a->port);
    else if (info->ai_family == AF_INET6)
      ((struct sockaddr_in6 *)info->ai_addr)->sin6_port = htons(a->port);
    int before = a->code;
    a->code = try_address(a, info->ai_addr, info->ai_addrlen);
    if (a->code == NEAP__REFUSED && before < 0)
      a->code = before; /* why one failed that was tried says more */
    if (a->code == UV_EALREADY)
      return;
    if (a->code == 0)
      break;
  }
  finish(a);
}

static void on_found(uv_getaddrinfo_t *uv, int code, struct addrinfo *list) {
  attempt *a = uv->data;
  a->list = list;
  a->next = list;
  a->code = code;
  if (!a->op)
    free_attempt(a);
  else
    try_next(a);
}

static void drop(neap_op *op) {
  attempt *a = op->u.request;
  a->op = NULL;
  if (a->fd == NO_SOCKET)
    uv_cancel((uv_req_t *)&a->lookup);
  else if (!uv_is_closing((uv_handle_t *)&a->poll))
    uv_close((uv_handle_t *)&a->poll, on_poll_closed);
}

/* Connects to the local socket that was granted at a path: to the file that is
 * open, whatever the path leads to meanwhile. Returns libuv's code. */
static int try_local(attempt *a, neap_net_opts *o) {
  const neap__grant *grant =
      neap__grants_unix(a->engine->grants, o->path, &a->refusal);
  if (!grant)
    return NEAP__REFUSED;
  int file = neap__grants_open_unix(grant);
  if (file < 0)
    return neap__sys_code();
  char path[40];
  struct sockaddr_storage address;
  unsigned size;
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  o->path = path;
  int code = neap__net_address(o, &address, &size);
  o->path = ""; /* what it was ends here */
  if (code == 0)
    code = try_address(a, (struct sockaddr *)&address, size);
  close(file);
  return code;
}

/* Looks whether connecting was granted, before any name is looked up. Returns
 * libuv's code. */
static int ask(attempt *a, const neap_net_opts *o) {
  if (!neap__grants_host(a->engine->grants, o->host, o->port, &a->refusal))
    return NEAP__REFUSED;
  a->host = neap__copy(&a->alloc, o->host, strlen(o->host));
  return a->host ? 0 : UV_ENOMEM;
}

void neap__net_disown(neap_engine *engine) {
  neap_link *list = &engine->io;
  for (neap_link *link = list->next; link != list; link = link->next) {
    neap_op *op = NEAP__ITEM(link, neap_op, link);
    if (op->drop == drop)
      close_socket(op->u.request);
  }
}

int neap_net_connect(neap_engine *engine, neap_op *op,
                     const neap_net_opts *opts, neap_stream **result) {
  if (!neap__op_may_start(engine, op) || !result)
    return neap__home_fault(engine);
  neap_net_opts o;
  int status = neap__net_opts(opts, &o);
  if (status < 0)
    return status;
  int number;
  if (!neap__bounds_admit(engine, 1, &number)) {
    *result = NULL;
    return neap__op_refuse(engine, op, number);
  }
  const neap_alloc *alloc = &engine->alloc;
  attempt *a = neap__alloc(alloc, sizeof *a);
  if (!a)
    return NEAP_ENOMEM;
  a->alloc = *alloc;
  a->engine = engine;
  a->op = op;
  a->out = result;
  a->port = o.port;
  a->delays = o.delays;
  a->lookup.data = a->poll.data = a;
  a->fd = NO_SOCKET;
  *result = NULL;
  neap__op_begin_io(engine, op, drop);
  op->u.request = a;

  struct sockaddr_storage address;
  unsigned size;
  int code = 0;
  if (engine->grants) {
    a->counts = true;
    engine->grants->held++;
    code = o.path ? try_local(a, &o) : ask(a, &o);
  }
  if (code < 0 || (engine->grants && o.path)) {
    if (code == UV_EALREADY)
      return 0;
    a->code = code;
    finish(a);
    return 0;
  }
  code = neap__net_address(&o, &address, &size);
  if (code == UV_EINVAL && !o.path) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_ADDRCONFIG};
    code =
        uv_getaddrinfo(&engine->uv, &a->lookup, on_found, o.host, NULL, &hints);
    if (code == 0)
      return 0;
  } else if (code == 0) {
    code = try_address(a, (struct sockaddr *)&address, size);
    if (code == UV_EALREADY)
      return 0;
  }
  a->code = code;
  finish(a);
  return 0;
}
