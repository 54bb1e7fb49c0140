/* A request: checked, copied, and set up in a curl handle.
 * SPDX-License-Identifier: MIT */
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "route.h"
#include "upload.h"

static int refuse(char why[NEAP__HTTP_WHY_SIZE], const char *sentence) {
  snprintf(why, NEAP__HTTP_WHY_SIZE, "%s", sentence);
  return NEAP_EINVAL;
}

/* RFC 9110 5.6.2. */
static bool is_token(const char *text) {
  static const char allowed[] = "!#$%&'*+-.^_`|~0123456789"
                                "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return *text && text[strspn(text, allowed)] == '\0';
}

/* No control character but the tab: the value stays on its line. */
static bool is_value(const char *text) {
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    if ((*c < ' ' && *c != '\t') || *c == 0x7f)
      return false;
  }
  return true;
}

/* A name that is not a token is not quoted, since it may have control
 * characters.
 */
static int check_header(const neap_http_header *header,
                        char why[NEAP__HTTP_WHY_SIZE]) {
  if (!header->name || !is_token(header->name))
    return refuse(why, "the name of a header is not an HTTP token");
  if (!header->value || !is_value(header->value)) {
    snprintf(why, NEAP__HTTP_WHY_SIZE,
             "the value of the header '%s' has a control character",
             header->name);
    return NEAP_EINVAL;
  }
  if (strcasecmp(header->name, "content-length") == 0 ||
      strcasecmp(header->name, "transfer-encoding") == 0) {
    snprintf(why, NEAP__HTTP_WHY_SIZE,
             "the header '%s' follows from the body and is not for you to set",
             header->name);
    return NEAP_EINVAL;
  }
  return 0;
}

static int check(const neap_http_opts *opts, const char *method,
                 char why[NEAP__HTTP_WHY_SIZE]) {
  if (!is_token(method))
    return refuse(why, "the method is not an HTTP token");
  if (strlen(method) >= sizeof((neap__http_request *)0)->method)
    return refuse(why, "the method is too long");
  if (strcmp(method, "CONNECT") == 0)
    return refuse(why, "the method CONNECT is not for requests");
  if (strcmp(method, "HEAD") == 0 && (opts->body || opts->upload))
    return refuse(why, "a HEAD request has no body");
  if (opts->upload && opts->body)
    return refuse(why, "body and upload exclude each other");
  if (opts->upload && opts->upload->state != NEAP__UPLOAD_NEW)
    return refuse(why, "the upload has been sent before");
  for (size_t i = 0; i < opts->header_count; i++) {
    int status = check_header(&opts->headers[i], why);
    if (status < 0)
      return status;
  }
  return 0;
}

/* The end of a host that is plain: a name in lower case whose last label is no
 * number, or an address of four decimal numbers. NULL for any other. */
static const char *skip_host(const char *text) {
  size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.");
  const char *end = text + size, *last = end;
  while (last > text && last[-1] != '.')
    last--;
  if (last == end)
    return NULL;
  if (*last < '0' || *last > '9')
    return end;
  int parts = 0;
  for (const char *c = text; c < end; parts++) {
    size_t digits = strspn(c, "0123456789");
    if (digits == 0 || digits > 3 || (digits > 1 && *c == '0') ||
        strtol(c, NULL, 10) > 255)
      return NULL;
    c += digits;
    if (c < end && *c++ != '.')
      return NULL;
  }
  return parts == 4 ? end : NULL;
}

/* Whether a URL is as libcurl would write it, without user and password, so
 * that it need not be taken apart. Most are. */
static bool is_plain_url(const char *text) {
  if (strncmp(text, "http", 4) != 0)
    return false;
  text += 4;
  text += *text == 's';
  if (strncmp(text, "://", 3) != 0)
    return false;
  text = skip_host(text + 3);
  if (!text)
    return false;
  if (*text == ':') {
    size_t digits = strspn(++text, "0123456789");
    if (digits == 0 || digits > 5 || *text == '0' ||
        strtol(text, NULL, 10) > UINT16_MAX)
      return false;
    text += digits;
  }
  if (*text != '/' || strstr(text, "/."))
    return false;
  for (; *text; text++)
    if (*text <= ' ' || *text > '~' || *text == '#' || *text == '\\')
      return false;
  return true;
}

static int parse_url(const char *text, CURLU **out,
                     char why[NEAP__HTTP_WHY_SIZE]) {
  if (!text || !*text)
    return refuse(why, "the url is missing");
  if (!is_value(text) || text[strcspn(text, " \t")] != '\0')
    return refuse(why, "the url has a blank or a control character");
  CURLU *url = curl_url();
  if (!url)
    return NEAP_ENOMEM;
  CURLUcode code = curl_url_set(url, CURLUPART_URL, text, 0);
  char *scheme = NULL;
  if (code == CURLUE_OK)
    code = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
  int status = 0;
  if (code == CURLUE_OUT_OF_MEMORY)
    status = NEAP_ENOMEM;
  else if (code == CURLUE_BAD_SCHEME || code == CURLUE_UNSUPPORTED_SCHEME)
    status = refuse(why, "the url does not begin with http:// or https://");
  else if (code != CURLUE_OK)
    status = refuse(why, "the url is malformed");
  else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
    status = refuse(why, "the scheme of the url is neither http nor https");
  curl_free(scheme);
  if (status < 0) {
    curl_url_cleanup(url);
    return status;
  }
  *out = url;
  return 0;
}

/* Sets a string option from a part of the URL, if it has one, and takes the
 * part out of the URL. */
static int move_part(neap__http_request *request, CURLUPart part, CURL *easy,
                     CURLoption option, char why[NEAP__HTTP_WHY_SIZE]) {
  char *text = NULL;
  CURLU *url = request->url;
  CURLUcode code = curl_url_get(url, part, &text, CURLU_URLDECODE);
  if (code == CURLUE_NO_USER || code == CURLUE_NO_PASSWORD)
    return 0;
  request->has_user = true;
  if (code == CURLUE_URLDECODE)
    return refuse(why, "user or password in the url are malformed");
  bool ok = code == CURLUE_OK &&
            curl_easy_setopt(easy, option, text) == CURLE_OK &&
            curl_url_set(url, part, NULL, 0) == CURLUE_OK;
  curl_free(text);
  return ok ? 0 : NEAP_ENOMEM;
}

/* Sets the URL of `easy` to this text, of which *url_text is a copy. */
static int set_text(neap__http_request *request, CURL *easy,
                    const neap_alloc *alloc, const char *text,
                    char **url_text) {
  char *copy = neap__copy(alloc, text, strlen(text));
  if (!copy)
    return NEAP_ENOMEM;
  if (curl_easy_setopt(easy, CURLOPT_URL, copy) != CURLE_OK) {
    neap__free(alloc, copy, strlen(copy) + 1);
    return NEAP_ENOMEM;
  }
  request->text = *url_text = copy;
  return 0;
}

/* Sets the URL of `easy` to that of the request, which has been taken apart. */
static int set_url(neap__http_request *request, CURL *easy,
                   const neap_alloc *alloc, char **url_text) {
  char *text;
  if (curl_url_get(request->url, CURLUPART_URL, &text, 0) != CURLUE_OK)
    return NEAP_ENOMEM;
  int status = set_text(request, easy, alloc, text, url_text);
  curl_free(text);
  return status;
}

/* Sets the URL of `easy`, which is taken apart before if it is not plain. */
static int read_url(neap__http_request *request, CURL *easy,
                    const neap_alloc *alloc, const char *text, char **url_text,
                    char why[NEAP__HTTP_WHY_SIZE]) {
  if (text && is_plain_url(text))
    return set_text(request, easy, alloc, text, url_text);
  int status = parse_url(text, &request->url, why);
  if (status == 0)
    status = move_part(request, CURLUPART_USER, easy, CURLOPT_USERNAME, why);
  if (status == 0)
    status =
        move_part(request, CURLUPART_PASSWORD, easy, CURLOPT_PASSWORD, why);
  if (status == 0)
    status = set_url(request, easy, alloc, url_text);
  return status;
}

/* 1 or 0, or NEAP_ENOMEM. Hosts and schemes are compared without regard to
 * case, a port that is not given is that of the scheme. */
static int same_origin(CURLU *a, CURLU *b) {
  static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST,
                                    CURLUPART_PORT};
  int same = 1;
  for (size_t i = 0; i < sizeof parts / sizeof *parts && same == 1; i++) {
    char *x = NULL, *y = NULL;
    if (curl_url_get(a, parts[i], &x, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        curl_url_get(b, parts[i], &y, CURLU_DEFAULT_PORT) != CURLUE_OK)
      same = NEAP_ENOMEM;
    else
      same = strcasecmp(x, y) == 0;
    curl_free(x);
    curl_free(y);
  }
  return same;
}

static int append(struct curl_slist **list, const char *line) {
  struct curl_slist *longer = curl_slist_append(*list, line);
  if (!longer)
    return NEAP_ENOMEM;
  *list = longer;
  return 0;
}

/* CURLOPT_HTTPHEADER: a line "Name: value"; without a value libcurl wants
 * "Name;", since "Name:" leaves out a header of its own. */
static int add_header(struct curl_slist **list, const neap_alloc *alloc,
                      const neap_http_header *header) {
  const char *value = header->value + strspn(header->value, " \t");
  size_t size = strlen(header->name) + 2 + strlen(value) + 1;
  char *line = neap__alloc(alloc, size);
  if (!line)
    return NEAP_ENOMEM;
  if (*value)
    snprintf(line, size, "%s: %s", header->name, value);
  else
    snprintf(line, size, "%s;", header->name);
  int status = append(list, line);
  neap__free(alloc, line, size);
  return status;
}

/* RFC 6265 5.4: a request has one Cookie header. libcurl joins the text of
 * CURLOPT_COOKIE with what a jar has for the request, but would put a header of
 * CURLOPT_HTTPHEADER beside that. */
static int add_cookie(neap__http_request *request, const neap_alloc *alloc,
                      const char *value) {
  neap__buf *cookie = &request->cookie;
  value += strspn(value, " \t");
  if (!*value)
    return 0;
  int status = 0;
  if (cookie->size > 0) {
    cookie->size--; /* the zero */
    status = neap__buf_append(cookie, alloc, "; ", 2);
  }
  if (status == 0)
    status = neap__buf_append(cookie, alloc, value, strlen(value) + 1);
  return status;
}

static bool has_header(const neap_http_opts *opts, const char *name) {
  for (size_t i = 0; i < opts->header_count; i++) {
    if (strcasecmp(opts->headers[i].name, name) == 0)
      return true;
  }
  return false;
}

/* RFC 9110 8.6: these methods announce the length of their content even when it
 * is none. */
static bool has_content(const neap__http_request *request) {
  const char *method = request->method;
  return request->body || request->has_upload || strcmp(method, "POST") == 0 ||
         strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

static int copy_headers(neap__http_request *request, const neap_alloc *alloc,
                        const neap_http_opts *opts) {
  /* libcurl adds these to a body by itself: a wait for "100 Continue", and a
   * type that says that it is a form. */
  static const char *const added[] = {"Expect", "Content-Type"};
  size_t count = has_content(request) ? sizeof added / sizeof *added : 0;
  int status = 0;
  for (size_t i = 0; i < count && status == 0; i++) {
    char line[32];
    snprintf(line, sizeof line, "%s:", added[i]);
    if (!has_header(opts, added[i]))
      status = append(&request->headers, line);
  }
  for (size_t i = 0; i < opts->header_count && status == 0; i++) {
    const neap_http_header *header = &opts->headers[i];
    status = strcasecmp(header->name, "cookie") == 0
                 ? add_cookie(request, alloc, header->value)
                 : add_header(&request->headers, alloc, header);
  }
  /* A part of compressed data cannot be decoded. */
  if (status == 0 && opts->header_count > 0 && has_header(opts, "Range") &&
      !has_header(opts, "Accept-Encoding"))
    status = append(&request->headers, "Accept-Encoding: identity");
  return status;
}

static bool begins(const char *line, const char *prefix) {
  return strncasecmp(line, prefix, strlen(prefix)) == 0;
}

bool neap__http_request_expects(const neap__http_request *request) {
  for (struct curl_slist *h = request->headers; h; h = h->next) {
    if (begins(h->data, "expect:") && h->data[strlen("expect:")] != '\0')
      return true;
  }
  return false;
}

/* In place: "If you add a header with no content as in 'Accept:' (no data on
 * the right side of the colon), the internally used header will get disabled."
 */
void neap__http_request_drop_expect(neap__http_request *request) {
  for (struct curl_slist *h = request->headers; h; h = h->next) {
    if (begins(h->data, "expect:"))
      h->data[strlen("expect:")] = '\0';
  }
}

static bool is_free_of_credentials(const char *line) {
  static const char *const prefixes[] = {
      "accept", "cache-control", "content-",  "expect",
      "if-",    "range",         "user-agent"};
  for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
    if (begins(line, prefixes[i]))
      return true;
  }
  return false;
}

/* Removes the headers that may no longer be sent: those about a body if there
 * is none, and those with credentials if it goes to another origin. */
static int filter_headers(neap__http_request *request, bool has_body,
                          bool same_host) {
  struct curl_slist *kept = NULL;
  for (struct curl_slist *h = request->headers; h; h = h->next) {
    bool keep = (same_host || is_free_of_credentials(h->data)) &&
                (has_body || !begins(h->data, "content-"));
    if (keep && append(&kept, h->data) < 0) {
      curl_slist_free_all(kept);
      return NEAP_ENOMEM;
    }
  }
  curl_slist_free_all(request->headers);
  request->headers = kept;
  return 0;
}

/* Sets up method, headers and body in `easy`. libcurl decides by CURLOPT_NOBODY
 * and CURLOPT_POST what is sent and received; CURLOPT_CUSTOMREQUEST only
 * changes the word. */
static int apply(const neap__http_request *request, CURL *easy) {
  const char *method = request->method;
  const char *word = NULL;
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
  curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
  if (has_content(request)) {
    const char *fields = request->body ? request->body : "";
    curl_off_t size = (curl_off_t)request->body_size;
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                     request->has_upload ? NULL : fields);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     request->has_upload ? request->to_upload : size);
    word = strcmp(method, "POST") == 0 ? NULL : method;
  } else if (strcmp(method, "HEAD") == 0) {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (strcmp(method, "GET") != 0) {
    word = method;
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
  return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, word) == CURLE_OK
             ? 0
             : NEAP_ENOMEM;
}

int neap__http_request_tell_head(const neap__http_request *request,
                                 CURL *easy) {
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
  curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
  return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) ==
                 CURLE_OK
             ? 0
             : NEAP_ENOMEM;
}

static void drop_body(neap__http_request *request, const neap_alloc *alloc) {
  if (request->body)
    neap__free(alloc, request->body, request->body_size + 1);
  request->body = NULL;
  request->body_size = 0;
  request->has_upload = false;
}

int neap__http_request_init(neap__http_request *request,
                            const neap_alloc *alloc, const neap_http_opts *opts,
                            CURL *easy, char **url_text,
                            char why[NEAP__HTTP_WHY_SIZE]) {
  const char *method = opts->method;
  if (!method)
    method = opts->body || opts->upload ? "POST" : "GET";
  int status = check(opts, method, why);
  if (status < 0)
    return status;
  snprintf(request->method, sizeof request->method, "%s", method);
  request->idempotence = opts->idempotence;
  status = read_url(request, easy, alloc, opts->url, url_text, why);
  if (status < 0)
    return status;
  if (opts->body) {
    request->body = neap__copy(alloc, opts->body, opts->body_size);
    if (!request->body)
      return NEAP_ENOMEM;
    request->body_size = opts->body_size;
  }
  if (opts->upload) {
    request->has_upload = true;
    request->to_upload =
        opts->upload->size <= INT64_MAX ? (curl_off_t)opts->upload->size : -1;
  }
  status = copy_headers(request, alloc, opts);
  if (status == 0 && request->cookie.size > 0 &&
      curl_easy_setopt(easy, CURLOPT_COOKIE, request->cookie.bytes) != CURLE_OK)
    status = NEAP_ENOMEM;
  if (status == 0)
    status = apply(request, easy);
  return status;
}

/* RFC 9110 9.2.2. */
bool neap__http_request_is_idempotent(const neap__http_request *request) {
  static const char *const methods[] = {"GET",    "HEAD",    "PUT",
                                        "DELETE", "OPTIONS", "TRACE"};
  if (request->idempotence != NEAP_HTTP_BY_METHOD)
    return request->idempotence == NEAP_HTTP_IDEMPOTENT;
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    if (strcmp(request->method, methods[i]) == 0)
      return true;
  }
  return false;
}

void neap__http_request_free(neap__http_request *request,
                             const neap_alloc *alloc) {
  curl_url_cleanup(request->url);
  curl_slist_free_all(request->headers);
  neap__buf_free(&request->cookie, alloc);
  drop_body(request, alloc);
}

int neap__http_request_follow(neap__http_request *request,
                              const neap_alloc *alloc, CURL *easy, int status,
                              const char *location, char **url_text) {
  char why[NEAP__HTTP_WHY_SIZE];
  CURLU *url;
  int error = parse_url(location, &url, why);
  if (error < 0)
    return error == NEAP_EINVAL ? NEAP_EHTTP : error;
  /* A server must not choose the user of a request. */
  curl_url_set(url, CURLUPART_USER, NULL, 0);
  curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
  if (!request->url &&
      (error = parse_url(request->text, &request->url, why)) < 0) {
    curl_url_cleanup(url);
    return error;
  }
  int same = same_origin(request->url, url);
  curl_url_cleanup(request->url);
  request->url = url;
  if (same < 0)
    return same;
  if (!same) {
    curl_easy_setopt(easy, CURLOPT_USERNAME, NULL);
    curl_easy_setopt(easy, CURLOPT_PASSWORD, NULL);
    curl_easy_setopt(easy, CURLOPT_COOKIE, NULL);
    neap__route_drop_certificate(easy);
  }
  bool was_post = strcmp(request->method, "POST") == 0;
  bool was_head = strcmp(request->method, "HEAD") == 0;
  bool to_get = (status == 303 && !was_head) ||
                ((status == 301 || status == 302) && was_post);
  if (!to_get && request->has_upload)
    return NEAP_EINVAL;
  if (to_get) {
    snprintf(request->method, sizeof request->method, "GET");
    drop_body(request, alloc);
  }
  error = filter_headers(request, !to_get, same);
  if (error == 0)
    error = apply(request, easy);
  if (error == 0)
    error = set_url(request, easy, alloc, url_text);
  return error;
}
