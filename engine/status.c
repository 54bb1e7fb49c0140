/* Status codes, their names and sentences.
 * SPDX-License-Identifier: MIT */
#include "neap.h"

const char *neap_version(void) {
  return NEAP_VERSION;
}

const char *neap_status_name(int status) {
  switch (status) {
#define NAME(name, code, text)                                                 \
  case code:                                                                   \
    return #name;
    NEAP_STATUS_MAP(NAME)
#undef NAME
  }
  return "EUNKNOWN";
}

const char *neap_status_text(int status) {
  switch (status) {
#define TEXT(name, code, text)                                                 \
  case code:                                                                   \
    return text;
    NEAP_STATUS_MAP(TEXT)
#undef TEXT
  }
  return "unknown status";
}
