/* Whether bytes are UTF-8.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_JSON_UTF8_H
#define NEAP_BINDINGS_JSON_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Returns the length of the UTF-8 sequence of 2 to 4 bytes at `s`, 0 when it
 * is not well-formed (Unicode 15, table 3-7). `left` is 1 or more. */
size_t neapL_utf8_sequence(const unsigned char *s, size_t left);

/* Whether all bytes of a string are UTF-8. */
bool neapL_utf8_is(const char *bytes, size_t size);

#endif
