/* Whether bytes are UTF-8.
 * SPDX-License-Identifier: MIT */
#include "utf8.h"

#include <stdint.h>
#include <string.h>

size_t neapL_utf8_sequence(const unsigned char *s, size_t left) {
  unsigned lead = s[0];
  size_t size = lead < 0xC2   ? 0
                : lead < 0xE0 ? 2
                : lead < 0xF0 ? 3
                : lead < 0xF5 ? 4
                              : 0;
  if (size == 0 || size > left)
    return 0;
  for (size_t i = 1; i < size; i++)
    if ((s[i] & 0xC0) != 0x80)
      return 0;
  bool overlong =
      (lead == 0xE0 && s[1] < 0xA0) || (lead == 0xF0 && s[1] < 0x90);
  bool surrogate = lead == 0xED && s[1] >= 0xA0;
  bool beyond = lead == 0xF4 && s[1] >= 0x90;
  return overlong || surrogate || beyond ? 0 : size;
}

bool neapL_utf8_is(const char *bytes, size_t size) {
  static const uint64_t high_bits = UINT64_C(0x8080808080808080);
  const unsigned char *s = (const unsigned char *)bytes;
  size_t i = 0;
  while (i < size) {
    uint64_t eight;
    if (size - i >= sizeof(eight)) {
      memcpy(&eight, s + i, sizeof(eight));
      if ((eight & high_bits) == 0) {
        i += sizeof(eight);
        continue;
      }
    }
    size_t step = s[i] < 0x80 ? 1 : neapL_utf8_sequence(s + i, size - i);
    if (step == 0)
      return false;
    i += step;
  }
  return true;
}
