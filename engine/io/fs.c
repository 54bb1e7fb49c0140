/* Files: whole ones, read and written by libuv's thread pool.
 * SPDX-License-Identifier: MIT */
#include "fs_op.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fs_inside.h"
#include "fs_within.h"

enum {
  FIRST_READ = 1 << 14, /* bytes, of a file that does not tell its size */
  MAX_READ = 1 << 24,   /* bytes at once: a cancelled read ends after these */
};

static void on_read(uv_fs_t *uv);

/* Reads what there is room for. The size of a file is but a hint (it may grow,
 * and those of /proc have none), so only a read of nothing is the end. */
static void read_more(neap_fs_result *fs) {
  neap__buf *bytes = &fs->bytes;
  if (bytes->size == bytes->capacity &&
      neap__buf_reserve(bytes, &fs->alloc, FIRST_READ) < 0) {
    neap__fs_op_end(fs, NEAP_ENOMEM, 0);
    return;
  }
  size_t room = bytes->capacity - bytes->size;
  if (room > MAX_READ)
    room = MAX_READ;
  uint64_t allowed = fs->max_size - bytes->size;
  if (room > allowed)
    room = (size_t)allowed + 1; /* by that byte it is too big */
  uv_buf_t buf = uv_buf_init(bytes->bytes + bytes->size, (unsigned)room);
  neap__fs_op_go_on(
      fs, uv_fs_read(&fs->engine->uv, &fs->uv, fs->file, &buf, 1, -1, on_read));
}

static void on_read(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  ssize_t count = neap__fs_op_step(fs);
  if (count < 0)
    return;
  fs->bytes.size += (size_t)count;
  if (count == 0)
    neap__fs_op_end(fs, 0, 0);
  else if (fs->bytes.size > fs->max_size)
    neap__fs_op_end(fs, NEAP_ETOOBIG, 0);
  else
    read_more(fs);
}

/* Makes room for the whole file, and for a byte more: the read that finds its
 * end then needs no room of its own. */
static void on_fstat(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  if (neap__fs_op_step(fs) < 0)
    return;
  uint64_t size = S_ISREG(uv->statbuf.st_mode) ? uv->statbuf.st_size : 0;
  if (size > fs->max_size)
    size = fs->max_size;
  if (size >= SIZE_MAX || (size > 0 && neap__buf_reserve(&fs->bytes, &fs->alloc,
                                                         (size_t)size + 1) < 0))
    neap__fs_op_end(fs, NEAP_ENOMEM, 0);
  else
    read_more(fs);
}

static void on_open_to_read(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  if (neap__fs_op_opened(fs) < 0)
    return;
  neap__fs_op_go_on(fs,
                    uv_fs_fstat(&fs->engine->uv, &fs->uv, fs->file, on_fstat));
}

int neap_fs_read(neap_engine *engine, neap_op *op, const char *path,
                 uint64_t max_size, neap_fs_result **result) {
  if (!neap__op_may_start(engine, op) || !path || !result)
    return neap__home_fault(engine);
  neap_fs_result *fs = neap__fs_op_new(engine);
  if (!fs)
    return NEAP_ENOMEM;
  fs->max_size = max_size > 0 ? max_size : UINT64_MAX;
  fs->flags = UV_FS_O_RDONLY;
  fs->on_opened = on_open_to_read;
  return neap__fs_op_begin_file(op, fs, path, result);
}

const char *neap_fs_bytes(const neap_fs_result *result, size_t *size) {
  if (size)
    *size = result ? result->bytes.size : 0;
  return result && result->bytes.bytes ? result->bytes.bytes : "";
}

static void on_write(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  ssize_t count = neap__fs_op_step(fs);
  if (count < 0)
    return;
  fs->written += (size_t)count;
  neap__fs_op_write(fs, fs->file, -1, on_write);
}

static void on_open_to_write(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  if (neap__fs_op_opened(fs) >= 0)
    neap__fs_op_write(fs, fs->file, -1, on_write);
}

int neap_fs_write(neap_engine *engine, neap_op *op, const char *path,
                  const void *bytes, size_t size, bool append,
                  neap_fs_result **result) {
  if (!neap__op_may_start(engine, op) || !path || (!bytes && size > 0) ||
      !result)
    return neap__home_fault(engine);
  neap_fs_result *fs = neap__fs_op_new_write(engine, bytes, size);
  if (!fs)
    return NEAP_ENOMEM;
  fs->flags = UV_FS_O_WRONLY | UV_FS_O_CREAT |
              (append ? UV_FS_O_APPEND : UV_FS_O_TRUNC);
  fs->on_opened = on_open_to_write;
  return neap__fs_op_begin_file(op, fs, path, result);
}

static void on_stat(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  if (neap__fs_op_step(fs) < 0)
    return;
  fs->stat = neap__fs_stat_of(&uv->statbuf);
  neap__fs_op_end(fs, 0, 0);
}

int neap_fs_stat(neap_engine *engine, neap_op *op, const char *path,
                 neap_fs_result **result) {
  if (!neap__op_may_start(engine, op) || !path || !result)
    return neap__home_fault(engine);
  neap_fs_result *fs = neap__fs_op_new(engine);
  if (!fs)
    return NEAP_ENOMEM;
  if (engine->grants)
    return neap__within_begin(op, fs, neap__within_stat, path, NULL,
                              NEAP__INSIDE_READS, result);
  int code = uv_fs_stat(&fs->engine->uv, &fs->uv, path, on_stat);
  return neap__fs_op_begin(op, fs, code, result);
}

int neap_fs_lstat(neap_engine *engine, neap_op *op, const char *path,
                  neap_fs_result **result) {
  if (!neap__op_may_start(engine, op) || !path || !result)
    return neap__home_fault(engine);
  neap_fs_result *fs = neap__fs_op_new(engine);
  if (!fs)
    return NEAP_ENOMEM;
  if (engine->grants)
    return neap__within_begin(op, fs, neap__within_lstat, path, NULL,
                              NEAP__INSIDE_READS, result);
  int code = uv_fs_lstat(&fs->engine->uv, &fs->uv, path, on_stat);
  return neap__fs_op_begin(op, fs, code, result);
}

void neap_fs_get_stat(const neap_fs_result *result, neap_file_stat *out) {
  if (out)
    *out = result ? result->stat : (neap_file_stat){0};
}
