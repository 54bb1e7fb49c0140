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
  neap_link handles; /* that are open; they do not count */
  neap_link watches; /* that have not been closed */
} neap__files;

void neap__files_init(neap__files *files, neap_loop *loop);

/* Begins to close all handles, and all watches, whose operations it forgets;
 * those of files have been forgotten. What their owners have stays valid after
 * the loop, but can only be freed. */
void neap__files_close(neap__files *files);
void neap__watches_close(neap__files *files);

/* See neap_watch_new, and with `waits` neap_watch_missing. */
int neap__watch_new(neap__files *files, const char *path, bool waits,
                    int *detail, neap_watch **out);

/* See neap_file_open and neap_file_temp. */
int neap__file_open(neap__files *files, neap_op *op, const char *path,
                    const char *mode, neap_file **out);
int neap__file_temp(neap__files *files, neap_op *op, const char *prefix,
                    neap_file **out);

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
int neap__fs_lstat(neap__files *files, neap_op *op, const char *path,
                   neap_fs_result **result);
int neap__fs_mkdir(neap__files *files, neap_op *op, const char *path,
                   uint32_t mode, bool parents, neap_fs_result **result);
int neap__fs_remove(neap__files *files, neap_op *op, const char *path,
                    bool recursive, neap_fs_result **result);
int neap__fs_rename(neap__files *files, neap_op *op, const char *from,
                    const char *to, neap_fs_result **result);
int neap__fs_copy(neap__files *files, neap_op *op, const char *from,
                  const char *to, neap_fs_result **result);
int neap__fs_link(neap__files *files, neap_op *op, const char *from,
                  const char *to, neap_fs_result **result);
int neap__fs_symlink(neap__files *files, neap_op *op, const char *target,
                     const char *path, neap_fs_result **result);
int neap__fs_readlink(neap__files *files, neap_op *op, const char *path,
                      neap_fs_result **result);
int neap__fs_realpath(neap__files *files, neap_op *op, const char *path,
                      neap_fs_result **result);
int neap__fs_chmod(neap__files *files, neap_op *op, const char *path,
                   uint32_t mode, neap_fs_result **result);
int neap__fs_replace(neap__files *files, neap_op *op, const char *path,
                     const void *bytes, size_t size, neap_fs_result **result);
int neap__fs_tempdir(neap__files *files, neap_op *op, const char *prefix,
                     neap_fs_result **result);

#endif
