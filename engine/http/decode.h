/* The body of a response, decoded while it arrives.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_DECODE_H
#define NEAP_HTTP_DECODE_H

#include "response.h"

/* Undoes the codings that a response's Content-Encoding lists, and those of its
 * Transfer-Encoding but for "chunked". */
typedef struct neap__decoder neap__decoder;

/* Makes the decoder for a response whose head is complete. NULL when there is
 * no memory. If the response has no codings, bytes pass unchanged. */
neap__decoder *neap__decoder_new(const neap_http_response *response);

/* NULL is ignored. */
void neap__decoder_free(neap__decoder *decoder);

/* Gives the decoder the bytes to decode next. They are *borrowed* until all are
 * used, or until it is fed again, with those that are left. */
void neap__decoder_feed(neap__decoder *decoder, const void *bytes, size_t size);

/* How many of them have not been used yet. */
size_t neap__decoder_left(const neap__decoder *decoder);

/* Decodes at most `room` bytes. *size is 0 when the decoder has to be fed
 * first. Decoded bytes for which there was no room come with the next call.
 * NEAP_EHTTP when the body cannot be decoded, which neap__decoder_why explains;
 * NEAP_ENOMEM.
 */
int neap__decoder_read(neap__decoder *decoder, void *out, size_t room,
                       size_t *size);

/* Whether the body may end here. If not, neap__decoder_why explains. */
bool neap__decoder_is_whole(neap__decoder *decoder);

/* A sentence for the last failure; it lives as long as the decoder. */
const char *neap__decoder_why(const neap__decoder *decoder);

#endif
