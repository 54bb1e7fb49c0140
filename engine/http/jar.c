/* Cookies that are kept between requests: libcurl's, shared by its handles.
 * SPDX-License-Identifier: MIT */
#include "jar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "multi.h"

typedef struct jar {
  neap_http_jar base; /* first */
  neap_alloc alloc;
  CURLSH *share;
  size_t users; /* the owner, while it has not been freed, and handles */
  neap__buf text;
  struct curl_slist *before; /* its cookies before the last Set-Cookie */
  bool is_looking;           /* libcurl locks it for a call of ours */
} jar;

/* CURLSHOPT_LOCKFUNC. There are no threads to keep apart. But libcurl calls
 * this before it adds the cookie of a Set-Cookie, which is the last moment to
 * see the cookie that may be replaced. */
static void on_lock(CURL *easy, curl_lock_data data, curl_lock_access access,
                    void *ud) {
  (void)access;
  jar *self = ud;
  neap__transfer *transfer = NULL;
  if (data != CURL_LOCK_DATA_COOKIE || self->is_looking)
    return;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
  if (!transfer || !transfer->response->in_head)
    return;
  curl_slist_free_all(self->before);
  self->before = NULL;
  self->is_looking = true;
  curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &self->before);
  self->is_looking = false;
}

int neap__jar_new(const neap__http *http, neap_http_jar **out) {
  const neap_alloc *alloc = &((const neap__multi *)http)->host.alloc;
  jar *self = neap__alloc(alloc, sizeof *self);
  if (!self)
    return NEAP_ENOMEM;
  *self = (jar){.base.api = http->api, .alloc = *alloc, .users = 1};
  self->share = curl_share_init();
  if (!self->share)
    goto fail_share;
  if (curl_share_setopt(self->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE) !=
      CURLSHE_OK)
    goto fail_cookies;
  curl_share_setopt(self->share, CURLSHOPT_USERDATA, self);
  curl_share_setopt(self->share, CURLSHOPT_LOCKFUNC, on_lock);
  *out = &self->base;
  return 0;

fail_cookies:
  curl_share_cleanup(self->share);
fail_share:
  neap__free(alloc, self, sizeof *self);
  return NEAP_ENOMEM;
}

/* curl_share_cleanup fails while a handle uses the share, so the last user
 * calls it. */
static void leave(jar *self) {
  if (--self->users > 0)
    return;
  curl_share_cleanup(self->share);
  curl_slist_free_all(self->before);
  neap_alloc alloc = self->alloc;
  neap__buf_free(&self->text, &alloc);
  neap__free(&alloc, self, sizeof *self);
}

void neap__jar_free(neap_http_jar *base) {
  leave((jar *)base);
}

int neap__jar_attach(neap_http_jar *base, CURL *easy) {
  jar *self = (jar *)base;
  if (curl_easy_setopt(easy, CURLOPT_SHARE, self->share) != CURLE_OK)
    return NEAP_ENOMEM;
  self->users++;
  /* "Pass an empty string to enable cookies without reading from a file." The
   * share alone does not. */
  if (curl_easy_setopt(easy, CURLOPT_COOKIEFILE, "") != CURLE_OK) {
    neap__jar_detach(base, easy);
    return NEAP_ENOMEM;
  }
  return 0;
}

void neap__jar_detach(neap_http_jar *base, CURL *easy) {
  curl_easy_setopt(easy, CURLOPT_SHARE, NULL);
  leave((jar *)base);
}

/* Whether a line of a head sets a cookie that has no name. RFC 6265 5.2 ignores
 * a cookie without "=", or with nothing before it, in the part before the first
 * ";". libcurl 7.88 skips that part and takes the next one, such as the path,
 * for the cookie. */
static bool is_nameless(const char *line, size_t size) {
  static const char prefix[] = "set-cookie:";
  size_t at = sizeof prefix - 1;
  if (size < at || strncasecmp(line, prefix, at) != 0)
    return false;
  while (at < size && (line[at] == ' ' || line[at] == '\t'))
    at++;
  if (at < size && line[at] == '=')
    return true;
  while (at < size && line[at] != ';' && line[at] != '=')
    at++;
  return at == size || line[at] == ';';
}

static bool has_line(const struct curl_slist *list, const char *text) {
  while (list && strcmp(list->data, text) != 0)
    list = list->next;
  return list;
}

/* The field of a cookie's line that says when it expires. */
static const char *expiry_of(const char *line) {
  for (int tabs = 0; tabs < 4; tabs++)
    line = strchr(line, '\t') + 1;
  return line;
}

/* libcurl lists cookies that have expired until it goes through all of them, as
 * it does when a cookie is added or sent. */
static bool has_expired(const char *line) {
  long long expiry = strtoll(expiry_of(line), NULL, 10);
  return expiry != 0 && expiry < (long long)time(NULL);
}

/* Removes the cookie of this line, by adding it with a time of expiry long
 * past.
 */
static void expire(jar *self, CURL *easy, const char *line) {
  const char *expiry = expiry_of(line);
  size_t size = strlen(line) + 2;
  char *copy = neap__alloc(&self->alloc, size);
  if (!copy)
    return;
  snprintf(copy, size, "%.*s1%s", (int)(expiry - line), line,
           strchr(expiry, '\t'));
  curl_easy_setopt(easy, CURLOPT_COOKIELIST, copy);
  neap__free(&self->alloc, copy, size);
}

void neap__jar_check_line(neap_http_jar *base, CURL *easy, const char *line,
                          size_t size) {
  jar *self = (jar *)base;
  if (!is_nameless(line, size))
    return;
  struct curl_slist *after = NULL, *added = NULL;
  self->is_looking = true;
  curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &after);
  size_t count = 0;
  for (struct curl_slist *l = after; l; l = l->next) {
    if (!has_line(self->before, l->data)) {
      added = l;
      count++;
    }
  }
  /* A line sets one cookie. More than one seem to be new only if there was no
   * memory to list the cookies before. */
  if (count == 1) {
    expire(self, easy, added->data);
    for (struct curl_slist *l = self->before; l; l = l->next)
      if (!has_line(after, l->data) && !has_expired(l->data))
        curl_easy_setopt(easy, CURLOPT_COOKIELIST, l->data);
  }
  self->is_looking = false;
  curl_slist_free_all(after);
}

/* Opens a handle, through which libcurl reads and writes cookies. NULL when
 * there is no memory. */
static CURL *open_handle(jar *self) {
  CURL *easy = curl_easy_init();
  if (easy && neap__jar_attach(&self->base, easy) < 0) {
    curl_easy_cleanup(easy);
    return NULL;
  }
  return easy;
}

static void close_handle(jar *self, CURL *easy) {
  neap__jar_detach(&self->base, easy);
  curl_easy_cleanup(easy);
}

static int append(jar *self, const char *bytes, size_t size) {
  return neap__buf_append(&self->text, &self->alloc, bytes, size);
}

int neap__jar_text(neap_http_jar *base, const char **text) {
  jar *self = (jar *)base;
  CURL *easy = open_handle(self);
  if (!easy)
    return NEAP_ENOMEM;
  struct curl_slist *lines = NULL;
  int status = 0;
  self->text.size = 0;
  if (curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &lines) != CURLE_OK)
    status = NEAP_ENOMEM;
  for (struct curl_slist *line = lines; line && status == 0;
       line = line->next) {
    if (has_expired(line->data))
      continue;
    status = append(self, line->data, strlen(line->data));
    if (status == 0)
      status = append(self, "\n", 1);
  }
  if (status == 0)
    status = append(self, "", 1);
  curl_slist_free_all(lines);
  close_handle(self, easy);
  if (status == 0)
    *text = self->text.bytes;
  return status;
}

/* Adds the line of `size` bytes. CURLOPT_COOKIELIST also takes headers and
 * commands such as "ALL"; a line with seven fields is none of these. */
static int add_line(jar *self, CURL *easy, const char *line, size_t size) {
  static const char http_only[] = "#HttpOnly_";
  if (size > 0 && line[size - 1] == '\r')
    size--;
  if (size == 0 ||
      (line[0] == '#' && strncmp(line, http_only, sizeof http_only - 1) != 0))
    return 0;
  size_t tabs = 0, name = 0, value = 0;
  for (size_t i = 0; i < size; i++) {
    tabs += line[i] == '\t';
    if (line[i] == '\t' && tabs == 5)
      name = i + 1;
    if (line[i] == '\t' && tabs == 6)
      value = i + 1;
  }
  if (tabs != 6)
    return NEAP_EINVAL;
  if (value == name + 1)
    return 0; /* no name; libcurl would take the value for it */
  char *copy = neap__copy(&self->alloc, line, size);
  if (!copy)
    return NEAP_ENOMEM;
  CURLcode code = curl_easy_setopt(easy, CURLOPT_COOKIELIST, copy);
  neap__free(&self->alloc, copy, size + 1);
  return code == CURLE_OK ? 0 : NEAP_ENOMEM;
}

int neap__jar_add(neap_http_jar *base, const char *text) {
  jar *self = (jar *)base;
  CURL *easy = open_handle(self);
  if (!easy)
    return NEAP_ENOMEM;
  int status = 0;
  while (*text && status == 0) {
    size_t size = strcspn(text, "\n");
    status = add_line(self, easy, text, size);
    text += size + (text[size] == '\n');
  }
  close_handle(self, easy);
  return status;
}

int neap__jar_clear(neap_http_jar *base) {
  jar *self = (jar *)base;
  CURL *easy = open_handle(self);
  if (!easy)
    return NEAP_ENOMEM;
  CURLcode code = curl_easy_setopt(easy, CURLOPT_COOKIELIST, "ALL");
  close_handle(self, easy);
  return code == CURLE_OK ? 0 : NEAP_ENOMEM;
}
