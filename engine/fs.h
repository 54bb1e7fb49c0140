/* Files: whole ones, read and written by libuv's thread pool.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_FS_H
#define NEAP_FS_H

#include "loop.h"

/* See neap_fs_read and its siblings in neap.h. */
int neap__fs_read(neap_loop *loop, neap_op *op, const char *path,
                  uint64_t max_size, neap_fs_result **result);
int neap__fs_write(neap_loop *loop, neap_op *op, const char *path,
                   const void *bytes, size_t size, bool append,
                   neap_fs_result **result);
int neap__fs_stat(neap_loop *loop, neap_op *op, const char *path,
                  neap_fs_result **result);
int neap__fs_list(neap_loop *loop, neap_op *op, const char *path,
                  neap_fs_result **result);

#endif
