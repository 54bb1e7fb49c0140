/* The system calls of streams, without waiting and without signals.
 * SPDX-License-Identifier: MIT */
#include "stream_io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/status.h"

int neap__channel_init(neap__channel *channel, int fd) {
  struct stat info;
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fstat(fd, &info) < 0)
    return neap__sys_code();
  *channel = (neap__channel){.fd = fd, .socket = S_ISSOCK(info.st_mode)};
  channel->one_way = !channel->socket && (flags & O_ACCMODE) == O_WRONLY;
  int type;
  if (channel->socket && (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type,
                                     &(socklen_t){sizeof type}) < 0 ||
                          type != SOCK_STREAM))
    return UV_EINVAL;
  return 0;
}

/* Whether a call of this kind (POLLIN, POLLOUT) would not block now. */
static bool is_ready(const neap__channel *channel, short kind) {
  struct pollfd asked = {.fd = channel->fd, .events = kind};
  return poll(&asked, 1, 0) != 0;
}

ssize_t neap__channel_read(const neap__channel *channel, void *bytes,
                           size_t size) {
  if (channel->asks && !channel->socket && !is_ready(channel, POLLIN))
    return UV_EAGAIN;
  ssize_t count;
  do
    count = channel->socket ? recv(channel->fd, bytes, size, MSG_DONTWAIT)
                            : read(channel->fd, bytes, size);
  while (count < 0 && errno == EINTR);
  return count < 0 ? neap__sys_code() : count;
}

size_t neap__channel_available(const neap__channel *channel) {
  int count = 0;
  if (channel->fd < 0 || ioctl(channel->fd, FIONREAD, &count) < 0 || count < 0)
    return 0;
  return (size_t)count;
}

/* write(2) without SIGPIPE. A library may not ignore that signal for its whole
 * process, and only send(2) to a socket can do without it. The signal comes to
 * the thread that writes. While it is blocked there it stays pending, and is
 * taken before it is delivered. One that was pending before is left alone. */
static ssize_t write_quietly(int fd, const void *bytes, size_t size) {
  sigset_t pipe, before, pending;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  sigemptyset(&pending);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &pipe, &before);
  ssize_t count = write(fd, bytes, size);
  int code = errno;
  if (count < 0 && code == EPIPE && !sigismember(&pending, SIGPIPE))
    while (sigtimedwait(&pipe, NULL, &(struct timespec){0}) < 0 &&
           errno == EINTR)
      ;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = code;
  return count;
}

ssize_t neap__channel_write(const neap__channel *channel, const void *bytes,
                            size_t size) {
  if (channel->asks && !channel->socket) {
    /* Where there is room for anything, a pipe has room for PIPE_BUF bytes; a
     * write of more may block. */
    if (!is_ready(channel, POLLOUT))
      return UV_EAGAIN;
    if (size > PIPE_BUF)
      size = PIPE_BUF;
  }
  ssize_t count;
  do
    count = channel->socket
                ? send(channel->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL)
                : write_quietly(channel->fd, bytes, size);
  while (count < 0 && errno == EINTR);
  return count < 0 ? neap__sys_code() : count;
}

int neap__channel_end(neap__channel *channel) {
  /* A peer that is gone (ENOTCONN) need not be told. */
  if (channel->socket && shutdown(channel->fd, SHUT_WR) < 0 &&
      errno != ENOTCONN)
    return neap__sys_code();
  if (channel->one_way)
    neap__channel_close(channel);
  return 0;
}

void neap__channel_close(neap__channel *channel) {
  if (channel->fd >= 0)
    close(channel->fd);
  channel->fd = -1;
}
