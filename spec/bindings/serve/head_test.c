/* Heads of requests: what is taken, what is refused, in pieces and mutated.
 * SPDX-License-Identifier: MIT */
#include "serve/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static neapL_head head;

static neapL_parsed parse(const char *text) {
  return neapL_head_parse(&head, text, strlen(text));
}

static void assert_span(neapL_span span, const char *text) {
  assert_int_equal(span.size, strlen(text));
  assert_memory_equal(span.text, text, span.size);
}

static void takes_a_head_apart(void **state) {
  (void)state;
  const char *text =
      "POST /runs?x=1 HTTP/1.1\r\nHost: a:80\r\n"
      "Content-Length: 12\r\nX-Empty:\r\nA:\t b c \t\r\n\r\nrest";
  assert_int_equal(parse(text), NEAPL_HEAD_WHOLE);
  assert_int_equal(head.size, strlen(text) - 4);
  assert_span(head.method, "POST");
  assert_span(head.target, "/runs?x=1");
  assert_span(head.host, "a:80");
  assert_int_equal(head.minor, 1);
  assert_int_equal(head.length, 12);
  assert_int_equal(head.count, 4);
  assert_span(head.fields[2].name, "X-Empty");
  assert_span(head.fields[2].value, "");
  assert_span(head.fields[3].value, "b c");
  assert_true(head.keeps_alive);
  assert_false(head.is_chunked);
}

static void says_whether_the_connection_goes_on(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool keeps;
  } cases[] = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: TE, Close\r\n\r\n", false},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
      {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(parse(cases[i].text), NEAPL_HEAD_WHOLE);
    assert_int_equal(head.keeps_alive, cases[i].keeps);
  }
}

static void skips_empty_lines_before_a_head(void **state) {
  (void)state;
  assert_int_equal(parse("\r\n\r\nGET / HTTP/1.0\r\n\r\n"), NEAPL_HEAD_WHOLE);
  assert_int_equal(head.size, 22);
  assert_int_equal(parse("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
                   NEAPL_HEAD_REFUSED); /* or they would be read for ever */
}

static void knows_who_sends_a_request(void **state) {
  (void)state;
  assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n"), NEAPL_HEAD_WHOLE);
  assert_null(head.host.text);
  assert_null(head.origin.text);
  assert_null(head.authorization.text);
  assert_int_equal(parse("GET / HTTP/1.0\r\nOrigin: null\r\n"
                         "Authorization: Bearer x\r\n\r\n"),
                   NEAPL_HEAD_WHOLE);
  assert_span(head.origin, "null");
  assert_span(head.authorization, "Bearer x");
  assert_int_equal(parse("GET / HTTP/1.0\r\nOrigin: a\r\nOrigin: a\r\n\r\n"),
                   NEAPL_HEAD_REFUSED);
}

#define LINE "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"

static const struct refused {
  const char *text;
  int status;
} refused[] = {
    {"GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
    {LINE "Host: a\n\n", 400},
    {LINE "\n", 400},
    {"\n", 400},
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
    {" GET / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /a b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\x7f HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /#a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\r\n" HOST "\r\n", 400},
    {"GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"G(T / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400},
    {"GET / http/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/11\r\n" HOST "\r\n", 400},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
    {"GET / HTTP/0.9\r\n" HOST "\r\n", 505},
    {LINE "\r\n", 400},
    {LINE HOST HOST "\r\n", 400},
    {LINE "Host: a, b\r\nHost: c\r\n\r\n", 400},
    {LINE "Host: a/b\r\n\r\n", 400},
    {LINE "Host: a b\r\n\r\n", 400},
    {LINE "Host: a@b\r\n\r\n", 400},
    {LINE HOST "Name : x\r\n\r\n", 400},
    {LINE HOST "Name\r\n\r\n", 400},
    {LINE HOST ": x\r\n\r\n", 400},
    {LINE HOST "N\xc3\xa4me: x\r\n\r\n", 400},
    {LINE HOST "A: b\r\n folded\r\n\r\n", 400},
    {LINE HOST "A: b\r\n\tfolded\r\n\r\n", 400},
    {LINE " A: b\r\n" HOST "\r\n", 400},
    {LINE HOST "A: b\rc\r\n\r\n", 400},
    {LINE HOST "A: \x01\r\n\r\n", 400},
    {LINE HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
    {LINE HOST "Content-Length: 1\r\ncontent-length: 2\r\n\r\n", 400},
    {LINE HOST "Content-Length: 1, 1\r\n\r\n", 400},
    {LINE HOST "Content-Length: -1\r\n\r\n", 400},
    {LINE HOST "Content-Length: +1\r\n\r\n", 400},
    {LINE HOST "Content-Length: 0x1\r\n\r\n", 400},
    {LINE HOST "Content-Length:\r\n\r\n", 400},
    {LINE HOST "Content-Length: 9999999999999999999\r\n\r\n", 400},
    {LINE HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {LINE HOST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
    {LINE HOST "Transfer-Encoding: chunked\r\n"
               "Transfer-Encoding: chunked\r\n\r\n",
     400},
    {LINE HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {LINE HOST "Transfer-Encoding: identity\r\n\r\n", 501},
    {LINE HOST "Transfer-Encoding:\r\n\r\n", 501},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {LINE HOST "Expect: 200-ok\r\n\r\n", 417},
};

static void refuses(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    neapL_parsed parsed = parse(refused[i].text);
    if (parsed != NEAPL_HEAD_REFUSED || head.status != refused[i].status)
      fail_msg("taken, or with another status: %s", refused[i].text);
    assert_true(strlen(head.why) > 10);
  }
}

static void refuses_a_zero_byte(void **state) {
  (void)state;
  static const char text[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";
  assert_int_equal(neapL_head_parse(&head, text, sizeof text - 1),
                   NEAPL_HEAD_REFUSED);
  assert_int_equal(neapL_head_parse(&head, "\0\0\0", 3), NEAPL_HEAD_REFUSED);
}

/* Adds `count` times a piece of text; returns where it ends. */
static char *add(char *at, const char *piece, int count) {
  for (; count > 0; count--)
    at = stpcpy(at, piece);
  return at;
}

static void bounds_fields_and_bytes(void **state) {
  (void)state;
  char *text = calloc(2, NEAPL_HEAD_MAX);
  char *end = add(add(text, LINE HOST, 1), "A: b\r\n", 99);
  add(end, "\r\n", 1);
  assert_int_equal(parse(text), NEAPL_HEAD_WHOLE);
  add(end, "A: b\r\n\r\n", 1);
  assert_int_equal(parse(text), NEAPL_HEAD_REFUSED);
  assert_int_equal(head.status, 431);
  end = add(add(text, LINE HOST "A: ", 1), "x", NEAPL_HEAD_MAX - 32);
  assert_int_equal(end - text, NEAPL_HEAD_MAX - 4);
  add(end, "\r\n\r\n", 1);
  assert_int_equal(parse(text), NEAPL_HEAD_WHOLE);
  add(end, "x\r\n\r\n", 1);
  assert_int_equal(parse(text), NEAPL_HEAD_REFUSED);
  assert_int_equal(head.status, 431);
  free(text);
}

/* A copy without anything behind it, so that a sanitizer sees what is read. */
static neapL_parsed parse_copy(const char *text, size_t size) {
  char *copy = malloc(size + 1);
  memcpy(copy, text, size);
  char *exact = realloc(copy, size > 0 ? size : 1);
  neapL_parsed parsed = neapL_head_parse(&head, exact, size);
  free(exact);
  return parsed;
}

static const char whole[] =
    "\r\nPUT /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    "Expect: 100-continue\r\nConnection: a, close\r\n\r\n";

static void waits_for_the_end(void **state) {
  (void)state;
  for (size_t size = 0; size < sizeof whole - 1; size++)
    assert_int_equal(parse_copy(whole, size), NEAPL_HEAD_PARTIAL);
  assert_int_equal(parse_copy(whole, sizeof whole - 1), NEAPL_HEAD_WHOLE);
  assert_true(head.is_chunked && head.continues && !head.keeps_alive);
}

static void survives_mutations(void **state) {
  (void)state;
  static const char bytes[] = "\r\n:, \t\0aA1;\x80\xff";
  srand(1);
  for (int round = 0; round < 200000; round++) {
    char text[sizeof whole];
    size_t size = sizeof whole - 1;
    memcpy(text, whole, size);
    for (int i = rand() % 4; i >= 0; i--) {
      size_t at = (size_t)rand() % size;
      if (rand() % 3 == 0)
        memmove(text + at, text + at + 1, --size - at);
      else
        text[at] = bytes[(size_t)rand() % (sizeof bytes - 1)];
    }
    neapL_parsed parsed = parse_copy(text, size);
    if (parsed == NEAPL_HEAD_WHOLE)
      assert_true(head.size <= size && head.method.size > 0);
    else if (parsed == NEAPL_HEAD_REFUSED)
      assert_true(head.status >= 400 && head.why);
  }
}

static void reads_the_lines_before_chunks(void **state) {
  (void)state;
  static const struct {
    const char *line;
    long length; /* -1: it is none */
  } cases[] = {
      {"0\r\n", 0},       {"1aF\r\n", 0x1af}, {"10;a=b\r\n", 16},
      {"10 ;a\r\n", 16},  {"\r\n", -1},       {"x\r\n", -1},
      {"-1\r\n", -1},     {"0x1\r\n", -1},    {"1\n", -1},
      {"1 \x01\r\n", -1}, {"1\r", -1},        {"1234567890abcdef\r\n", -1},
      {"", -1},           {" 1\r\n", -1},     {"1\r\r\n", -1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint64_t length = 0;
    const char *line = cases[i].line;
    bool taken = neapL_head_chunk(line, strlen(line), &length);
    assert_int_equal(taken, cases[i].length >= 0);
    if (taken)
      assert_int_equal(length, cases[i].length);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_a_head_apart),
      cmocka_unit_test(says_whether_the_connection_goes_on),
      cmocka_unit_test(skips_empty_lines_before_a_head),
      cmocka_unit_test(knows_who_sends_a_request),
      cmocka_unit_test(refuses),
      cmocka_unit_test(refuses_a_zero_byte),
      cmocka_unit_test(bounds_fields_and_bytes),
      cmocka_unit_test(waits_for_the_end),
      cmocka_unit_test(survives_mutations),
      cmocka_unit_test(reads_the_lines_before_chunks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
