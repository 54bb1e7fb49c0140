/* The addresses of sockets, as text and from names.
 * SPDX-License-Identifier: MIT */
#include "net_address.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/opts.h"
#include "base/status.h"
#include "grants/net.h"
#include "loop/engine.h"
#include "loop/op.h"

/* A lookup, and in the end what it has found. It belongs to libuv until the
 * callback, which delivers it, or frees it if its operation has been dropped.
 */
struct neap_addresses {
  neap_alloc alloc;
  uv_getaddrinfo_t uv;
  neap_op *op; /* NULL once it has been dropped */
  neap_addresses **out;
  struct addrinfo *list; /* *owned* */
};

int neap__net_opts(const neap_net_opts *opts, neap_net_opts *out) {
  int status = neap__opts_take(out, sizeof *out,
                               NEAP__SIZE_WITH(neap_net_opts, backlog), opts);
  if (status == 0 && !out->host)
    out->host = "127.0.0.1";
  return status;
}

int neap__net_address(const neap_net_opts *opts, struct sockaddr_storage *out,
                      unsigned *size) {
  memset(out, 0, sizeof *out);
  if (opts->path) {
    struct sockaddr_un *local = (struct sockaddr_un *)out;
    size_t length = strlen(opts->path);
    if (length == 0)
      return UV_ENOENT;
    if (length >= sizeof local->sun_path)
      return UV_ENAMETOOLONG;
    local->sun_family = AF_UNIX;
    memcpy(local->sun_path, opts->path, length + 1);
    *size = sizeof *local;
    return 0;
  }
  *size = sizeof(struct sockaddr_in);
  if (uv_ip4_addr(opts->host, opts->port, (struct sockaddr_in *)out) == 0)
    return 0;
  *size = sizeof(struct sockaddr_in6);
  return uv_ip6_addr(opts->host, opts->port, (struct sockaddr_in6 *)out);
}

int neap__net_socket(int family, bool delays) {
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return neap__sys_code();
  /* Nagle's algorithm, RFC 896, is slow where each small message is answered
   * before the next. It helps where many are sent without an answer; a host
   * that does so sets `delays`. */
  if (family != AF_UNIX && !delays)
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  return fd;
}

void neap_addresses_free(neap_addresses *addresses) {
  if (!addresses)
    return;
  neap_alloc alloc = addresses->alloc;
  if (addresses->list)
    uv_freeaddrinfo(addresses->list);
  neap__free(&alloc, addresses, sizeof *addresses);
}

bool neap_addresses_get(const neap_addresses *addresses, size_t index,
                        char *text, size_t size) {
  if (!addresses || !text)
    return false;
  const struct addrinfo *info = addresses->list;
  while (info && index > 0) {
    info = info->ai_next;
    index--;
  }
  return info && uv_ip_name(info->ai_addr, text, size) == 0;
}

static void on_found(uv_getaddrinfo_t *uv, int code, struct addrinfo *list) {
  neap_addresses *addresses = uv->data;
  neap_op *op = addresses->op;
  addresses->list = list;
  if (!op || code < 0)
    neap_addresses_free(addresses);
  else
    *addresses->out = addresses;
  if (op)
    neap__op_finish(op, code < 0 ? NEAP_ESYS : 0, code < 0 ? code : 0);
}

static void drop(neap_op *op) {
  neap_addresses *addresses = op->u.request;
  addresses->op = NULL;
  /* libuv refuses if a thread has begun. Its callback comes in any case. */
  uv_cancel((uv_req_t *)&addresses->uv);
}

int neap_net_lookup(neap_engine *engine, neap_op *op, const char *host,
                    neap_addresses **result) {
  if (!neap__op_may_start(engine, op) || !host || !result)
    return neap__home_fault(engine);
  const neap_alloc *alloc = &engine->alloc;
  neap_addresses *addresses = neap__alloc(alloc, sizeof *addresses);
  if (!addresses)
    return NEAP_ENOMEM;
  addresses->alloc = *alloc;
  addresses->uv.data = addresses;
  addresses->op = op;
  addresses->out = result;
  *result = NULL;
  neap__op_begin_work(engine, op, drop);
  op->u.request = addresses;
  int number;
  if (engine->grants && !neap__grants_host(engine->grants, host, 0, &number)) {
    neap_addresses_free(addresses);
    neap__op_finish(op, NEAP_EPERM, number);
    return 0;
  }
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                           .ai_flags = AI_ADDRCONFIG};
  int code =
      uv_getaddrinfo(&engine->uv, &addresses->uv, on_found, host, NULL, &hints);
  if (code < 0)
    on_found(&addresses->uv, code, NULL);
  return 0;
}

/* A restricted engine has bound its socket in a folder that is open. Puts the
 * path of that for its name in /proc. */
static void show_folder(char *text, size_t size) {
  static const char start[] = "/proc/self/fd/";
  char folder[PATH_MAX], name[PATH_MAX];
  char *slash = strrchr(text, '/');
  if (strncmp(text, start, sizeof start - 1) != 0 ||
      slash < text + sizeof start)
    return;
  snprintf(name, sizeof name, "%s", slash);
  *slash = '\0';
  ssize_t length = readlink(text, folder, sizeof folder);
  if (length > 0)
    snprintf(text, size, "%.*s%s", (int)length, folder, name);
  else
    *text = '\0';
}

/* Writes "127.0.0.1:80", "[::1]:80", or the path of a local socket; "" for one
 * without a path. */
static int write_name(const struct sockaddr_storage *address, socklen_t length,
                      char *text, size_t size) {
  char host[INET6_ADDRSTRLEN];
  switch (address->ss_family) {
  case AF_INET: {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    uv_ip4_name(v4, host, sizeof host);
    snprintf(text, size, "%s:%u", host, ntohs(v4->sin_port));
    return 0;
  }
  case AF_INET6: {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    uv_ip6_name(v6, host, sizeof host);
    snprintf(text, size, "[%s]:%u", host, ntohs(v6->sin6_port));
    return 0;
  }
  case AF_UNIX: {
    const struct sockaddr_un *local = (const struct sockaddr_un *)address;
    size_t offset = offsetof(struct sockaddr_un, sun_path);
    int count = length > offset ? (int)(length - offset) : 0;
    snprintf(text, size, "%.*s", count, local->sun_path);
    show_folder(text, size);
    return 0;
  }
  default:
    return NEAP_EINVAL;
  }
}

int neap_net_name(int fd, bool peer, char *text, size_t size) {
  if (!text || size == 0)
    return NEAP_EINVAL;
  struct sockaddr_storage address = {0};
  socklen_t length = sizeof address;
  int result = peer ? getpeername(fd, (struct sockaddr *)&address, &length)
                    : getsockname(fd, (struct sockaddr *)&address, &length);
  if (result < 0)
    return NEAP_ESYS;
  return write_name(&address, length, text, size);
}
