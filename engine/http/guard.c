/* What a request of a restricted engine may reach.
 * SPDX-License-Identifier: MIT
 *
 * A host is asked for twice: by its name, before libcurl looks that up, and by
 * each address to which libcurl is about to connect. libcurl connects to that
 * address and no other. A connection that is used again was asked for when it
 * was made, for the same host and port.
 */
#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "multi.h"

/* The most bytes of a file of certificates. */
enum { MAX_FILE = 4 << 20 };

static const neap__http_gate *gate_of(const neap__transfer *transfer) {
  return transfer->multi->host.gate;
}

static neap_engine *engine_of(const neap__transfer *transfer) {
  return transfer->multi->host.engine;
}

/* Reads a file whole, into memory of the C library's: libcurl copies it.
 * Returns NULL when it is too large, or there is no memory. */
static char *read_all(int file, size_t *size) {
  char *bytes = malloc(MAX_FILE);
  *size = 0;
  ssize_t count = 1;
  while (bytes && count > 0 && *size < MAX_FILE) {
    count = read(file, bytes + *size, MAX_FILE - *size);
    *size += count > 0 ? (size_t)count : 0;
  }
  if (bytes && count == 0)
    return bytes;
  free(bytes);
  return NULL;
}

/* Has the handle use what is in a file, and the option name no path. */
static int give_file(neap__transfer *transfer, const char **path,
                     CURLoption option, const char *name,
                     char why[NEAP__HTTP_WHY_SIZE]) {
  char reason[NEAP__HTTP_WHY_SIZE];
  int file;
  if (!*path)
    return 0;
  int status =
      gate_of(transfer)->open_file(engine_of(transfer), *path, &file, reason);
  if (status < 0) {
    snprintf(why, NEAP__HTTP_WHY_SIZE, "%s: %.900s", name, reason);
    return status;
  }
  struct curl_blob blob = {.flags = CURL_BLOB_COPY};
  blob.data = read_all(file, &blob.len);
  close(file);
  if (!blob.data) {
    snprintf(why, NEAP__HTTP_WHY_SIZE, "%s: the file cannot be read", name);
    return NEAP_EINVAL;
  }
  CURLcode code = curl_easy_setopt(transfer->easy, option, &blob);
  free(blob.data);
  *path = NULL;
  return code == CURLE_OK ? 0 : NEAP_ENOMEM;
}

static int give_files(neap__transfer *transfer, neap_http_opts *opts,
                      char why[NEAP__HTTP_WHY_SIZE]) {
  if (opts->key_file && !opts->cert_file)
    return 0; /* which is refused for that */
  bool has_ca = opts->ca_file;
  int status =
      give_file(transfer, &opts->ca_file, CURLOPT_CAINFO_BLOB, "ca_file", why);
  if (status == 0 && has_ca)
    curl_easy_setopt(transfer->easy, CURLOPT_CAPATH, NULL);
  if (status == 0)
    status = give_file(transfer, &opts->cert_file, CURLOPT_SSLCERT_BLOB,
                       "cert_file", why);
  if (status == 0)
    status = give_file(transfer, &opts->key_file, CURLOPT_SSLKEY_BLOB,
                       "key_file", why);
  return status;
}

/* Takes host and port of a URL. `fallback` is the port of one that names none;
 * 0: that of its scheme. NEAP_ENOMEM, also for a URL that is none. */
static int take_host(const char *text, long fallback, neap__guard *guard,
                     uint16_t *port) {
  CURLU *url = curl_url();
  char *host = NULL, *digits = NULL;
  bool ok = url &&
            curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) ==
                CURLUE_OK &&
            curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK;
  if (ok)
    curl_url_get(url, CURLUPART_PORT, &digits,
                 fallback > 0 ? 0 : CURLU_DEFAULT_PORT);
  if (ok) {
    snprintf(guard->host, sizeof guard->host, "%s", host);
    *port = (uint16_t)(digits ? strtol(digits, NULL, 10) : fallback);
    ok = strlen(host) < sizeof guard->host;
  }
  curl_free(host);
  curl_free(digits);
  curl_url_cleanup(url);
  return ok ? 0 : NEAP_ENOMEM;
}

static int refuse(char why[NEAP__HTTP_WHY_SIZE], const char *name,
                  const char *reason) {
  char sentence[NEAP__HTTP_WHY_SIZE];
  snprintf(sentence, sizeof sentence, "%s: %.900s", name, reason);
  memcpy(why, sentence, sizeof sentence);
  return NEAP_EPERM;
}

/* libcurl's port for a proxy that names none is 1080, and 443 with TLS. */
static int ask_for_proxy(neap__transfer *transfer, const char *proxy,
                         char why[NEAP__HTTP_WHY_SIZE]) {
  neap__guard *guard = transfer->guard;
  uint16_t port;
  if (strncmp(proxy, "socks5:", 7) == 0)
    return refuse(why, "proxy",
                  "not granted; socks5 looks up names here and connects "
                  "unasked, socks5h is allowed");
  bool tls = strncmp(proxy, "https:", 6) == 0;
  if (take_host(proxy, tls ? 443 : 1080, guard, &port) < 0)
    return 0; /* it is refused as one that is none */
  guard->has_proxy = true;
  char reason[NEAP__HTTP_WHY_SIZE];
  return gate_of(transfer)->may_ask(engine_of(transfer), guard->host, port,
                                    reason)
             ? 0
             : refuse(why, "proxy", reason);
}

static int ask_for_socket(neap__transfer *transfer, const char *path,
                          char why[NEAP__HTTP_WHY_SIZE]) {
  char reason[NEAP__HTTP_WHY_SIZE];
  int status = gate_of(transfer)->open_socket(engine_of(transfer), path,
                                              &transfer->guard->local, reason);
  return status < 0 ? refuse(why, "unix_socket", reason) : 0;
}

int neap__guard_begin(neap__transfer *transfer, neap_http_opts *opts,
                      char why[NEAP__HTTP_WHY_SIZE]) {
  transfer->guard =
      neap__alloc(&transfer->multi->host.alloc, sizeof *transfer->guard);
  if (!transfer->guard)
    return NEAP_ENOMEM;
  transfer->guard->local = -1;
  int status = give_files(transfer, opts, why);
  if (status == 0 && opts->unix_socket && *opts->unix_socket)
    status = ask_for_socket(transfer, opts->unix_socket, why);
  if (status == 0 && opts->proxy && *opts->proxy)
    status = ask_for_proxy(transfer, opts->proxy, why);
  return status;
}

int neap__guard_ask(neap__transfer *transfer, char why[NEAP__HTTP_WHY_SIZE]) {
  neap__guard *guard = transfer->guard;
  neap__guard asked = *guard;
  uint16_t port;
  snprintf(why, NEAP__HTTP_WHY_SIZE, "the host of the url is too long");
  if (transfer->is_local)
    return 0;
  int status = take_host(transfer->response->url, 0, &asked, &port);
  if (status == 0 &&
      !gate_of(transfer)->may_ask(engine_of(transfer), asked.host, port, why))
    return NEAP_EPERM;
  if (status == 0 && !guard->has_proxy)
    *guard = asked;
  return status < 0 ? NEAP_EPERM : 0;
}

bool neap__guard_admits(neap__transfer *transfer,
                        struct curl_sockaddr *address) {
  neap__guard *guard = transfer->guard;
  if (!transfer->is_local)
    return gate_of(transfer)->may_connect(engine_of(transfer), guard->host,
                                          &address->addr, guard->why);
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  snprintf(name.sun_path, sizeof name.sun_path, "/proc/self/fd/%d",
           guard->local);
  memcpy(&address->addr, &name, sizeof name);
  address->addrlen = sizeof name;
  return true;
}

void neap__guard_end(neap__transfer *transfer) {
  neap__guard *guard = transfer->guard;
  if (!guard)
    return;
  if (guard->local >= 0)
    close(guard->local);
  neap__free(&transfer->multi->host.alloc, guard, sizeof *guard);
  transfer->guard = NULL;
}
