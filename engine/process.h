/* Processes: programs that are started, waited for and ended.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_PROCESS_H
#define NEAP_PROCESS_H

#include "list.h"
#include "loop.h"
#include "stream.h"

/* The processes of a loop. */
typedef struct neap__processes {
  neap_loop *loop;
  neap__streams *streams;
  neap_link all; /* of neap_process, by their link */
} neap__processes;

void neap__processes_init(neap__processes *processes, neap_loop *loop,
                          neap__streams *streams);

/* Ends the processes that are left and waits until they have, at most as long
 * as they were given. The memory of those that have been freed is returned
 * while the loop is; that of others is their owners' still. */
void neap__processes_close(neap__processes *processes);

/* Whether anybody waits for one to end. */
bool neap__processes_awaited(const neap__processes *processes);

/* See neap_process_spawn in neap.h. */
int neap__process_spawn(neap__processes *processes,
                        const neap_process_opts *opts, neap_process **out,
                        neap_stream *streams[3], neap_process_failure *failure);

#endif
