/* How a process comes to be.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_IO_PROCESS_START_H
#define NEAP_IO_PROCESS_START_H

#include <sys/types.h>

#include "grants/grants.h"

/* A program that has been started. The descriptors are *owned* by the caller.
 */
typedef struct neap__child {
  pid_t pid;
  int pidfd;   /* can be read when the process has ended */
  int ends[3]; /* our ends of its pipes, -1 where there is none */
} neap__child;

/* Starts a program. `grants` is that of a restricted engine, or NULL. Returns
 * 0; or libuv's code, and in *part what was refused; with NEAP__REFUSED in
 * *number which refusal it was. Then nothing is left to be closed. */
int neap__child_start(const neap_process_opts *opts, neap__grants *grants,
                      neap__child *child, neap_process_part *part, int *number);

#endif
