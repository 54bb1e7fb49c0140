/* Names: moved, copied, linked, and where they lead.
 * SPDX-License-Identifier: MIT */
#include "fs_op.h"

#include <limits.h>
#include <string.h>

#include "fs_inside.h"
#include "fs_within.h"

int neap_fs_rename(neap_engine *engine, neap_op *op, const char *from,
                   const char *to, neap_fs_result **result) {
  if (!neap__op_may_start(engine, op) || !from || !to || !result)
    return neap__home_fault(engine);
  neap_fs_result *fs = neap__fs_op_new(engine);
  if (!fs)
    return NEAP_ENOMEM;
  if (engine->grants)
    return neap__within_begin(op, fs, neap__within_rename, from, to,
                              NEAP__INSIDE_CHANGES | NEAP__INSIDE_CHANGES_OTHER,
                              result);
  int code = uv_fs_rename(&fs->engine->uv, &fs->uv, from, to,
                          neap__fs_op_on_last_step);
  return neap__fs_op_begin(op, fs, code, result);
}

int neap_fs_copy(neap_engine *engine, neap_op *op, const char *from,
                 const char *to, neap_fs_result **result) {
  if (!neap__op_may_start(engine, op) || !from || !to || !result)
    return neap__home_fault(engine);
  neap_fs_result *fs = neap__fs_op_new(engine);
  if (!fs)
    return NEAP_ENOMEM;
  if (engine->grants)
    return neap__within_begin(op, fs, neap__within_copy, from, to,
                              NEAP__INSIDE_CHANGES_OTHER, result);
  /* FICLONE: file systems that can share the blocks do. */
  int code = uv_fs_copyfile(&fs->engine->uv, &fs->uv, from, to,
                            UV_FS_COPYFILE_FICLONE, neap__fs_op_on_last_step);
  return neap__fs_op_begin(op, fs, code, result);
}

int neap_fs_link(neap_engine *engine, neap_op *op, const char *from,
                 const char *to, neap_fs_result **result) {
  if (!neap__op_may_start(engine, op) || !from || !to || !result)
    return neap__home_fault(engine);
  neap_fs_result *fs = neap__fs_op_new(engine);
  if (!fs)
    return NEAP_ENOMEM;
  /* A second name is one to change the file by. */
  if (engine->grants)
    return neap__within_begin(op, fs, neap__within_link, from, to,
                              NEAP__INSIDE_CHANGES | NEAP__INSIDE_CHANGES_OTHER,
                              result);
  int code =
      uv_fs_link(&fs->engine->uv, &fs->uv, from, to, neap__fs_op_on_last_step);
  return neap__fs_op_begin(op, fs, code, result);
}

int neap_fs_symlink(neap_engine *engine, neap_op *op, const char *target,
                    const char *path, neap_fs_result **result) {
  if (!neap__op_may_start(engine, op) || !target || !path || !result)
    return neap__home_fault(engine);
  neap_fs_result *fs =
      engine->grants ? neap__fs_op_new_write(engine, target, strlen(target) + 1)
                     : neap__fs_op_new(engine);
  if (!fs)
    return NEAP_ENOMEM;
  if (engine->grants)
    return neap__within_begin(op, fs, neap__within_symlink, path, NULL,
                              NEAP__INSIDE_CHANGES, result);
  int code = uv_fs_symlink(&fs->engine->uv, &fs->uv, target, path, 0,
                           neap__fs_op_on_last_step);
  return neap__fs_op_begin(op, fs, code, result);
}

int neap_fs_chmod(neap_engine *engine, neap_op *op, const char *path,
                  uint32_t mode, neap_fs_result **result) {
  if (!neap__op_may_start(engine, op) || !path || !result)
    return neap__home_fault(engine);
  neap_fs_result *fs = neap__fs_op_new(engine);
  if (!fs)
    return NEAP_ENOMEM;
  fs->mode = mode;
  if (engine->grants)
    return neap__within_begin(op, fs, neap__within_chmod, path, NULL,
                              NEAP__INSIDE_CHANGES, result);
  int code = uv_fs_chmod(&fs->engine->uv, &fs->uv, path, (int)mode,
                         neap__fs_op_on_last_step);
  return neap__fs_op_begin(op, fs, code, result);
}

/* Begins work that finds a path. */
static int find_inside(neap_op *op, neap_fs_result *fs,
                       int (*work)(neap_fs_result *fs), const char *path,
                       neap_fs_result **result) {
  if (neap__buf_reserve(&fs->bytes, &fs->alloc, PATH_MAX) < 0) {
    neap_fs_free(fs);
    return NEAP_ENOMEM;
  }
  return neap__within_begin(op, fs, work, path, NULL, NEAP__INSIDE_READS,
                            result);
}

/* The step that finds a path has ended; libuv's copy goes with it. */
static void on_path(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  int status = 0;
  if (uv->result >= 0)
    status = neap__buf_append(&fs->bytes, &fs->alloc, uv->ptr, strlen(uv->ptr));
  if (neap__fs_op_step(fs) >= 0)
    neap__fs_op_end(fs, status, 0);
}

int neap_fs_readlink(neap_engine *engine, neap_op *op, const char *path,
                     neap_fs_result **result) {
  if (!neap__op_may_start(engine, op) || !path || !result)
    return neap__home_fault(engine);
  neap_fs_result *fs = neap__fs_op_new(engine);
  if (!fs)
    return NEAP_ENOMEM;
  if (engine->grants)
    return find_inside(op, fs, neap__within_readlink, path, result);
  int code = uv_fs_readlink(&fs->engine->uv, &fs->uv, path, on_path);
  return neap__fs_op_begin(op, fs, code, result);
}

int neap_fs_realpath(neap_engine *engine, neap_op *op, const char *path,
                     neap_fs_result **result) {
  if (!neap__op_may_start(engine, op) || !path || !result)
    return neap__home_fault(engine);
  neap_fs_result *fs = neap__fs_op_new(engine);
  if (!fs)
    return NEAP_ENOMEM;
  if (engine->grants)
    return find_inside(op, fs, neap__within_realpath, path, result);
  int code = uv_fs_realpath(&fs->engine->uv, &fs->uv, path, on_path);
  return neap__fs_op_begin(op, fs, code, result);
}
