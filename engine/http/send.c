/* Sending a request: from the options to the outcome. The file is long, since
 * the callbacks of libcurl share one state with what follows from them.
 * SPDX-License-Identifier: MIT */
#include "send.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/units.h"
#include "body.h"
#include "coding.h"
#include "failure.h"
#include "guard.h"
#include "jar.h"
#include "repeat.h"
#include "rescue.h"
#include "route.h"

/* How often idle transfers are looked for at most. */
#define IDLE_TICK (5 * NEAP__NS_PER_MS)

/* Where neap_http_opts has 0. */
#define DEFAULT_CONNECT_TIMEOUT (30 * NEAP__NS_PER_S)
#define DEFAULT_MAX_BODY        (UINT64_C(64) * 1024 * 1024)

/* Notes when bytes moved last. Without an idle timeout only whether any have
 * moved matters, so the clock is not asked. */
static void note_progress(neap__transfer *transfer) {
  transfer->moved_at = transfer->idle_timeout > 0 ? uv_hrtime() : 1;
}

/* The time `ns` after `since`; NEAP_FOREVER if `ns` is 0, which means no limit.
 */
static uint64_t limit(uint64_t since, uint64_t ns) {
  return ns > 0 ? neap__time_after(since, ns) : NEAP_FOREVER;
}

/* When the transfer will have been idle, or under way, for too long if no byte
 * moves, as seen at `now`; NEAP_FOREVER when it has no such limit. A transfer
 * that is paused is not idle. libcurl 7.88 has no time limit for a transfer
 * that waits until another connection may be made, so the total one is kept
 * here, too. */
static uint64_t idle_at(const neap__transfer *transfer, uint64_t now) {
  uint64_t total = limit(transfer->started, transfer->timeout);
  uint64_t idle = limit(transfer->moved_at ? transfer->moved_at : now,
                        transfer->paused ? 0 : transfer->idle_timeout);
  return idle < total ? idle : total;
}

static void on_idle(uv_timer_t *timer);

/* Has idle transfers looked for at this time, if not earlier. */
static void watch_idle(neap__multi *multi, uint64_t at) {
  if (at >= multi->idle_at)
    return;
  uint64_t now = uv_hrtime();
  if (at < now + IDLE_TICK)
    at = now + IDLE_TICK;
  multi->idle_at = at;
  uv_update_time(multi->host.uv);
  uv_timer_start(&multi->idle, on_idle, neap__ms_of_ns(at - now), 0);
}

/* Makes libcurl pause what `paused` says, and go on with the rest. libcurl may
 * call callbacks of this transfer from here, and the transfer may end. Must not
 * be called from a callback of libcurl's. */
static void set_paused(neap__transfer *transfer, int paused) {
  transfer->paused = paused;
  note_progress(transfer);
  CURLcode code = curl_easy_pause(transfer->easy, paused);
  if (code != CURLE_OK)
    neap__send_end(transfer, code);
  else if (transfer->idle_timeout > 0)
    watch_idle(transfer->multi, idle_at(transfer, uv_hrtime()));
  if (code == CURLE_OK)
    neap__send_check_refusal(transfer);
}

/* libcurl waits for no more bytes when an answer is complete. */
void neap__send_check_refusal(neap__transfer *transfer) {
  if (transfer->is_hushed && transfer->paused == CURLPAUSE_SEND &&
      transfer->socket && !neap__multi_is_read(transfer->socket))
    set_paused(transfer, CURLPAUSE_CONT);
}

/* Ends the operation that sends a request whose response is streamed, once the
 * head has come and no other will follow. */
static void give_head(neap__transfer *transfer) {
  neap_http_response *response = transfer->response;
  int status = neap__transfer_status(transfer);
  if (response->in_head || status < 200 || neap__transfer_is_redirect(transfer))
    return;
  response->status = status;
  response->transfer = transfer;
  response->api = transfer->multi->http.api;
  response->engine = transfer->multi->host.engine;
  response->outcome = NEAP_ECLOSED; /* unless it ends otherwise */
  transfer->given = true;
  *transfer->out = response;
  neap__multi_finish(transfer->multi, transfer->op, 0);
  transfer->op = NULL;
}

/* Whether the line that has just come is the status line of the answer, and of
 * HTTP/1. */
static bool is_status_line_1(const neap__transfer *transfer, const char *line,
                             size_t size) {
  const neap_http_response *response = transfer->response;
  return response->in_head && response->is_last && response->field_count == 0 &&
         size > 7 && memcmp(line, "HTTP/1.", 7) == 0;
}

/* Stops sending a body when the server has answered with a status of 300 or
 * more. libcurl 7.88 does so by itself, but not when the server is about to
 * close the connection, or while sending is paused.
 *
 * With HTTP/1, libcurl is no longer told that there is room to send: if the
 * body were ended, a part would pass for the whole, and if sending went on, it
 * would fail when the server resets the connection. With HTTP/2 the stream is
 * ended, once the head has come. */
static void stop_sending(neap__transfer *transfer, const char *line,
                         size_t size) {
  if (transfer->refused || transfer->rescue.is_on)
    return;
  if (transfer->socket && is_status_line_1(transfer, line, size)) {
    transfer->refused = transfer->is_hushed =
        neap__transfer_status(transfer) >= 300;
  } else if (transfer->upload && !transfer->response->in_head &&
             neap__transfer_status(transfer) >= 300) {
    transfer->refused = true;
    if (transfer->paused & CURLPAUSE_SEND) {
      transfer->paused &= ~CURLPAUSE_SEND;
      curl_easy_pause(transfer->easy, transfer->paused);
    }
  }
}

/* Withholds an answer that refuses "Expect: 100-continue", since the request
 * may be sent without. libcurl 7.88 would do that itself, and skips the body of
 * the answer. */
static void withhold(neap__transfer *transfer, const char *line, size_t size) {
  if (is_status_line_1(transfer, line, size) &&
      neap__transfer_status(transfer) == 417 &&
      neap__http_request_expects(&transfer->request))
    transfer->is_withheld = true;
  if (transfer->is_withheld && !neap__transfer_is_secure(transfer))
    neap__rescue_keep_line(transfer, line, size);
}

static size_t on_header(char *line, size_t one, size_t size, void *ud) {
  (void)one;
  neap__transfer *transfer = ud;
  note_progress(transfer);
  int status = neap__http_response_line(transfer->response, line, size);
  if (status < 0) {
    neap__transfer_object(transfer, status, transfer->response->fault);
    return 0;
  }
  if (transfer->jar && transfer->response->in_head)
    neap__jar_check_line(transfer->jar, transfer->easy, line, size);
  if (transfer->request.body || transfer->upload) {
    stop_sending(transfer, line, size);
    if (!transfer->rescue.is_on)
      withhold(transfer, line, size);
  }
  if (transfer->streamed && !transfer->given && !transfer->is_withheld)
    give_head(transfer);
  return size;
}

/* CURLOPT_READFUNCTION of an upload. */
static size_t on_upload(char *buffer, size_t one, size_t room, void *ud) {
  neap__transfer *transfer = ud;
  neap_http_upload *upload = transfer->upload;
  if (transfer->is_hushed) {
    transfer->paused |= CURLPAUSE_SEND;
    return CURL_READFUNC_PAUSE;
  }
  if (transfer->refused)
    return 0;
  size_t size = neap__http_upload_send(upload, buffer, one * room);
  if (size > 0) {
    note_progress(transfer);
    if (upload->writer &&
        neap__http_upload_unsent(upload) <= NEAP__HTTP_UPLOAD_LIMIT)
      neap__multi_finish(transfer->multi, neap__http_upload_take_writer(upload),
                         0);
    return size;
  }
  if (upload->ended)
    return 0;
  if (upload->ownerless) {
    neap__transfer_object(transfer, NEAP_EHTTP,
                          "the request's body ended early");
    return CURL_READFUNC_ABORT;
  }
  transfer->paused |= CURLPAUSE_SEND;
  return CURL_READFUNC_PAUSE;
}

/* CURLOPT_SEEKFUNCTION: libcurl wants to begin anew, on another connection. It
 * can as long as no byte has been sent. */
static int on_rewind(void *ud, curl_off_t offset, int origin) {
  const neap__transfer *transfer = ud;
  bool untouched = transfer->upload->sent == 0 &&
                   transfer->upload->written == transfer->upload->bytes.size;
  return untouched && offset == 0 && origin == SEEK_SET ? CURL_SEEKFUNC_OK
                                                        : CURL_SEEKFUNC_FAIL;
}

/* Ends the sending of an upload; what is left of it is not sent. */
static void end_upload(neap__transfer *transfer) {
  neap_http_upload *upload = transfer->upload;
  transfer->upload = NULL;
  if (!upload)
    return;
  upload->state = NEAP__UPLOAD_OVER;
  upload->transfer = NULL;
  if (upload->writer)
    neap__multi_finish(transfer->multi, neap__http_upload_take_writer(upload),
                       NEAP_ECLOSED);
  if (upload->ownerless)
    neap__http_upload_destroy(upload);
}

/* CURLOPT_XFERINFOFUNCTION. It sees bytes that the other callbacks do not:
 * those that are sent, and those of a compressed body that decode to nothing
 * yet. */
static int on_progress(void *ud, curl_off_t total_down, curl_off_t down,
                       curl_off_t total_up, curl_off_t up) {
  (void)total_down;
  (void)total_up;
  neap__transfer *transfer = ud;
  if (transfer->moved_at != 0 && down + up != transfer->moved) {
    transfer->moved = down + up;
    note_progress(transfer);
  }
  return 0;
}

/* Has libcurl tell when bytes have moved. */
static void watch_progress(neap__transfer *transfer) {
  curl_easy_setopt(transfer->easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(transfer->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(transfer->easy, CURLOPT_XFERINFODATA, transfer);
}

/* Makes the transfer fail with the sentence of a connection that broke. */
static void give_up_rescue(neap__transfer *transfer) {
  neap__transfer_object(transfer, NEAP_EHTTP, neap__failure_broken);
}

/* CURLOPT_PREREQFUNCTION: there is a connection. */
static int on_connected(void *ud, char *remote_ip, char *local_ip,
                        int remote_port, int local_port) {
  (void)remote_ip;
  (void)local_ip;
  (void)remote_port;
  (void)local_port;
  neap__transfer *transfer = ud;
  note_progress(transfer);
  if (transfer->objection == NEAP_EPERM)
    transfer->objection = 0; /* another address of the host was admitted */
  neap__repeat_forbid(transfer);
  if (!transfer->rescue.is_on || neap__rescue_serve(transfer))
    return CURL_PREREQFUNC_OK;
  give_up_rescue(transfer);
  return CURL_PREREQFUNC_ABORT;
}

static curl_socket_t on_open_socket(void *ud, curlsocktype purpose,
                                    struct curl_sockaddr *address) {
  (void)purpose;
  neap__transfer *transfer = ud;
  curl_socket_t fd;
  if (transfer->rescue.is_on && !neap__rescue_listen(transfer, address)) {
    give_up_rescue(transfer);
    return CURL_SOCKET_BAD;
  }
  if (transfer->guard && !transfer->rescue.is_on &&
      !neap__guard_admits(transfer, address)) {
    neap__transfer_object(transfer, NEAP_EPERM, transfer->guard->why);
    return CURL_SOCKET_BAD;
  }
  int status =
      neap__multi_open_socket(transfer->multi, transfer->easy, address, &fd);
  if (status == 0)
    return fd;
  if (status == NEAP_ENOMEM)
    neap__transfer_object(transfer, status, NULL);
  else if (errno == EMFILE)
    neap__transfer_object(transfer, NEAP_ESYS, neap__failure_no_file);
  else if (errno == ENFILE)
    neap__transfer_object(transfer, NEAP_ESYS,
                          "the system has too many open files");
  return CURL_SOCKET_BAD;
}

/* Nanoseconds as libcurl takes times: milliseconds, rounded up; 0 stays 0. */
static long to_ms(uint64_t ns) {
  uint64_t ms = neap__ms_of_ns(ns);
  return ms < INT_MAX ? (long)ms : INT_MAX;
}

/* Sets the options of a handle that are the same for all requests of a multi
 * handle. It fails if there is no memory, or if libcurl was built without a
 * feature that neap needs. */
static int set_up(CURL *easy, neap__multi *multi) {
  bool ok = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
            curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
            curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, NEAP__CODINGS) ==
                CURLE_OK &&
            curl_easy_setopt(easy, CURLOPT_USERAGENT, "neap/" NEAP_VERSION) ==
                CURLE_OK;
  if (!ok)
    return NEAP_ENOMEM;
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  /* libcurl 7.88 takes a body that breaks off within its coding for complete.
   */
  curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  /* No signals, and no wait for a resolver that is no longer needed. */
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, neap__body_receive);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, neap__multi_close_socket);
  /* "The callback and data is inherited by a new connection and that connection
   * may live longer than the transfer itself." */
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, multi);
  if (multi->host.gate) /* not that of the environment */
    return curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK ? 0
                                                                 : NEAP_ENOMEM;
  return 0;
}

/* Returns a handle that is set up, a kept one or a new one; NULL when there is
 * no memory. */
static CURL *take_handle(neap__multi *multi) {
  if (multi->handle_count > 0)
    return multi->handles[--multi->handle_count];
  CURL *easy = curl_easy_init();
  if (easy && set_up(easy, multi) < 0) {
    curl_easy_cleanup(easy);
    return NULL;
  }
  return easy;
}

/* Keeps a transfer's handle for later requests, or frees it. */
static void give_handle(neap__transfer *transfer) {
  neap__multi *multi = transfer->multi;
  CURL *easy = transfer->easy;
  bool is_wanted = multi->handle_count < NEAP__HTTP_HANDLES && !transfer->jar &&
                   !transfer->is_spoilt;
  if (is_wanted && (!transfer->is_ordinary || transfer->request.has_user)) {
    curl_easy_reset(easy);
    is_wanted = set_up(easy, multi) == 0;
  }
  if (!is_wanted) {
    curl_easy_cleanup(easy);
    return;
  }
  /* Options that point into the transfer. */
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
  if (transfer->request.cookie.size > 0)
    curl_easy_setopt(easy, CURLOPT_COOKIE, NULL);
  multi->handles[multi->handle_count++] = easy;
}

/* Sets the options of a handle that point to its transfer. */
static void configure(neap__transfer *transfer) {
  CURL *easy = transfer->easy;
  curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->words);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
  if (transfer->upload) {
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_upload);
    curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_rewind);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, transfer);
  }
  if (transfer->idle_timeout > 0)
    watch_progress(transfer);
}

/* Has the request, or the one to which it was redirected, given to libcurl
 * when that is driven next. */
static void launch(neap__transfer *transfer) {
  neap__multi *multi = transfer->multi;
  /* With https the connection that is being made may be HTTP/2: wait for it
   * instead of making another. */
  curl_easy_setopt(transfer->easy, CURLOPT_PIPEWAIT,
                   (long)neap__transfer_is_secure(transfer));
  neap__repeat_allow(transfer);
  transfer->moved_at = 0;
  transfer->moved = 0;
  transfer->paused = 0;
  transfer->refused = transfer->is_hushed = transfer->is_withheld = false;
  neap__list_append(&multi->launches, &transfer->launch);
  multi->http.is_due = true;
  uint64_t at = idle_at(transfer, uv_hrtime());
  if (at != NEAP_FOREVER)
    watch_idle(multi, at);
}

static void withdraw(neap__transfer *transfer) {
  neap__list_remove(&transfer->launch);
  neap__multi_release_socket(transfer);
  if (transfer->added)
    curl_multi_remove_handle(transfer->multi->curl, transfer->easy);
  transfer->added = false;
}

/* Frees a transfer without ending its operation. */
static void free_transfer(neap__transfer *transfer) {
  neap__multi *multi = transfer->multi;
  withdraw(transfer);
  neap__rescue_end(transfer);
  neap__guard_end(transfer);
  if (transfer->jar)
    neap__jar_detach(transfer->jar, transfer->easy);
  if (transfer->easy)
    give_handle(transfer);
  end_upload(transfer);
  neap__list_remove(&transfer->link);
  neap__decoder_free(transfer->decoder);
  neap__http_request_free(&transfer->request, &multi->host.alloc);
  if (transfer->given)
    transfer->response->transfer = NULL;
  else
    neap__http_response_free(transfer->response);
  neap__free(&multi->host.alloc, transfer, sizeof *transfer);
}

static void drop(neap_op *op) {
  free_transfer(op->u.request);
}

/* Whether a request sets only those options of its handle that most requests
 * set. (A user in its URL is looked at elsewhere.) */
static bool is_ordinary(const neap_http_opts *opts) {
  return !opts->proxy && !opts->cert_file && !opts->key_file &&
         !opts->key_password && !opts->ca_file && !opts->jar && !opts->upload &&
         opts->idle_timeout_ns == 0 && !opts->unix_socket &&
         !opts->fresh_connection && opts->max_idle_ns == 0;
}

/* Makes a transfer that is set up, but for `out` and the operation. */
static int make(neap__multi *multi, neap_http_opts *opts, neap__transfer **out,
                char why[NEAP__HTTP_WHY_SIZE]) {
  const neap_alloc *alloc = &multi->host.alloc;
  neap__transfer *transfer = neap__alloc(alloc, sizeof *transfer);
  if (!transfer)
    return NEAP_ENOMEM;
  transfer->multi = multi;
  transfer->rescue.socket = -1;
  transfer->connect_timeout = opts->connect_timeout_ns;
  if (transfer->connect_timeout == 0)
    transfer->connect_timeout = DEFAULT_CONNECT_TIMEOUT;
  transfer->idle_timeout = opts->idle_timeout_ns;
  transfer->timeout = opts->timeout_ns;
  transfer->max_redirects = opts->max_redirects;
  transfer->streamed = opts->stream;
  transfer->max_body = opts->stream ? UINT64_MAX : DEFAULT_MAX_BODY;
  if (opts->max_body > 0)
    transfer->max_body = opts->max_body;
  transfer->upload = opts->upload;
  neap__list_init(&transfer->link);
  neap__list_init(&transfer->launch);
  int status = NEAP_ENOMEM;
  transfer->easy = take_handle(multi);
  transfer->response = neap__http_response_new(alloc);
  if (!transfer->easy || !transfer->response)
    goto fail;
  configure(transfer);
  transfer->is_ordinary = is_ordinary(opts);
  transfer->is_fresh = opts->fresh_connection;
  transfer->is_local = opts->unix_socket != NULL;
  status = multi->host.gate ? neap__guard_begin(transfer, opts, why) : 0;
  if (status == 0 && !transfer->is_ordinary)
    status = neap__route_set(transfer->easy, opts, why);
  if (status == 0 && opts->jar)
    status = neap__jar_attach(opts->jar, transfer->easy);
  if (status < 0)
    goto fail;
  transfer->jar = opts->jar;
  status =
      neap__http_request_init(&transfer->request, alloc, opts, transfer->easy,
                              &transfer->response->url, why);
  if (status == 0 && transfer->guard)
    status = neap__guard_ask(transfer, why);
  if (status < 0)
    goto fail;
  *out = transfer;
  return 0;

fail:
  transfer->upload = NULL;
  free_transfer(transfer);
  return status;
}

int neap__send_start(neap__http *http, neap_op *op, const neap_http_opts *opts,
                     neap_http_response **response,
                     char why[NEAP__HTTP_WHY_SIZE]) {
  neap__multi *multi = (neap__multi *)http;
  neap_http_opts o = *opts;
  neap__transfer *transfer;
  int status = make(multi, &o, &transfer, why);
  if (status < 0)
    return status;
  transfer->started = uv_hrtime();
  launch(transfer);
  if (transfer->upload) {
    transfer->upload->state = NEAP__UPLOAD_SENDING;
    transfer->upload->transfer = transfer;
    transfer->upload->api = multi->http.api;
    transfer->upload->engine = multi->host.engine;
  }
  neap__list_append(&multi->transfers, &transfer->link);
  transfer->op = op;
  transfer->out = response;
  *response = NULL;
  multi->host.begin(multi->host.engine, op, drop);
  op->u.request = transfer;
  return 0;
}

/* Ends a transfer, and the operation that waits for the response or for more of
 * its body. */
static void finish(neap__transfer *transfer, int status) {
  neap__multi *multi = transfer->multi;
  neap_http_response *response = transfer->response;
  neap_op *op = transfer->op;
  response->outcome = status;
  if (!transfer->given)
    *transfer->out = response;
  transfer->given = true;
  free_transfer(transfer);
  if (op)
    neap__multi_finish(multi, op, status);
  else
    neap__multi_wake_reader(multi, response);
}

void neap__send_abandon(neap_http_response *response) {
  free_transfer(response->transfer);
}

void neap__send_taken(neap_http_response *response) {
  neap__transfer *transfer = response->transfer;
  if ((transfer->paused & CURLPAUSE_RECV) && neap__body_has_room(response))
    set_paused(transfer, transfer->paused & ~CURLPAUSE_RECV);
}

void neap__send_limit_idle(neap_http_response *response, uint64_t ns) {
  neap__transfer *transfer = response->transfer;
  transfer->idle_timeout = ns;
  transfer->is_ordinary = false;
  note_progress(transfer);
  if (ns == 0)
    return;
  watch_progress(transfer);
  watch_idle(transfer->multi, idle_at(transfer, uv_hrtime()));
}

void neap__send_written(neap_http_upload *upload) {
  neap__transfer *transfer = upload->transfer;
  if ((transfer->paused & CURLPAUSE_SEND) && !transfer->is_hushed)
    set_paused(transfer, transfer->paused & ~CURLPAUSE_SEND);
}

/* Gives a transfer to libcurl. */
static bool give(neap__transfer *transfer) {
  long total = 0;
  if (transfer->timeout > 0) {
    uint64_t spent = uv_hrtime() - transfer->started;
    total = spent < transfer->timeout ? to_ms(transfer->timeout - spent) : 1;
  }
  curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, total);
  curl_easy_setopt(transfer->easy, CURLOPT_CONNECTTIMEOUT_MS,
                   to_ms(transfer->connect_timeout));
  transfer->added =
      curl_multi_add_handle(transfer->multi->curl, transfer->easy) == CURLM_OK;
  return transfer->added;
}

bool neap__send_launch(neap__multi *multi) {
  if (neap__list_empty(&multi->launches))
    return false;
  neap__transfer *transfer =
      NEAP__ITEM(multi->launches.next, neap__transfer, launch);
  neap__list_remove(&transfer->launch);
  if (!give(transfer)) {
    neap__failure_explain(transfer, true, neap__failure_no_memory);
    finish(transfer, NEAP_ENOMEM);
  }
  return true;
}

/* Gives the request to libcurl once more. */
static void launch_again(neap__transfer *transfer) {
  withdraw(transfer);
  launch(transfer);
}

/* Follows a redirect. libcurl could do that by itself, but it would repeat a
 * PUT where a GET is due, and would send headers with keys to any server that
 * the redirect names. */
static int follow(neap__transfer *transfer) {
  if (transfer->redirects == transfer->max_redirects) {
    char sentence[48];
    snprintf(sentence, sizeof sentence, "more than %u redirects",
             (unsigned)transfer->max_redirects);
    neap__failure_explain(transfer, false, sentence);
    return NEAP_EHTTP;
  }
  transfer->redirects++;
  char *location = NULL, *url;
  curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &location);
  int error = neap__http_request_follow(
      &transfer->request, &transfer->multi->host.alloc, transfer->easy,
      transfer->response->status, location, &url);
  if (error == NEAP_EINVAL) {
    neap__failure_explain(transfer, false,
                          "a redirect asks for the body again, which can be "
                          "sent only once");
    return NEAP_EHTTP;
  }
  if (error < 0) {
    neap__failure_explain(transfer, error == NEAP_ENOMEM,
                          error == NEAP_ENOMEM
                              ? neap__failure_no_memory
                              : "a redirect to what is no http or https URL");
    return error;
  }
  if (!transfer->request.has_upload)
    end_upload(transfer);
  neap__http_response_reset(transfer->response, url);
  if (transfer->guard) {
    error = neap__guard_ask(transfer, transfer->guard->why);
    if (error < 0) {
      neap__failure_explain(transfer, false, transfer->guard->why);
      return error;
    }
  }
  launch_again(transfer);
  return 0;
}

/* Forgets the response that has come so far. */
static void begin_anew(neap__transfer *transfer) {
  neap__decoder_free(transfer->decoder);
  transfer->decoder = NULL;
  neap__http_response_restart(transfer->response);
}

/* Lets libcurl read an answer that it has given up. */
static int rescue(neap__transfer *transfer) {
  begin_anew(transfer);
  int status = neap__rescue_begin(transfer);
  if (status < 0) {
    neap__failure_explain(transfer, true, neap__failure_no_memory);
    return status;
  }
  launch_again(transfer);
  return 0;
}

void neap__send_end(neap__transfer *transfer, CURLcode code) {
  int status = 0;
  if (neap__repeat_is_due(transfer, code)) {
    begin_anew(transfer);
    neap__rescue_end(transfer);
    launch_again(transfer);
  } else if (neap__rescue_is_due(transfer, code)) {
    status = rescue(transfer);
  } else {
    transfer->response->status = neap__transfer_status(transfer);
    status = neap__failure_of(transfer, code);
    if (status < 0 || !neap__transfer_is_redirect(transfer)) {
      finish(transfer, status);
      return;
    }
    neap__rescue_end(transfer);
    status = follow(transfer);
  }
  if (status < 0)
    finish(transfer, status);
}

/* Ends a transfer that has passed one of its limits. */
static void end_idle(neap__transfer *transfer) {
  if (limit(transfer->started, transfer->timeout) <= uv_hrtime())
    finish(transfer,
           neap__failure_time_out(transfer, "total", transfer->timeout));
  else
    finish(transfer,
           neap__failure_time_out(transfer, "idle", transfer->idle_timeout));
}

static void on_idle(uv_timer_t *timer) {
  neap__multi *multi = timer->data;
  multi->idle_at = NEAP_FOREVER;
  multi->idle_is_due = multi->http.is_due = true;
  uv_stop(timer->loop); /* it would wait for I/O now */
}

void neap__send_end_idle(neap__multi *multi, uint64_t until) {
  uint64_t now = uv_hrtime(), next = NEAP_FOREVER;
  neap_link *link = multi->transfers.next;
  while (link != &multi->transfers) {
    neap__transfer *transfer = NEAP__ITEM(link, neap__transfer, link);
    link = link->next;
    uint64_t at = idle_at(transfer, now);
    if (at <= now) {
      end_idle(transfer);
      if (until != NEAP_FOREVER && uv_hrtime() >= until)
        return;
    } else if (at < next) {
      next = at;
    }
  }
  multi->idle_is_due = false;
  if (next != NEAP_FOREVER)
    watch_idle(multi, next);
}

/* Lets go of a transfer in the child of a fork. Its memory stays, since libcurl
 * has pointers into it. */
static void disown(neap__transfer *transfer) {
  neap_http_response *response = transfer->response;
  neap_http_upload *upload = transfer->upload;
  if (transfer->rescue.socket >= 0)
    close(transfer->rescue.socket);
  if (transfer->given) {
    response->transfer = NULL;
    response->reader = NULL;
  }
  if (upload) {
    upload->state = NEAP__UPLOAD_OVER;
    upload->transfer = NULL;
    upload->writer = NULL;
  }
}

void neap__send_disown_all(neap__multi *multi) {
  neap_link *list = &multi->transfers;
  for (neap_link *link = list->next; link != list; link = link->next)
    disown(NEAP__ITEM(link, neap__transfer, link));
}

void neap__send_drop_all(neap__multi *multi) {
  while (!neap__list_empty(&multi->transfers))
    free_transfer(NEAP__ITEM(multi->transfers.next, neap__transfer, link));
}
