/* A server on the loopback interface that does as the path says.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SPEC_SERVER_H
#define NEAP_SPEC_SERVER_H

/* What it does with a request for
 *
 *   /hello             200, "hello"; two set-cookie headers
 *   /echo              200, the request itself: head, empty line, body
 *   /status/N          N, no body
 *   /bytes/N           200, N bytes
 *   /to/N/PATH         N, redirects to /PATH, with a body of 4096 bytes
 *   /away/N/PATH       the same, to the same server by the name "localhost"
 *   /ftp               302, redirects to an ftp URL
 *   /loop              302, redirects to itself
 *   /interim           100 and 103, then as /hello
 *   /trailers          200, "hello" in chunks with a trailer after it
 *   /folded            200, a header that goes on in a second line
 *   /drip              200, five bytes, 30 ms before each
 *   /headers/N         200, N headers
 *   /line/N            200, a header of N bytes
 *   /nul               200, a header with a zero byte
 *   /garbage           what is no HTTP
 *   /nothing           closes without an answer
 *   /short             promises 100 bytes, sends 5, closes
 *   /chunk             sends half a chunk, closes
 *   /reset             sends half an answer, resets the connection
 *   /hang              never answers
 *   /stall             sends 5 of 100 bytes and then no more
 *   /once              as /hello, and closes the connection
 *   /gzip              200, "high tide", compressed
 *   /bomb              200, 51 bytes of brotli that are 64 MiB of "x"
 *   /events            200, two server-sent events in two chunks
 *   /text/TEXT         200, TEXT, with line breaks for %0A
 *   /early/N           N, "early", without having read the body; then reads on
 *   /deaf              reads nothing of the body, answers nothing
 *   /cut/N/PATH        as PATH, but closes after N bytes of the answer
 *   /tear/N/PATH       as PATH, but resets the connection there
 *   /lag/N/PATH        as PATH, but pauses there for 5 ms
 *
 * Connections are kept, but after the answers that break them. TLS is answered
 * with garbage. */
typedef struct server server;

/* Starts it in a thread of its own; NULL when that fails. */
server *server_start(void);

/* Its port on 127.0.0.1. */
int server_port(const server *s);

/* How many connections it has accepted, and how many are open. */
int server_accepted(server *s);
int server_open(server *s);

/* Breaks what is open, waits for the threads, frees it. */
void server_stop(server *s);

#endif
