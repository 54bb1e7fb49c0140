/* Streams: bytes that come and go through pipes, sockets and terminals.
 * SPDX-License-Identifier: MIT */
#include "stream.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "bounds.h"
#include "base/alloc.h"
#include "loop/engine.h"
#include "loop/op.h"
#include "stream_io.h"

/* A stream is not a uv_stream_t. It has a uv_poll_t, which tells when the
 * system has bytes, or room for some. libuv 1.44 writes with write(2), even to
 * sockets, which raises SIGPIPE; it reads whether or not anybody wants the
 * bytes; and it cannot be told to drop what it was given to write. Here bytes
 * stay with the system until they are taken. So a host that does not read holds
 * up the peer, and a read that is cancelled loses nothing. */

enum {
  SLAB = 1 << 16,         /* the most that is read at once */
  MAX_UNWAITED = 1 << 18, /* bytes written without a turn of the loop */
  MAX_TURN = 1 << 20,     /* bytes written in one turn */
};

/* Bytes on their way, or the end of them. */
typedef struct outgoing {
  neap_link link; /* in `outgoing` of its stream */
  neap_stream *stream;
  neap_op *op; /* NULL once it has been dropped */
  bool is_end;
  bool begun; /* a part of the message has been written */
  size_t size, written;
  char bytes[];
} outgoing;

struct neap_stream {
  neap_alloc alloc;
  neap_engine *engine; /* NULL when it has been freed */
  neap_link link;      /* in `streams` of `engine` */
  neap__channel channel;
  uv_poll_t poll;
  bool watched;       /* `poll` is initialised, and not being closed */
  bool poll_closing;  /* its close callback will come */
  bool closed;        /* by its owner: freed when that has come */
  bool watch_in;      /* tell when there is something to be read */
  bool ended;         /* nothing more may be written */
  bool torn;          /* a message that could not be written to its end */
  int events;         /* that `poll` watches for */
  int detail;         /* of the last NEAP_ESYS returned */
  neap_op *reader;    /* waits for bytes; or NULL */
  neap_link outgoing; /* in the order in which they are written */
  size_t unwaited;    /* bytes written since the loop had a turn */
  const char *held;   /* what has been read and was not taken */
  size_t held_size;
  char
      *own; /* *owned*, of `own_size` bytes: where that is if not in the slab */
  size_t own_size;
};

static void on_poll(uv_poll_t *poll, int status, int events);

/* Has the loop watch for what operations wait for. Watching for bytes goes on
 * when a read has ended, since another will most likely follow; if bytes come
 * before that, on_poll ends it. So reading on and on costs no epoll_ctl. */
static void watch(neap_stream *s) {
  int events = (s->watch_in ? UV_READABLE : 0) |
               (neap__list_empty(&s->outgoing) ? 0 : UV_WRITABLE);
  if (!s->watched || events == s->events)
    return;
  s->events = events;
  if (events != 0)
    uv_poll_start(&s->poll, events, on_poll);
  else
    uv_poll_stop(&s->poll);
}

/* Frees the memory of a write and ends its operation, if that has not been
 * dropped. */
static void end_outgoing(outgoing *o, int status, int detail) {
  neap_op *op = o->op;
  neap__list_remove(&o->link);
  neap__free(&o->stream->alloc, o, sizeof *o + o->size);
  if (op)
    neap__op_finish(op, status, detail);
}

static void end_all_outgoing(neap_stream *s, int status, int detail) {
  while (!neap__list_empty(&s->outgoing))
    end_outgoing(NEAP__ITEM(s->outgoing.next, outgoing, link), status, detail);
}

static void on_poll_closed(uv_handle_t *handle) {
  neap_stream *s = handle->data;
  s->poll_closing = false;
  if (s->closed) {
    neap_alloc alloc = s->alloc;
    neap__free(&alloc, s, sizeof *s);
  }
}

/* Ends the watching for good: before the descriptor is closed. */
static void unwatch(neap_stream *s) {
  if (!s->watched)
    return;
  s->watched = false;
  s->poll_closing = true;
  uv_close((uv_handle_t *)&s->poll, on_poll_closed);
}

static int end_writing(neap_stream *s) {
  if (s->channel.one_way)
    unwatch(s);
  return neap__channel_end(&s->channel);
}

/* Writes what the system takes, in order. */
static void flush(neap_stream *s) {
  size_t total = 0;
  s->unwaited = 0;
  while (!neap__list_empty(&s->outgoing) && total < MAX_TURN) {
    outgoing *o = NEAP__ITEM(s->outgoing.next, outgoing, link);
    if (o->is_end) {
      int code = end_writing(s);
      end_outgoing(o, code < 0 ? NEAP_ESYS : 0, code);
      continue;
    }
    ssize_t count = neap__channel_write(&s->channel, o->bytes + o->written,
                                        o->size - o->written);
    if (count == UV_EAGAIN)
      return;
    if (count < 0) {
      end_all_outgoing(s, NEAP_ESYS, (int)count);
      return;
    }
    o->begun = true;
    o->written += (size_t)count;
    total += (size_t)count;
    if (o->written == o->size)
      end_outgoing(o, 0, 0);
  }
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  neap_stream *s = poll->data;
  if (status < 0) {
    /* Something is wrong with the descriptor (POLLERR), and libuv has stopped
     * watching. Reading and writing will tell what it is. */
    s->events = 0;
    events = UV_READABLE | UV_WRITABLE;
  }
  if (events & UV_READABLE) {
    neap_op *reader = s->reader;
    s->reader = NULL;
    if (reader)
      neap__op_finish(reader, 0, 0);
    else
      s->watch_in = false;
  }
  if (events & UV_WRITABLE)
    flush(s);
  watch(s);
}

/* Keeps programs that are started from inheriting the descriptor, and begins to
 * watch it. */
static int adopt(neap_stream *s, bool shared) {
  int fd = s->channel.fd;
  int flags = fcntl(fd, F_GETFL), kept = fcntl(fd, F_GETFD);
  /* uv_poll_init sets O_NONBLOCK, which is that of the open file: it applies to
   * all processes that share it. */
  int code = uv_poll_init(&s->engine->uv, &s->poll, fd);
  if (code == UV_EPERM)
    code = 0; /* epoll_ctl: a file or directory, which is always ready */
  else if (code == 0)
    s->watched = true;
  if (code < 0)
    return code;
  if (s->watched)
    uv_unref((uv_handle_t *)&s->poll);
  fcntl(fd, F_SETFD, kept | FD_CLOEXEC);
  if (shared && s->watched) {
    fcntl(fd, F_SETFL, flags);
    s->channel.asks = !(flags & O_NONBLOCK);
  }
  return 0;
}

int neap_stream_open(neap_engine *engine, int fd, bool shared,
                     neap_stream **out) {
  if (!neap__home_allows(engine) || !out)
    return neap__home_fault(engine);
  const neap_alloc *alloc = &engine->alloc;
  neap_stream *s = neap__alloc(alloc, sizeof *s);
  if (!s)
    return NEAP_ENOMEM;
  s->alloc = *alloc;
  s->engine = engine;
  s->poll.data = s;
  neap__list_init(&s->outgoing);
  int code = neap__channel_init(&s->channel, fd);
  if (code == 0)
    code = adopt(s, shared);
  if (code < 0) {
    neap__free(alloc, s, sizeof *s);
    return code == UV_ENOMEM ? NEAP_ENOMEM : NEAP_EINVAL;
  }
  neap__list_append(&engine->streams, &s->link);
  *out = s;
  return 0;
}

int neap_stream_pair(neap_engine *engine, neap_stream *out[2]) {
  if (!neap__home_allows(engine) || !out)
    return neap__home_fault(engine);
  int fds[2], number;
  if (!neap__bounds_admit(engine, 2, &number))
    return NEAP_EPERM;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) <
      0)
    return NEAP_ESYS;
  neap__channel ends[2] = {{.fd = fds[0]}, {.fd = fds[1]}};
  neap_stream *first = NULL;
  int status = neap_stream_open(engine, fds[0], false, &first);
  if (status < 0)
    goto fail_first;
  status = neap_stream_open(engine, fds[1], false, &out[1]);
  if (status < 0)
    goto fail_second;
  out[0] = first;
  return 0;

fail_second:
  neap_stream_close(first);
  neap__channel_close(&ends[1]);
  return status;
fail_first:
  neap__channel_close(&ends[0]);
  neap__channel_close(&ends[1]);
  return status;
}

/* Forgets the bytes that have been read. */
static void drop_held(neap_stream *s) {
  if (s->engine && s->engine->slab_user == s)
    s->engine->slab_user = NULL;
  neap__free(&s->alloc, s->own, s->own_size);
  s->own = NULL;
  s->held = NULL;
  s->held_size = 0;
}

/* Closes the descriptor. Only the memory of the stream is left. */
static void shut(neap_stream *s) {
  neap__list_remove(&s->link);
  if (s->reader)
    neap__op_finish(s->reader, NEAP_ECLOSED, 0);
  s->reader = NULL;
  end_all_outgoing(s, NEAP_ECLOSED, 0);
  s->ended = true;
  drop_held(s);
  unwatch(s);
  neap__channel_close(&s->channel);
}

void neap_stream_close(neap_stream *s) {
  if (!s)
    return;
  s->closed = true;
  neap__home_look(s->engine);
  if (s->engine)
    shut(s);
  if (!s->poll_closing)
    on_poll_closed((uv_handle_t *)&s->poll);
}

/* Closes the descriptor in the child of a fork. The connection, or the pipe, is
 * the parent's, and stays open there. */
static void disown(neap_stream *s) {
  neap__list_remove(&s->link);
  s->reader = NULL;
  while (!neap__list_empty(&s->outgoing)) {
    outgoing *o = NEAP__ITEM(s->outgoing.next, outgoing, link);
    o->op = NULL;
    end_outgoing(o, 0, 0);
  }
  s->ended = true;
  drop_held(s);
  s->watched = s->poll_closing = false;
  neap__channel_close(&s->channel);
  s->engine = NULL;
}

void neap__streams_disown(neap_engine *engine) {
  while (!neap__list_empty(&engine->streams))
    disown(NEAP__ITEM(engine->streams.next, neap_stream, link));
  neap__free(&engine->alloc, engine->slab, SLAB);
  engine->slab = NULL;
}

void neap__streams_close(neap_engine *engine) {
  while (!neap__list_empty(&engine->streams)) {
    neap_stream *s = NEAP__ITEM(engine->streams.next, neap_stream, link);
    shut(s);
    s->engine = NULL;
  }
  neap__free(&engine->alloc, engine->slab, SLAB);
  engine->slab = NULL;
}

int neap_stream_fd(const neap_stream *s) {
  return s && s->engine && !neap__home_is_left(s->engine) ? s->channel.fd : -1;
}

int neap_stream_detail(const neap_stream *s) {
  return s ? s->detail : 0;
}

static void drop_reader(neap_op *op) {
  neap_stream *s = op->u.request;
  s->reader = NULL;
}

int neap_stream_read(neap_stream *s, neap_op *op) {
  if (!s || !neap__op_is_free(op))
    return NEAP_EINVAL;
  int status = neap__home_of(&s->engine);
  if (status < 0)
    return status;
  if (s->reader)
    return NEAP_EBUSY;
  if (s->channel.fd < 0)
    return NEAP_ECLOSED;
  neap__op_begin_io(s->engine, op, drop_reader);
  op->u.request = s;
  if (s->held_size > 0 || !s->watched) {
    neap__op_finish(op, 0, 0);
    return 0;
  }
  s->reader = op;
  s->watch_in = true;
  watch(s);
  return 0;
}

/* Makes the slab free to be read into: bytes that another stream has left there
 * move to memory of that stream. */
static int clear_slab(neap_engine *engine) {
  const neap_alloc *alloc = &engine->alloc;
  if (!engine->slab)
    engine->slab = neap__alloc(alloc, SLAB);
  if (!engine->slab)
    return NEAP_ENOMEM;
  neap_stream *user = engine->slab_user;
  if (!user)
    return 0;
  char *copy = neap__alloc(alloc, user->held_size);
  if (!copy)
    return NEAP_ENOMEM;
  memcpy(copy, user->held, user->held_size);
  user->held = user->own = copy;
  user->own_size = user->held_size;
  engine->slab_user = NULL;
  return 0;
}

int neap_stream_peek(neap_stream *s, const char **bytes, size_t *size) {
  if (!s || !bytes || !size)
    return NEAP_EINVAL;
  int status = neap__home_of(&s->engine);
  if (status < 0)
    return status;
  if (s->held_size == 0) {
    if (s->channel.fd < 0)
      return NEAP_ECLOSED;
    status = clear_slab(s->engine);
    if (status < 0)
      return status;
    ssize_t count = neap__channel_read(&s->channel, s->engine->slab, SLAB);
    if (count == UV_EAGAIN)
      return NEAP_EAGAIN;
    if (count < 0) {
      s->detail = (int)count;
      return NEAP_ESYS;
    }
    if (count > 0)
      s->engine->slab_user = s;
    s->held = s->engine->slab;
    s->held_size = (size_t)count;
  }
  *bytes = s->held;
  *size = s->held_size;
  return 0;
}

size_t neap_stream_available(const neap_stream *s) {
  if (!s || !s->engine || neap__home_is_left(s->engine))
    return 0;
  return s->held_size + neap__channel_available(&s->channel);
}

void neap_stream_take(neap_stream *s, size_t size) {
  if (!s)
    return;
  if (size >= s->held_size) {
    drop_held(s);
    return;
  }
  s->held += size;
  s->held_size -= size;
}

/* Begins an operation that has ended already. */
static void begin_ended(neap_stream *s, neap_op *op, int status, int detail) {
  neap__op_begin_io(s->engine, op, drop_reader);
  neap__op_finish(op, status, detail);
}

/* A write of which no byte was sent is dropped. One that was begun is
 * completed: the peer would take the next write for its rest. */
static void drop_outgoing(neap_op *op) {
  outgoing *o = op->u.request;
  neap_stream *s = o->stream;
  o->op = NULL;
  if (o->begun)
    return;
  end_outgoing(o, 0, 0);
  watch(s);
}

/* Puts bytes, or the end of them, in line. */
static int put_in_line(neap_stream *s, neap_op *op, const char *bytes,
                       size_t size, bool begun, bool is_end) {
  outgoing *o = neap__alloc(&s->alloc, sizeof *o + size);
  if (!o)
    return NEAP_ENOMEM;
  if (bytes)
    memcpy(o->bytes, bytes, size);
  o->stream = s;
  o->op = op;
  o->size = size;
  o->begun = begun;
  o->is_end = is_end;
  neap__op_begin_io(s->engine, op, drop_outgoing);
  op->u.request = o;
  neap__list_append(&s->outgoing, &o->link);
  watch(s);
  return 0;
}

/* Writes what the system takes at once. Returns how much that is, or libuv's
 * code. */
static ssize_t write_at_once(neap_stream *s, const char *bytes, size_t size) {
  size_t sum = 0;
  while (sum < size) {
    ssize_t count = neap__channel_write(&s->channel, bytes + sum, size - sum);
    if (count == UV_EAGAIN)
      break;
    if (count < 0)
      return count;
    sum += (size_t)count;
  }
  s->unwaited += sum;
  return (ssize_t)sum;
}

int neap_stream_write(neap_stream *s, neap_op *op, const void *bytes,
                      size_t size, bool *written) {
  if (!s || !neap__op_is_free(op) || (!bytes && size > 0))
    return NEAP_EINVAL;
  if (written)
    *written = false;
  int status = neap__home_of(&s->engine);
  if (status < 0)
    return status;
  if (s->ended)
    return NEAP_ECLOSED;
  if (s->torn)
    return NEAP_ENOMEM;
  size_t sum = 0;
  /* A task that writes on and on, to a peer that reads as fast, must let others
   * run. */
  bool fair = !written || !s->watched || s->unwaited < MAX_UNWAITED;
  if (neap__list_empty(&s->outgoing) && fair) {
    ssize_t count = write_at_once(s, bytes, size);
    if (count < 0) {
      begin_ended(s, op, NEAP_ESYS, (int)count);
      return 0;
    }
    sum = (size_t)count;
  }
  if (sum == size) {
    if (written)
      *written = true;
    else
      begin_ended(s, op, 0, 0);
    return 0;
  }
  status =
      put_in_line(s, op, (const char *)bytes + sum, size - sum, sum > 0, false);
  s->torn = status < 0 && sum > 0;
  return status;
}

int neap_stream_end(neap_stream *s, neap_op *op) {
  if (!s || !neap__op_is_free(op))
    return NEAP_EINVAL;
  int status = neap__home_of(&s->engine);
  if (status < 0)
    return status;
  if (!neap__list_empty(&s->outgoing)) {
    status = put_in_line(s, op, NULL, 0, true, true);
    s->ended = s->ended || status == 0;
    return status;
  }
  s->ended = true;
  int code = end_writing(s);
  begin_ended(s, op, code < 0 ? NEAP_ESYS : 0, code);
  return 0;
}
