/* A request: checked, copied, and set up in a curl handle.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_REQUEST_H
#define NEAP_HTTP_REQUEST_H

#include <curl/curl.h>

#include "api.h"
#include "base/buf.h"

/* The memory into which a handle points while a request is under way, and what
 * a redirect needs to know of the request. Zero-initialised means empty. */
typedef struct neap__http_request {
  char method[32];
  CURLU *url;       /* without user and password; NULL: only `text` is known */
  const char *text; /* *borrowed* until a redirect: the same URL as text */
  bool has_user;    /* the handle was given a user or a password */
  struct curl_slist *headers;
  neap__buf cookie; /* the values of its own headers of that name, as text */
  char *body;       /* NULL: none */
  size_t body_size;
  neap_http_idempotence idempotence;
  bool has_upload;      /* the body is written while it is sent */
  curl_off_t to_upload; /* with `has_upload`: its size; -1: unknown */
} neap__http_request;

/* Checks `opts`, copies them into an empty request and sets up `easy` for
 * method, URL, headers and body. On success *url_text is an *owned* copy of the
 * URL without user and password.
 *
 * NEAP_EINVAL with a sentence in `why`, or NEAP_ENOMEM; the request is then to
 * be freed like any other. */
int neap__http_request_init(neap__http_request *request,
                            const neap_alloc *alloc, const neap_http_opts *opts,
                            CURL *easy, char **url_text,
                            char why[NEAP__HTTP_WHY_SIZE]);

/* Whether sending it twice does no more than sending it once. */
bool neap__http_request_is_idempotent(const neap__http_request *request);

/* Whether it has a header "Expect". */
bool neap__http_request_expects(const neap__http_request *request);

/* Removes the header "Expect" from a request that has been set up in a handle.
 */
void neap__http_request_drop_expect(neap__http_request *request);

/* Sets up no more of the request in `easy` than its method, so that neither its
 * body nor its headers are sent. NEAP_ENOMEM. */
int neap__http_request_tell_head(const neap__http_request *request, CURL *easy);

void neap__http_request_free(neap__http_request *request,
                             const neap_alloc *alloc);

/* Turns the request into the one to which a response with this status and
 * location redirects (RFC 9110 section 15.4): 303 makes it a GET, and so do 301
 * and 302 of a POST. Neither user nor password goes to another origin, and only
 * headers that hold no credentials do: those whose names begin with Accept,
 * Cache-Control, Content-, Expect, If-, Range and User-Agent.
 *
 * Returns 0 and *url_text as above; NEAP_EHTTP when the location is not one to
 * follow, NEAP_EINVAL when an upload would have to be sent again, NEAP_ENOMEM.
 */
int neap__http_request_follow(neap__http_request *request,
                              const neap_alloc *alloc, CURL *easy, int status,
                              const char *location, char **url_text);

#endif
