/* Operations on files in a restricted engine: none leaves the folders that were
 * granted.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_IO_FS_WITHIN_H
#define NEAP_IO_FS_WITHIN_H

#include "fs_op.h"

/* Begins an operation that is one step of a thread, `work`, on one path or two
 * (`other` may be NULL). If they were not granted, the operation ends so
 * without touching anything. Frees it when it cannot begin. */
int neap__within_begin(neap_op *op, neap_fs_result *fs,
                       int (*work)(neap_fs_result *fs), const char *path,
                       const char *other, unsigned changes,
                       neap_fs_result **out);

/* The kinds of work. They return 0 or libuv's code. */
int neap__within_stat(neap_fs_result *fs);
int neap__within_lstat(neap_fs_result *fs);
int neap__within_mkdir(neap_fs_result *fs);      /* with `mode` */
int neap__within_mkdir_tree(neap_fs_result *fs); /* and those above it */
int neap__within_make_dir(neap_fs_result *fs);   /* as make_file, in `bytes` */
int neap__within_rename(neap_fs_result *fs);
int neap__within_copy(neap_fs_result *fs);
int neap__within_link(neap_fs_result *fs);
int neap__within_symlink(neap_fs_result *fs); /* to what is in `bytes` */
int neap__within_chmod(neap_fs_result *fs);   /* to `mode` */

/* These put a path in `bytes`, which has room for PATH_MAX. */
int neap__within_readlink(neap_fs_result *fs);
int neap__within_realpath(neap_fs_result *fs);

#endif
