/* Cookies that are kept between requests.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_JAR_H
#define NEAP_HTTP_JAR_H

#include <curl/curl.h>

#include "api.h"

/* neap_http_jar_new and so on, see neap__http_api. */
int neap__jar_new(const neap__http *http, neap_http_jar **out);
void neap__jar_free(neap_http_jar *base);
int neap__jar_text(neap_http_jar *base, const char **text);
int neap__jar_add(neap_http_jar *base, const char *text);
int neap__jar_clear(neap_http_jar *base);

/* Makes `easy` use the jar, which lives until neap__jar_detach at least.
 * NEAP_ENOMEM. The handle must serve no other request afterwards:
 * curl_easy_reset "does not change [...] the cookies", nor the use of cookies.
 */
int neap__jar_attach(neap_http_jar *base, CURL *easy);
void neap__jar_detach(neap_http_jar *base, CURL *easy);

/* Looks at a line of a head, whose cookie libcurl has put into the jar. If the
 * cookie has no name, it is removed from the jar. */
void neap__jar_check_line(neap_http_jar *base, CURL *easy, const char *line,
                          size_t size);

#endif
