/* The head of an HTTP/1.1 request: the request line and the fields, RFC 9112.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_SERVE_HEAD_H
#define NEAP_BINDINGS_SERVE_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most bytes of a head, fields in it, and empty lines before it. */
enum {
  NEAPL_HEAD_MAX = 64 * 1024,
  NEAPL_HEAD_FIELDS = 100,
  NEAPL_HEAD_EMPTY = 4,
};

/* A part of the text of the head. */
typedef struct neapL_span {
  const char *text;
  size_t size;
} neapL_span;

typedef struct neapL_field {
  neapL_span name, value; /* the value without the space around it */
} neapL_field;

typedef struct neapL_head {
  size_t size; /* of the head in bytes, with the empty line at its end */
  neapL_span method, target;
  neapL_span host, origin, authorization; /* text is NULL where there is none */
  int minor;                              /* of the version: 0 or 1 */
  bool keeps_alive; /* the client may send another request */
  bool continues;   /* it waits for 100 (Continue) before its body */
  bool is_chunked;  /* the body comes in chunks */
  uint64_t length;  /* of the body in bytes, unless it is chunked */
  size_t count;     /* of fields */
  neapL_field fields[NEAPL_HEAD_FIELDS];

  /* Where the head is refused. */
  int status;      /* of the answer: 400, 417, 431, 501 or 505 */
  const char *why; /* a sentence without its end */
} neapL_head;

typedef enum neapL_parsed {
  NEAPL_HEAD_REFUSED = -1,
  NEAPL_HEAD_PARTIAL, /* its end is not in the text, and nothing is wrong yet */
  NEAPL_HEAD_WHOLE,
} neapL_parsed;

/* Reads the head at the beginning of a text, which the spans point into. A few
 * empty lines before it are skipped (section 2.2). Refused is whatever two
 * parties could read in two ways: lines that do not end with CR LF, folded
 * lines, space before a colon, a body with two lengths, even when they are the
 * same, or with a length and a transfer coding. It allocates nothing. */
neapL_parsed neapL_head_parse(neapL_head *head, const char *text, size_t size);

/* Reads the line before a chunk of a body, with its CR LF, of which extensions
 * are ignored (section 7.1). Returns false when it is none. */
bool neapL_head_chunk(const char *line, size_t size, uint64_t *length);

#endif
