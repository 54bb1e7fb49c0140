/* Directories: made, and what is in them.
 * SPDX-License-Identifier: MIT */
#include "fs_op.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"
#include "bounds.h"
#include "fs_inside.h"
#include "fs_within.h"

static neap_file_type type_of_dirent(uv_dirent_type_t type) {
  switch (type) {
  case UV_DIRENT_FILE:
    return NEAP_FILE_REGULAR;
  case UV_DIRENT_DIR:
    return NEAP_FILE_DIRECTORY;
  case UV_DIRENT_LINK:
    return NEAP_FILE_LINK;
  default:
    return NEAP_FILE_OTHER;
  }
}

static int add_entry(neap_fs_result *fs, const uv_dirent_t *found) {
  if (neap__reserve(&fs->alloc, &fs->entries, &fs->capacity, fs->count + 1,
                    sizeof *fs->entries) < 0)
    return NEAP_ENOMEM;
  char *name = neap__copy(&fs->alloc, found->name, strlen(found->name));
  if (!name)
    return NEAP_ENOMEM;
  fs->entries[fs->count++] = (neap__fs_entry){
      .name = name,
      .type = type_of_dirent(found->type),
      .unknown = found->type == UV_DIRENT_UNKNOWN,
  };
  return 0;
}

/* Copies the entries. libuv frees each when it gives the next, so all are asked
 * for, even after a failure: uv_fs_req_cleanup of 1.44 leaks the last entry if
 * that has been given and the end has not. */
static int take_entries(neap_fs_result *fs) {
  int status = 0;
  uv_dirent_t found;
  while (uv_fs_scandir_next(&fs->uv, &found) == 0)
    if (status == 0)
      status = add_entry(fs, &found);
  return status;
}

/* libuv's own order is that of the locale. */
static int compare_names(const void *left, const void *right) {
  const neap__fs_entry *a = left, *b = right;
  return strcmp(a->name, b->name);
}

static void on_lstat(uv_fs_t *uv);

/* Looks up the next type that is unknown. Ends the operation when none is, or
 * when it has been dropped. */
static void look_up_type(neap_fs_result *fs) {
  while (fs->typed < fs->count && !fs->entries[fs->typed].unknown)
    fs->typed++;
  if (fs->typed == fs->count || !fs->op) {
    neap__fs_op_end(fs, 0, 0);
    return;
  }
  const char *name = fs->entries[fs->typed].name;
  fs->path.size = fs->path_size;
  if (neap__buf_append(&fs->path, &fs->alloc, name, strlen(name) + 1) < 0) {
    neap__fs_op_end(fs, NEAP_ENOMEM, 0);
    return;
  }
  neap__fs_op_go_on(
      fs, uv_fs_lstat(&fs->engine->uv, &fs->uv, fs->path.bytes, on_lstat));
}

static void on_lstat(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  /* An entry that cannot be looked at (it may be gone) has the type OTHER. */
  if (uv->result == 0)
    fs->entries[fs->typed].type = neap__fs_type_of(uv->statbuf.st_mode);
  uv_fs_req_cleanup(uv);
  fs->typed++;
  look_up_type(fs);
}

static void on_scandir(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  int status = uv->result < 0 ? 0 : take_entries(fs);
  if (neap__fs_op_step(fs) < 0)
    return;
  if (status < 0) {
    neap__fs_op_end(fs, status, 0);
    return;
  }
  if (fs->count > 1)
    qsort(fs->entries, fs->count, sizeof *fs->entries, compare_names);
  look_up_type(fs);
}

/* The directory is open: its name in /proc leads there, whatever has become of
 * its path. */
static void on_open_to_list(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  char name[40];
  if (neap__fs_op_opened(fs) < 0)
    return;
  snprintf(name, sizeof name, "/proc/self/fd/%d/", fs->file);
  fs->path.size = 0;
  fs->path_size = strlen(name);
  if (neap__buf_append(&fs->path, &fs->alloc, name, strlen(name) + 1) < 0)
    neap__fs_op_end(fs, NEAP_ENOMEM, 0);
  else
    neap__fs_op_go_on(fs, uv_fs_scandir(&fs->engine->uv, &fs->uv,
                                        fs->path.bytes, 0, on_scandir));
}

static int list_inside(neap_op *op, neap_fs_result *fs, const char *path,
                       neap_fs_result **result) {
  if (neap__buf_append(&fs->path, &fs->alloc, path, strlen(path) + 1) < 0) {
    neap_fs_free(fs);
    return NEAP_ENOMEM;
  }
  fs->flags = O_RDONLY | O_DIRECTORY;
  fs->on_opened = on_open_to_list;
  return neap__fs_op_begin(op, fs, neap__inside_open(fs), result);
}

int neap_fs_list(neap_engine *engine, neap_op *op, const char *path,
                 neap_fs_result **result) {
  if (!neap__op_may_start(engine, op) || !path || !result)
    return neap__home_fault(engine);
  neap_fs_result *fs = neap__fs_op_new(engine);
  if (!fs)
    return NEAP_ENOMEM;
  if (engine->grants)
    return list_inside(op, fs, path, result);
  int status = neap__buf_append(&fs->path, &fs->alloc, path, strlen(path));
  if (status == 0)
    status = neap__buf_append(&fs->path, &fs->alloc, "/", 1);
  if (status < 0) {
    neap_fs_free(fs);
    return status;
  }
  fs->path_size = fs->path.size;
  int code = uv_fs_scandir(&fs->engine->uv, &fs->uv, path, 0, on_scandir);
  return neap__fs_op_begin(op, fs, code, result);
}

bool neap_fs_entry(const neap_fs_result *result, size_t index,
                   neap_file_entry *out) {
  if (!result || !out || index >= result->count)
    return false;
  const neap__fs_entry *found = &result->entries[index];
  *out = (neap_file_entry){.name = found->name, .type = found->type};
  return true;
}

static bool is_directory(const char *path) {
  struct stat found;
  return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

/* Makes the directories above the last name of a path. */
static int make_parents(char *path) {
  for (char *slash = strchr(path + 1, '/'); slash;
       slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    int failed = mkdir(path, 0777);
    *slash = '/';
    /* If it is no directory, the next one cannot be made. */
    if (failed && errno != EEXIST)
      return neap__sys_code();
  }
  return 0;
}

/* Makes a directory that may be there already, and those above it. */
static int make_tree(neap_fs_result *fs) {
  char *path = fs->path.bytes;
  size_t size = strlen(path);
  while (size > 1 && path[size - 1] == '/')
    path[--size] = '\0';
  int failed = mkdir(path, fs->mode);
  if (failed && errno == ENOENT && size > 0) {
    int code = make_parents(path);
    if (code < 0)
      return code;
    failed = mkdir(path, fs->mode);
  }
  if (!failed || (errno == EEXIST && is_directory(path)))
    return 0;
  return neap__sys_code();
}

static int make_one(neap_fs_result *fs) {
  return neap__sys_code_of(mkdir(fs->path.bytes, fs->mode));
}

int neap_fs_mkdir(neap_engine *engine, neap_op *op, const char *path,
                  uint32_t mode, bool parents, neap_fs_result **result) {
  if (!neap__op_may_start(engine, op) || !path || !result)
    return neap__home_fault(engine);
  neap_fs_result *fs = neap__fs_op_new(engine);
  if (!fs)
    return NEAP_ENOMEM;
  fs->mode = mode > 0 ? mode : 0777;
  if (engine->grants)
    return neap__within_begin(
        op, fs, parents ? neap__within_mkdir_tree : neap__within_mkdir, path,
        NULL, NEAP__INSIDE_CHANGES, result);
  return neap__fs_op_begin_work(op, fs, parents ? make_tree : make_one, path,
                                result);
}

static void on_removed(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  uv_fs_req_cleanup(uv);
  neap__fs_op_end(fs, NEAP_ESYS, UV_ECANCELED);
}

/* The directory has been made; it is removed again if the operation has been
 * dropped. libuv has its path, for which there is room. */
static void on_tempdir(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  bool unwanted = uv->result == 0 && !fs->op;
  if (uv->result == 0)
    memcpy(fs->bytes.bytes, uv->path, fs->bytes.size + 1);
  if (!unwanted) {
    if (neap__fs_op_step(fs) >= 0)
      neap__fs_op_end(fs, 0, 0);
    return;
  }
  uv_fs_req_cleanup(uv);
  neap__fs_op_go_on(
      fs, uv_fs_rmdir(&fs->engine->uv, &fs->uv, fs->bytes.bytes, on_removed));
}

/* Nobody gets a directory that has been made: it is removed again. */
static void finish_inside(neap_fs_result *fs) {
  fs->engine->grants->temporary--;
  if (fs->op && fs->status == 0)
    neap__bounds_note_dir(fs->engine, fs->bytes.bytes);
  else if (fs->status == 0)
    neap__inside_unlink(fs->engine, fs->bytes.bytes, AT_REMOVEDIR);
  fs->bytes.size--; /* without the zero byte */
  neap__fs_op_deliver(fs);
}

static int make_inside(neap_op *op, neap_fs_result *fs,
                       neap_fs_result **result) {
  neap_engine *engine = fs->engine;
  int number;
  if (!neap__bounds_admit_temporary(engine, &number)) {
    neap_fs_free(fs);
    *result = NULL;
    return neap__op_refuse(engine, op, number);
  }
  fs->finish = finish_inside;
  int status =
      neap__within_begin(op, fs, neap__within_make_dir, fs->bytes.bytes, NULL,
                         NEAP__INSIDE_CHANGES, result);
  if (status == 0)
    engine->grants->temporary++; /* while it is being made */
  return status;
}

int neap_fs_tempdir(neap_engine *engine, neap_op *op, const char *prefix,
                    neap_fs_result **result) {
  if (!neap__op_may_start(engine, op) || !prefix || !result)
    return neap__home_fault(engine);
  static const char suffix[] = "XXXXXX";
  neap_fs_result *fs = neap__fs_op_new(engine);
  if (!fs)
    return NEAP_ENOMEM;
  neap__buf *path = &fs->bytes;
  if (neap__buf_append(path, &fs->alloc, prefix, strlen(prefix)) < 0 ||
      neap__buf_append(path, &fs->alloc, suffix, sizeof suffix) < 0) {
    neap_fs_free(fs);
    return NEAP_ENOMEM;
  }
  if (engine->grants)
    return make_inside(op, fs, result);
  path->size--; /* without the zero byte */
  int code = uv_fs_mkdtemp(&fs->engine->uv, &fs->uv, path->bytes, on_tempdir);
  return neap__fs_op_begin(op, fs, code, result);
}
