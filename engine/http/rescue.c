/* An answer that libcurl gives up is given to it once more.
 * SPDX-License-Identifier: MIT */
#include "rescue.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "repeat.h"

/* How much of an answer is kept; what is larger is cut off, and an error. A
 * local socket takes this much at once. */
enum { MAX_ANSWER = 64 * 1024, PIECE = 4 * 1024 };

/* Whether an answer from 300 on begins here, behind interim ones. */
static bool is_refusal(const char *text, size_t size) {
  const char *end = text + size;
  while (end - text > 9 && memcmp(text, "HTTP/1.", 7) == 0 && text[8] == ' ') {
    if (text[9] != '1')
      return text[9] >= '3' && text[9] <= '9';
    text = memmem(text, (size_t)(end - text), "\r\n\r\n", 4);
    if (!text)
      return false;
    text += 4;
  }
  return false;
}

static void keep(neap__transfer *transfer, const void *bytes, size_t size) {
  neap__buf *answer = &transfer->rescue.answer;
  if (size > MAX_ANSWER - answer->size)
    size = MAX_ANSWER - answer->size;
  int status =
      neap__buf_append(answer, &transfer->response->alloc, bytes, size);
  if (status < 0)
    neap__transfer_object(transfer, status, NULL);
}

/* Once libcurl has read a status line it sends no more, so that no answer of
 * which a part has been read is left here. */
void neap__rescue_collect(neap__transfer *transfer, int fd) {
  const neap_http_response *response = transfer->response;
  neap__buf *answer = &transfer->rescue.answer;
  if (response->in_head || response->is_last || transfer->rescue.is_on ||
      neap__transfer_is_secure(transfer))
    return;
  while (answer->size < MAX_ANSWER && transfer->objection == 0) {
    char piece[PIECE];
    ssize_t size = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
    if (size > 0)
      keep(transfer, piece, (size_t)size);
    else if (size == 0 || errno != EINTR)
      break;
  }
  if (!is_refusal(answer->bytes, answer->size))
    answer->size = 0;
}

/* CURLOPT_DEBUGFUNCTION: what is skipped of a body is shown nowhere else. */
static int on_debug(CURL *easy, curl_infotype type, char *bytes, size_t size,
                    void *ud) {
  (void)easy;
  if (type == CURLINFO_DATA_IN)
    keep(ud, bytes, size);
  return 0;
}

void neap__rescue_keep_line(neap__transfer *transfer, const char *line,
                            size_t size) {
  if (transfer->rescue.answer.size == 0) {
    curl_easy_setopt(transfer->easy, CURLOPT_DEBUGFUNCTION, on_debug);
    curl_easy_setopt(transfer->easy, CURLOPT_DEBUGDATA, transfer);
    curl_easy_setopt(transfer->easy, CURLOPT_VERBOSE, 1L);
    transfer->is_spoilt = true;
  }
  keep(transfer, line, size);
}

bool neap__rescue_is_due(const neap__transfer *transfer, CURLcode code) {
  return transfer->rescue.answer.size > 0 && !transfer->rescue.is_on &&
         transfer->objection == 0 &&
         (code == CURLE_SEND_ERROR || neap__repeat_was_wanted(transfer, code));
}

/* Another address is put in the place of the one that libcurl would connect to.
 * With a local one it looks up no name and uses no proxy. */
int neap__rescue_begin(neap__transfer *transfer) {
  CURL *easy = transfer->easy;
  if (!transfer->is_local &&
      curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, "/") != CURLE_OK)
    return NEAP_ENOMEM;
  int status = neap__http_request_tell_head(&transfer->request, easy);
  if (status < 0)
    return status;
  curl_easy_setopt(easy, CURLOPT_VERBOSE, 0L);
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  transfer->is_spoilt = true;
  transfer->rescue.is_on = true;
  return 0;
}

/* "When bind() is called with addrlen equal to sizeof(sa_family_t), then the
 * socket is autobound to an abstract address": five digits. */
bool neap__rescue_listen(neap__transfer *transfer,
                         struct curl_sockaddr *address) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  socklen_t size = sizeof(sa_family_t);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return false;
  transfer->rescue.socket = fd;
  if (bind(fd, (struct sockaddr *)&name, size) < 0 || listen(fd, 1) < 0)
    return false;
  size = sizeof name;
  if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
    return false;
  assert(size <= sizeof address->addr);
  memcpy(&address->addr, &name, size);
  address->addrlen = size;
  address->family = AF_UNIX;
  address->socktype = SOCK_STREAM;
  address->protocol = 0;
  return true;
}

/* Whether it is this process that has connected. */
static bool is_ours(int fd) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         peer.pid == getpid();
}

/* The other end stays open, so that libcurl can send the head. */
bool neap__rescue_serve(neap__transfer *transfer) {
  neap__rescue *rescue = &transfer->rescue;
  int fd = accept4(rescue->socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0)
    return false;
  close(rescue->socket);
  rescue->socket = fd;
  int room = 2 * MAX_ANSWER;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  return is_ours(fd) &&
         send(fd, rescue->answer.bytes, rescue->answer.size, MSG_NOSIGNAL) ==
             (ssize_t)rescue->answer.size &&
         shutdown(fd, SHUT_WR) == 0;
}

void neap__rescue_end(neap__transfer *transfer) {
  neap__rescue *rescue = &transfer->rescue;
  if (rescue->socket >= 0)
    close(rescue->socket);
  rescue->socket = -1;
  if (rescue->answer.capacity > 0)
    neap__buf_free(&rescue->answer, &transfer->response->alloc);
  if (!rescue->is_on)
    return;
  rescue->is_on = false;
  if (!transfer->is_local)
    curl_easy_setopt(transfer->easy, CURLOPT_UNIX_SOCKET_PATH, NULL);
  curl_easy_setopt(transfer->easy, CURLOPT_FORBID_REUSE, 0L);
}
