/* Sockets that wait for connections.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "alloc.h"
#include "net.h"

enum { BACKLOG = 511 };

/* Connections stay with the system until somebody accepts them, so a wait that
 * is cancelled loses none. */
struct neap_listener {
  neap_alloc alloc;
  neap__net *net;
  neap_link link; /* in `listeners` of `net` */
  uv_poll_t poll;
  int fd; /* *owned* */
  bool delays;
  bool watched;      /* the loop tells of connections */
  neap_link waiting; /* ops, in the order they came */
  char path[sizeof((struct sockaddr_un *)0)->sun_path]; /* "": TCP */
  dev_t device;                                         /* of that file */
  ino_t inode;
};

static void watch(neap_listener *l);

/* Tells the one who has waited longest. Whoever comes too late, because another
 * one took the connection, waits again. */
static void on_poll(uv_poll_t *poll, int status, int events) {
  (void)events;
  neap_listener *l = poll->data;
  if (status < 0)
    l->watched = false; /* libuv has stopped; accepting tells what it is */
  if (!neap__list_empty(&l->waiting))
    neap__op_finish(NEAP__ITEM(l->waiting.next, neap_op, link), 0, 0);
  watch(l);
}

static void watch(neap_listener *l) {
  bool wanted = !neap__list_empty(&l->waiting);
  if (wanted == l->watched)
    return;
  l->watched = wanted;
  if (wanted)
    uv_poll_start(&l->poll, UV_READABLE, on_poll);
  else
    uv_poll_stop(&l->poll);
}

static void on_closed(uv_handle_t *handle) {
  neap_listener *l = handle->data;
  neap_alloc alloc = l->alloc;
  neap__free(&alloc, l, sizeof *l);
}

/* Removes the file of a local socket, if it is still ours. */
static void remove_path(const neap_listener *l) {
  struct stat info;
  if (*l->path && lstat(l->path, &info) == 0 && info.st_dev == l->device &&
      info.st_ino == l->inode)
    unlink(l->path);
}

void neap_listener_close(neap_listener *l) {
  if (!l)
    return;
  while (!neap__list_empty(&l->waiting))
    neap__op_finish(NEAP__ITEM(l->waiting.next, neap_op, link), NEAP_ECLOSED,
                    0);
  neap__list_remove(&l->link);
  remove_path(l);
  uv_close((uv_handle_t *)&l->poll, on_closed);
  close(l->fd);
}

void neap__net_close(neap__net *net) {
  while (!neap__list_empty(&net->listeners)) {
    neap_listener *l = NEAP__ITEM(net->listeners.next, neap_listener, link);
    while (!neap__list_empty(&l->waiting))
      neap_op_forget(NEAP__ITEM(l->waiting.next, neap_op, link));
    neap_listener_close(l);
  }
}

/* A local socket whose owner has died leaves its file behind: nobody answers
 * there any more. */
static bool is_stale(const struct sockaddr_storage *address, unsigned size) {
  int fd = neap__net_socket(AF_UNIX, false);
  if (fd < 0)
    return false;
  int result = connect(fd, (const struct sockaddr *)address, size);
  bool refused = result < 0 && errno == ECONNREFUSED;
  close(fd);
  return refused;
}

/* Binds the socket and has it listen. Returns 0 or libuv's code. */
static int begin(int fd, const neap_net_opts *o,
                 const struct sockaddr_storage *address, unsigned size) {
  if (!o->path) /* a port that was in use a moment ago can be had at once */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  int result = bind(fd, (const struct sockaddr *)address, size);
  if (result < 0 && errno == EADDRINUSE && o->path && is_stale(address, size)) {
    unlink(o->path);
    result = bind(fd, (const struct sockaddr *)address, size);
  }
  if (result < 0 || listen(fd, o->backlog > 0 ? o->backlog : BACKLOG) < 0)
    return uv_translate_sys_error(errno);
  return 0;
}

int neap__net_listen(neap__net *net, const neap_net_opts *opts, int *detail,
                     neap_listener **out) {
  neap_net_opts o = neap__net_opts(opts);
  struct sockaddr_storage address;
  unsigned size;
  *detail = neap__net_address(&o, &address, &size);
  if (*detail < 0)
    return *detail == UV_EINVAL ? NEAP_EINVAL : NEAP_ESYS;
  neap_loop *loop = net->streams->loop;
  const neap_alloc *alloc = neap__loop_alloc(loop);
  neap_listener *l = neap__alloc(alloc, sizeof *l);
  if (!l)
    return NEAP_ENOMEM;
  l->fd = *detail = neap__net_socket(address.ss_family, o.delays);
  if (l->fd < 0)
    goto fail_socket;
  *detail = begin(l->fd, &o, &address, size);
  if (*detail < 0)
    goto fail_listen;
  *detail = uv_poll_init(neap__loop_uv(loop), &l->poll, l->fd);
  if (*detail < 0)
    goto fail_listen;
  uv_unref((uv_handle_t *)&l->poll);
  struct stat info;
  if (o.path && lstat(o.path, &info) == 0) {
    memcpy(l->path, o.path, strlen(o.path) + 1);
    l->device = info.st_dev;
    l->inode = info.st_ino;
  }
  l->alloc = *alloc;
  l->net = net;
  l->delays = o.delays;
  l->poll.data = l;
  neap__list_init(&l->waiting);
  neap__list_append(&net->listeners, &l->link);
  *out = l;
  return 0;

fail_listen:
  close(l->fd);
fail_socket:
  neap__free(alloc, l, sizeof *l);
  return NEAP_ESYS;
}

int neap_listener_fd(const neap_listener *l) {
  return l->fd;
}

static void drop(neap_op *op) {
  neap_listener *l = op->u.request;
  neap__list_remove(&op->link);
  neap__list_init(&op->link);
  watch(l);
}

void neap_listener_wait(neap_listener *l, neap_op *op) {
  neap__op_begin(l->net->streams->loop, op, drop);
  op->u.request = l;
  neap__list_append(&l->waiting, &op->link);
  watch(l);
}

int neap_listener_accept(neap_listener *l, int *detail, neap_stream **out) {
  int fd;
  do
    fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (fd < 0) {
    *detail = uv_translate_sys_error(errno);
    return *detail == UV_EAGAIN ? NEAP_EAGAIN : NEAP_ESYS;
  }
  int status = neap__stream_open(l->net->streams, fd, false, out);
  if (status < 0)
    close(fd);
  return status;
}
