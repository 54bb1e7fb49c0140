/* The engine: a loop, its timers, and what is loaded into it.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_ENGINE_H
#define NEAP_ENGINE_H

#include "fs.h"
#include "http.h"
#include "loop.h"
#include "net.h"
#include "process.h"
#include "stream.h"
#include "timer.h"

struct neap_engine {
  neap_loop *loop;
  neap__timers *timers;
  neap__files files;
  neap__streams streams;
  neap__net net;
  neap__processes processes;
  neap__http *http; /* NULL until the first request */
  const char *http_library;
  char http_why[NEAP__HTTP_WHY_SIZE]; /* why the last request was refused */
  neap_event_fn event_fn;
  void *event_ud;
  uint64_t idle_since; /* real time of the first poll without a wait that found
                          nothing; 0: none */
  bool polling;
};

#endif
