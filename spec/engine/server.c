/* A server on the loopback interface that does as the path says.
 * SPDX-License-Identifier: MIT */
#include "server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 4096, MAX_REQUEST = 1 << 20 };

typedef enum fault { CUT, TEAR, LAG } fault;

typedef struct connection {
  server *server;
  int fd;
  bool open;
  size_t left; /* of the answer until `fault`; SIZE_MAX: none is to come */
  fault fault;
  pthread_t thread;
  size_t size; /* of the request in `bytes` */
  char *bytes;
} connection;

struct server {
  int fd;
  int port;
  pthread_t thread;
  pthread_mutex_t mutex; /* for what follows */
  int accepted, open;
  connection connections[MAX_CONNECTIONS];
};

static void pause_ms(long ms) {
  nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* Has the connection reset when it is closed. */
static void tear(connection *c) {
  struct linger linger = {.l_onoff = 1};
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* Does what is to be done at this byte of the answer; false ends it. */
static bool at_fault(connection *c) {
  if (c->fault == TEAR)
    tear(c);
  if (c->fault != LAG)
    return false;
  c->left = SIZE_MAX;
  pause_ms(5);
  return true;
}

static bool send_bytes(connection *c, const char *bytes, size_t size) {
  while (size > 0) {
    if (c->left == 0 && !at_fault(c))
      return false;
    ssize_t sent =
        send(c->fd, bytes, size < c->left ? size : c->left, MSG_NOSIGNAL);
    if (sent <= 0)
      return false;
    if (c->left != SIZE_MAX)
      c->left -= (size_t)sent;
    bytes += sent;
    size -= (size_t)sent;
  }
  return true;
}

__attribute__((format(printf, 2, 3))) static bool say(connection *c,
                                                      const char *format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  int size = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return send_bytes(c, text, (size_t)size);
}

static bool say_filler(connection *c, size_t size) {
  char block[4096];
  memset(block, 'x', sizeof block);
  bool ok = true;
  for (; ok && size > 0; size -= size < sizeof block ? size : sizeof block)
    ok = send_bytes(c, block, size < sizeof block ? size : sizeof block);
  return ok;
}

/* Reads on until the connection breaks. */
static bool hang(connection *c, const char *rest) {
  (void)rest;
  char ignored;
  while (recv(c->fd, &ignored, 1, 0) > 0)
    ;
  return false;
}

static bool garbage(connection *c, const char *rest) {
  (void)rest;
  say(c, "\x16\x03 this is no HTTP at all\r\n\r\n");
  return false;
}

/* Whether the header of a request says so. */
static bool is_chunked(const connection *c, const char *end) {
  char *found = strcasestr(c->bytes, "\r\ntransfer-encoding: chunked");
  return found && found < end;
}

static bool ends_with_last_chunk(const connection *c) {
  return c->size >= 7 &&
         memcmp(c->bytes + c->size - 7, "\r\n0\r\n\r\n", 7) == 0;
}

/* Reads one request, with its body unless that is not to be read, into `bytes`;
 * false when there is none. */
static bool read_request(connection *c) {
  size_t wanted = 0;
  c->size = 0;
  while (wanted == 0 || c->size < wanted) {
    ssize_t got = recv(c->fd, c->bytes + c->size, MAX_REQUEST - c->size, 0);
    if (got <= 0)
      return false;
    c->size += (size_t)got;
    c->bytes[c->size] = '\0';
    if (c->bytes[0] == 0x16) /* the first byte of a TLS handshake */
      return garbage(c, "");
    char *end = strstr(c->bytes, "\r\n\r\n");
    if (wanted == 0 && end) {
      char *length = strcasestr(c->bytes, "\r\ncontent-length:");
      wanted = (size_t)(end - c->bytes) + 4;
      if (length && length < end)
        wanted += strtoul(length + 17, NULL, 10);
      if (strstr(c->bytes, " /early/") || strstr(c->bytes, " /deaf"))
        return true;
    }
    if (end && is_chunked(c, end))
      wanted = ends_with_last_chunk(c) ? c->size : SIZE_MAX;
  }
  return true;
}

static bool redirect(connection *c, const char *origin, const char *rest) {
  char *path;
  long status = strtol(rest, &path, 10);
  return say(c,
             "HTTP/1.1 %ld Elsewhere\r\nLocation: %s%s\r\n"
             "Content-Length: 4096\r\n\r\n",
             status, origin, path) &&
         say_filler(c, 4096);
}

static bool hello(connection *c, const char *more) {
  return say(c,
             "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Greeting:  high tide "
             "\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n%s\r\nhello",
             more);
}

static bool echo(connection *c, const char *rest) {
  (void)rest;
  return say(c, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", c->size) &&
         send_bytes(c, c->bytes, c->size);
}

static bool headers(connection *c, const char *rest) {
  long count = strtol(rest, NULL, 10);
  bool ok = say(c, "HTTP/1.1 200 OK\r\n");
  for (long i = 0; ok && i < count; i++)
    ok = say(c, "X-%ld: y\r\n", i);
  return ok && say(c, "Content-Length: 0\r\n\r\n");
}

static bool drip(connection *c, const char *rest) {
  (void)rest;
  bool ok = say(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  for (int i = 0; ok && i < 5; i++) {
    pause_ms(30);
    ok = say(c, "d");
  }
  return ok;
}

static bool reset(connection *c, const char *rest) {
  (void)rest;
  say(c, "HTTP/1.1 200 OK\r\nContent-Le");
  tear(c);
  return false;
}

static bool away(connection *c, const char *rest) {
  char origin[64];
  snprintf(origin, sizeof origin, "http://localhost:%d", c->server->port);
  return redirect(c, origin, rest);
}

static bool to(connection *c, const char *rest) {
  return redirect(c, "", rest);
}

static bool ftp(connection *c, const char *rest) {
  (void)rest;
  return redirect(c, "ftp://127.0.0.1", "302/x");
}

static bool loop(connection *c, const char *rest) {
  (void)rest;
  return redirect(c, "", "302/loop");
}

static bool plain(connection *c, const char *rest) {
  (void)rest;
  return hello(c, "");
}

static bool folded(connection *c, const char *rest) {
  (void)rest;
  return hello(c, "X-Folded: one\r\n\t two\r\n");
}

static bool once(connection *c, const char *rest) {
  (void)rest;
  hello(c, "Connection: close\r\n");
  return false;
}

static bool interim(connection *c, const char *rest) {
  (void)rest;
  return say(c, "HTTP/1.1 100 Continue\r\n\r\n"
                "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n") &&
         hello(c, "");
}

static bool status(connection *c, const char *rest) {
  return say(c, "HTTP/1.1 %s Status\r\nContent-Length: 0\r\n\r\n", rest);
}

static bool filler(connection *c, const char *rest) {
  return say(c, "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n", rest) &&
         say_filler(c, strtoul(rest, NULL, 10));
}

static bool long_line(connection *c, const char *rest) {
  return say(c, "HTTP/1.1 200 OK\r\nX-Long: ") &&
         say_filler(c, strtoul(rest, NULL, 10)) &&
         say(c, "\r\nContent-Length: 0\r\n\r\n");
}

static bool trailers(connection *c, const char *rest) {
  (void)rest;
  return say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                "5\r\nhello\r\n0\r\nX-Late: 1\r\n\r\n");
}

static bool nul(connection *c, const char *rest) {
  (void)rest;
  static const char text[] = "HTTP/1.1 200 OK\r\nX-Nul: a\0b\r\n\r\n";
  return send_bytes(c, text, sizeof text - 1);
}

static bool cut_short(connection *c, const char *rest) {
  (void)rest;
  say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
  return false;
}

static bool half_chunk(connection *c, const char *rest) {
  (void)rest;
  say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nshort");
  return false;
}

static bool stall(connection *c, const char *rest) {
  (void)rest;
  return say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort") &&
         hang(c, "");
}

static bool zipped(connection *c, const char *rest) {
  (void)rest;
  /* "high tide", as gzip writes it. */
  static const unsigned char bytes[] = {
      31, 139, 8,  0,  0, 0, 0,   0,   2,   255, 203, 200, 76, 207, 80,
      40, 201, 76, 73, 5, 0, 202, 160, 115, 58,  9,   0,   0,  0};
  return say(c,
             "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
             "Content-Length: %zu\r\n\r\n",
             sizeof bytes) &&
         send_bytes(c, (const char *)bytes, sizeof bytes);
}

static bool bomb(connection *c, const char *rest) {
  (void)rest;
  /* 64 MiB of the letter x, as brotli writes them. */
  static const unsigned char bytes[] = {
      0xcf, 0xff, 0xff, 0x7f, 0x00, 0x24, 0xf0, 0xe2, 0xb1, 0x40, 0x72,
      0xef, 0xff, 0xf9, 0xff, 0xff, 0x0f, 0x80, 0x04, 0x40, 0x1c, 0x16,
      0x80, 0xee, 0xfd, 0x3f, 0xff, 0xff, 0xff, 0x01, 0x90, 0x00, 0x88,
      0xc3, 0x02, 0xd0, 0xbd, 0xff, 0xcf, 0xff, 0xff, 0x7f, 0x00, 0x12,
      0x00, 0x71, 0x58, 0x00, 0xba, 0xf7, 0xff};
  return say(c,
             "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n"
             "Content-Length: %zu\r\n\r\n",
             sizeof bytes) &&
         send_bytes(c, (const char *)bytes, sizeof bytes);
}

static bool events(connection *c, const char *rest) {
  (void)rest;
  return say(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                "Transfer-Encoding: chunked\r\n\r\n"
                "18\r\nid: 1\r\ndata: ebb\r\n\r\ndata\r\n"
                "10\r\n: a\ndata: flow\n\n\r\n0\r\n\r\n");
}

/* The rest of the path, of which %0A is a line break. */
static bool text(connection *c, const char *rest) {
  char bytes[1024];
  size_t size = 0;
  for (; *rest && size < sizeof bytes; rest++) {
    bool is_break = strncasecmp(rest, "%0A", 3) == 0;
    bytes[size++] = is_break ? '\n' : *rest;
    rest += is_break ? 2 : 0;
  }
  return say(c, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size) &&
         send_bytes(c, bytes, size);
}

static bool early(connection *c, const char *rest) {
  return say(c,
             "HTTP/1.1 %s Early\r\nContent-Length: 5\r\n"
             "Connection: close\r\n\r\nearly",
             rest) &&
         hang(c, "");
}

static bool deaf(connection *c, const char *rest) {
  (void)rest;
  struct pollfd end = {.fd = c->fd, .events = POLLRDHUP};
  poll(&end, 1, -1);
  return false;
}

static bool nothing(connection *c, const char *rest) {
  (void)c;
  (void)rest;
  return false;
}

/* Each answers a request whose path begins so, and gets the rest of it; false
 * ends the connection. */
static const struct {
  const char *prefix;
  bool (*answer)(connection *c, const char *rest);
} routes[] = {
    {"/hello", plain},       {"/echo", echo},       {"/status/", status},
    {"/bytes/", filler},     {"/to/", to},          {"/away/", away},
    {"/ftp", ftp},           {"/loop", loop},       {"/interim", interim},
    {"/trailers", trailers}, {"/folded", folded},   {"/drip", drip},
    {"/headers/", headers},  {"/line/", long_line}, {"/nul", nul},
    {"/garbage", garbage},   {"/short", cut_short}, {"/chunk", half_chunk},
    {"/reset", reset},       {"/hang", hang},       {"/stall", stall},
    {"/once", once},         {"/gzip", zipped},     {"/bomb", bomb},
    {"/events", events},     {"/early/", early},    {"/deaf", deaf},
    {"/text/", text},        {"", nothing},
};

/* Takes /cut/N, /tear/N or /lag/N off the path. */
static char *take_fault(connection *c, char *path) {
  static const char *const names[] = {
      [CUT] = "/cut/", [TEAR] = "/tear/", [LAG] = "/lag/"};
  c->left = SIZE_MAX;
  for (fault f = CUT; f <= LAG; f++) {
    size_t size = strlen(names[f]);
    if (strncmp(path, names[f], size) == 0) {
      c->fault = f;
      c->left = strtoul(path + size, &path, 10);
      break;
    }
  }
  return path;
}

static bool answer(connection *c) {
  char text[1024] = "";
  sscanf(c->bytes, "%*s %1023s", text);
  const char *path = take_fault(c, text);
  size_t i = 0;
  while (strncmp(path, routes[i].prefix, strlen(routes[i].prefix)) != 0)
    i++;
  bool ok = routes[i].answer(c, path + strlen(routes[i].prefix));
  /* A fault right behind the answer. */
  return ok && (c->left > 0 || at_fault(c));
}

static void *serve(void *ud) {
  connection *c = ud;
  c->bytes = malloc(MAX_REQUEST + 1);
  while (c->bytes && read_request(c) && answer(c))
    ;
  free(c->bytes);
  pthread_mutex_lock(&c->server->mutex);
  c->open = false;
  c->server->open--;
  close(c->fd);
  pthread_mutex_unlock(&c->server->mutex);
  return NULL;
}

static void *accept_all(void *ud) {
  server *s = ud;
  int fd;
  while (s->accepted < MAX_CONNECTIONS &&
         (fd = accept(s->fd, NULL, NULL)) >= 0) {
    pthread_mutex_lock(&s->mutex);
    connection *c = &s->connections[s->accepted];
    *c = (connection){.server = s, .fd = fd, .open = true};
    if (pthread_create(&c->thread, NULL, serve, c) == 0) {
      s->accepted++;
      s->open++;
    } else {
      close(fd);
    }
    pthread_mutex_unlock(&s->mutex);
  }
  return NULL;
}

server *server_start(void) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  server *s = calloc(1, sizeof *s);
  if (!s)
    return NULL;
  pthread_mutex_init(&s->mutex, NULL);
  s->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (s->fd < 0)
    goto fail_socket;
  if (bind(s->fd, (struct sockaddr *)&address, size) < 0 ||
      listen(s->fd, 512) < 0 ||
      getsockname(s->fd, (struct sockaddr *)&address, &size) < 0)
    goto fail_listen;
  s->port = ntohs(address.sin_port);
  if (pthread_create(&s->thread, NULL, accept_all, s) != 0)
    goto fail_listen;
  return s;

fail_listen:
  close(s->fd);
fail_socket:
  free(s);
  return NULL;
}

int server_port(const server *s) {
  return s->port;
}

int server_accepted(server *s) {
  pthread_mutex_lock(&s->mutex);
  int count = s->accepted;
  pthread_mutex_unlock(&s->mutex);
  return count;
}

int server_open(server *s) {
  pthread_mutex_lock(&s->mutex);
  int count = s->open;
  pthread_mutex_unlock(&s->mutex);
  return count;
}

void server_stop(server *s) {
  shutdown(s->fd, SHUT_RDWR);
  pthread_join(s->thread, NULL);
  close(s->fd);
  for (int i = 0; i < s->accepted; i++) {
    connection *c = &s->connections[i];
    pthread_mutex_lock(&s->mutex);
    if (c->open)
      shutdown(c->fd, SHUT_RDWR);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(c->thread, NULL);
  }
  pthread_mutex_destroy(&s->mutex);
  free(s);
}
