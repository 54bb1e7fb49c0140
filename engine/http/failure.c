/* Why a transfer has failed: a status, and a sentence.
 * SPDX-License-Identifier: MIT */
#include "failure.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#include "base/units.h"
#include "repeat.h"
#include "route.h"

const char neap__failure_no_memory[] = "out of memory";
const char neap__failure_no_file[] = "too many open files";
const char neap__failure_broken[] = "the connection broke";

static const char cut_short[] =
    "the connection ended before the answer was complete";

/* What a failure means: its sentence, and whether the same request may well
 * succeed later. */
typedef struct failure {
  CURLcode code;
  bool transient;
  const char *sentence;
} failure;

/* CURLE_BAD_FUNCTION_ARGUMENT is what libcurl 7.88 calls a trailer without a
 * colon. */
static const failure failures[] = {
    {CURLE_UNSUPPORTED_PROTOCOL, false, "the answer is not HTTP"},
    {CURLE_WEIRD_SERVER_REPLY, false, "the answer is not HTTP"},
    {CURLE_COULDNT_RESOLVE_PROXY, true, "the proxy's name was not found"},
    {CURLE_COULDNT_RESOLVE_HOST, true, "the host's name was not found"},
    {CURLE_COULDNT_CONNECT, true, "no connection could be made"},
    {CURLE_HTTP2, true, "the HTTP/2 connection broke"},
    {CURLE_PARTIAL_FILE, true, cut_short},
    {CURLE_GOT_NOTHING, true,
     "the server closed the connection without an answer"},
    {CURLE_SEND_ERROR, true, neap__failure_broken},
    {CURLE_RECV_ERROR, true, neap__failure_broken},
    {CURLE_BAD_CONTENT_ENCODING, false,
     "the body has more than 5 encodings, one in another"},
    {CURLE_BAD_FUNCTION_ARGUMENT, false,
     "the answer is not HTTP: a trailer is malformed"},
    {CURLE_HTTP2_STREAM, true, "the HTTP/2 stream broke"},
    {CURLE_PROXY, true, "the proxy refused"},
    {CURLE_SSL_CACERT_BADFILE, false,
     "ca_file: the CA certificates cannot be read"},
};

void neap__failure_explain(neap__transfer *transfer, bool transient,
                           const char *sentence) {
  neap_http_response *response = transfer->response;
  int size = (int)strcspn(response->url, "?#");
  snprintf(response->error, sizeof response->error, "%.*s: %s",
           size < 300 ? size : 300, response->url, sentence);
  response->transient = transient;
}

/* Writes nanoseconds as seconds, whatever the locale, with as many digits as it
 * takes: none or three, six, nine. */
static void write_seconds(char *text, size_t size, uint64_t ns) {
  unsigned long long whole = ns / NEAP__NS_PER_S;
  unsigned long long rest = ns % NEAP__NS_PER_S;
  if (rest == 0)
    snprintf(text, size, "%llu s", whole);
  else if (rest % NEAP__NS_PER_MS == 0)
    snprintf(text, size, "%llu.%03llu s", whole,
             rest / (unsigned long long)NEAP__NS_PER_MS);
  else if (rest % 1000 == 0)
    snprintf(text, size, "%llu.%06llu s", whole, rest / 1000);
  else
    snprintf(text, size, "%llu.%09llu s", whole, rest);
}

int neap__failure_time_out(neap__transfer *transfer, const char *which,
                           uint64_t ns) {
  char seconds[32], sentence[80];
  write_seconds(seconds, sizeof seconds, ns);
  snprintf(sentence, sizeof sentence, "%s timeout of %s", which, seconds);
  neap__failure_explain(transfer, true, sentence);
  return NEAP_ETIMEDOUT;
}

/* The sentence for a transfer that got no socket. */
static void explain_files(neap__transfer *transfer) {
  char sentence[80];
  struct rlimit files;
  if (transfer->reason == neap__failure_no_file &&
      getrlimit(RLIMIT_NOFILE, &files) == 0) {
    snprintf(sentence, sizeof sentence, "%s: the limit is %llu (ulimit -n)",
             transfer->reason, (unsigned long long)files.rlim_cur);
    neap__failure_explain(transfer, true, sentence);
  } else {
    neap__failure_explain(transfer, true, transfer->reason);
  }
}

static int explain_objection(neap__transfer *transfer) {
  char sentence[80];
  switch (transfer->objection) {
  case NEAP_ETOOBIG:
    snprintf(sentence, sizeof sentence, "the body is larger than %llu bytes",
             (unsigned long long)transfer->max_body);
    neap__failure_explain(transfer, false, sentence);
    break;
  case NEAP_EHTTP:
  case NEAP_EPERM:
    neap__failure_explain(transfer, false, transfer->reason);
    break;
  case NEAP_ESYS:
    explain_files(transfer);
    return NEAP_EHTTP;
  default:
    neap__failure_explain(transfer, true, neap__failure_no_memory);
  }
  return transfer->objection;
}

/* With TLS, libcurl's own words say what is wrong with the certificate. If they
 * have "error:", OpenSSL has refused it; otherwise the connection has failed.
 */
static int fail_tls(neap__transfer *transfer, CURLcode code) {
  char sentence[CURL_ERROR_SIZE + 32];
  snprintf(sentence, sizeof sentence, "TLS: %s",
           transfer->words[0] ? transfer->words : curl_easy_strerror(code));
  bool transient =
      code == CURLE_SSL_CONNECT_ERROR && !strstr(transfer->words, "error:");
  neap__failure_explain(transfer, transient, sentence);
  return NEAP_EHTTP;
}

/* Whether a proxy has refused a connection. If so, writes the sentence. */
static bool is_refused_by_proxy(neap__transfer *transfer) {
  long status = 0;
  char sentence[48];
  curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &status);
  if (status < 300)
    return false;
  snprintf(sentence, sizeof sentence, "the proxy refused: status %ld", status);
  neap__failure_explain(transfer, status >= 500 || status == 429, sentence);
  return true;
}

static int fail_connect(neap__transfer *transfer) {
  long number = 0;
  char words[128], sentence[160];
  curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &number);
  if (number == 0)
    snprintf(words, sizeof words, "no connection could be made");
  else
    uv_strerror_r(uv_translate_sys_error((int)number), words, sizeof words);
  snprintf(sentence, sizeof sentence, "%s%s",
           transfer->is_local ? "unix_socket: " : "", words);
  neap__failure_explain(transfer, true, sentence);
  return NEAP_EHTTP;
}

/* libcurl does not tell which of its two timeouts has passed, or whether the
 * system has given up the connection: it has for a local socket whose server
 * accepts nobody. libcurl has begun to count later than the transfer, and
 * counts whole milliseconds. */
static int time_out_curl(neap__transfer *transfer) {
  uint64_t spent = uv_hrtime() - transfer->started + NEAP__NS_PER_MS;
  if (transfer->timeout > 0 && spent >= transfer->timeout)
    return neap__failure_time_out(transfer, "total", transfer->timeout);
  if (transfer->connect_timeout > 0 && spent >= transfer->connect_timeout)
    return neap__failure_time_out(transfer, "connect",
                                  transfer->connect_timeout);
  return fail_connect(transfer);
}

/* libcurl 7.88 has the same code for a line of the head that is longer than 100
 * KiB. While a head arrives, that is far more likely. */
static int fail_memory(neap__transfer *transfer) {
  bool in_head = transfer->moved_at != 0 && transfer->response->received == 0;
  neap__failure_explain(transfer, !in_head,
                        in_head ? neap__http_bad_head
                                : neap__failure_no_memory);
  return in_head ? NEAP_EHTTP : NEAP_ENOMEM;
}

/* Whether libcurl's words tell, as its code does not, that the answer is not
 * HTTP. If so, writes the sentence. */
static bool is_not_http(neap__transfer *transfer, CURLcode code) {
  const char *sentence = NULL;
  if (code == CURLE_WEIRD_SERVER_REPLY &&
      strstr(transfer->words, "Content-Length"))
    sentence = neap__http_bad_length;
  else if (code == CURLE_RECV_ERROR &&
           strstr(transfer->words, "in chunked-encoding"))
    sentence = "the answer is not HTTP: its chunks are malformed";
  if (sentence)
    neap__failure_explain(transfer, false, sentence);
  return sentence;
}

/* Whether an answer has a coded body of which no byte has come, and only the
 * end of the connection says that there is none: then it may have been lost. */
static bool is_cut_at_begin(const neap__transfer *transfer) {
  const neap_http_response *response = transfer->response;
  long version = CURL_HTTP_VERSION_NONE;
  curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_VERSION, &version);
  return response->is_coded && response->length_count == 0 &&
         !response->is_framed && !transfer->decoder &&
         version <= CURL_HTTP_VERSION_1_1 &&
         !neap__transfer_is_redirect(transfer) && response->status != 204 &&
         response->status != 304 &&
         strcmp(transfer->request.method, "HEAD") != 0;
}

/* Checks a transfer that libcurl takes for complete. libcurl 7.88 does so when
 * the connection ends within the head, and it does not decode the body. */
static int check_end(neap__transfer *transfer) {
  neap__decoder *decoder = transfer->decoder;
  if (decoder && !neap__decoder_is_whole(decoder))
    neap__failure_explain(transfer, true, neap__decoder_why(decoder));
  else if (transfer->response->in_head || is_cut_at_begin(transfer))
    neap__failure_explain(transfer, true, cut_short);
  else
    return 0;
  return NEAP_EHTTP;
}

/* Whether a refusal ends with the reset of its connection. It does if the
 * server has not read all of the request. All bytes that the server has sent
 * come before that. */
static bool is_ended_by_reset(const neap__transfer *transfer, CURLcode code) {
  const neap_http_response *response = transfer->response;
  return code == CURLE_RECV_ERROR && transfer->is_hushed &&
         !response->in_head && !response->is_framed &&
         response->length_count == 0;
}

int neap__failure_of(neap__transfer *transfer, CURLcode code) {
  if (neap__repeat_was_wanted(transfer, code))
    code = transfer->response->head_size > 0 ? CURLE_OK : CURLE_GOT_NOTHING;
  if (transfer->objection == 0 && is_ended_by_reset(transfer, code))
    code = CURLE_OK;
  if (code == CURLE_OK)
    return check_end(transfer);
  if (transfer->objection < 0)
    return explain_objection(transfer);
  if (is_refused_by_proxy(transfer) || is_not_http(transfer, code))
    return NEAP_EHTTP;
  switch (code) {
  case CURLE_OUT_OF_MEMORY:
    return fail_memory(transfer);
  case CURLE_OPERATION_TIMEDOUT:
    return time_out_curl(transfer);
  case CURLE_COULDNT_CONNECT:
    return fail_connect(transfer);
  case CURLE_SSL_CONNECT_ERROR:
  case CURLE_PEER_FAILED_VERIFICATION:
    return fail_tls(transfer, code);
  case CURLE_SSL_CERTPROBLEM:
    neap__failure_explain(transfer, false,
                          neap__route_certificate_problem(transfer->words));
    return NEAP_EHTTP;
  default:
    break;
  }
  for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
    if (failures[i].code == code) {
      neap__failure_explain(transfer, failures[i].transient,
                            failures[i].sentence);
      return NEAP_EHTTP;
    }
  }
  neap__failure_explain(transfer, false, curl_easy_strerror(code));
  return NEAP_EHTTP;
}
