/* Sockets that wait for connections.
 * SPDX-License-Identifier: MIT */
#include "net_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
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

enum { BACKLOG = 511 };

/* A connection stays with the system until it is accepted, so a wait that is
 * cancelled loses none. */
struct neap_listener {
  neap_alloc alloc;
  neap_engine *engine; /* NULL when it has been freed */
  neap_link link;      /* in `listeners` of `engine` */
  uv_poll_t poll;
  bool poll_closing; /* its close callback will come */
  bool closed;       /* by its owner: freed when that has come */
  int fd;            /* *owned*; -1 when it has been closed */
  bool delays;
  bool watched;      /* the loop tells of connections */
  neap_link waiting; /* ops, in the order they came */
  char path[sizeof((struct sockaddr_un *)0)->sun_path]; /* "": TCP */
  dev_t device;                                         /* of that file */
  ino_t inode;
};

static void watch(neap_listener *l);

/* Ends the wait that began first. If another has accepted the connection before
 * that one does, it waits again. */
static void on_poll(uv_poll_t *poll, int status, int events) {
  (void)events;
  neap_listener *l = poll->data;
  if (status < 0)
    l->watched = false; /* libuv has stopped; accepting will tell why */
  neap__ops_finish_first(&l->waiting, 0, 0);
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
  l->poll_closing = false;
  if (l->closed) {
    neap_alloc alloc = l->alloc;
    neap__free(&alloc, l, sizeof *l);
  }
}

/* Removes the file of a local socket, if it is still ours. */
static void remove_path(const neap_listener *l) {
  struct stat info;
  if (*l->path && lstat(l->path, &info) == 0 && info.st_dev == l->device &&
      info.st_ino == l->inode)
    unlink(l->path);
}

/* Ends listening. Only the memory of the listener is left. */
static void shut(neap_listener *l) {
  neap__ops_finish(&l->waiting, NEAP_ECLOSED, 0);
  neap__list_remove(&l->link);
  remove_path(l);
  l->poll_closing = true;
  uv_close((uv_handle_t *)&l->poll, on_closed);
  close(l->fd);
  l->fd = -1;
}

void neap_listener_close(neap_listener *l) {
  if (!l)
    return;
  l->closed = true;
  neap__home_look(l->engine);
  if (l->engine)
    shut(l);
  else
    on_closed((uv_handle_t *)&l->poll);
}

void neap__listeners_close(neap_engine *engine) {
  while (!neap__list_empty(&engine->listeners)) {
    neap_listener *l = NEAP__ITEM(engine->listeners.next, neap_listener, link);
    neap__ops_forget(&l->waiting);
    shut(l);
    l->engine = NULL;
  }
}

/* Closes the socket in the child of a fork. The parent listens there still, so
 * the file of a local one stays. */
static void disown(neap_listener *l) {
  neap__ops_disown(&l->waiting);
  neap__list_remove(&l->link);
  l->poll_closing = false;
  close(l->fd);
  l->fd = -1;
  l->engine = NULL;
}

void neap__listeners_disown(neap_engine *engine) {
  while (!neap__list_empty(&engine->listeners))
    disown(NEAP__ITEM(engine->listeners.next, neap_listener, link));
}

/* Whether a file is a local socket at which nobody answers, since its owner has
 * died. connect says ECONNREFUSED of files that are no sockets as well, so they
 * are excluded first, and so are links. What is connected to is the file that
 * was looked at, whatever is in its place by then. */
static bool is_stale(const char *path, struct stat *info) {
  int file = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), fd = -1;
  if (file >= 0 && fstat(file, info) == 0 && S_ISSOCK(info->st_mode))
    fd = neap__net_socket(AF_UNIX, false);
  bool refused = false;
  if (fd >= 0) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "/proc/self/fd/%d", file);
    refused = connect(fd, (const struct sockaddr *)&name, sizeof name) < 0 &&
              errno == ECONNREFUSED;
    close(fd);
  }
  if (file >= 0)
    close(file);
  return refused;
}

static bool is_same(const struct stat *one, const struct stat *other) {
  return one->st_dev == other->st_dev && one->st_ino == other->st_ino &&
         one->st_mtim.tv_sec == other->st_mtim.tv_sec &&
         one->st_mtim.tv_nsec == other->st_mtim.tv_nsec;
}

/* Renames a file unless there is one of the new name. By the system call: not
 * every C library has a function for it. */
static void rename_to_free(const char *from, const char *to) {
  enum { NOREPLACE = 1 }; /* RENAME_NOREPLACE of <linux/fs.h> */
  syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, NOREPLACE);
}

/* Removes a file if it is the one that `seen` describes. Another process may
 * have put a new file in its place since, so the file is first moved into a
 * folder of ours. If it turns out to be a new one, it gets its name back; if
 * that name has been taken meanwhile, it stays in the folder, since it is not
 * ours. */
static bool remove_seen(const char *path, const struct stat *seen) {
  static const char inside[] = "/socket";
  char folder[sizeof((neap_listener *)0)->path + 16], moved[sizeof folder + 8];
  const char *slash = strrchr(path, '/');
  int size = slash ? (int)(slash - path) + 1 : 0;
  snprintf(folder, sizeof folder, "%.*s.neap-XXXXXX", size, path);
  if (!mkdtemp(folder))
    return false;
  snprintf(moved, sizeof moved, "%s%s", folder, inside);
  struct stat found;
  bool ours = false;
  if (rename(path, moved) == 0) {
    ours = lstat(moved, &found) == 0 && is_same(&found, seen);
    if (ours)
      unlink(moved);
    else
      rename_to_free(moved, path);
  }
  rmdir(folder);
  return ours;
}

/* Locks a path for the time from before a socket is bound there until it
 * listens: in between nobody answers, and another process would take the socket
 * for stale. The lock is a socket with a name that is no file, which ends with
 * its process. Returns its descriptor, -1 if there is no lock to be had, or
 * UV_EADDRINUSE if another process is about to listen there. */
static int lock_path(const char *path) {
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  char folder[sizeof((neap_listener *)0)->path] = ".";
  if (slash)
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path) + 1, path);
  struct stat found;
  if (stat(folder, &found) < 0)
    return -1; /* bind will say why */
  struct sockaddr_un lock = {.sun_family = AF_UNIX};
  uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a: names are long */
  for (const char *c = name; *c; c++)
    hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
  int size = snprintf(lock.sun_path + 1, sizeof lock.sun_path - 1,
                      "neap-listen-%" PRIx64 "-%" PRIx64 "-%" PRIx64,
                      (uint64_t)found.st_dev, (uint64_t)found.st_ino, hash);
  int fd = neap__net_socket(AF_UNIX, false);
  if (fd < 0)
    return -1;
  socklen_t length =
      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size);
  if (bind(fd, (const struct sockaddr *)&lock, length) == 0)
    return fd;
  int code = errno == EADDRINUSE ? UV_EADDRINUSE : -1;
  close(fd);
  return code;
}

static int bind_to(int fd, const struct sockaddr_storage *address,
                   unsigned size) {
  return neap__sys_code_of(bind(fd, (const struct sockaddr *)address, size));
}

static int begin_listening(neap_listener *l, const neap_net_opts *o) {
  int backlog = o->backlog > 0 ? o->backlog : BACKLOG;
  return neap__sys_code_of(listen(l->fd, backlog));
}

/* Binds the socket to a path and listens. The listener keeps what it needs to
 * remove the file. */
static int begin_at_path(neap_listener *l, const neap_net_opts *o,
                         const struct sockaddr_storage *address,
                         unsigned size) {
  int lock = lock_path(o->path);
  if (lock == UV_EADDRINUSE)
    return lock;
  struct stat info;
  int code = bind_to(l->fd, address, size);
  if (code == UV_EADDRINUSE && is_stale(o->path, &info) &&
      remove_seen(o->path, &info))
    code = bind_to(l->fd, address, size);
  if (code == 0 && lstat(o->path, &info) == 0) {
    memcpy(l->path, o->path, strlen(o->path) + 1);
    l->device = info.st_dev;
    l->inode = info.st_ino;
  }
  if (code == 0)
    code = begin_listening(l, o);
  if (lock >= 0)
    close(lock);
  return code;
}

/* Binds the socket and has it listen. Returns 0 or libuv's code. */
static int begin(neap_listener *l, const neap_net_opts *o,
                 const struct sockaddr_storage *address, unsigned size) {
  if (o->path)
    return begin_at_path(l, o, address, size);
  /* A port that was in use a moment ago may be used again at once. */
  setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  int code = bind_to(l->fd, address, size);
  return code < 0 ? code : begin_listening(l, o);
}

/* Looks whether listening was granted. Has the path of a local socket begin in
 * the folder that is open for it: `path` has room for that. */
static bool ask(neap_engine *engine, neap_net_opts *o, char *path, size_t size,
                const struct sockaddr_storage *address, int *number) {
  if (!o->path)
    return neap__grants_listen(engine->grants, (const struct sockaddr *)address,
                               number);
  const neap__grant *grant = neap__grants_unix(engine->grants, o->path, number);
  if (!grant)
    return false;
  snprintf(path, size, "/proc/self/fd/%d/%s", grant->folder.file, grant->last);
  o->path = path;
  return true;
}

int neap_net_listen(neap_engine *engine, const neap_net_opts *opts, int *detail,
                    neap_listener **out) {
  if (!neap__home_allows(engine) || !detail || !out)
    return neap__home_fault(engine);
  neap_net_opts o;
  int status = neap__net_opts(opts, &o);
  if (status < 0)
    return status;
  struct sockaddr_storage address;
  unsigned size;
  char path[PATH_MAX];
  if (!neap__bounds_admit(engine, 1, detail))
    return NEAP_EPERM;
  *detail = neap__net_address(&o, &address, &size);
  if (engine->grants && *detail != UV_EINVAL) {
    int number;
    if (!ask(engine, &o, path, sizeof path, &address, &number)) {
      *detail = number;
      return NEAP_EPERM;
    }
    *detail = neap__net_address(&o, &address, &size);
  }
  if (*detail < 0)
    return *detail == UV_EINVAL ? NEAP_EINVAL : NEAP_ESYS;
  const neap_alloc *alloc = &engine->alloc;
  neap_listener *l = neap__alloc(alloc, sizeof *l);
  if (!l)
    return NEAP_ENOMEM;
  l->fd = *detail = neap__net_socket(address.ss_family, o.delays);
  if (l->fd < 0)
    goto fail_socket;
  *detail = begin(l, &o, &address, size);
  if (*detail < 0)
    goto fail_listen;
  *detail = uv_poll_init(&engine->uv, &l->poll, l->fd);
  if (*detail < 0)
    goto fail_listen;
  uv_unref((uv_handle_t *)&l->poll);
  l->alloc = *alloc;
  l->engine = engine;
  l->delays = o.delays;
  l->poll.data = l;
  neap__list_init(&l->waiting);
  neap__list_append(&engine->listeners, &l->link);
  *out = l;
  return 0;

fail_listen:
  remove_path(l);
  close(l->fd);
fail_socket:
  neap__free(alloc, l, sizeof *l);
  return NEAP_ESYS;
}

int neap_listener_fd(const neap_listener *l) {
  return l && l->engine && !neap__home_is_left(l->engine) ? l->fd : -1;
}

static void drop(neap_op *op) {
  neap_listener *l = op->u.request;
  neap__list_remove(&op->link);
  neap__list_init(&op->link);
  watch(l);
}

int neap_listener_wait(neap_listener *l, neap_op *op) {
  if (!l || !neap__op_is_free(op))
    return NEAP_EINVAL;
  int status = neap__home_of(&l->engine);
  if (status < 0)
    return status;
  neap__op_begin(l->engine, op, drop);
  op->u.request = l;
  neap__list_append(&l->waiting, &op->link);
  watch(l);
  return 0;
}

/* accept(2): "Linux accept() passes already-pending network errors on the new
 * socket as an error code from accept(). For reliable operation the application
 * should detect the network errors defined for the protocol after accept() and
 * treat them like EAGAIN". Such an error is that of one connection, which is
 * gone. EPERM comes from a firewall. */
static bool is_of_connection(int why) {
  switch (why) {
  case ECONNABORTED:
  case EHOSTDOWN:
  case EHOSTUNREACH:
  case ENETDOWN:
  case ENETUNREACH:
  case ENONET:
  case ENOPROTOOPT:
  case EOPNOTSUPP:
  case EPERM:
  case EPROTO:
    return true;
  default:
    return false;
  }
}

int neap_listener_accept(neap_listener *l, int *detail, neap_stream **out) {
  if (!l || !detail || !out)
    return NEAP_EINVAL;
  int status = neap__home_of(&l->engine);
  if (status < 0)
    return status;
  if (!neap__bounds_admit(l->engine, 1, detail))
    return NEAP_EPERM;
  int fd;
  do
    fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    *detail = neap__sys_code();
    bool none = *detail == UV_EAGAIN || is_of_connection(errno);
    return none ? NEAP_EAGAIN : NEAP_ESYS;
  }
  status = neap_stream_open(l->engine, fd, false, out);
  if (status < 0)
    close(fd);
  return status;
}
