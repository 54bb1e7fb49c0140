/* When a request is sent again by itself.
 * SPDX-License-Identifier: MIT */
#include "repeat.h"

/* The most repeats of a request. A new connection that ends is not followed by
 * another, except with HTTP/2. */
enum { MAX_REPEATS = 5 };

/* libcurl looks at CURLOPT_PROTOCOLS_STR whenever it begins to look for a
 * connection. */
void neap__repeat_allow(neap__transfer *transfer) {
  curl_easy_setopt(transfer->easy, CURLOPT_PROTOCOLS_STR,
                   neap__transfer_is_secure(transfer) ? "https" : "http");
}

/* The option has to name a protocol; any other than the request's will do. */
void neap__repeat_forbid(neap__transfer *transfer) {
  curl_easy_setopt(transfer->easy, CURLOPT_PROTOCOLS_STR,
                   neap__transfer_is_secure(transfer) ? "http" : "https");
}

/* "Total time of all redirection steps": the engine follows redirects itself,
 * so only repeats of libcurl's take such time. */
bool neap__repeat_was_wanted(const neap__transfer *transfer, CURLcode code) {
  curl_off_t us = 0;
  if (code == CURLE_UNSUPPORTED_PROTOCOL)
    curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_TIME_T, &us);
  return us > 0;
}

/* Whether the server cannot have acted on the request, or may do so again
 * without harm. */
static bool is_safe(const neap__transfer *transfer) {
  return transfer->moved_at == 0 ||
         neap__http_request_is_idempotent(&transfer->request);
}

/* Whether the code is that of a dead connection that was kept. If that shows
 * while a body is sent, libcurl would not repeat the request. */
static bool is_stale(const neap__transfer *transfer, CURLcode code) {
  long made = 0;
  switch (code) {
  case CURLE_GOT_NOTHING:
  case CURLE_SEND_ERROR:
  case CURLE_RECV_ERROR:
  case CURLE_HTTP2:
    curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &made);
    return transfer->moved_at != 0 && made == 0;
  default:
    return false;
  }
}

/* Whether the body can be sent from its beginning. */
static bool has_whole_body(const neap__transfer *transfer) {
  const neap_http_upload *upload = transfer->upload;
  return !transfer->request.has_upload ||
         (upload && upload->sent == 0 &&
          upload->written == neap__http_upload_unsent(upload));
}

/* Whether the server has refused "Expect: 100-continue". Then the request is to
 * be sent without it (RFC 9110 10.1.1). */
static bool is_unexpected(const neap__transfer *transfer) {
  long status = 0;
  curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
  return status == 417;
}

bool neap__repeat_is_due(neap__transfer *transfer, CURLcode code) {
  bool is_wanted = neap__repeat_was_wanted(transfer, code);
  /* libcurl counts the repeats of a handle as long as it lives, and remembers
   * that a server has refused a stream of it. */
  if (is_wanted)
    transfer->is_spoilt = true;
  if (transfer->objection < 0 || transfer->given || transfer->rescue.is_on ||
      transfer->repeats == MAX_REPEATS)
    return false;
  bool is_whole = has_whole_body(transfer);
  if (is_wanted && is_unexpected(transfer)) {
    if (!is_whole)
      return false;
    neap__http_request_drop_expect(&transfer->request);
    curl_easy_setopt(transfer->easy, CURLOPT_VERBOSE, 0L);
  } else if (transfer->response->head_size > 0 ||
             transfer->rescue.answer.size > 0 ||
             !(is_wanted || is_stale(transfer, code)) || !is_safe(transfer)) {
    return false;
  } else if (!is_whole) {
    transfer->response->is_stale = true;
    return false;
  }
  /* If one kept connection has died, so may the others have: the repeat uses a
   * new one. Over TLS, first repeats of several requests may share a new one. A
   * server that keeps refusing may want HTTP/1.1, which libcurl does not tell.
   */
  bool is_fresh = !neap__transfer_is_secure(transfer) ||
                  transfer->repeats > 0 || transfer->is_fresh;
  curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, (long)is_fresh);
  if (transfer->repeats > 0)
    curl_easy_setopt(transfer->easy, CURLOPT_HTTP_VERSION,
                     (long)CURL_HTTP_VERSION_1_1);
  transfer->is_spoilt = true;
  transfer->repeats++;
  return true;
}
