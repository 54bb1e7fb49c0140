/* Files: whole ones, read and written by libuv's thread pool.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_FS_H
#define NEAP_FS_H

#include "list.h"
#include "loop.h"

/* The most files that one engine has open at a time. A process may have 256 or
 * 1024 of all kinds, and the thread pool works on 4 at once by default. */
enum { NEAP__FS_MAX_OPEN = 64 };

/* The files of a loop. Freed after the loop, and not before. */
typedef struct neap__files {
  neap_loop *loop;
  size_t open;       /* being opened, open, or being closed */
  neap_link waiting; /* operations in line until there are fewer of them */
} neap__files;

void neap__files_init(neap__files *files, neap_loop *loop);

/* See neap_fs_read and its siblings in neap.h. */
int neap__fs_read(neap__files *files, neap_op *op, const char *path,
                  uint64_t max_size, neap_fs_result **result);
int neap__fs_write(neap__files *files, neap_op *op, const char *path,
                   const void *bytes, size_t size, bool append,
                   neap_fs_result **result);
int neap__fs_stat(neap__files *files, neap_op *op, const char *path,
                  neap_fs_result **result);
int neap__fs_list(neap__files *files, neap_op *op, const char *path,
                  neap_fs_result **result);

#endif
