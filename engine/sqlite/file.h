/* The file of a store, and the processes of this machine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SQLITE_FILE_H
#define NEAP_SQLITE_FILE_H

#include "neap_store.h"

/* Whether a store may be at a path: 0, or NEAP_EINVAL on a file system of the
 * network, where locks and shared memory cannot be relied on. */
int neap__file_refusal(const char *path, char *why, size_t why_size);

/* Which file is at a path. */
typedef struct neap__file_id {
  uint64_t device, number; /* both 0: there is none */
} neap__file_id;

neap__file_id neap__file_identify(const char *path);

/* Writes what has been written to a file to its disk; false: it could not. */
bool neap__file_sync(const char *path);

/* What this machine is called, since it was last started, and as far as process
 * numbers mean the same. */
void neap__file_machine(char *name, size_t size);

/* When a process of this machine was started, in ticks since the machine was;
 * 0: there is no such process. */
int64_t neap__file_process_start(int64_t pid);

#endif
