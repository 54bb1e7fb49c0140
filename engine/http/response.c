/* A response as it grows.
 * SPDX-License-Identifier: MIT */
#include "response.h"

#include <string.h>

#include "base/alloc.h"

/* Real servers send a few KiB in fewer than a hundred headers. */
enum { MAX_HEAD_SIZE = 256 * 1024, MAX_FIELDS = 1024 };

const char neap__http_bad_head[] = "the headers are malformed or too many";
const char neap__http_bad_length[] =
    "the answer is not HTTP: its Content-Length is not a number of bytes";

neap_http_response *neap__http_response_new(const neap_alloc *alloc) {
  neap_http_response *response = neap__alloc(alloc, sizeof *response);
  if (response)
    response->alloc = *alloc;
  return response;
}

static void set_url(neap_http_response *response, char *url) {
  if (response->url)
    neap__free(&response->alloc, response->url, strlen(response->url) + 1);
  response->url = url;
}

void neap__http_response_free(neap_http_response *response) {
  if (!response)
    return;
  neap_alloc alloc = response->alloc;
  set_url(response, NULL);
  neap__buf_free(&response->head, &alloc);
  neap__free(&alloc, response->fields,
             response->field_capacity * sizeof *response->fields);
  neap__buf_free(&response->body, &alloc);
  neap__free(&alloc, response, sizeof *response);
}

static void begin_head(neap_http_response *response) {
  response->head.size = 0;
  response->field_count = 0;
  response->body.size = response->taken = 0;
  response->received = 0;
  response->in_head = true;
  response->is_last = false;
  response->is_coded = response->is_framed = false;
  response->length_count = 0;
}

void neap__http_response_restart(neap_http_response *response) {
  begin_head(response);
  response->in_head = response->is_last = false;
  response->head_size = 0;
  response->status = 0;
  response->is_stale = false;
}

void neap__http_response_reset(neap_http_response *response, char *url) {
  set_url(response, url);
  neap__http_response_restart(response);
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

static int refuse(neap_http_response *response, const char *fault) {
  response->fault = fault;
  return NEAP_EHTTP;
}

/* Appends text and a zero. */
static int add_text(neap_http_response *response, const char *text,
                    size_t size) {
  neap__buf *head = &response->head;
  int status = neap__buf_reserve(head, &response->alloc, size + 1);
  if (status < 0)
    return status;
  memcpy(head->bytes + head->size, text, size);
  head->bytes[head->size + size] = '\0';
  head->size += size + 1;
  return 0;
}

static int reserve_fields(neap_http_response *response, size_t count) {
  return neap__reserve(&response->alloc, &response->fields,
                       &response->field_capacity, count,
                       sizeof *response->fields);
}

/* Notes the headers that say what the body is like. */
static void note_name(neap_http_response *response, const char *name,
                      size_t size) {
  if (size == 14 && memcmp(name, "content-length", 14) == 0) {
    if (response->length_count++ == 0)
      response->lengths_begin = response->field_count;
  } else if (size == 16 && memcmp(name, "content-encoding", 16) == 0) {
    response->is_coded = true;
  } else if (size == 17 && memcmp(name, "transfer-encoding", 17) == 0) {
    response->is_coded = response->is_framed = true;
  }
}

static int add_field(neap_http_response *response, const char *name,
                     size_t name_size, const char *value, size_t value_size) {
  if (response->field_count == MAX_FIELDS)
    return refuse(response, neap__http_bad_head);
  int status = reserve_fields(response, response->field_count + 1);
  if (status < 0)
    return status;
  neap__http_field field = {.name = response->head.size};
  status = add_text(response, name, name_size);
  if (status < 0)
    return status;
  for (char *c = response->head.bytes + field.name; *c; c++)
    *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
  note_name(response, response->head.bytes + field.name, name_size);
  field.value = response->head.size;
  status = add_text(response, value, value_size);
  if (status < 0)
    return status;
  response->fields[response->field_count++] = field;
  return 0;
}

/* RFC 9112 5.2: a line that begins with white space continues the value before
 * it; both count as one space. */
static int continue_field(neap_http_response *response, const char *text,
                          size_t size) {
  if (response->field_count == 0)
    return refuse(response, neap__http_bad_head);
  size_t end = response->head.size - 1;
  response->head.bytes[end] = ' ';
  int status = add_text(response, text, size);
  if (status < 0)
    response->head.bytes[end] = '\0';
  return status;
}

/* Reads the lengths in the value of a Content-Length, and compares them with
 * the known one (UINT64_MAX: none). RFC 9110 8.6 allows one number, or the same
 * number several times, in a list or in several headers. */
static int read_lengths(neap_http_response *response, const char *text,
                        uint64_t *known) {
  for (;;) {
    text += strspn(text, " \t");
    uint64_t length = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0)
      return refuse(response, neap__http_bad_length);
    for (const char *end = text + digits; text < end; text++) {
      uint64_t digit = (uint64_t)(*text - '0');
      if (length > (INT64_MAX - digit) / 10)
        return refuse(response, neap__http_bad_length);
      length = length * 10 + digit;
    }
    if (*known != UINT64_MAX && *known != length)
      return refuse(response, "the answer is not HTTP: it has more than one "
                              "Content-Length, and they differ");
    *known = length;
    text += strspn(text, " \t");
    if (*text == '\0')
      return 0;
    if (*text++ != ',')
      return refuse(response, neap__http_bad_length);
  }
}

/* Ends a head, and checks its lengths. A Transfer-Encoding overrides them (RFC
 * 9112 6.3). libcurl 7.88 believes the last one, and ignores one that is too
 * large. */
static int end_head(neap_http_response *response) {
  response->in_head = false;
  size_t left = response->is_framed ? 0 : response->length_count;
  uint64_t length = UINT64_MAX;
  int status = 0;
  for (size_t i = response->lengths_begin; left > 0 && status == 0; i++) {
    const neap__http_field *field = &response->fields[i];
    if (strcmp(response->head.bytes + field->name, "content-length") != 0)
      continue;
    left--;
    status =
        read_lengths(response, response->head.bytes + field->value, &length);
  }
  return status;
}

/* Whether a line begins a head: after the last head it is a trailer, though its
 * name may begin as a status line does. */
static bool is_status_line(const neap_http_response *response, const char *line,
                           size_t size) {
  return !response->is_last && size >= 5 && memcmp(line, "HTTP/", 5) == 0;
}

/* Whether this status line is that of an interim response (1xx), which another
 * head follows. */
static bool is_interim(const char *line, size_t size) {
  const char *code = memchr(line, ' ', size);
  return code && code + 1 < line + size && code[1] == '1';
}

int neap__http_response_line(neap_http_response *response, const char *line,
                             size_t size) {
  if (size > MAX_HEAD_SIZE - response->head_size)
    return refuse(response, neap__http_bad_head);
  response->head_size += size;
  if (is_status_line(response, line, size)) {
    begin_head(response);
    response->is_last = !is_interim(line, size);
    /* As much as most heads need. */
    int status = neap__buf_reserve(&response->head, &response->alloc, 512);
    return status < 0 ? status : reserve_fields(response, 16);
  }
  if (!response->in_head)
    return 0; /* a trailer */
  const char *end = line + size;
  while (end > line && (end[-1] == '\n' || end[-1] == '\r'))
    end--;
  while (end > line && is_blank(end[-1]))
    end--;
  if (end == line)
    return end_head(response);
  if (memchr(line, '\0', (size_t)(end - line)))
    return refuse(response, neap__http_bad_head);
  bool continues = is_blank(*line);
  const char *colon = memchr(line, ':', (size_t)(end - line));
  if (!continues && !colon)
    return refuse(response, neap__http_bad_head);
  const char *value = continues ? line : colon + 1;
  while (value < end && is_blank(*value))
    value++;
  size_t value_size = (size_t)(end - value);
  if (continues)
    return continue_field(response, value, value_size);
  return add_field(response, line, (size_t)(colon - line), value, value_size);
}

bool neap__http_response_has(const neap_http_response *response,
                             const char *name) {
  for (size_t i = 0; i < response->field_count; i++) {
    if (strcmp(response->head.bytes + response->fields[i].name, name) == 0)
      return true;
  }
  return false;
}

int neap__http_response_body(neap_http_response *response, const void *bytes,
                             size_t size, uint64_t max_body) {
  if (size > max_body || response->received > max_body - size)
    return NEAP_ETOOBIG;
  neap__buf *body = &response->body;
  if (response->taken > 0) {
    body->size -= response->taken;
    memmove(body->bytes, body->bytes + response->taken, body->size);
    response->taken = 0;
  }
  int status = neap__buf_append(body, &response->alloc, bytes, size);
  if (status == 0)
    response->received += size;
  return status;
}
