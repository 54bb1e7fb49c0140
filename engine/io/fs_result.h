/* What an operation on files consists of.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_IO_FS_RESULT_H
#define NEAP_IO_FS_RESULT_H

#include <stdatomic.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "grants/files.h"
#include "loop/engine.h"
#include "loop/op.h"

enum { NEAP__FS_NO_FILE = -1 };

/* What became of the paths of an operation in a restricted engine: the folders
 * that they lie in, and their rests from there. */
typedef struct neap__within {
  const neap__grant *grant[2]; /* NULL: there is none */
  const char *given[2];        /* in `path` of the operation */
  const char *rest[2];
  int which;            /* the one that was refused, */
  neap__grants_why why; /* and for which reason */
} neap__within;

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

  /* In a restricted engine (fs_within.h). */
  neap__within within;

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

#endif
