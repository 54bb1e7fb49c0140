/* One operation on files: it takes step after step on libuv's thread pool.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_FS_OP_H
#define NEAP_FS_OP_H

#include <stdatomic.h>
#include <uv.h>

#include "alloc.h"
#include "buf.h"
#include "engine.h"

enum { NEAP__FS_NO_FILE = -1 };

/* An entry of a directory. */
typedef struct neap__fs_entry {
  char *name; /* *owned* */
  neap_file_type type;
  bool unknown; /* the directory does not tell the type */
} neap__fs_entry;

/* An operation, and in the end what it has found. It takes one step of libuv
 * after another, each of which ends in a callback that begins the next, until
 * neap__fs_op_end hands it to whoever waits. It belongs to libuv till then: who
 * does not want to wait any more is forgotten, and the end frees it. One that
 * stands in line has not begun and belongs to nobody else.
 *
 * What takes many system calls and no memory, such as removing a tree, is one
 * step: `work`, a function that a thread calls. */
struct neap_fs_result {
  neap_alloc alloc;
  neap_engine *engine;
  neap_link turn;     /* in a line, else in no list */
  bool counts;        /* in `files_open` */
  int flags;          /* of the file to open */
  uint32_t mode;      /* mkdir: of the directory to make */
  bool recursive;     /* remove: a directory with all that is in it */
  uv_fs_cb on_opened; /* takes the step after that */
  uv_fs_t uv;         /* the step being taken */
  neap_op *op;        /* NULL once it has been dropped */
  neap_fs_result **out;
  void (*finish)(neap_fs_result *fs); /* NULL: delivers it */
  int (*work)(neap_fs_result *fs);    /* returns 0 or a code of libuv's */
  uv_work_t task;                     /* that calls it */
  int code;                           /* what it has returned */
  atomic_bool unwanted;               /* nobody waits for it any more */
  uv_file file;                       /* the open one, or NEAP__FS_NO_FILE */
  int status;                         /* as they will be in `op` */
  int detail;
  neap__buf bytes;   /* what has been read, or is to be written */
  uint64_t max_size; /* read: of `bytes` */
  size_t written;    /* write: how many of `bytes` */
  neap_file_stat stat;
  neap__buf path;   /* list: of the directory, a slash, and an entry's name;
                       of the file to open; what `work` is about */
  size_t path_size; /* list: without that name */
  neap__fs_entry *entries;
  size_t count, capacity;
  size_t asked;         /* list: the entry whose type is asked for */
  neap_file *handle;    /* of an operation on an open file */
  neap_file **file_out; /* where that is to be opened */
  void (*first)(neap_fs_result *fs); /* takes its first step */
  neap_seek whence;
  int64_t by;
  uint64_t offset; /* that was sought */
};

/* Makes an operation, NULL when there is no memory. Until it has begun it is
 * returned with neap_fs_free. */
neap_fs_result *neap__fs_op_new(neap_engine *engine);

/* Begins the wait for an operation whose first step libuv has accepted, or
 * frees it when `code` says that it has not. Without `out` nobody gets it. */
int neap__fs_op_begin(neap_op *op, neap_fs_result *fs, int code,
                      neap_fs_result **out);

/* Begins an operation on a file, which it opens with `flags` to go on with
 * `on_opened`: at once, or when it is its turn. Frees it when that fails. */
int neap__fs_op_begin_file(neap_op *op, neap_fs_result *fs, const char *path,
                           neap_fs_result **out);

/* Begins an operation that is a single step, `work` on `path`; the same. */
int neap__fs_op_begin_work(neap_op *op, neap_fs_result *fs,
                           int (*work)(neap_fs_result *fs), const char *path,
                           neap_fs_result **out);

/* Returns what a step has resulted in. When that is negative the operation has
 * been ended: the step has failed, or nobody waits for the next. */
ssize_t neap__fs_op_step(neap_fs_result *fs);

/* The same for the step that opens the file. */
ssize_t neap__fs_op_opened(neap_fs_result *fs);

/* Ends the operation when libuv's `code` says that it refuses to take the next
 * step. */
void neap__fs_op_go_on(neap_fs_result *fs, int code);

/* Ends the operation with this outcome, once its file is closed. */
void neap__fs_op_end(neap_fs_result *fs, int status, int detail);

/* Hands the outcome to whoever waits for it; frees what nobody wants. For
 * `finish`. */
void neap__fs_op_deliver(neap_fs_result *fs);

/* What libuv has found out about a file, and what a mode says of its type. */
neap_file_stat neap__fs_stat_of(const uv_stat_t *found);
neap_file_type neap__fs_type_of(uint64_t mode);

#endif
