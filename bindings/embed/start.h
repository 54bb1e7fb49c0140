/* Runs of flows in Lua that C has started.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_EMBED_START_H
#define NEAP_BINDINGS_EMBED_START_H

#include "load.h"

/* How a run has ended. The texts are valid during the call. */
typedef void (*neapL_ended)(void *self, const neap_report *report);

/* What is to be started. */
typedef struct neapL_starting {
  const char *name; /* the flow of this name; NULL: `flow` */
  neap_lua_flow flow;
  const neap_start_opts *opts; /* NULL: the defaults */
  neapL_ended ended; /* called once, from neap_poll, with `self`. NULL: the run
                        has a token and a report */
  void *self;
  /* What has come of it. */
  neap_token token;
  int number; /* by which neapL_start_cancel knows the run */
} neapL_starting;

/* Starts a run. The value at `index` is its shared store; 0: that of the
 * options. Returns a status. [-0, +0, -] */
int neapL_start(lua_State *L, neapL_starting *s, int index);

/* Cancels a run, or forgets it: `ended` will not be called then.
 * [-0, +0, -] */
void neapL_start_cancel(lua_State *L, int number, bool forget);

#endif
