/* A request on its way, redirects included: from the options to the outcome. It
 * is long, since what libcurl calls back for shares one state with what follows
 * from it.
 * SPDX-License-Identifier: MIT */
#include "http_multi.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "alloc.h"
#include "http_coding.h"
#include "http_jar.h"
#include "http_repeat.h"
#include "http_route.h"
#include "http_verdict.h"

/* Where neap_http_opts has 0. */
#define DEFAULT_CONNECT_TIMEOUT UINT64_C(30000000000)
#define DEFAULT_MAX_BODY        (UINT64_C(64) * 1024 * 1024)

static int status_of(const neap__transfer *transfer) {
  long status = 0;
  curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
  return (int)status;
}

bool neap__transfer_is_secure(const neap__transfer *transfer) {
  return strncmp(transfer->response->url, "https:", 6) == 0;
}

bool neap__transfer_is_redirect(const neap__transfer *transfer) {
  switch (status_of(transfer)) {
  case 301:
  case 302:
  case 303:
  case 307:
  case 308:
    return transfer->max_redirects > 0 &&
           neap__http_response_has(transfer->response, "location");
  default:
    return false;
  }
}

void neap__transfer_object(neap__transfer *transfer, int status,
                           const char *reason) {
  transfer->objection = status;
  transfer->reason = reason;
}

/* Notes when bytes moved last. Without an idle timeout the time itself is never
 * looked at, which spares the clock. */
static void note_progress(neap__transfer *transfer) {
  transfer->moved_at = transfer->idle_timeout > 0 ? uv_hrtime() : 1;
}

void neap__transfer_pause(neap__transfer *transfer, int paused) {
  transfer->paused = paused;
  note_progress(transfer);
  CURLcode code = curl_easy_pause(transfer->easy, paused);
  if (code != CURLE_OK)
    neap__transfer_end(transfer, code);
  else if (transfer->idle_timeout > 0)
    neap__multi_watch_idle(transfer->multi,
                           neap__transfer_idle_at(transfer, uv_hrtime()));
  if (code == CURLE_OK)
    neap__transfer_check_refusal(transfer);
}

/* libcurl waits for no more bytes when an answer is complete. */
void neap__transfer_check_refusal(neap__transfer *transfer) {
  if (transfer->is_hushed && transfer->paused == CURLPAUSE_SEND &&
      transfer->socket && !neap__multi_is_read(transfer->socket))
    neap__transfer_pause(transfer, CURLPAUSE_CONT);
}

/* Ends an operation. uv_run calls the callbacks of timers first and would wait
 * for I/O afterwards, however long, though there is something to deliver. */
static void finish_op(neap__multi *multi, neap_op *op, int status) {
  multi->host.finish(op, status, 0);
  uv_stop(multi->host.uv);
}

/* Ends the wait for bytes of a streamed body, if anybody waits. */
static void wake_reader(neap__multi *multi, neap_http_response *response) {
  neap_op *op = response->reader;
  response->reader = NULL;
  if (op)
    finish_op(multi, op, 0);
}

void neap__transfer_wake_reader(neap__transfer *transfer) {
  wake_reader(transfer->multi, transfer->response);
}

/* Gives a response that is streamed to who waits for it, once its head is
 * there and no other will follow. */
static void give_head(neap__transfer *transfer) {
  neap_http_response *response = transfer->response;
  int status = status_of(transfer);
  if (response->in_head || status < 200 || neap__transfer_is_redirect(transfer))
    return;
  response->status = status;
  response->transfer = transfer;
  response->api = transfer->multi->http.api;
  response->outcome = NEAP_ECLOSED; /* unless it ends otherwise */
  transfer->given = true;
  *transfer->out = response;
  finish_op(transfer->multi, transfer->op, 0);
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

/* Has the rest of a body not be sent when the answer says so. libcurl 7.88 does
 * so by itself, but not when the server is about to close the connection or
 * while sending is paused.
 *
 * With HTTP/1 it hears no more that there is room to send: to end the body
 * would have a part pass for the whole, and to go on sending fails when the
 * server resets the connection. In HTTP/2 a stream is ended, once the head has
 * come. */
static void stop_sending(neap__transfer *transfer, const char *line,
                         size_t size) {
  if (transfer->refused || transfer->rescue.is_on)
    return;
  if (transfer->socket && is_status_line_1(transfer, line, size)) {
    transfer->refused = transfer->is_hushed = status_of(transfer) >= 300;
  } else if (transfer->upload && !transfer->response->in_head &&
             status_of(transfer) >= 300) {
    transfer->refused = true;
    if (transfer->paused & CURLPAUSE_SEND) {
      transfer->paused &= ~CURLPAUSE_SEND;
      curl_easy_pause(transfer->easy, transfer->paused);
    }
  }
}

/* Withholds an answer that says no to "Expect: 100-continue", since the request
 * may be sent without. libcurl 7.88 means to do that itself, and skips its
 * body. */
static void withhold(neap__transfer *transfer, const char *line, size_t size) {
  if (is_status_line_1(transfer, line, size) && status_of(transfer) == 417 &&
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
      finish_op(transfer->multi, neap__http_upload_take_writer(upload), 0);
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

/* CURLOPT_SEEKFUNCTION: libcurl wants to begin anew, on another connection.
 * That can be done as long as nothing has gone. */
static int on_rewind(void *ud, curl_off_t offset, int origin) {
  const neap__transfer *transfer = ud;
  bool untouched = transfer->upload->sent == 0 &&
                   transfer->upload->written == transfer->upload->bytes.size;
  return untouched && offset == 0 && origin == SEEK_SET ? CURL_SEEKFUNC_OK
                                                        : CURL_SEEKFUNC_FAIL;
}

/* Lets go of an upload: whatever is still to be sent will not be. */
static void end_upload(neap__transfer *transfer) {
  neap_http_upload *upload = transfer->upload;
  transfer->upload = NULL;
  if (!upload)
    return;
  upload->state = NEAP__UPLOAD_OVER;
  upload->transfer = NULL;
  if (upload->writer)
    finish_op(transfer->multi, neap__http_upload_take_writer(upload),
              NEAP_ECLOSED);
  if (upload->ownerless)
    neap__http_upload_destroy(upload);
}

/* Sees bytes that the others do not: those sent, and those of a compressed body
 * that do not decode to anything yet. */
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

/* Has what libcurl is about to do fail as the connection did. */
static void give_up_rescue(neap__transfer *transfer) {
  neap__transfer_object(transfer, NEAP_EHTTP, neap__verdict_broken);
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
  int status =
      neap__multi_open_socket(transfer->multi, transfer->easy, address, &fd);
  if (status == 0)
    return fd;
  if (status == NEAP_ENOMEM)
    neap__transfer_object(transfer, status, NULL);
  else if (errno == EMFILE || errno == ENFILE)
    neap__transfer_object(transfer, NEAP_ESYS, "too many files are open");
  return CURL_SOCKET_BAD;
}

/* Nanoseconds as libcurl takes times: milliseconds, rounded up; 0 stays 0. */
static long to_ms(uint64_t ns) {
  uint64_t ms = ns / 1000000 + (ns % 1000000 != 0);
  return ms < INT_MAX ? (long)ms : INT_MAX;
}

/* Sets on a handle what is the same for all requests of a multi handle.
 * Failing, it is for want of memory or because libcurl was built without what
 * neap promises. */
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
  /* libcurl 7.88 takes a body that breaks off within its coding for whole. */
  curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  /* No signals, and nobody waits for a resolver that is no longer wanted. */
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, neap__transfer_receive);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, neap__multi_close_socket);
  /* "The callback and data is inherited by a new connection and that connection
   * may live longer than the transfer itself." */
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, multi);
  return 0;
}

/* A handle that is set up, from those kept or new; NULL when there is no
 * memory. */
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

/* Gives a transfer's handle back, for others to take. */
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
  /* What the transfer takes with it. */
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
  if (transfer->request.cookie.size > 0)
    curl_easy_setopt(easy, CURLOPT_COOKIE, NULL);
  multi->handles[multi->handle_count++] = easy;
}

/* Tells the handle whose it is now. */
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
  if (transfer->idle_timeout > 0) {
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, transfer);
  }
}

/* Hands the request, or the one that a redirect has made of it, to libcurl. */
static int launch(neap__transfer *transfer) {
  uint64_t now = uv_hrtime();
  long total = 0;
  if (transfer->timeout > 0) {
    uint64_t spent = now - transfer->started;
    total = spent < transfer->timeout ? to_ms(transfer->timeout - spent) : 1;
  }
  curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, total);
  curl_easy_setopt(transfer->easy, CURLOPT_CONNECTTIMEOUT_MS,
                   to_ms(transfer->connect_timeout));
  /* One that will be HTTP/2, as far as we can know, is waited for instead of
   * making another. */
  curl_easy_setopt(transfer->easy, CURLOPT_PIPEWAIT,
                   (long)neap__transfer_is_secure(transfer));
  neap__repeat_allow(transfer);
  transfer->moved_at = 0;
  transfer->moved = 0;
  transfer->paused = 0;
  transfer->refused = transfer->is_hushed = transfer->is_withheld = false;
  if (curl_multi_add_handle(transfer->multi->curl, transfer->easy) != CURLM_OK)
    return NEAP_ENOMEM;
  transfer->added = true;
  uint64_t at = neap__transfer_idle_at(transfer, now);
  if (at != NEAP_FOREVER)
    neap__multi_watch_idle(transfer->multi, at);
  return 0;
}

static void withdraw(neap__transfer *transfer) {
  neap__multi_release_socket(transfer);
  if (transfer->added)
    curl_multi_remove_handle(transfer->multi->curl, transfer->easy);
  transfer->added = false;
}

void neap__transfer_free(neap__transfer *transfer) {
  neap__multi *multi = transfer->multi;
  withdraw(transfer);
  neap__rescue_end(transfer);
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
  neap__transfer_free(op->u.request);
}

/* Whether a request needs no more of its handle than most do. What its URL says
 * of a user is another matter. */
static bool is_ordinary(const neap_http_opts *opts) {
  return !opts->proxy && !opts->cert_file && !opts->key_file &&
         !opts->key_password && !opts->ca_file && !opts->jar && !opts->upload &&
         opts->idle_timeout_ns == 0 && !opts->unix_socket &&
         !opts->fresh_connection && opts->max_idle_ns == 0;
}

/* Makes a transfer of which all is set up but `out` and the operation. */
static int make(neap__multi *multi, const neap_http_opts *opts,
                neap__transfer **out, char why[NEAP__HTTP_WHY_SIZE]) {
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
  int status = NEAP_ENOMEM;
  transfer->easy = take_handle(multi);
  transfer->response = neap__http_response_new(alloc);
  if (!transfer->easy || !transfer->response)
    goto fail;
  configure(transfer);
  transfer->is_ordinary = is_ordinary(opts);
  transfer->is_fresh = opts->fresh_connection;
  transfer->is_local = opts->unix_socket != NULL;
  status =
      transfer->is_ordinary ? 0 : neap__route_set(transfer->easy, opts, why);
  if (status == 0 && opts->jar)
    status = neap__jar_attach(opts->jar, transfer->easy);
  if (status < 0)
    goto fail;
  transfer->jar = opts->jar;
  status =
      neap__http_request_init(&transfer->request, alloc, opts, transfer->easy,
                              &transfer->response->url, why);
  if (status < 0)
    goto fail;
  *out = transfer;
  return 0;

fail:
  transfer->upload = NULL;
  neap__transfer_free(transfer);
  return status;
}

int neap__transfer_start(neap__http *http, neap_op *op,
                         const neap_http_opts *opts,
                         neap_http_response **response,
                         char why[NEAP__HTTP_WHY_SIZE]) {
  neap__multi *multi = (neap__multi *)http;
  neap_http_opts o = {0};
  memcpy(&o, opts, opts->size < sizeof o ? opts->size : sizeof o);
  neap__transfer *transfer;
  int status = make(multi, &o, &transfer, why);
  if (status < 0)
    return status;
  transfer->started = uv_hrtime();
  status = launch(transfer);
  if (status < 0) {
    transfer->upload = NULL;
    neap__transfer_free(transfer);
    return status;
  }
  if (transfer->upload) {
    transfer->upload->state = NEAP__UPLOAD_SENDING;
    transfer->upload->transfer = transfer;
    transfer->upload->api = multi->http.api;
  }
  neap__list_append(&multi->transfers, &transfer->link);
  transfer->op = op;
  transfer->out = response;
  *response = NULL;
  multi->host.begin(multi->host.engine, op, drop);
  op->u.request = transfer;
  return 0;
}

/* Ends a transfer whose response, or the rest of its body, somebody waits
 * for. */
static void finish(neap__transfer *transfer, int status) {
  neap__multi *multi = transfer->multi;
  neap_http_response *response = transfer->response;
  neap_op *op = transfer->op;
  response->outcome = status;
  if (!transfer->given)
    *transfer->out = response;
  transfer->given = true;
  neap__transfer_free(transfer);
  if (op)
    finish_op(multi, op, status);
  else
    wake_reader(multi, response);
}

void neap__transfer_abandon(neap_http_response *response) {
  neap__transfer_free(response->transfer);
}

void neap__transfer_written(neap_http_upload *upload) {
  neap__transfer *transfer = upload->transfer;
  if ((transfer->paused & CURLPAUSE_SEND) && !transfer->is_hushed)
    neap__transfer_pause(transfer, transfer->paused & ~CURLPAUSE_SEND);
}

/* Hands the request to libcurl once more. */
static int launch_again(neap__transfer *transfer) {
  withdraw(transfer);
  int status = launch(transfer);
  if (status < 0)
    neap__verdict_explain(transfer, true, neap__verdict_no_memory);
  return status;
}

/* Sends the request that the redirect asks for. libcurl could follow by itself,
 * but would repeat a PUT where a GET is due and hand keys in headers of any
 * name to whomever the server points at. */
static int follow(neap__transfer *transfer) {
  if (transfer->redirects == transfer->max_redirects) {
    char sentence[48];
    snprintf(sentence, sizeof sentence, "more than %u redirects",
             (unsigned)transfer->max_redirects);
    neap__verdict_explain(transfer, false, sentence);
    return NEAP_EHTTP;
  }
  transfer->redirects++;
  char *location = NULL, *url;
  curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &location);
  int error = neap__http_request_follow(
      &transfer->request, &transfer->multi->host.alloc, transfer->easy,
      transfer->response->status, location, &url);
  if (error == NEAP_EINVAL) {
    neap__verdict_explain(transfer, false,
                          "a redirect asks for the body again, which can be "
                          "sent only once");
    return NEAP_EHTTP;
  }
  if (error < 0) {
    neap__verdict_explain(transfer, error == NEAP_ENOMEM,
                          error == NEAP_ENOMEM
                              ? neap__verdict_no_memory
                              : "a redirect to what is no http or https URL");
    return error;
  }
  if (!transfer->request.has_upload)
    end_upload(transfer);
  neap__http_response_reset(transfer->response, url);
  return launch_again(transfer);
}

/* Has nothing of a response that has come be the answer. */
static void begin_anew(neap__transfer *transfer) {
  neap__decoder_free(transfer->decoder);
  transfer->decoder = NULL;
  neap__http_response_restart(transfer->response);
}

/* Has libcurl read an answer that it has given up. */
static int rescue(neap__transfer *transfer) {
  begin_anew(transfer);
  int status = neap__rescue_begin(transfer);
  if (status < 0) {
    neap__verdict_explain(transfer, true, neap__verdict_no_memory);
    return status;
  }
  return launch_again(transfer);
}

void neap__transfer_end(neap__transfer *transfer, CURLcode code) {
  int status;
  if (neap__repeat_is_due(transfer, code)) {
    begin_anew(transfer);
    neap__rescue_end(transfer);
    status = launch_again(transfer);
  } else if (neap__rescue_is_due(transfer, code)) {
    status = rescue(transfer);
  } else {
    transfer->response->status = status_of(transfer);
    status = neap__verdict_of(transfer, code);
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

/* `ns` after `since`; NEAP_FOREVER where there is no such limit. */
static uint64_t limit(uint64_t since, uint64_t ns) {
  return ns > 0 && ns < NEAP_FOREVER - since ? since + ns : NEAP_FOREVER;
}

/* libcurl 7.88 knows no time limit for what waits until another connection may
 * be made, so the total one is ours to keep, too. */
uint64_t neap__transfer_idle_at(const neap__transfer *transfer, uint64_t now) {
  uint64_t total = limit(transfer->started, transfer->timeout);
  uint64_t idle = limit(transfer->moved_at ? transfer->moved_at : now,
                        transfer->paused ? 0 : transfer->idle_timeout);
  return idle < total ? idle : total;
}

void neap__transfer_end_idle(neap__transfer *transfer) {
  if (limit(transfer->started, transfer->timeout) <= uv_hrtime())
    finish(transfer,
           neap__verdict_time_out(transfer, "total", transfer->timeout));
  else
    finish(transfer,
           neap__verdict_time_out(transfer, "idle", transfer->idle_timeout));
}
