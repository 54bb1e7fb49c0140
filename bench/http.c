/* http KIND URL COUNT CONCURRENCY [CA]: the same requests as bench/http.lua and
 * bench/llm.lua, by what neap is built on and nothing else: libcurl's multi
 * interface on a uv loop, and jansson.
 * SPDX-License-Identifier: MIT
 *
 * As little as is needed to do it well: handles are used again, and a socket is
 * watched by one uv_poll_t for as long as it lives.
 */
#include <curl/curl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "measure.h"

enum { MAX_SOCKETS = 4096, MAX_BODY = 65536, POST_SIZE = 2048 };

typedef struct watched {
  uv_poll_t poll;
  int wanted, current;
} watched;

typedef struct request {
  CURL *easy;
  size_t size; /* of the body, of a stream of events that of its last line */
  size_t data; /* lines of data of the event that has begun */
  char body[MAX_BODY];
} request;

static uv_loop_t *loop;
static uv_timer_t timer;
static CURLM *multi;
static watched *sockets[MAX_SOCKETS];
static const char *kind, *url, *ca;
static long left, running;
static bool kind_is_chat; /* "chats" or "first" */
static size_t total;
static char post[POST_SIZE];
static const char chat[] =
    "{\"model\":\"small\",\"messages\":[{\"role\":\"user\",\"content\":"
    "\"How is the tide?\"}],\"stream\":true}";

static void fail(const char *what) {
  fprintf(stderr, "http: %s\n", what);
  exit(EXIT_FAILURE);
}

static size_t on_body(char *bytes, size_t one, size_t size, void *ud) {
  request *r = ud;
  size *= one;
  if (r->size + size > sizeof r->body)
    return 0;
  memcpy(r->body + r->size, bytes, size);
  r->size += size;
  return size;
}

static bool is(const char *wanted) {
  return strcmp(kind, wanted) == 0;
}

/* Decodes the token in a line of data, and returns its size. */
static size_t token(const char *line, size_t size) {
  if (size < 7 || memcmp(line, "data: {", 7) != 0)
    return 0;
  json_t *event = json_loadb(line + 6, size - 6, 0, NULL);
  json_t *choice = json_array_get(json_object_get(event, "choices"), 0);
  json_t *delta = json_object_get(choice, "delta");
  size_t length = json_string_length(json_object_get(delta, "content"));
  json_decref(event);
  return length;
}

/* The lines of a stream of events: a line that is empty ends one. */
static size_t on_events(char *bytes, size_t one, size_t size, void *ud) {
  request *r = ud;
  size *= one;
  for (const char *at = bytes, *end = bytes + size; at < end;) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    size_t piece = (size_t)((stop ? stop : end) - at);
    if (r->size + piece > sizeof r->body)
      return 0;
    memcpy(r->body + r->size, at, piece);
    r->size += piece;
    if (!stop)
      break;
    if (kind_is_chat) {
      size_t length = token(r->body, r->size);
      total += length;
      if (length > 0 && is("first"))
        return 0; /* ends the transfer */
    } else if (r->size == 0) {
      total += r->data > 0;
      r->data = 0;
    } else {
      r->data += r->size > 5 && memcmp(r->body, "data:", 5) == 0;
    }
    r->size = 0;
    at = stop + 1;
  }
  return size;
}

static void begin(request *r) {
  r->size = 0;
  left--;
  running++;
  curl_easy_setopt(r->easy, CURLOPT_URL, url);
  if (curl_multi_add_handle(multi, r->easy) != CURLM_OK)
    fail("curl_multi_add_handle");
}

static void reap(void) {
  CURLMsg *message;
  int queued;
  while ((message = curl_multi_info_read(multi, &queued))) {
    CURL *easy = message->easy_handle;
    CURLcode code = message->data.result;
    request *r;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &r);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    bool left_early = is("first") && code == CURLE_WRITE_ERROR;
    if ((code != CURLE_OK && !left_early) || status != 200)
      fail(curl_easy_strerror(code));
    if (!is("events") && !kind_is_chat)
      total += r->size;
    running--;
    curl_multi_remove_handle(multi, easy);
    if (left > 0)
      begin(r);
  }
  if (running == 0)
    uv_stop(loop);
}

static void act(curl_socket_t fd, int events) {
  int unused;
  curl_multi_socket_action(multi, fd, events, &unused);
  reap();
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  watched *w = (watched *)poll;
  int fd = (int)(intptr_t)poll->data, flags = status < 0 ? CURL_CSELECT_ERR : 0;
  if (!w->wanted) {
    uv_poll_stop(poll);
    w->current = 0;
    return;
  }
  if (events & UV_READABLE)
    flags |= CURL_CSELECT_IN;
  if (events & UV_WRITABLE)
    flags |= CURL_CSELECT_OUT;
  act(fd, flags);
}

static curl_socket_t on_open(void *ud, curlsocktype purpose,
                             struct curl_sockaddr *address) {
  (void)ud;
  (void)purpose;
  int fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
                  address->protocol);
  if (fd < 0 || fd >= MAX_SOCKETS)
    fail("socket");
  watched *w = calloc(1, sizeof *w);
  if (!w || uv_poll_init_socket(loop, &w->poll, fd) < 0)
    fail("uv_poll_init_socket");
  w->poll.data = (void *)(intptr_t)fd;
  sockets[fd] = w;
  return fd;
}

static void on_closed(uv_handle_t *handle) {
  free(handle);
}

static int on_close(void *ud, curl_socket_t fd) {
  (void)ud;
  uv_close((uv_handle_t *)&sockets[fd]->poll, on_closed);
  sockets[fd] = NULL;
  return close(fd);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ud,
                     void *unused) {
  (void)easy;
  (void)ud;
  (void)unused;
  watched *w = sockets[fd];
  if (!w)
    return 0;
  w->wanted = (what & CURL_POLL_IN ? UV_READABLE : 0) |
              (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
  if (what == CURL_POLL_REMOVE)
    w->wanted = 0;
  if (w->wanted && w->wanted != w->current) {
    uv_poll_start(&w->poll, w->wanted, on_poll);
    w->current = w->wanted;
  }
  return 0;
}

static void on_timer(uv_timer_t *t) {
  (void)t;
  act(CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout(CURLM *m, long ms, void *ud) {
  (void)m;
  (void)ud;
  if (ms < 0)
    uv_timer_stop(&timer);
  else
    uv_timer_start(&timer, on_timer, (uint64_t)ms, 0);
  return 0;
}

static request *make(void) {
  request *r = calloc(1, sizeof *r);
  if (!r || !(r->easy = curl_easy_init()))
    fail("out of memory");
  curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
  curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION,
                   is("events") || kind_is_chat ? on_events : on_body);
  curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
  if (is("post")) {
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, post);
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE, (long)sizeof post);
  }
  if (kind_is_chat)
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, chat);
  if (ca) {
    curl_easy_setopt(r->easy, CURLOPT_CAINFO, ca);
    curl_easy_setopt(r->easy, CURLOPT_PIPEWAIT, 1L);
  }
  curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(r->easy, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(r->easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
  curl_easy_setopt(r->easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
  return r;
}

int main(int argc, char **argv) {
  if (argc < 5)
    fail("usage: http get|post|events|chats|first URL COUNT CONCURRENCY [CA]");
  kind = argv[1];
  kind_is_chat = is("chats") || is("first");
  url = argv[2];
  left = strtol(argv[3], NULL, 10);
  long concurrency = strtol(argv[4], NULL, 10);
  ca = argc > 5 ? argv[5] : NULL;
  memset(post, 'x', sizeof post);
  loop = uv_default_loop();
  curl_global_init(CURL_GLOBAL_DEFAULT);
  multi = curl_multi_init();
  uv_timer_init(loop, &timer);
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timeout);
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, concurrency * 2);
  long count = left;
  measure began = measure_now();
  for (long i = 0; i < concurrency && left > 0; i++)
    begin(make());
  uv_run(loop, UV_RUN_DEFAULT);
  if (total == 0 || total % (size_t)count != 0)
    fail("the bodies are not of one size");
  char what[64];
  snprintf(what, sizeof what, "libcurl %s, libuv %s",
           curl_version_info(CURLVERSION_NOW)->version, uv_version_string());
  measure_print(&began, what);
  return 0;
}
