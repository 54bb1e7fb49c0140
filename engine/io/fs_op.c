/* One operation on files: it takes step after step on libuv's thread pool.
 * SPDX-License-Identifier: MIT */
#include "fs_op.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "base/units.h"
#include "fs_inside.h"
#include "loop/op.h"

/* The most files that one engine has open at a time for operations on whole
 * files. A process may have 256 or 1024 of all kinds, and the thread pool works
 * on 4 at once by default. */
enum { MAX_OPEN = 64 };

/* The most bytes that one system call writes. */
enum { MAX_WRITE = 1 << 30 };

neap_fs_result *neap__fs_op_new(neap_engine *engine) {
  neap_fs_result *fs = neap__alloc(&engine->alloc, sizeof *fs);
  if (!fs)
    return NULL;
  fs->alloc = engine->alloc;
  fs->engine = engine;
  neap__list_init(&fs->turn);
  fs->uv.data = fs;
  fs->file = NEAP__FS_NO_FILE;
  return fs;
}

void neap_fs_free(neap_fs_result *fs) {
  if (!fs)
    return;
  neap_alloc alloc = fs->alloc;
  for (size_t i = 0; i < fs->count; i++)
    neap__free(&alloc, fs->entries[i].name, strlen(fs->entries[i].name) + 1);
  neap__free(&alloc, fs->entries, fs->capacity * sizeof *fs->entries);
  neap__buf_free(&fs->path, &alloc);
  neap__buf_free(&fs->bytes, &alloc);
  neap__free(&alloc, fs, sizeof *fs);
}

neap_fs_result *neap__fs_op_new_write(neap_engine *engine, const void *bytes,
                                      size_t size) {
  neap_fs_result *fs = neap__fs_op_new(engine);
  if (fs && neap__buf_append(&fs->bytes, &fs->alloc, bytes, size) < 0) {
    neap_fs_free(fs);
    fs = NULL;
  }
  return fs;
}

static void drop(neap_op *op) {
  neap_fs_result *fs = op->u.request;
  if (!neap__list_empty(&fs->turn)) {
    neap__list_remove(&fs->turn);
    neap_fs_free(fs);
    return;
  }
  fs->op = NULL;
  atomic_store(&fs->unwanted, true);
  if (fs->work) {
    uv_cancel((uv_req_t *)&fs->task);
    return;
  }
  /* A step that no thread has begun is taken off the queue; uv_cancel refuses
   * the others, which end unseen. A file must be closed in any case. */
  if (uv_fs_get_type(&fs->uv) != UV_FS_CLOSE)
    uv_cancel((uv_req_t *)&fs->uv);
}

/* A thread of the parent's may have opened the file since the loop had a turn;
 * or may have closed it, and its number is another's. */
static void disown(neap_fs_result *fs) {
  uv_fs_type step = uv_fs_get_type(&fs->uv);
  fs->op = NULL;
  if (step == UV_FS_OPEN || step == UV_FS_MKSTEMP)
    fs->file = uv_fs_get_result(&fs->uv) > 0
                   ? (uv_file)uv_fs_get_result(&fs->uv)
                   : NEAP__FS_NO_FILE;
  if (fs->file != NEAP__FS_NO_FILE && step != UV_FS_CLOSE)
    close(fs->file);
}

void neap__fs_disown(neap_engine *engine) {
  neap_link *list = &engine->work;
  for (neap_link *link = list->next; link != list; link = link->next) {
    neap_op *op = NEAP__ITEM(link, neap_op, link);
    if (op->drop == drop)
      disown(op->u.request);
  }
}

int neap__fs_op_begin(neap_op *op, neap_fs_result *fs, int code,
                      neap_fs_result **out) {
  if (code < 0) {
    neap_fs_free(fs);
    return neap__sys_status(code);
  }
  fs->op = op;
  fs->out = out;
  if (out)
    *out = NULL;
  neap__op_begin_work(fs->engine, op, drop);
  op->u.request = fs;
  return 0;
}

void neap__fs_op_deliver(neap_fs_result *fs) {
  neap_op *op = fs->op;
  if (!op) {
    neap_fs_free(fs);
    return;
  }
  int status = fs->status, detail = fs->detail;
  if (status < 0 || !fs->out)
    neap_fs_free(fs);
  else
    *fs->out = fs;
  neap__op_finish(op, status, detail);
}

/* Begins to open the file. Returns libuv's code. */
static int open_file(neap_fs_result *fs) {
  int code = fs->engine->grants
                 ? neap__inside_open(fs)
                 : uv_fs_open(&fs->engine->uv, &fs->uv, fs->path.bytes,
                              fs->flags, 0666, fs->on_opened);
  if (code == 0) {
    fs->counts = true;
    fs->engine->files_open++;
  }
  return code;
}

/* Begins operations that stand in line, as long as there is room. */
static void begin_waiting(neap_engine *engine) {
  neap_link *waiting = &engine->files_waiting;
  while (engine->files_open < MAX_OPEN && !neap__list_empty(waiting)) {
    neap_fs_result *fs = NEAP__ITEM(waiting->next, neap_fs_result, turn);
    neap__list_remove(&fs->turn);
    int code = open_file(fs);
    if (code < 0) {
      fs->status = neap__sys_status(code);
      fs->detail = code;
      neap__fs_op_deliver(fs);
    }
  }
}

/* Ends an operation that has no file open any more. */
static void finish(neap_fs_result *fs) {
  if (fs->finish) {
    fs->finish(fs);
    return;
  }
  neap_engine *engine = fs->engine;
  if (fs->counts)
    engine->files_open--;
  neap__fs_op_deliver(fs);
  begin_waiting(engine);
}

int neap__fs_op_begin_file(neap_op *op, neap_fs_result *fs, const char *path,
                           neap_fs_result **out) {
  if (neap__buf_append(&fs->path, &fs->alloc, path, strlen(path) + 1) < 0) {
    neap_fs_free(fs);
    return NEAP_ENOMEM;
  }
  int code = 0;
  if (fs->engine->files_open < MAX_OPEN)
    code = open_file(fs);
  else
    neap__list_append(&fs->engine->files_waiting, &fs->turn);
  return neap__fs_op_begin(op, fs, code, out);
}

static void on_close(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  int code = (int)uv->result;
  uv_fs_req_cleanup(uv);
  /* Some file systems tell only now that they could not write. */
  if (code < 0 && fs->status == 0) {
    fs->status = neap__sys_status(code);
    fs->detail = code;
  }
  finish(fs);
}

void neap__fs_op_end(neap_fs_result *fs, int status, int detail) {
  fs->status = status;
  fs->detail = status == NEAP_EPERM ? neap__inside_refuse(fs) : detail;
  if (fs->file == NEAP__FS_NO_FILE ||
      uv_fs_close(&fs->engine->uv, &fs->uv, fs->file, on_close) < 0)
    finish(fs);
}

void neap__fs_op_go_on(neap_fs_result *fs, int code) {
  if (code < 0)
    neap__fs_op_end(fs, neap__sys_status(code), code);
}

void neap__fs_op_write(neap_fs_result *fs, uv_file file, int64_t offset,
                       uv_fs_cb on_write) {
  size_t left = fs->bytes.size - fs->written;
  if (left == 0) {
    neap__fs_op_end(fs, 0, 0);
    return;
  }
  if (left > MAX_WRITE)
    left = MAX_WRITE;
  uv_buf_t buf = uv_buf_init(fs->bytes.bytes + fs->written, (unsigned)left);
  neap__fs_op_go_on(fs, uv_fs_write(&fs->engine->uv, &fs->uv, file, &buf, 1,
                                    offset, on_write));
}

void neap__fs_op_on_last_step(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  if (neap__fs_op_step(fs) >= 0)
    neap__fs_op_end(fs, 0, 0);
}

/* In a thread of the pool. */
static void call_work(uv_work_t *task) {
  neap_fs_result *fs = task->data;
  fs->code = fs->work(fs);
}

static void on_worked(uv_work_t *task, int status) {
  neap_fs_result *fs = task->data;
  int code = status < 0 ? status : fs->code;
  neap__fs_op_end(fs, code < 0 ? neap__sys_status(code) : 0, code);
}

int neap__fs_op_begin_work(neap_op *op, neap_fs_result *fs,
                           int (*work)(neap_fs_result *fs), const char *path,
                           neap_fs_result **out) {
  if (neap__buf_append(&fs->path, &fs->alloc, path, strlen(path) + 1) < 0) {
    neap_fs_free(fs);
    return NEAP_ENOMEM;
  }
  fs->work = work;
  fs->task.data = fs;
  int code = uv_queue_work(&fs->engine->uv, &fs->task, call_work, on_worked);
  return neap__fs_op_begin(op, fs, code, out);
}

ssize_t neap__fs_op_step(neap_fs_result *fs) {
  ssize_t result = fs->uv.result;
  uv_fs_req_cleanup(&fs->uv);
  if (result >= 0 && !fs->op)
    result = UV_ECANCELED;
  if (result < 0)
    neap__fs_op_end(fs, neap__sys_status((int)result), (int)result);
  return result;
}

ssize_t neap__fs_op_opened(neap_fs_result *fs) {
  if (fs->uv.result >= 0)
    fs->file = (uv_file)fs->uv.result;
  return neap__fs_op_step(fs);
}

neap_file_type neap__fs_type_of(uint64_t mode) {
  switch (mode & S_IFMT) {
  case S_IFREG:
    return NEAP_FILE_REGULAR;
  case S_IFDIR:
    return NEAP_FILE_DIRECTORY;
  case S_IFLNK:
    return NEAP_FILE_LINK;
  default:
    return NEAP_FILE_OTHER;
  }
}

neap_file_stat neap__fs_stat_of(const uv_stat_t *found) {
  return (neap_file_stat){
      .type = neap__fs_type_of(found->st_mode),
      .mode = (uint32_t)found->st_mode & 07777,
      .size = found->st_size,
      .mtime = (double)found->st_mtim.tv_sec +
               neap__seconds_of_ns((uint64_t)found->st_mtim.tv_nsec),
  };
}
