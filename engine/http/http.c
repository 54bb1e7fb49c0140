/* The HTTP functions of neap.h: the library is loaded by the first request.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "api.h"
#include "base/alloc.h"
#include "base/opts.h"
#include "gate.h"
#include "load.h"
#include "loop/engine.h"
#include "loop/op.h"
#include "response.h"
#include "upload.h"

_Static_assert(sizeof((neap_engine *)0)->http_why == NEAP__HTTP_WHY_SIZE,
               "the library writes into http_why");

/* Loads the library if that has not been done. */
static int load(neap_engine *engine) {
  char *why = engine->http_why;
  why[0] = '\0';
  if (engine->http)
    return 0;
  neap_note_overrun(engine, "http");
  const neap__http_api *api;
  int status = neap__http_find(engine->http_library, &api, why);
  return status < 0 ? status : neap__http_open(engine, api, &engine->http);
}

int neap_http_send(neap_engine *engine, neap_op *op, const neap_http_opts *opts,
                   neap_http_response **response) {
  if (!neap__home_allows(engine))
    return neap__home_fault(engine);
  if (!neap__op_is_free(op) || !response) {
    snprintf(engine->http_why, sizeof engine->http_why,
             "the operation is active, or has not been initialized, or there "
             "is no place for the response");
    return NEAP_EINVAL;
  }
  neap_http_opts o;
  int status = neap__opts_take(
      &o, sizeof o, NEAP__SIZE_WITH(neap_http_opts, max_idle_ns), opts);
  if (status < 0) {
    snprintf(engine->http_why, sizeof engine->http_why,
             "the options are of no size, or of another version of neap");
    return status;
  }
  if (!engine->http && neap__http_gate_refuses(engine, &o, engine->http_why))
    return NEAP_EPERM; /* nothing is loaded for that */
  status = load(engine);
  if (status < 0)
    return status;
  return engine->http->api->send(engine->http, op, &o, response,
                                 engine->http_why);
}

const char *neap_http_why(const neap_engine *engine) {
  return engine ? engine->http_why : "";
}

/* In the child of a fork, ends the transfer of a response. */
static void look(const neap_http_response *response) {
  if (response->transfer)
    neap__home_look(response->engine);
}

bool neap_http_is_stale(const neap_http_response *response) {
  return response && response->is_stale;
}

const char *neap_http_error(const neap_http_response *response,
                            bool *transient) {
  if (transient)
    *transient = response && response->transient;
  return response ? response->error : "";
}

int neap_http_status(const neap_http_response *response) {
  return response ? response->status : 0;
}

const char *neap_http_url(const neap_http_response *response) {
  return response ? response->url : NULL;
}

bool neap_http_get_header(const neap_http_response *response, size_t index,
                          neap_http_header *out) {
  if (!response || !out || index >= response->field_count)
    return false;
  const neap__http_field *field = &response->fields[index];
  out->name = response->head.bytes + field->name;
  out->value = response->head.bytes + field->value;
  return true;
}

const char *neap_http_body(const neap_http_response *response, size_t *size) {
  size_t unread = response ? neap__http_response_unread(response) : 0;
  if (size)
    *size = unread;
  return unread > 0 ? response->body.bytes + response->taken : "";
}

/* Ends the operation that waits to read, if there is one. */
static void end_read(neap_http_response *response, int status) {
  neap_op *op = response->reader;
  response->reader = NULL;
  if (op)
    neap__op_finish(op, status, 0);
}

void neap_http_free(neap_http_response *response) {
  if (!response)
    return;
  look(response);
  if (response->transfer)
    response->api->abandon(response);
  end_read(response, NEAP_ECLOSED);
  neap__http_response_free(response);
}

static void forget_reader(neap_op *op) {
  neap_http_response *response = op->u.request;
  response->reader = NULL;
}

int neap_http_read(neap_engine *engine, neap_op *op,
                   neap_http_response *response) {
  if (!neap__op_may_start(engine, op) || !response)
    return neap__home_fault(engine);
  look(response);
  if (response->reader)
    return NEAP_EBUSY;
  neap__op_begin_io(engine, op, forget_reader);
  op->u.request = response;
  response->reader = op;
  if (!response->transfer || neap__http_response_unread(response) > 0)
    end_read(response, 0);
  return 0;
}

int neap_http_peek(const neap_http_response *response, const char **bytes,
                   size_t *size) {
  if (!response || !bytes || !size)
    return NEAP_EINVAL;
  look(response);
  *bytes = neap_http_body(response, size);
  if (*size > 0)
    return 0;
  return response->transfer ? NEAP_EAGAIN : response->outcome;
}

void neap_http_take(neap_http_response *response, size_t size) {
  if (!response)
    return;
  look(response);
  size_t unread = neap__http_response_unread(response);
  response->taken += size < unread ? size : unread;
  if (response->taken == response->body.size)
    response->taken = response->body.size = 0;
  if (response->transfer)
    response->api->taken(response);
}

void neap_http_limit_idle(neap_http_response *response, uint64_t ns) {
  if (!response)
    return;
  look(response);
  if (response->transfer)
    response->api->limit_idle(response, ns);
}

int neap_http_upload_new(neap_engine *engine, uint64_t size,
                         neap_http_upload **out) {
  if (!neap__home_allows(engine) || !out)
    return neap__home_fault(engine);
  const neap_alloc *alloc = &engine->alloc;
  neap_http_upload *upload = neap__alloc(alloc, sizeof *upload);
  if (!upload)
    return NEAP_ENOMEM;
  upload->alloc = *alloc;
  upload->size = size;
  *out = upload;
  return 0;
}

/* In the child of a fork, ends the sending of a body. */
static void look_at_upload(const neap_http_upload *upload) {
  if (upload->state == NEAP__UPLOAD_SENDING)
    neap__home_look(upload->engine);
}

static void forget_writer(neap_op *op) {
  neap__http_upload_take_writer(op->u.request);
}

int neap_http_upload_write(neap_engine *engine, neap_op *op,
                           neap_http_upload *upload, const void *bytes,
                           size_t size, bool *written) {
  if (!upload)
    return NEAP_EINVAL;
  look_at_upload(upload);
  if (upload->ended || upload->state == NEAP__UPLOAD_OVER)
    return NEAP_ECLOSED;
  if (upload->writer)
    return NEAP_EBUSY;
  if (!neap__op_may_start(engine, op) || (!bytes && size > 0) || !written ||
      size > upload->size - upload->written)
    return neap__home_fault(engine);
  int status = neap__buf_append(&upload->bytes, &upload->alloc, bytes, size);
  if (status < 0)
    return status;
  upload->written += size;
  if (upload->state == NEAP__UPLOAD_SENDING)
    upload->api->written(upload);
  if (upload->state == NEAP__UPLOAD_OVER)
    return NEAP_ECLOSED;
  *written = neap__http_upload_unsent(upload) <= NEAP__HTTP_UPLOAD_LIMIT;
  if (*written)
    return 0;
  neap__op_begin_io(engine, op, forget_writer);
  op->u.request = upload;
  upload->writer = op;
  return 0;
}

int neap_http_upload_end(neap_http_upload *upload) {
  if (!upload)
    return NEAP_EINVAL;
  look_at_upload(upload);
  if (upload->ended || upload->state == NEAP__UPLOAD_OVER)
    return NEAP_ECLOSED;
  if (upload->size != NEAP_HTTP_SIZE_UNKNOWN && upload->written < upload->size)
    return NEAP_EINVAL;
  upload->ended = true;
  if (upload->state == NEAP__UPLOAD_SENDING)
    upload->api->written(upload);
  return 0;
}

void neap_http_upload_free(neap_http_upload *upload) {
  if (!upload)
    return;
  look_at_upload(upload);
  neap_op *writer = neap__http_upload_take_writer(upload);
  if (writer)
    neap__op_finish(writer, NEAP_ECLOSED, 0);
  if (upload->state != NEAP__UPLOAD_SENDING) {
    neap__http_upload_destroy(upload);
    return;
  }
  upload->ownerless = true;
  upload->api->written(upload);
}

int neap_http_jar_new(neap_engine *engine, neap_http_jar **out) {
  if (!neap__home_allows(engine) || !out)
    return neap__home_fault(engine);
  int status = load(engine);
  return status < 0 ? status : engine->http->api->jar_new(engine->http, out);
}

void neap_http_jar_free(neap_http_jar *jar) {
  if (jar)
    jar->api->jar_free(jar);
}

int neap_http_jar_text(neap_http_jar *jar, const char **text) {
  if (!jar || !text)
    return NEAP_EINVAL;
  return jar->api->jar_text(jar, text);
}

int neap_http_jar_add(neap_http_jar *jar, const char *text) {
  if (!jar || !text)
    return NEAP_EINVAL;
  return jar->api->jar_add(jar, text);
}

int neap_http_jar_clear(neap_http_jar *jar) {
  if (!jar)
    return NEAP_EINVAL;
  return jar->api->jar_clear(jar);
}
