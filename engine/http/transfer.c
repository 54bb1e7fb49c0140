/* A request on its way, redirects included.
 * SPDX-License-Identifier: MIT */
#include "transfer.h"

#include <string.h>

int neap__transfer_status(const neap__transfer *transfer) {
  long status = 0;
  curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
  return (int)status;
}

bool neap__transfer_is_secure(const neap__transfer *transfer) {
  return strncmp(transfer->response->url, "https:", 6) == 0;
}

bool neap__transfer_is_redirect(const neap__transfer *transfer) {
  switch (neap__transfer_status(transfer)) {
  case 301:
  case 302:
  case 303:
  case 307:
  case 308:
    return transfer->max_redirects > 0 &&
           neap__http_response_has(transfer->response, "location");
  default:
    return false;
  }
}

void neap__transfer_object(neap__transfer *transfer, int status,
                           const char *reason) {
  transfer->objection = status;
  transfer->reason = reason;
}
