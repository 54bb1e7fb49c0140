/* Cookies that are kept between requests: libcurl's, shared by its handles.
 * SPDX-License-Identifier: MIT */
#include "http_jar.h"

#include <string.h>

#include "alloc.h"
#include "buf.h"
#include "http_multi.h"

typedef struct jar {
  neap_http_jar base; /* first */
  neap_alloc alloc;
  CURLSH *share;
  size_t users; /* the owner, while it has not been freed, and handles */
  neap__buf text;
} jar;

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

/* libcurl has cookies read and written through a handle. NULL when there is no
 * memory. */
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
  size_t tabs = 0;
  for (size_t i = 0; i < size; i++)
    tabs += line[i] == '\t';
  if (tabs != 6)
    return NEAP_EINVAL;
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
