/* The file functions of neap.h, which are given an engine.
 * SPDX-License-Identifier: MIT */
#include "engine.h"

#include "fs.h"

int neap_fs_read(neap_engine *engine, neap_op *op, const char *path,
                 uint64_t max_size, neap_fs_result **result) {
  return neap__fs_read(&engine->files, op, path, max_size, result);
}

int neap_fs_write(neap_engine *engine, neap_op *op, const char *path,
                  const void *bytes, size_t size, bool append,
                  neap_fs_result **result) {
  return neap__fs_write(&engine->files, op, path, bytes, size, append, result);
}

int neap_fs_stat(neap_engine *engine, neap_op *op, const char *path,
                 neap_fs_result **result) {
  return neap__fs_stat(&engine->files, op, path, result);
}

int neap_fs_list(neap_engine *engine, neap_op *op, const char *path,
                 neap_fs_result **result) {
  return neap__fs_list(&engine->files, op, path, result);
}

int neap_fs_lstat(neap_engine *engine, neap_op *op, const char *path,
                  neap_fs_result **result) {
  return neap__fs_lstat(&engine->files, op, path, result);
}

int neap_fs_mkdir(neap_engine *engine, neap_op *op, const char *path,
                  uint32_t mode, bool parents, neap_fs_result **result) {
  return neap__fs_mkdir(&engine->files, op, path, mode, parents, result);
}

int neap_fs_remove(neap_engine *engine, neap_op *op, const char *path,
                   bool recursive, neap_fs_result **result) {
  return neap__fs_remove(&engine->files, op, path, recursive, result);
}

int neap_fs_rename(neap_engine *engine, neap_op *op, const char *from,
                   const char *to, neap_fs_result **result) {
  return neap__fs_rename(&engine->files, op, from, to, result);
}

int neap_fs_copy(neap_engine *engine, neap_op *op, const char *from,
                 const char *to, neap_fs_result **result) {
  return neap__fs_copy(&engine->files, op, from, to, result);
}

int neap_fs_link(neap_engine *engine, neap_op *op, const char *from,
                 const char *to, neap_fs_result **result) {
  return neap__fs_link(&engine->files, op, from, to, result);
}

int neap_fs_symlink(neap_engine *engine, neap_op *op, const char *target,
                    const char *path, neap_fs_result **result) {
  return neap__fs_symlink(&engine->files, op, target, path, result);
}

int neap_fs_readlink(neap_engine *engine, neap_op *op, const char *path,
                     neap_fs_result **result) {
  return neap__fs_readlink(&engine->files, op, path, result);
}

int neap_fs_realpath(neap_engine *engine, neap_op *op, const char *path,
                     neap_fs_result **result) {
  return neap__fs_realpath(&engine->files, op, path, result);
}

int neap_fs_chmod(neap_engine *engine, neap_op *op, const char *path,
                  uint32_t mode, neap_fs_result **result) {
  return neap__fs_chmod(&engine->files, op, path, mode, result);
}

int neap_file_open(neap_engine *engine, neap_op *op, const char *path,
                   const char *mode, neap_file **file) {
  return neap__file_open(&engine->files, op, path, mode, file);
}

int neap_file_temp(neap_engine *engine, neap_op *op, const char *prefix,
                   neap_file **file) {
  return neap__file_temp(&engine->files, op, prefix, file);
}

int neap_fs_replace(neap_engine *engine, neap_op *op, const char *path,
                    const void *bytes, size_t size, neap_fs_result **result) {
  return neap__fs_replace(&engine->files, op, path, bytes, size, result);
}

int neap_fs_tempdir(neap_engine *engine, neap_op *op, const char *prefix,
                    neap_fs_result **result) {
  return neap__fs_tempdir(&engine->files, op, prefix, result);
}

int neap_watch_new(neap_engine *engine, const char *path, int *detail,
                   neap_watch **watch) {
  return neap__watch_new(&engine->files, path, false, detail, watch);
}

int neap_watch_missing(neap_engine *engine, const char *path, int *detail,
                       neap_watch **watch) {
  return neap__watch_new(&engine->files, path, true, detail, watch);
}
