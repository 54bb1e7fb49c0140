/* The route of a request: on which connection, through which proxy, and with
 * which certificates.
 * SPDX-License-Identifier: MIT */
#include "route.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/units.h"

static int refuse(char why[NEAP__HTTP_WHY_SIZE], const char *sentence) {
  snprintf(why, NEAP__HTTP_WHY_SIZE, "%s", sentence);
  return NEAP_EINVAL;
}

/* libcurl takes any text that it does not understand for the name of a host,
 * and does not say whether it knows a scheme. The sentence does not quote the
 * URL, which may have a password. */
static int check_proxy(const char *text, char why[NEAP__HTTP_WHY_SIZE]) {
  static const char *const schemes[] = {"http", "https", "socks5", "socks5h"};
  CURLU *url = curl_url();
  if (!url)
    return NEAP_ENOMEM;
  char *scheme = NULL;
  CURLUcode code =
      curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
  if (code == CURLUE_OK)
    code = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
  bool known = false;
  for (size_t i = 0; scheme && i < sizeof schemes / sizeof *schemes; i++)
    known = known || strcmp(scheme, schemes[i]) == 0;
  curl_free(scheme);
  curl_url_cleanup(url);
  if (code == CURLUE_OUT_OF_MEMORY)
    return NEAP_ENOMEM;
  return known ? 0
               : refuse(why, "the proxy is no URL of http, https, socks5 or "
                             "socks5h");
}

static int check_unix_socket(const neap_http_opts *opts,
                             char why[NEAP__HTTP_WHY_SIZE]) {
  size_t room = sizeof((struct sockaddr_un *)0)->sun_path;
  if (opts->proxy && *opts->proxy)
    return refuse(why, "unix_socket and proxy exclude each other");
  if (!*opts->unix_socket)
    return refuse(why, "the path of unix_socket is empty");
  if (strlen(opts->unix_socket) < room)
    return 0;
  snprintf(why, NEAP__HTTP_WHY_SIZE,
           "the path of unix_socket is longer than the %zu bytes that the "
           "system takes",
           room - 1);
  return NEAP_EINVAL;
}

/* libcurl 7.88 counts the time that a connection has been idle in whole
 * seconds, rounded down, and uses one whose time is no more than the limit. So
 * the limit is one second less; below one second, no kept connection is used.
 */
static void limit_age(CURL *easy, const neap_http_opts *opts) {
  uint64_t seconds = opts->max_idle_ns / NEAP__NS_PER_S;
  bool is_limited = opts->max_idle_ns > 0 && seconds < INT_MAX;
  if (opts->fresh_connection || (is_limited && seconds == 0))
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  else if (is_limited)
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)seconds - 1);
}

static bool set(CURL *easy, CURLoption option, const char *text) {
  return !text || curl_easy_setopt(easy, option, text) == CURLE_OK;
}

int neap__route_set(CURL *easy, const neap_http_opts *opts,
                    char why[NEAP__HTTP_WHY_SIZE]) {
  if (opts->key_file && !opts->cert_file)
    return refuse(why, "a key_file is of no use without a cert_file");
  if (opts->proxy && *opts->proxy) {
    int status = check_proxy(opts->proxy, why);
    if (status < 0)
      return status;
  }
  if (opts->unix_socket) {
    int status = check_unix_socket(opts, why);
    if (status < 0)
      return status;
  }
  limit_age(easy, opts);
  /* "Setting the proxy string to "" (an empty string) explicitly disables the
   * use of a proxy, even if there is an environment variable set for it." A
   * proxy that is named is for all hosts, whatever no_proxy says. */
  bool ok = set(easy, CURLOPT_PROXY, opts->proxy) &&
            set(easy, CURLOPT_NOPROXY, opts->proxy ? "" : NULL) &&
            set(easy, CURLOPT_SSLCERT, opts->cert_file) &&
            set(easy, CURLOPT_SSLKEY, opts->key_file) &&
            set(easy, CURLOPT_KEYPASSWD, opts->key_password) &&
            set(easy, CURLOPT_UNIX_SOCKET_PATH, opts->unix_socket);
  if (ok && opts->ca_file)
    ok = curl_easy_setopt(easy, CURLOPT_CAINFO, opts->ca_file) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
  return ok ? 0 : NEAP_ENOMEM;
}

void neap__route_drop_certificate(CURL *easy) {
  curl_easy_setopt(easy, CURLOPT_SSLCERT, NULL);
  curl_easy_setopt(easy, CURLOPT_SSLKEY, NULL);
  curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, NULL);
  curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, NULL);
  curl_easy_setopt(easy, CURLOPT_KEYPASSWD, NULL);
}

/* libcurl's words for a key are "unable to set private key file: ..." and
 * "Private key does not match the certificate public key". */
const char *neap__route_certificate_problem(const char *words) {
  return strstr(words, "rivate key")
             ? "key_file: it has no key that key_password opens and that fits "
               "cert_file"
             : "cert_file: the certificate cannot be read";
}
