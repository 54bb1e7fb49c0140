/* One operation on files: it takes step after step on libuv's thread pool.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_IO_FS_OP_H
#define NEAP_IO_FS_OP_H

#include "fs_result.h"

/* Lets go of the operations of an engine in the child of a fork, where no
 * thread takes their steps: closes the files that they have open. */
void neap__fs_disown(neap_engine *engine);

/* Makes an operation, NULL when there is no memory. Until it has begun it is
 * returned with neap_fs_free. */
neap_fs_result *neap__fs_op_new(neap_engine *engine);

/* The same for an operation that writes `bytes`, of which it takes a copy. */
neap_fs_result *neap__fs_op_new_write(neap_engine *engine, const void *bytes,
                                      size_t size);

/* Begins `op`, which waits for an operation whose first step libuv has
 * accepted. Frees the operation if `code` says that libuv has not. Without
 * `out` the result is freed at the end as well. */
int neap__fs_op_begin(neap_op *op, neap_fs_result *fs, int code,
                      neap_fs_result **out);

/* Begins an operation that opens the file at `path` with `flags` and goes on
 * with `on_opened`: at once, or when fewer files are open. Frees the operation
 * when that fails. */
int neap__fs_op_begin_file(neap_op *op, neap_fs_result *fs, const char *path,
                           neap_fs_result **out);

/* Begins an operation that is one step, `work` on `path`. Frees it when that
 * fails. */
int neap__fs_op_begin_work(neap_op *op, neap_fs_result *fs,
                           int (*work)(neap_fs_result *fs), const char *path,
                           neap_fs_result **out);

/* Returns the result of a step. If it is negative, this has ended the
 * operation: the step has failed, or `op` has been dropped. */
ssize_t neap__fs_op_step(neap_fs_result *fs);

/* The same for the step that has opened the file. */
ssize_t neap__fs_op_opened(neap_fs_result *fs);

/* A callback for the last step: ends the operation. */
void neap__fs_op_on_last_step(uv_fs_t *uv);

/* Called with what libuv has returned for the next step: ends the operation if
 * libuv has refused it. */
void neap__fs_op_go_on(neap_fs_result *fs, int code);

/* Writes the next part of `bytes` to `file` at `offset` (-1: at the system's
 * position), and has `on_write` called. Ends the operation if nothing is left
 * to be written. */
void neap__fs_op_write(neap_fs_result *fs, uv_file file, int64_t offset,
                       uv_fs_cb on_write);

/* Closes the file, if it is open, and then ends the operation. */
void neap__fs_op_end(neap_fs_result *fs, int status, int detail);

/* Ends `op` with the outcome, or frees the result if `op` has been dropped. For
 * functions that are used as `finish`. */
void neap__fs_op_deliver(neap_fs_result *fs);

/* What libuv has found out about a file; and the type of a file with this mode.
 */
neap_file_stat neap__fs_stat_of(const uv_stat_t *found);
neap_file_type neap__fs_type_of(uint64_t mode);

#endif
