/* The head of an HTTP/1.1 request: the request line and the fields, RFC 9112.
 * SPDX-License-Identifier: MIT */
#include "head.h"

#include <string.h>

/* What a byte may be part of: RFC 9110, sections 5.5 and 5.6.2; RFC 3986,
 * appendix A. A target may have any byte that can be seen but a number sign:
 * browsers send some that RFC 3986 would encode. */
enum { TOKEN = 1, TARGET = 2, VALUE = 4, HOST = 8 };

/* The kinds of the bytes of ASCII. */
static const uint8_t kinds[128] = {
    0,  0,  0,  0,  0,  0,  0,  0,  0,  4,  0,  0,  0,  0,  0,  0,  0,  0,  0,
    0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  4,  15, 6,  5,  15, 15,
    15, 15, 14, 14, 15, 15, 14, 15, 15, 6,  15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 14, 14, 6,  14, 6,  6,  6,  15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 6,  14, 7,
    15, 7,  15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 6,  7,  6,  15, 0,
};

static bool is_of(unsigned char c, uint8_t kind) {
  return c < 128 ? (kinds[c] & kind) != 0 : kind == VALUE;
}

/* The number of bytes from `at` on that are of a kind. */
static size_t span_of(const char *at, const char *end, uint8_t kind) {
  const char *from = at;
  while (at < end && is_of((unsigned char)*at, kind))
    at++;
  return (size_t)(at - from);
}

static bool equals(neapL_span span, const char *lower) {
  size_t i = 0;
  for (; i < span.size && lower[i] != '\0'; i++) {
    unsigned char c = (unsigned char)span.text[i];
    if (c >= 'A' && c <= 'Z')
      c |= 0x20;
    if (c != (unsigned char)lower[i])
      return false;
  }
  return i == span.size && lower[i] == '\0';
}

static neapL_parsed refuse(neapL_head *head, int status, const char *why) {
  head->status = status;
  head->why = why;
  return NEAPL_HEAD_REFUSED;
}

/* ---- Lines --------------------------------------------------------------- */

/* Finds the end of the line at `at`. Returns WHOLE with the line's text, which
 * has no CR and LF. */
static neapL_parsed take_line(neapL_head *head, const char **at,
                              const char *end, neapL_span *line) {
  const char *feed = memchr(*at, '\n', (size_t)(end - *at));
  if (!feed)
    return memchr(*at, '\0', (size_t)(end - *at))
               ? refuse(head, 400, "the head has a zero byte")
               : NEAPL_HEAD_PARTIAL;
  if (feed == *at || feed[-1] != '\r')
    return refuse(head, 400, "a line of the head does not end with CR LF");
  *line = (neapL_span){*at, (size_t)(feed - 1 - *at)};
  *at = feed + 1;
  return NEAPL_HEAD_WHOLE;
}

static neapL_parsed read_version(neapL_head *head, neapL_span version) {
  if (version.size != 8 || memcmp(version.text, "HTTP/", 5) != 0 ||
      version.text[6] != '.' || version.text[5] < '0' ||
      version.text[5] > '9' || version.text[7] < '0' || version.text[7] > '9')
    return refuse(head, 400, "the request line has no version of HTTP");
  if (version.text[5] != '1')
    return refuse(head, 505, "HTTP/1.1 is spoken here");
  head->minor = version.text[7] == '0' ? 0 : 1;
  return NEAPL_HEAD_WHOLE;
}

static neapL_parsed read_request_line(neapL_head *head, neapL_span line) {
  const char *at = line.text, *end = line.text + line.size;
  head->method = (neapL_span){at, span_of(at, end, TOKEN)};
  at += head->method.size;
  if (head->method.size == 0 || at == end || *at++ != ' ')
    return refuse(head, 400, "the request line has no method");
  head->target = (neapL_span){at, span_of(at, end, TARGET)};
  at += head->target.size;
  if (head->target.size == 0 || at == end || *at++ != ' ')
    return refuse(head, 400, "the request line has no target");
  return read_version(head, (neapL_span){at, (size_t)(end - at)});
}

/* ---- Fields -------------------------------------------------------------- */

static neapL_parsed read_length(neapL_head *head, neapL_span value) {
  if (value.size == 0 || value.size > 18)
    return refuse(head, 400, "Content-Length is no number of bytes");
  head->length = 0;
  for (size_t i = 0; i < value.size; i++) {
    if (value.text[i] < '0' || value.text[i] > '9')
      return refuse(head, 400, "Content-Length is no number of bytes");
    head->length = head->length * 10 + (uint64_t)(value.text[i] - '0');
  }
  return NEAPL_HEAD_WHOLE;
}

static bool is_space(char c) {
  return c == ' ' || c == '\t';
}

/* Takes the next element of a list that is separated by commas. */
static bool take_element(neapL_span *list, neapL_span *element) {
  if (list->size == 0)
    return false;
  const char *comma = memchr(list->text, ',', list->size);
  size_t size = comma ? (size_t)(comma - list->text) : list->size;
  *element = (neapL_span){list->text, size};
  size_t taken = comma ? size + 1 : size;
  list->text += taken;
  list->size -= taken;
  while (element->size > 0 && is_space(*element->text)) {
    element->text++;
    element->size--;
  }
  while (element->size > 0 && is_space(element->text[element->size - 1]))
    element->size--;
  return true;
}

static void read_connection(neapL_head *head, neapL_span value, bool *closes) {
  neapL_span option;
  while (take_element(&value, &option)) {
    if (equals(option, "close"))
      *closes = true;
    else if (equals(option, "keep-alive"))
      head->keeps_alive = true;
  }
}

/* What of the fields that frame the message has been seen. */
typedef struct seen {
  bool length, coding, closes;
} seen;

static neapL_parsed note_host(neapL_head *head, neapL_span value) {
  if (head->host.text)
    return refuse(head, 400, "the request has two Host fields");
  if (span_of(value.text, value.text + value.size, HOST) != value.size)
    return refuse(head, 400, "Host is no name of a host");
  head->host = value;
  return NEAPL_HEAD_WHOLE;
}

/* Who asks must be told in one way, too. */
static neapL_parsed note_asker(neapL_head *head, neapL_span *kept,
                               neapL_span value) {
  if (kept->text)
    return refuse(head, 400, "the request says twice who sends it");
  *kept = value;
  return NEAPL_HEAD_WHOLE;
}

static neapL_parsed note_coding(neapL_head *head, neapL_span value, seen *s) {
  if (s->coding)
    return refuse(head, 400, "the request has two transfer codings");
  if (!equals(value, "chunked"))
    return refuse(head, 501, "the only transfer coding here is chunked");
  s->coding = head->is_chunked = true;
  return NEAPL_HEAD_WHOLE;
}

/* Reads the fields that say how the message is framed, and who sends it. */
static neapL_parsed note_field(neapL_head *head, const neapL_field *f,
                               seen *s) {
  if (equals(f->name, "host"))
    return note_host(head, f->value);
  if (equals(f->name, "origin"))
    return note_asker(head, &head->origin, f->value);
  if (equals(f->name, "authorization"))
    return note_asker(head, &head->authorization, f->value);
  if (equals(f->name, "transfer-encoding"))
    return note_coding(head, f->value, s);
  if (equals(f->name, "content-length")) {
    if (s->length)
      return refuse(head, 400, "the request has two lengths");
    s->length = true;
    return read_length(head, f->value);
  }
  if (equals(f->name, "connection")) {
    read_connection(head, f->value, &s->closes);
  } else if (equals(f->name, "expect")) {
    if (!equals(f->value, "100-continue"))
      return refuse(head, 417, "the only expectation met here is 100-continue");
    head->continues = true;
  }
  return NEAPL_HEAD_WHOLE;
}

static neapL_parsed read_field(neapL_head *head, neapL_span line, seen *s) {
  if (head->count == NEAPL_HEAD_FIELDS)
    return refuse(head, 431, "the head has more than 100 fields");
  const char *at = line.text, *end = line.text + line.size;
  if (is_space(*at))
    return refuse(head, 400, "a field of the head is folded");
  neapL_field *f = &head->fields[head->count++];
  f->name = (neapL_span){at, span_of(at, end, TOKEN)};
  at += f->name.size;
  if (f->name.size == 0 || at == end || *at++ != ':')
    return refuse(head, 400, "a field of the head has no name before a colon");
  while (at < end && is_space(*at))
    at++;
  while (end > at && is_space(end[-1]))
    end--;
  f->value = (neapL_span){at, (size_t)(end - at)};
  if (span_of(at, end, VALUE) != f->value.size)
    return refuse(head, 400, "a field of the head has a control character");
  return note_field(head, f, s);
}

/* ---- The whole ----------------------------------------------------------- */

/* Sections 3.2, 6.1 and 9.3. */
static neapL_parsed conclude(neapL_head *head, const seen *s) {
  if (head->minor >= 1 && !head->host.text)
    return refuse(head, 400, "the request has no Host field");
  if (s->coding && s->length)
    return refuse(head, 400, "the request has a length and a transfer coding");
  if (s->coding && head->minor == 0)
    return refuse(head, 400, "HTTP/1.0 has no transfer codings");
  head->keeps_alive = !s->closes && (head->minor >= 1 || head->keeps_alive);
  head->continues = head->continues && head->minor >= 1;
  return NEAPL_HEAD_WHOLE;
}

static neapL_parsed read_head(neapL_head *head, const char *text,
                              const char *end) {
  const char *at = text;
  neapL_span line;
  neapL_parsed parsed;
  seen s = {.length = false};
  int empty = 0;
  do
    parsed = take_line(head, &at, end, &line);
  while (parsed == NEAPL_HEAD_WHOLE && line.size == 0 &&
         empty++ < NEAPL_HEAD_EMPTY);
  if (parsed == NEAPL_HEAD_WHOLE)
    parsed = read_request_line(head, line);
  while (parsed == NEAPL_HEAD_WHOLE) {
    parsed = take_line(head, &at, end, &line);
    if (parsed == NEAPL_HEAD_WHOLE && line.size == 0) {
      head->size = (size_t)(at - text);
      return conclude(head, &s);
    }
    if (parsed == NEAPL_HEAD_WHOLE)
      parsed = read_field(head, line, &s);
  }
  return parsed;
}

neapL_parsed neapL_head_parse(neapL_head *head, const char *text, size_t size) {
  head->size = head->count = 0;
  head->method = head->target = (neapL_span){"", 0};
  head->host = head->origin = head->authorization = (neapL_span){NULL, 0};
  head->length = 0;
  head->keeps_alive = head->continues = head->is_chunked = false;
  size_t most = size < NEAPL_HEAD_MAX ? size : NEAPL_HEAD_MAX;
  neapL_parsed parsed = read_head(head, text, text + most);
  if (parsed == NEAPL_HEAD_PARTIAL && size >= NEAPL_HEAD_MAX)
    return refuse(head, 431, "the head has more than 64 KiB");
  return parsed;
}

static int digit_of(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

bool neapL_head_chunk(const char *line, size_t size, uint64_t *length) {
  if (size < 3 || line[size - 2] != '\r' || line[size - 1] != '\n')
    return false;
  size_t i = 0;
  *length = 0;
  for (; digit_of(line[i]) >= 0; i++) {
    if (i == 15)
      return false;
    *length = *length * 16 + (uint64_t)digit_of(line[i]);
  }
  if (i == 0)
    return false;
  const char *end = line + size - 2;
  const char *at = line + i;
  return (at == end || *at == ';' || is_space(*at)) &&
         span_of(at, end, VALUE) == (size_t)(end - at);
}
