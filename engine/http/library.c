/* What the HTTP library offers to the engine.
 * SPDX-License-Identifier: MIT */
#include "library.h"

#include "drive.h"
#include "jar.h"
#include "multi.h"
#include "send.h"

static int open_library(const neap__http_host *host, neap__http **out) {
  neap__multi *multi;
  int status =
      neap__multi_open(host, neap__send_end, neap__send_check_refusal, &multi);
  if (status < 0)
    return status;
  multi->http.api = &neap__http_library;
  *out = &multi->http;
  return 0;
}

static void close_library(neap__http *http) {
  neap__send_drop_all((neap__multi *)http);
  neap__multi_close((neap__multi *)http);
}

static void free_library(neap__http *http) {
  neap__multi_free((neap__multi *)http);
}

static void disown_library(neap__http *http) {
  neap__send_disown_all((neap__multi *)http);
  neap__multi_disown((neap__multi *)http);
}

const neap__http_api neap__http_library = {
    .version = NEAP_VERSION,
    .open = open_library,
    .close = close_library,
    .free = free_library,
    .disown = disown_library,
    .drive = neap__drive,
    .prepare = neap__multi_prepare,
    .send = neap__send_start,
    .abandon = neap__send_abandon,
    .taken = neap__send_taken,
    .limit_idle = neap__send_limit_idle,
    .written = neap__send_written,
    .jar_new = neap__jar_new,
    .jar_free = neap__jar_free,
    .jar_text = neap__jar_text,
    .jar_add = neap__jar_add,
    .jar_clear = neap__jar_clear,
};
