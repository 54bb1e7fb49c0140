/* libcurl's multi handle on a uv loop: its sockets and its timer.
 * SPDX-License-Identifier: MIT */
#include "multi.h"

#include <assert.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "rescue.h"

/* A socket that libcurl has had watched. The socket of a connection is watched
 * with one uv_poll_t as long as it lives: libcurl loses interest in it whenever
 * a response is complete and regains it with the next request, which would cost
 * system calls each time.
 *
 * Other sockets must not be watched for longer than libcurl wants. libcurl
 * closes two kinds without calling CURLOPT_CLOSESOCKETFUNCTION: those of its
 * resolver, and those that it failed to connect. The system gives their numbers
 * to other files at once. Until a socket is connected, libcurl 7.88 waits for
 * nothing but to write (cf_socket_get_select_socks). So if it wants to read
 * from a socket, that is a connection, and libcurl will tell when it is closed.
 */
struct neap__http_socket {
  uv_poll_t poll;
  neap_link due; /* in `due` of `multi` while there are `events` */
  int events;    /* that have come, and of which libcurl has not been told */
  neap__multi *multi;
  curl_socket_t fd;
  int wanted;           /* the events that libcurl waits for */
  int watched;          /* those that uv does */
  bool is_ours;         /* neap__multi_open_socket made it, not the resolver */
  bool is_connection;   /* libcurl will tell when it is closed */
  neap__transfer *user; /* whose body it sends; NULL: unknown, or none */
  CURL *opener;         /* for whose handle it was made; NULL once libcurl has
                           said what it waits for */
  uint64_t opened_in;   /* `actions` when it was made */
};

static neap__http_socket *find_socket(const neap__multi *multi,
                                      curl_socket_t fd) {
  return (size_t)fd < multi->socket_capacity ? multi->sockets[fd] : NULL;
}

static int reserve_socket(neap__multi *multi, curl_socket_t fd) {
  size_t old = multi->socket_capacity;
  int status =
      neap__reserve(&multi->host.alloc, &multi->sockets,
                    &multi->socket_capacity, (size_t)fd + 1, sizeof(void *));
  if (status == 0 && multi->socket_capacity > old)
    memset(multi->sockets + old, 0,
           (multi->socket_capacity - old) * sizeof(void *));
  return status;
}

static int add_socket(neap__multi *multi, curl_socket_t fd, CURL *opener,
                      neap__http_socket **out) {
  int status = reserve_socket(multi, fd);
  if (status < 0)
    return status;
  neap__http_socket *socket = neap__alloc(&multi->host.alloc, sizeof *socket);
  if (!socket)
    return NEAP_ENOMEM;
  *socket = (neap__http_socket){
      .multi = multi,
      .fd = fd,
      .is_ours = opener != NULL,
      .opener = opener,
      .opened_in = multi->actions,
  };
  if (uv_poll_init_socket(multi->host.uv, &socket->poll, fd) < 0) {
    neap__free(&multi->host.alloc, socket, sizeof *socket);
    return NEAP_ESYS;
  }
  neap__list_init(&socket->due);
  uv_unref((uv_handle_t *)&socket->poll);
  socket->poll.data = socket;
  multi->sockets[fd] = socket;
  *out = socket;
  return 0;
}

static void free_socket(uv_handle_t *poll) {
  neap__http_socket *socket = poll->data;
  neap__free(&socket->multi->host.alloc, socket, sizeof *socket);
}

void neap__multi_release_socket(neap__transfer *transfer) {
  if (transfer->socket)
    transfer->socket->user = NULL;
  transfer->socket = NULL;
}

/* Ends the watching, so that the descriptor may be closed. */
static void end_socket(neap__http_socket *socket) {
  if (socket->user)
    neap__multi_release_socket(socket->user);
  socket->multi->sockets[socket->fd] = NULL;
  neap__list_remove(&socket->due);
  uv_close((uv_handle_t *)&socket->poll, free_socket);
}

static void on_poll(uv_poll_t *poll, int status, int events);

bool neap__multi_is_read(const neap__http_socket *socket) {
  return socket->wanted & UV_READABLE;
}

/* The events of which libcurl is told. */
static int told_events(const neap__http_socket *socket) {
  return socket->user && socket->user->is_hushed ? socket->wanted & UV_READABLE
                                                 : socket->wanted;
}

/* Has uv wait for the events that libcurl waits for. Events for which it no
 * longer waits may still be watched: see on_poll. */
static void watch(neap__http_socket *socket) {
  int events = told_events(socket);
  if (!events || events == socket->watched)
    return;
  uv_poll_start(&socket->poll, events, on_poll);
  socket->watched = events;
}

/* libcurl may close a socket and open the next one before it says that it has
 * lost interest in the first. If both have the same number, and libcurl waits
 * for the same events, it takes the second for watched already. */
int neap__multi_open_socket(neap__multi *multi, CURL *easy,
                            const struct curl_sockaddr *address,
                            curl_socket_t *out) {
  int fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
                  address->protocol);
  if (fd < 0)
    return NEAP_ESYS;
  neap__http_socket *stale = find_socket(multi, fd), *record;
  int wanted = stale ? stale->wanted : 0;
  if (stale)
    end_socket(stale);
  int status = add_socket(multi, fd, easy, &record);
  if (status < 0) {
    close(fd);
    return status;
  }
  record->wanted = wanted;
  watch(record);
  *out = fd;
  return 0;
}

int neap__multi_close_socket(void *ud, curl_socket_t fd) {
  neap__http_socket *socket = find_socket(ud, fd);
  if (socket && socket->user)
    neap__rescue_collect(socket->user, fd);
  if (socket)
    end_socket(socket);
  return close(fd);
}

/* Ends the transfers with which libcurl is done. */
static void reap(neap__multi *multi) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(multi->curl, &left))) {
    /* "The data the returned pointer points to does not survive calling
     * curl_multi_remove_handle." */
    CURLcode code = message->data.result;
    neap__transfer *transfer;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    multi->on_end(transfer, code);
  }
}

static void act(neap__multi *multi, curl_socket_t fd, int events) {
  int running;
  multi->actions++;
  curl_multi_socket_action(multi->curl, fd, events, &running);
  reap(multi);
}

/* Whether the socket is still open. One that is not is freed by its close
 * callback, not before. */
static bool is_open(const neap__http_socket *socket) {
  return find_socket(socket->multi, socket->fd) == socket;
}

/* Only notes what has come: libcurl is told of it by neap__multi_act_socket.
 * The socket goes on being watched until then, for it costs less to hear of
 * events again than to stop. */
static void on_poll(uv_poll_t *poll, int status, int events) {
  neap__http_socket *socket = poll->data;
  neap__multi *multi = socket->multi;
  int wanted = told_events(socket);
  if (!wanted) {
    /* The other side closes a connection that we keep, or speaks unasked:
     * libcurl will see when it wants to use it again. */
    uv_poll_stop(poll);
    socket->watched = 0;
    return;
  }
  if (status < 0) {
    /* "If an error happens while polling, status will be < 0": uv has stopped
     * the handle. */
    socket->watched = 0;
    events = wanted & UV_READABLE ? UV_READABLE : UV_WRITABLE;
  }
  if (socket->events == 0) {
    neap__list_append(&multi->due, &socket->due);
    multi->http.is_due = true;
  }
  socket->events |= events;
}

/* Bytes that have come are read before anything is sent, since they may say
 * that nothing need be sent. If libcurl were told of both events, or of an
 * error, it would send all the same, and fail at a connection that the server
 * has reset, with an answer unread. */
bool neap__multi_act_socket(neap__multi *multi) {
  if (neap__list_empty(&multi->due))
    return false;
  neap__http_socket *socket =
      NEAP__ITEM(multi->due.next, neap__http_socket, due);
  neap__list_remove(&socket->due);
  int events = socket->events;
  socket->events = 0;
  if (events & told_events(socket) & UV_READABLE) {
    act(multi, socket->fd, CURL_CSELECT_IN);
    if (socket->user)
      multi->on_read(socket->user);
  }
  if ((events & told_events(socket) & UV_WRITABLE) && is_open(socket))
    act(multi, socket->fd, CURL_CSELECT_OUT);
  if (is_open(socket))
    watch(socket);
  return true;
}

static int events_of(int what) {
  switch (what) {
  case CURL_POLL_IN:
    return UV_READABLE;
  case CURL_POLL_OUT:
    return UV_WRITABLE;
  case CURL_POLL_INOUT:
    return UV_READABLE | UV_WRITABLE;
  default:
    return 0;
  }
}

/* The socket that libcurl means by a number. In the call in which libcurl opens
 * a socket it also says what it waits for, unless it closes the socket again:
 * then the number is that of another. NULL: it is not known yet. */
static neap__http_socket *socket_of(neap__multi *multi, CURL *easy,
                                    curl_socket_t fd) {
  neap__http_socket *socket = find_socket(multi, fd);
  if (socket && socket->opener) {
    bool is_told =
        socket->opener == easy && socket->opened_in == multi->actions;
    socket->opener = NULL;
    if (!is_told) {
      end_socket(socket);
      return NULL;
    }
  }
  return socket;
}

/* Notes the transfer whose body a socket sends. With HTTP/2 it may be one of
 * several. */
static void find_user(neap__http_socket *socket, CURL *easy) {
  neap__transfer *transfer = NULL;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
  if (!transfer || transfer->socket ||
      !(transfer->request.body || transfer->upload))
    return;
  socket->user = transfer;
  transfer->socket = socket;
}

/* CURLMOPT_SOCKETFUNCTION. It always returns 0: "If this callback returns
 * error, all transfers currently in progress in this multi handle are
 * aborted", and libcurl 7.88 never lets another begin. Sockets of connections
 * are known already; one that is not is the resolver's, for which libcurl also
 * looks now and then by timer, so that it may go unwatched. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ud,
                     void *unused) {
  (void)unused;
  neap__multi *multi = ud;
  neap__http_socket *socket = socket_of(multi, easy, fd);
  if (!socket &&
      (what == CURL_POLL_REMOVE || add_socket(multi, fd, NULL, &socket) < 0))
    return 0;
  socket->wanted = events_of(what);
  if (socket->is_ours && (socket->wanted & UV_READABLE))
    socket->is_connection = true;
  if (socket->is_ours && socket->wanted && !socket->user)
    find_user(socket, easy);
  if (what == CURL_POLL_REMOVE && !socket->is_connection)
    end_socket(socket); /* it may be closed already */
  else
    watch(socket);
  return 0;
}

/* The timer of libcurl is due. */
static void note_timer(neap__multi *multi) {
  multi->timer_is_due = multi->http.is_due = true;
}

void neap__multi_act_timer(neap__multi *multi) {
  multi->timer_is_due = false;
  act(multi, CURL_SOCKET_TIMEOUT, 0);
}

/* uv_run first calls the callbacks of timers. Then it would wait for I/O. */
static void on_timer(uv_timer_t *timer) {
  note_timer(timer->data);
  uv_stop(timer->loop);
}

/* CURLMOPT_TIMERFUNCTION. "Do not call libcurl directly from within the
 * callback." */
static int on_timeout(CURLM *curl, long ms, void *ud) {
  (void)curl;
  neap__multi *multi = ud;
  uv_timer_stop(&multi->timer);
  multi->timer_is_due = false;
  if (ms == 0) {
    note_timer(multi);
  } else if (ms > 0) {
    uv_update_time(multi->host.uv);
    uv_timer_start(&multi->timer, on_timer, (uint64_t)ms, 0);
  }
  return 0;
}

/* How many connections there may be at once: half of the files that the process
 * may have open, since it needs files for other things. Further transfers wait
 * in libcurl for their turn. */
static long max_connections(const neap__http_host *host) {
  struct rlimit files;
  if (host->gate && host->max_connections < NEAP__HTTP_MAX_CONNECTIONS)
    return host->max_connections;
  if (getrlimit(RLIMIT_NOFILE, &files) < 0 ||
      files.rlim_cur / 2 > NEAP__HTTP_MAX_CONNECTIONS)
    return NEAP__HTTP_MAX_CONNECTIONS;
  return files.rlim_cur > 2 ? (long)files.rlim_cur / 2 : 1;
}

static CURLcode global_code;

static void init_curl(void) {
  global_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int neap__multi_prepare(void) {
  static uv_once_t once = UV_ONCE_INIT;
  uv_once(&once, init_curl);
  return global_code == CURLE_OK ? 0 : NEAP_ENOMEM;
}

int neap__multi_open(const neap__http_host *host,
                     void (*on_end)(neap__transfer *transfer, CURLcode code),
                     void (*on_read)(neap__transfer *transfer),
                     neap__multi **out) {
  int status = neap__multi_prepare();
  if (status < 0)
    return status;
  neap__multi *multi = neap__alloc(&host->alloc, sizeof *multi);
  if (!multi)
    return NEAP_ENOMEM;
  multi->curl = curl_multi_init();
  if (!multi->curl) {
    neap__free(&host->alloc, multi, sizeof *multi);
    return NEAP_ENOMEM;
  }
  multi->on_end = on_end;
  multi->on_read = on_read;
  multi->host = *host;
  multi->idle_at = NEAP_FOREVER;
  neap__list_init(&multi->due);
  neap__list_init(&multi->transfers);
  neap__list_init(&multi->launches);
  uv_timer_init(host->uv, &multi->timer);
  uv_timer_init(host->uv, &multi->idle);
  uv_unref((uv_handle_t *)&multi->timer);
  uv_unref((uv_handle_t *)&multi->idle);
  multi->timer.data = multi->idle.data = multi;
  curl_multi_setopt(multi->curl, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi->curl, CURLMOPT_SOCKETDATA, multi);
  curl_multi_setopt(multi->curl, CURLMOPT_TIMERFUNCTION, on_timeout);
  curl_multi_setopt(multi->curl, CURLMOPT_TIMERDATA, multi);
  curl_multi_setopt(multi->curl, CURLMOPT_MAXCONNECTS, max_connections(host));
  curl_multi_setopt(multi->curl, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                    max_connections(host));
  *out = multi;
  return 0;
}

/* Connections that are kept are closed with the multi handle, and so are their
 * sockets. */
void neap__multi_close(neap__multi *multi) {
  while (multi->handle_count > 0)
    curl_easy_cleanup(multi->handles[--multi->handle_count]);
  curl_multi_cleanup(multi->curl);
  for (size_t fd = 0; fd < multi->socket_capacity; fd++) {
    if (multi->sockets[fd])
      end_socket(multi->sockets[fd]);
  }
  uv_close((uv_handle_t *)&multi->timer, NULL);
  uv_close((uv_handle_t *)&multi->idle, NULL);
}

/* Of other sockets it is not known whether they are open still: the number may
 * be that of another file. */
void neap__multi_disown(neap__multi *multi) {
  for (size_t fd = 0; fd < multi->socket_capacity; fd++) {
    if (multi->sockets[fd] && multi->sockets[fd]->is_connection)
      close((int)fd);
  }
}

void neap__multi_free(neap__multi *multi) {
  neap_alloc alloc = multi->host.alloc;
  neap__free(&alloc, multi->sockets, multi->socket_capacity * sizeof(void *));
  neap__free(&alloc, multi, sizeof *multi);
}

void neap__multi_finish(neap__multi *multi, neap_op *op, int status) {
  multi->host.finish(op, status, 0);
}

void neap__multi_wake_reader(neap__multi *multi, neap_http_response *response) {
  neap_op *op = response->reader;
  response->reader = NULL;
  if (op)
    neap__multi_finish(multi, op, 0);
}
