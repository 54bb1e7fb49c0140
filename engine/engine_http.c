/* The HTTP functions of neap.h: the library is loaded by the first request.
 * SPDX-License-Identifier: MIT */
#include "engine.h"

#include "http_load.h"
#include "http_response.h"

/* Loads the library if that has not been done. */
static int load(neap_engine *engine) {
  char *why = engine->http_why;
  why[0] = '\0';
  if (engine->http)
    return 0;
  return neap__http_load(engine->loop, engine->http_library, &engine->http,
                         why);
}

int neap_http_send(neap_engine *engine, neap_op *op, const neap_http_opts *opts,
                   neap_http_response **response) {
  int status = load(engine);
  if (status < 0)
    return status;
  return engine->http->api->send(engine->http, op, opts, response,
                                 engine->http_why);
}

const char *neap_http_why(const neap_engine *engine) {
  return engine->http_why;
}

const char *neap_http_error(const neap_http_response *response,
                            bool *transient) {
  if (transient)
    *transient = response->transient;
  return response->error;
}

int neap_http_status(const neap_http_response *response) {
  return response->status;
}

const char *neap_http_url(const neap_http_response *response) {
  return response->url;
}

bool neap_http_get_header(const neap_http_response *response, size_t index,
                          neap_http_header *out) {
  if (index >= response->field_count)
    return false;
  const neap__http_field *field = &response->fields[index];
  out->name = response->head.bytes + field->name;
  out->value = response->head.bytes + field->value;
  return true;
}

const char *neap_http_body(const neap_http_response *response, size_t *size) {
  *size = response->body.size;
  return response->body.size > 0 ? response->body.bytes : "";
}

void neap_http_free(neap_http_response *response) {
  neap__http_response_free(response);
}

int neap_http_jar_new(neap_engine *engine, neap_http_jar **out) {
  int status = load(engine);
  return status < 0 ? status : engine->http->api->jar_new(engine->http, out);
}

void neap_http_jar_free(neap_http_jar *jar) {
  if (jar)
    jar->api->jar_free(jar);
}

int neap_http_jar_text(neap_http_jar *jar, const char **text) {
  return jar->api->jar_text(jar, text);
}

int neap_http_jar_add(neap_http_jar *jar, const char *text) {
  return jar->api->jar_add(jar, text);
}

int neap_http_jar_clear(neap_http_jar *jar) {
  return jar->api->jar_clear(jar);
}
