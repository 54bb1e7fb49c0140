/* One operation on files: it takes step after step on libuv's thread pool.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_IO_FS_OP_H
#define NEAP_IO_FS_OP_H

#include <stdatomic.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "loop/engine.h"
#include "loop/op.h"

enum { NEAP__FS_NO_FILE = -1 };

/* An entry of a directory. */
typedef struct neap__fs_entry {
  char *name; /* *owned* */
  neap_file_type type;
  bool unknown; /* the directory does not tell the type */
} neap__fs_entry;

/* An operation, and in the end what it has found. It takes one step of libuv
 * after another. Each step ends in a callback that begins the next, until
 * neap__fs_op_end delivers the result. Until then it belongs to libuv: if its
 * neap_op is dropped meanwhile, `op` becomes NULL, and the end frees it. One
 * that stands in line has not begun; if it is dropped, it is freed at once.
 *
 * Work of many system calls that needs no memory, such as removing a tree, is
 * one step: `work`, a function that a thread calls. */
struct neap_fs_result {
  neap_alloc alloc;
  neap_engine *engine;
  neap_op *op;          /* NULL once it has been dropped */
  neap_fs_result **out; /* gets the result; NULL: there is none */
  neap_link turn;       /* in the line where it waits; else in no list */
  int status, detail;   /* with which `op` will end */
  void (*finish)(neap_fs_result *fs); /* called at the end, in place of
                                         neap__fs_op_deliver; may be NULL */

  /* Steps of libuv. */
  uv_fs_t uv;         /* the step being taken */
  uv_file file;       /* the open one, or NEAP__FS_NO_FILE */
  bool counts;        /* `file` is one of `files_open` */
  int flags;          /* with which it is opened */
  uv_fs_cb on_opened; /* takes the step after that */

  /* Work of a thread. */
  int (*work)(neap_fs_result *fs); /* returns 0 or libuv's code */
  uv_work_t task;                  /* calls it */
  int code;                        /* what it has returned */
  atomic_bool unwanted;            /* `op` has been dropped */
  bool recursive;                  /* remove: a directory with its contents */
  uint32_t mode;                   /* mkdir: of the new directory */

  /* Operations on an open file. */
  neap_file *handle;
  neap_file **file_out;              /* open: gets the handle */
  void (*first)(neap_fs_result *fs); /* takes the first step */
  neap_seek whence;
  int64_t by;
  uint64_t offset; /* seek: the new position */

  neap__buf path;    /* of the file to open, or for `work`; list: of an entry */
  size_t path_size;  /* list: of that up to the name of the entry */
  neap__buf bytes;   /* what has been read, or is to be written */
  size_t written;    /* write: how many of `bytes` */
  uint64_t max_size; /* read: of `bytes`; truncate: of the file */
  neap_file_stat stat;
  neap__fs_entry *entries; /* list */
  size_t count, capacity;
  size_t typed; /* list: the entries before this one have their type */
};

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
