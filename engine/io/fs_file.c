/* Handles of open files.
 * SPDX-License-Identifier: MIT
 *
 * A handle works on one operation at a time; the others stand in line. An
 * operation that has been dropped keeps the handle busy until its step has
 * ended, since a thread may be in the system call. For the same reason a file
 * that has a position is read and written at a position of ours, not at the
 * system's: a read that was dropped has moved nothing. A pipe has no position;
 * what a dropped read has taken from it is kept for the next read.
 *
 * The file is long because all that is done with a handle stands in its line.
 */
#include "fs_file.h"

#include <string.h>
#include <unistd.h>

#include "base/status.h"
#include "bounds.h"
#include "fs_inside.h"
#include "fs_op.h"
#include "grants/grants.h"

enum { CHUNK = 1 << 16 /* bytes, of one read */ };

struct neap_file {
  neap_alloc alloc;
  neap_engine *engine; /* valid as long as the file is open */
  neap_link link;   /* in `file_handles` of `engine` while the file is open */
  char *path;       /* *owned* */
  size_t path_size; /* its room */
  uv_file fd;       /* or NEAP__FS_NO_FILE */
  bool seekable;
  bool appends;
  bool temporary;    /* its path is to be removed */
  bool held, counts; /* for the bounds of a restricted engine: as one that is
                        open, or being opened; and as a temporary one */
  bool owned;        /* the host has the handle */
  bool closed;       /* no more operations are taken */
  bool shutting;     /* it is being closed by shut() */
  bool proceeding;
  uint64_t position;       /* of the next byte, where it is seekable */
  neap_fs_result *current; /* the operation under way */
  neap_link line;          /* those that wait for it to end */
  neap_link kept;          /* reads that were dropped, with their bytes */
  uv_fs_t uv;              /* of shut() */
};

static neap_file *new_file(neap_engine *engine, const char *path,
                           const char *suffix) {
  const neap_alloc *alloc = &engine->alloc;
  size_t size = strlen(path), more = strlen(suffix) + 1;
  neap_file *file = neap__alloc(alloc, sizeof *file);
  if (!file)
    return NULL;
  file->path = neap__alloc(alloc, size + more);
  if (!file->path) {
    neap__free(alloc, file, sizeof *file);
    return NULL;
  }
  memcpy(file->path, path, size);
  memcpy(file->path + size, suffix, more);
  file->path_size = size + more;
  file->alloc = *alloc;
  file->engine = engine;
  file->fd = NEAP__FS_NO_FILE;
  neap__list_init(&file->link);
  neap__list_init(&file->line);
  neap__list_init(&file->kept);
  return file;
}

/* Removes the path of a temporary file, at once. */
static void remove_temporary(neap_file *file) {
  if (file->temporary && file->engine->grants)
    neap__inside_unlink(file->engine, file->path, 0);
  else if (file->temporary)
    unlink(file->path);
  file->temporary = false;
  if (file->counts && file->engine->grants)
    file->engine->grants->temporary--;
  file->counts = false;
}

/* The file is no longer open: it is being closed, or could not be opened. */
static void let_go(neap_file *file) {
  if (file->held)
    file->engine->grants->held--;
  file->held = false;
}

static void free_file(neap_file *file) {
  neap_alloc alloc = file->alloc;
  let_go(file);
  remove_temporary(file);
  while (!neap__list_empty(&file->kept)) {
    neap_fs_result *fs = NEAP__ITEM(file->kept.next, neap_fs_result, turn);
    neap__list_remove(&fs->turn);
    neap_fs_free(fs);
  }
  neap__free(&alloc, file->path, file->path_size);
  neap__free(&alloc, file, sizeof *file);
}

static void proceed(neap_file *file);

static void on_shut(uv_fs_t *uv) {
  neap_file *file = uv->data;
  uv_fs_req_cleanup(uv);
  file->shutting = false;
  file->fd = NEAP__FS_NO_FILE;
  proceed(file);
}

/* Closes a file without an operation that waits for it. */
static void shut(neap_file *file) {
  remove_temporary(file);
  file->uv.data = file;
  file->shutting =
      uv_fs_close(&file->engine->uv, &file->uv, file->fd, on_shut) == 0;
  if (!file->shutting) {
    close(file->fd);
    file->fd = NEAP__FS_NO_FILE;
  }
}

/* Does what is next for a file: begins the first operation in line, closes a
 * file that is to be closed, frees a handle that nobody has. */
static void proceed(neap_file *file) {
  if (file->proceeding)
    return; /* called from `first` below: the operation has ended */
  file->proceeding = true;
  while (!file->current && !neap__list_empty(&file->line)) {
    neap_fs_result *fs = NEAP__ITEM(file->line.next, neap_fs_result, turn);
    neap__list_remove(&fs->turn);
    file->current = fs;
    fs->first(fs);
  }
  file->proceeding = false;
  if (file->current || file->shutting)
    return;
  if (file->fd != NEAP__FS_NO_FILE && file->closed)
    shut(file);
  if (file->fd == NEAP__FS_NO_FILE) {
    neap__list_remove(&file->link);
    if (!file->owned)
      free_file(file);
  }
}

void neap__files_close(neap_engine *engine) {
  neap_link *list = &engine->file_handles, *next;
  for (neap_link *link = list->next; link != list; link = next) {
    next = link->next;
    neap_file *file = NEAP__ITEM(link, neap_file, link);
    file->closed = true;
    let_go(file);
    proceed(file);
  }
}

/* Closes a file in the child of a fork. A thread of the parent's may be closing
 * it: then its number may be that of another. */
static void disown(neap_file *file) {
  neap__list_remove(&file->link);
  bool closing = file->shutting ||
                 (file->current && file->current->file != NEAP__FS_NO_FILE);
  if (file->fd != NEAP__FS_NO_FILE && !closing)
    close(file->fd);
  file->fd = NEAP__FS_NO_FILE;
  file->current = NULL;
  file->closed = true;
  file->shutting = file->temporary = file->counts = file->held = false;
  while (!neap__list_empty(&file->line)) {
    neap_fs_result *fs = NEAP__ITEM(file->line.next, neap_fs_result, turn);
    neap__list_remove(&fs->turn);
    neap_fs_free(fs);
  }
}

void neap__files_disown(neap_engine *engine) {
  while (!neap__list_empty(&engine->file_handles))
    disown(NEAP__ITEM(engine->file_handles.next, neap_file, link));
}

void neap_file_free(neap_file *file) {
  if (!file)
    return;
  if (!neap__list_empty(&file->link))
    neap__home_look(file->engine);
  file->owned = false;
  file->closed = true;
  let_go(file);
  proceed(file);
}

const char *neap_file_path(const neap_file *file) {
  return file ? file->path : NULL;
}

bool neap_file_is_open(const neap_file *file) {
  return file && !file->closed && !neap__home_is_left(file->engine);
}

/* The flags for one of the modes of neap_file_open, -1 for none of them. */
static int flags_of(const char *mode) {
  int flags, seen = 0;
  bool plus = false;
  switch (*mode) {
  case 'r':
    flags = 0;
    break;
  case 'w':
    flags = UV_FS_O_CREAT | UV_FS_O_TRUNC;
    break;
  case 'a':
    flags = UV_FS_O_CREAT | UV_FS_O_APPEND;
    break;
  default:
    return -1;
  }
  static const char letters[] = "+bx";
  for (const char *c = mode + 1; *c; c++) {
    const char *found = strchr(letters, *c);
    if (!found || (seen & 1 << (found - letters)) ||
        (*c == 'x' && *mode != 'w'))
      return -1;
    seen |= 1 << (found - letters);
    plus = plus || *c == '+';
    if (*c == 'x')
      flags |= UV_FS_O_EXCL;
  }
  if (plus)
    return flags | UV_FS_O_RDWR;
  return flags | (*mode == 'r' ? UV_FS_O_RDONLY : UV_FS_O_WRONLY);
}

/* The file is open, or could not be opened. */
static void finish_open(neap_fs_result *fs) {
  neap_file *file = fs->handle;
  file->current = NULL;
  if (fs->op && fs->status == 0) {
    file->owned = true;
    neap__list_append(&file->engine->file_handles, &file->link);
    *fs->file_out = file;
  } else {
    let_go(file);
  }
  neap__fs_op_deliver(fs);
  proceed(file);
}

/* The file has been opened: from here on it belongs to the handle. */
static void take_file(neap_fs_result *fs) {
  if (neap__fs_op_opened(fs) < 0)
    return;
  neap_file *file = fs->handle;
  file->fd = fs->file;
  fs->file = NEAP__FS_NO_FILE;
  file->seekable = lseek(file->fd, 0, SEEK_CUR) >= 0;
  /* As with fopen, one that is only appended to is at its end. */
  if (file->seekable && file->appends && !(fs->flags & UV_FS_O_RDWR))
    file->position = (uint64_t)lseek(file->fd, 0, SEEK_END);
  neap__fs_op_end(fs, 0, 0);
}

static void on_open(uv_fs_t *uv) {
  take_file(uv->data);
}

/* A temporary file has been made: libuv has its path. */
static void on_make(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  neap_file *file = fs->handle;
  if (uv->result >= 0) {
    memcpy(file->path, uv->path, file->path_size);
    file->temporary = true;
  }
  take_file(fs);
}

/* The same in a restricted engine: its path is in that of the operation. */
static void on_make_inside(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  neap_file *file = fs->handle;
  if (uv->result >= 0) {
    memcpy(file->path, fs->path.bytes, file->path_size);
    file->temporary = true;
  }
  take_file(fs);
}

/* Makes the operation that opens `file`, which is freed where that fails. */
static neap_fs_result *new_open(neap_file *file, neap_file **out) {
  neap_fs_result *fs = neap__fs_op_new(file->engine);
  if (!fs) {
    free_file(file);
    return NULL;
  }
  fs->handle = file;
  fs->finish = finish_open;
  fs->file_out = out;
  return fs;
}

/* Begins the step that opens `file` by its path in a restricted engine. Returns
 * libuv's code. */
static int step_inside(neap_fs_result *fs, uv_fs_cb then,
                       int (*begin)(neap_fs_result *fs)) {
  neap_file *file = fs->handle;
  file->held = true;
  file->engine->grants->held++;
  fs->on_opened = then;
  if (neap__buf_append(&fs->path, &fs->alloc, file->path, file->path_size) < 0)
    return UV_ENOMEM;
  return begin(fs);
}

static int begin_open(neap_op *op, neap_fs_result *fs, int code) {
  neap_file *file = fs->handle;
  if (code < 0) {
    free_file(file);
    return neap__fs_op_begin(op, fs, code, NULL);
  }
  file->current = fs;
  *fs->file_out = NULL;
  return neap__fs_op_begin(op, fs, 0, NULL);
}

int neap_file_open(neap_engine *engine, neap_op *op, const char *path,
                   const char *mode, neap_file **out) {
  if (!neap__op_may_start(engine, op) || !path || !mode || !out)
    return neap__home_fault(engine);
  int flags = flags_of(mode);
  if (flags < 0)
    return NEAP_EINVAL;
  int number;
  if (!neap__bounds_admit(engine, 1, &number))
    return neap__op_refuse(engine, op, number);
  neap_file *file = new_file(engine, path, "");
  neap_fs_result *fs = file ? new_open(file, out) : NULL;
  if (!fs)
    return NEAP_ENOMEM;
  file->appends = *mode == 'a';
  fs->flags = flags;
  int code = engine->grants ? step_inside(fs, on_open, neap__inside_open)
                            : uv_fs_open(&fs->engine->uv, &fs->uv, path, flags,
                                         0666, on_open);
  return begin_open(op, fs, code);
}

int neap_file_temp(neap_engine *engine, neap_op *op, const char *prefix,
                   neap_file **out) {
  if (!neap__op_may_start(engine, op) || !prefix || !out)
    return neap__home_fault(engine);
  int number;
  if (!neap__bounds_admit(engine, 1, &number) ||
      !neap__bounds_admit_temporary(engine, &number))
    return neap__op_refuse(engine, op, number);
  neap_file *file = new_file(engine, prefix, "XXXXXX");
  neap_fs_result *fs = file ? new_open(file, out) : NULL;
  if (!fs)
    return NEAP_ENOMEM;
  file->counts = engine->grants != NULL;
  if (file->counts)
    engine->grants->temporary++;
  int code = engine->grants
                 ? step_inside(fs, on_make_inside, neap__inside_make_file)
                 : uv_fs_mkstemp(&fs->engine->uv, &fs->uv, file->path, on_make);
  return begin_open(op, fs, code);
}

static void finish_operation(neap_fs_result *fs) {
  neap_file *file = fs->handle;
  file->current = NULL;
  neap__fs_op_deliver(fs);
  proceed(file);
}

/* Makes an operation on an open file, for `op`; `first` takes its first step.
 */
static int new_operation(neap_file *file, const neap_op *op,
                         void (*first)(neap_fs_result *fs),
                         neap_fs_result **out) {
  if (!file || file->closed || !neap__op_may_start(file->engine, op))
    return NEAP_EINVAL;
  neap_fs_result *fs = neap__fs_op_new(file->engine);
  if (!fs)
    return NEAP_ENOMEM;
  fs->handle = file;
  fs->finish = finish_operation;
  fs->first = first;
  *out = fs;
  return 0;
}

/* Puts an operation in line, and begins it if it is the first. */
static int line_up(neap_op *op, neap_fs_result *fs, neap_fs_result **result) {
  neap_file *file = fs->handle;
  neap__list_append(&file->line, &fs->turn);
  neap__fs_op_begin(op, fs, 0, result);
  proceed(file);
  return 0;
}

/* Begins an operation that needs nothing but the file. */
static int begin_operation(neap_file *file, void (*first)(neap_fs_result *fs),
                           neap_op *op, neap_fs_result **result) {
  neap_fs_result *fs;
  int status = new_operation(file, op, first, &fs);
  return status < 0 ? status : line_up(op, fs, result);
}

/* Delivers the bytes that have been read, or keeps them for the next read. */
static void finish_read(neap_fs_result *fs) {
  neap_file *file = fs->handle;
  file->current = NULL;
  if (fs->op || fs->status < 0 || fs->bytes.size == 0 || file->seekable) {
    if (fs->op && file->seekable)
      file->position += fs->bytes.size;
    neap__fs_op_deliver(fs);
  } else {
    neap__list_append(&file->kept, &fs->turn);
  }
  proceed(file);
}

static void on_read(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  int count = (int)uv->result;
  uv_fs_req_cleanup(uv);
  if (count < 0) {
    neap__fs_op_end(fs, neap__sys_status(count), count);
    return;
  }
  fs->bytes.size = (size_t)count;
  neap__fs_op_end(fs, 0, 0);
}

static void read_first(neap_fs_result *fs) {
  neap_file *file = fs->handle;
  if (!neap__list_empty(&file->kept)) {
    neap_fs_result *kept = NEAP__ITEM(file->kept.next, neap_fs_result, turn);
    neap__list_remove(&kept->turn);
    fs->bytes = kept->bytes;
    kept->bytes = (neap__buf){0};
    neap_fs_free(kept);
    neap__fs_op_end(fs, 0, 0);
    return;
  }
  if (neap__buf_reserve(&fs->bytes, &fs->alloc, CHUNK) < 0) {
    neap__fs_op_end(fs, NEAP_ENOMEM, 0);
    return;
  }
  /* The system refuses a read that could pass the end of all positions. */
  uint64_t size = CHUNK;
  if (file->seekable && size > INT64_MAX - file->position)
    size = INT64_MAX - file->position;
  if (size == 0) {
    neap__fs_op_end(fs, 0, 0);
    return;
  }
  uv_buf_t buf = uv_buf_init(fs->bytes.bytes, (unsigned)size);
  int64_t offset = file->seekable ? (int64_t)file->position : -1;
  neap__fs_op_go_on(fs, uv_fs_read(&fs->engine->uv, &fs->uv, file->fd, &buf, 1,
                                   offset, on_read));
}

int neap_file_read(neap_file *file, neap_op *op, neap_fs_result **result) {
  neap_fs_result *fs;
  int status = new_operation(file, op, read_first, &fs);
  if (status < 0)
    return status;
  fs->finish = finish_read;
  return line_up(op, fs, result);
}

void neap_file_put_back(neap_file *file, neap_fs_result *read) {
  if (!file || !read)
    return;
  if (file->seekable) {
    file->position -= read->bytes.size;
    neap_fs_free(read);
  } else if (read->bytes.size == 0) {
    neap_fs_free(read);
  } else {
    neap__list_append(file->kept.next, &read->turn); /* before the first */
  }
}

bool neap_file_back(neap_file *file, uint64_t size) {
  if (!file || !file->seekable || size > file->position)
    return false;
  file->position -= size;
  return true;
}

static void on_write(uv_fs_t *uv);

static void write_more(neap_fs_result *fs) {
  const neap_file *file = fs->handle;
  bool placed = file->seekable && !file->appends;
  int64_t offset = placed ? (int64_t)file->position : -1;
  neap__fs_op_write(fs, file->fd, offset, on_write);
}

static void on_write(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  neap_file *file = fs->handle;
  /* What has been written counts, even if the write has been dropped. */
  if (uv->result > 0 && file->seekable) {
    if (file->appends)
      file->position = (uint64_t)lseek(file->fd, 0, SEEK_CUR);
    else
      file->position += (uint64_t)uv->result;
  }
  ssize_t count = neap__fs_op_step(fs);
  if (count < 0)
    return;
  fs->written += (size_t)count;
  write_more(fs);
}

int neap_file_write(neap_file *file, neap_op *op, const void *bytes,
                    size_t size, neap_fs_result **result) {
  neap_fs_result *fs;
  if (!bytes && size > 0)
    return NEAP_EINVAL;
  int status = new_operation(file, op, write_more, &fs);
  if (status < 0)
    return status;
  status = neap__buf_append(&fs->bytes, &fs->alloc, bytes, size);
  if (status < 0) {
    neap_fs_free(fs);
    return status;
  }
  return line_up(op, fs, result);
}

/* Sets the position to `by` bytes from a base. */
static void move(neap_fs_result *fs, uint64_t base) {
  neap_file *file = fs->handle;
  int64_t by = fs->by;
  bool beyond = by < 0 ? base < (uint64_t)-by : base + (uint64_t)by > INT64_MAX;
  if (beyond) {
    neap__fs_op_end(fs, NEAP_ESYS, UV_EINVAL);
    return;
  }
  file->position = base + (uint64_t)by;
  fs->offset = file->position;
  neap__fs_op_end(fs, 0, 0);
}

static void on_size(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  if (neap__fs_op_step(fs) >= 0)
    move(fs, uv->statbuf.st_size);
}

static void seek_first(neap_fs_result *fs) {
  const neap_file *file = fs->handle;
  if (!file->seekable)
    neap__fs_op_end(fs, NEAP_ESYS, UV_ESPIPE);
  else if (fs->whence == NEAP_SEEK_END)
    neap__fs_op_go_on(fs,
                      uv_fs_fstat(&fs->engine->uv, &fs->uv, file->fd, on_size));
  else
    move(fs, fs->whence == NEAP_SEEK_CUR ? file->position : 0);
}

int neap_file_seek(neap_file *file, neap_op *op, neap_seek whence, int64_t by,
                   neap_fs_result **result) {
  neap_fs_result *fs;
  if (by == INT64_MIN || (unsigned)whence > NEAP_SEEK_END)
    return NEAP_EINVAL;
  int status = new_operation(file, op, seek_first, &fs);
  if (status < 0)
    return status;
  fs->whence = whence;
  fs->by = by;
  return line_up(op, fs, result);
}

uint64_t neap_fs_offset(const neap_fs_result *result) {
  return result ? result->offset : 0;
}

static void on_stat(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  if (neap__fs_op_step(fs) < 0)
    return;
  fs->stat = neap__fs_stat_of(&uv->statbuf);
  neap__fs_op_end(fs, 0, 0);
}

static void stat_first(neap_fs_result *fs) {
  uv_file file = fs->handle->fd;
  neap__fs_op_go_on(fs, uv_fs_fstat(&fs->engine->uv, &fs->uv, file, on_stat));
}

int neap_file_fstat(neap_file *file, neap_op *op, neap_fs_result **result) {
  return begin_operation(file, stat_first, op, result);
}

static void sync_first(neap_fs_result *fs) {
  uv_file file = fs->handle->fd;
  neap__fs_op_go_on(fs, uv_fs_fsync(&fs->engine->uv, &fs->uv, file,
                                    neap__fs_op_on_last_step));
}

int neap_file_sync(neap_file *file, neap_op *op, neap_fs_result **result) {
  return begin_operation(file, sync_first, op, result);
}

static void truncate_first(neap_fs_result *fs) {
  uv_file file = fs->handle->fd;
  neap__fs_op_go_on(fs, uv_fs_ftruncate(&fs->engine->uv, &fs->uv, file,
                                        (int64_t)fs->max_size,
                                        neap__fs_op_on_last_step));
}

int neap_file_truncate(neap_file *file, neap_op *op, uint64_t size,
                       neap_fs_result **result) {
  neap_fs_result *fs;
  if (size > INT64_MAX)
    return NEAP_EINVAL;
  int status = new_operation(file, op, truncate_first, &fs);
  if (status < 0)
    return status;
  fs->max_size = size;
  return line_up(op, fs, result);
}

/* Ends the operation with the file closed. */
static void close_file(neap_fs_result *fs, int status, int detail) {
  fs->file = fs->handle->fd;
  fs->handle->fd = NEAP__FS_NO_FILE;
  neap__fs_op_end(fs, status, detail);
}

static void on_unlink(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  int code = (int)uv->result;
  uv_fs_req_cleanup(uv);
  if (code == UV_ECANCELED) {
    neap__fs_op_end(fs, NEAP_ESYS, code); /* proceed() does what is left */
    return;
  }
  fs->handle->temporary = false;
  if (code == UV_ENOENT)
    code = 0;
  close_file(fs, code < 0 ? NEAP_ESYS : 0, code);
}

static void close_first(neap_fs_result *fs) {
  if (fs->engine->grants)
    remove_temporary(fs->handle);
  if (fs->handle->temporary)
    neap__fs_op_go_on(fs, uv_fs_unlink(&fs->engine->uv, &fs->uv,
                                       fs->handle->path, on_unlink));
  else
    close_file(fs, 0, 0);
}

int neap_file_close(neap_file *file, neap_op *op, neap_fs_result **result) {
  neap_fs_result *fs;
  int status = new_operation(file, op, close_first, &fs);
  if (status < 0)
    return status;
  file->closed = true;
  let_go(file);
  return line_up(op, fs, result);
}
