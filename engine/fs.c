/* Files: whole ones, read and written by libuv's thread pool.
 * SPDX-License-Identifier: MIT */
#include "fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

#include "alloc.h"
#include "buf.h"
#include "list.h"

enum {
  NO_FILE = -1,
  FIRST_READ = 1 << 14, /* bytes, of a file that does not tell its size */
  MAX_READ = 1 << 24,   /* bytes at once: a cancelled read ends after these */
  MAX_WRITE = 1 << 30,  /* the most that one system call takes */
};

/* An entry of a directory. */
typedef struct entry {
  char *name; /* *owned* */
  neap_file_type type;
  bool unknown; /* the directory does not tell the type */
} entry;

/* An operation, and in the end what it has found. It takes one step of libuv
 * after another, each of which ends in a callback that begins the next, until
 * finish() hands it to whoever waits. It belongs to libuv till then: who does
 * not want to wait any more is forgotten, and finish() frees it. One that
 * stands in line for its file has not begun and belongs to nobody else. */
struct neap_fs_result {
  neap_alloc alloc;
  neap__files *files;
  neap_link turn;     /* in the line of `files`, else in no list */
  bool counts;        /* as open in `files` */
  int flags;          /* of the file to open */
  uv_fs_cb on_opened; /* takes the step after that */
  uv_loop_t *loop;
  uv_fs_t uv;  /* the step being taken */
  neap_op *op; /* NULL once it has been dropped */
  neap_fs_result **out;
  uv_file file; /* the open one, or NO_FILE */
  int status;   /* as they will be in `op` */
  int detail;
  neap__buf bytes;   /* what has been read, or is to be written */
  uint64_t max_size; /* read: of `bytes` */
  size_t written;    /* write: how many of `bytes` */
  neap_file_stat stat;
  neap__buf path;   /* list: of the directory, a slash, and an entry's name;
                       of the file to open */
  size_t path_size; /* list: without that name */
  entry *entries;
  size_t count, capacity;
  size_t asked; /* list: the entry whose type is asked for */
};

void neap__files_init(neap__files *files, neap_loop *loop) {
  *files = (neap__files){.loop = loop};
  neap__list_init(&files->waiting);
}

static neap_fs_result *new_operation(neap__files *files) {
  neap_loop *loop = files->loop;
  neap_fs_result *fs = neap__alloc(neap__loop_alloc(loop), sizeof *fs);
  if (!fs)
    return NULL;
  fs->alloc = *neap__loop_alloc(loop);
  fs->files = files;
  neap__list_init(&fs->turn);
  fs->loop = neap__loop_uv(loop);
  fs->uv.data = fs;
  fs->file = NO_FILE;
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

static int status_of(int code) {
  return code == UV_ENOMEM ? NEAP_ENOMEM : NEAP_ESYS;
}

static void drop(neap_op *op) {
  neap_fs_result *fs = op->u.request;
  if (!neap__list_empty(&fs->turn)) {
    neap__list_remove(&fs->turn);
    neap_fs_free(fs);
    return;
  }
  fs->op = NULL;
  /* A step that no thread has begun is taken off the queue; uv_cancel refuses
   * the others, which end unseen. A file must be closed in any case. */
  if (uv_fs_get_type(&fs->uv) != UV_FS_CLOSE)
    uv_cancel((uv_req_t *)&fs->uv);
}

/* Begins the wait for an operation whose first step libuv has accepted, or
 * frees it when `code` says that it has not. */
static int begin(neap_op *op, neap_fs_result *fs, int code,
                 neap_fs_result **out) {
  if (code < 0) {
    neap_fs_free(fs);
    return status_of(code);
  }
  fs->op = op;
  fs->out = out;
  *out = NULL;
  neap__op_begin_io(fs->files->loop, op, drop);
  op->u.request = fs;
  return 0;
}

/* Hands the outcome to whoever waits for it; frees what nobody wants. */
static void deliver(neap_fs_result *fs) {
  neap_op *op = fs->op;
  if (!op) {
    neap_fs_free(fs);
    return;
  }
  int status = fs->status, detail = fs->detail;
  if (status < 0)
    neap_fs_free(fs);
  else
    *fs->out = fs;
  neap__op_finish(op, status, detail);
}

/* Takes the first step towards a file: returns libuv's code. */
static int open_file(neap_fs_result *fs) {
  int code = uv_fs_open(fs->loop, &fs->uv, fs->path.bytes, fs->flags, 0666,
                        fs->on_opened);
  if (code == 0) {
    fs->counts = true;
    fs->files->open++;
  }
  return code;
}

/* Lets those in line begin, as far as there is room now. */
static void admit(neap__files *files) {
  while (files->open < NEAP__FS_MAX_OPEN &&
         !neap__list_empty(&files->waiting)) {
    neap_fs_result *fs = NEAP__ITEM(files->waiting.next, neap_fs_result, turn);
    neap__list_remove(&fs->turn);
    int code = open_file(fs);
    if (code < 0) {
      fs->status = status_of(code);
      fs->detail = code;
      deliver(fs);
    }
  }
}

/* Ends an operation that has no file open any more. */
static void finish(neap_fs_result *fs) {
  neap__files *files = fs->files;
  if (fs->counts)
    files->open--;
  deliver(fs);
  admit(files);
}

/* Begins an operation on a file: at once, or when it is its turn. Frees it when
 * that fails. */
static int begin_file(neap_op *op, neap_fs_result *fs, const char *path,
                      neap_fs_result **out) {
  if (neap__buf_append(&fs->path, &fs->alloc, path, strlen(path) + 1) < 0) {
    neap_fs_free(fs);
    return NEAP_ENOMEM;
  }
  int code = 0;
  if (fs->files->open < NEAP__FS_MAX_OPEN)
    code = open_file(fs);
  else
    neap__list_append(&fs->files->waiting, &fs->turn);
  return begin(op, fs, code, out);
}

static void on_close(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  int code = (int)uv->result;
  uv_fs_req_cleanup(uv);
  /* Some file systems tell only now that they could not write. */
  if (code < 0 && fs->status == 0) {
    fs->status = status_of(code);
    fs->detail = code;
  }
  finish(fs);
}

/* Ends the operation with this outcome, once its file is closed. */
static void end(neap_fs_result *fs, int status, int detail) {
  fs->status = status;
  fs->detail = detail;
  if (fs->file == NO_FILE ||
      uv_fs_close(fs->loop, &fs->uv, fs->file, on_close) < 0)
    finish(fs);
}

/* Ends the operation when libuv refuses to take its next step. */
static void go_on(neap_fs_result *fs, int code) {
  if (code < 0)
    end(fs, status_of(code), code);
}

/* Returns what a step has resulted in. When that is negative the operation has
 * been ended: the step has failed, or nobody waits for the next. */
static ssize_t end_step(neap_fs_result *fs) {
  ssize_t result = fs->uv.result;
  uv_fs_req_cleanup(&fs->uv);
  if (result >= 0 && !fs->op)
    result = UV_ECANCELED;
  if (result < 0)
    end(fs, status_of((int)result), (int)result);
  return result;
}

/* end_step for the step that opens the file. */
static ssize_t end_open(neap_fs_result *fs) {
  if (fs->uv.result >= 0)
    fs->file = (uv_file)fs->uv.result;
  return end_step(fs);
}

static void on_read(uv_fs_t *uv);

/* Reads what there is room for. The size of a file is but a hint (it may grow,
 * and those of /proc have none), so only a read of nothing is the end. */
static void read_more(neap_fs_result *fs) {
  neap__buf *bytes = &fs->bytes;
  if (bytes->size == bytes->capacity &&
      neap__buf_reserve(bytes, &fs->alloc, FIRST_READ) < 0) {
    end(fs, NEAP_ENOMEM, 0);
    return;
  }
  size_t room = bytes->capacity - bytes->size;
  if (room > MAX_READ)
    room = MAX_READ;
  uint64_t allowed = fs->max_size - bytes->size;
  if (room > allowed)
    room = (size_t)allowed + 1; /* by that byte it is too big */
  uv_buf_t buf = uv_buf_init(bytes->bytes + bytes->size, (unsigned)room);
  go_on(fs, uv_fs_read(fs->loop, &fs->uv, fs->file, &buf, 1, -1, on_read));
}

static void on_read(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  ssize_t count = end_step(fs);
  if (count < 0)
    return;
  fs->bytes.size += (size_t)count;
  if (count == 0)
    end(fs, 0, 0);
  else if (fs->bytes.size > fs->max_size)
    end(fs, NEAP_ETOOBIG, 0);
  else
    read_more(fs);
}

/* Makes room for the whole file, and for a byte more: the read that finds its
 * end then needs no room of its own. */
static void on_fstat(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  if (end_step(fs) < 0)
    return;
  uint64_t size = S_ISREG(uv->statbuf.st_mode) ? uv->statbuf.st_size : 0;
  if (size > fs->max_size)
    size = fs->max_size;
  if (size >= SIZE_MAX || (size > 0 && neap__buf_reserve(&fs->bytes, &fs->alloc,
                                                         (size_t)size + 1) < 0))
    end(fs, NEAP_ENOMEM, 0);
  else
    read_more(fs);
}

static void on_open_to_read(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  if (end_open(fs) < 0)
    return;
  go_on(fs, uv_fs_fstat(fs->loop, &fs->uv, fs->file, on_fstat));
}

int neap__fs_read(neap__files *files, neap_op *op, const char *path,
                  uint64_t max_size, neap_fs_result **result) {
  neap_fs_result *fs = new_operation(files);
  if (!fs)
    return NEAP_ENOMEM;
  fs->max_size = max_size > 0 ? max_size : UINT64_MAX;
  fs->flags = UV_FS_O_RDONLY;
  fs->on_opened = on_open_to_read;
  return begin_file(op, fs, path, result);
}

const char *neap_fs_bytes(const neap_fs_result *result, size_t *size) {
  *size = result->bytes.size;
  return result->bytes.bytes ? result->bytes.bytes : "";
}

static void on_write(uv_fs_t *uv);

static void write_more(neap_fs_result *fs) {
  size_t left = fs->bytes.size - fs->written;
  if (left == 0) {
    end(fs, 0, 0);
    return;
  }
  if (left > MAX_WRITE)
    left = MAX_WRITE;
  uv_buf_t buf = uv_buf_init(fs->bytes.bytes + fs->written, (unsigned)left);
  go_on(fs, uv_fs_write(fs->loop, &fs->uv, fs->file, &buf, 1, -1, on_write));
}

static void on_write(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  ssize_t count = end_step(fs);
  if (count < 0)
    return;
  fs->written += (size_t)count;
  write_more(fs);
}

static void on_open_to_write(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  if (end_open(fs) >= 0)
    write_more(fs);
}

int neap__fs_write(neap__files *files, neap_op *op, const char *path,
                   const void *bytes, size_t size, bool append,
                   neap_fs_result **result) {
  neap_fs_result *fs = new_operation(files);
  if (!fs)
    return NEAP_ENOMEM;
  int status = neap__buf_append(&fs->bytes, &fs->alloc, bytes, size);
  if (status < 0) {
    neap_fs_free(fs);
    return status;
  }
  fs->flags = UV_FS_O_WRONLY | UV_FS_O_CREAT |
              (append ? UV_FS_O_APPEND : UV_FS_O_TRUNC);
  fs->on_opened = on_open_to_write;
  return begin_file(op, fs, path, result);
}

static neap_file_type type_of(uint64_t mode) {
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

static void on_stat(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  if (end_step(fs) < 0)
    return;
  const uv_stat_t *found = &uv->statbuf;
  fs->stat = (neap_file_stat){
      .type = type_of(found->st_mode),
      .mode = (uint32_t)found->st_mode & 07777,
      .size = found->st_size,
      .mtime =
          (double)found->st_mtim.tv_sec + (double)found->st_mtim.tv_nsec / 1e9,
  };
  end(fs, 0, 0);
}

int neap__fs_stat(neap__files *files, neap_op *op, const char *path,
                  neap_fs_result **result) {
  neap_fs_result *fs = new_operation(files);
  if (!fs)
    return NEAP_ENOMEM;
  int code = uv_fs_stat(fs->loop, &fs->uv, path, on_stat);
  return begin(op, fs, code, result);
}

void neap_fs_get_stat(const neap_fs_result *result, neap_file_stat *out) {
  *out = result->stat;
}

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
  fs->entries[fs->count++] = (entry){
      .name = name,
      .type = type_of_dirent(found->type),
      .unknown = found->type == UV_DIRENT_UNKNOWN,
  };
  return 0;
}

/* Copies the entries, which libuv frees one by one as they are told: to the
 * end in any case, because uv_fs_req_cleanup of 1.44 forgets the last one when
 * that has been told, but not that it was the last. */
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
  const entry *a = left, *b = right;
  return strcmp(a->name, b->name);
}

static void on_lstat(uv_fs_t *uv);

/* Asks for the next type that is unknown; ends the operation when none is, or
 * nobody waits. */
static void ask_type(neap_fs_result *fs) {
  while (fs->asked < fs->count && !fs->entries[fs->asked].unknown)
    fs->asked++;
  if (fs->asked == fs->count || !fs->op) {
    end(fs, 0, 0);
    return;
  }
  const char *name = fs->entries[fs->asked].name;
  fs->path.size = fs->path_size;
  if (neap__buf_append(&fs->path, &fs->alloc, name, strlen(name) + 1) < 0) {
    end(fs, NEAP_ENOMEM, 0);
    return;
  }
  go_on(fs, uv_fs_lstat(fs->loop, &fs->uv, fs->path.bytes, on_lstat));
}

static void on_lstat(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  /* What cannot be looked at (it may be gone by now) is something other. */
  if (uv->result == 0)
    fs->entries[fs->asked].type = type_of(uv->statbuf.st_mode);
  uv_fs_req_cleanup(uv);
  fs->asked++;
  ask_type(fs);
}

static void on_scandir(uv_fs_t *uv) {
  neap_fs_result *fs = uv->data;
  int status = uv->result < 0 ? 0 : take_entries(fs);
  if (end_step(fs) < 0)
    return;
  if (status < 0) {
    end(fs, status, 0);
    return;
  }
  if (fs->count > 1)
    qsort(fs->entries, fs->count, sizeof *fs->entries, compare_names);
  ask_type(fs);
}

int neap__fs_list(neap__files *files, neap_op *op, const char *path,
                  neap_fs_result **result) {
  neap_fs_result *fs = new_operation(files);
  if (!fs)
    return NEAP_ENOMEM;
  int status = neap__buf_append(&fs->path, &fs->alloc, path, strlen(path));
  if (status == 0)
    status = neap__buf_append(&fs->path, &fs->alloc, "/", 1);
  if (status < 0) {
    neap_fs_free(fs);
    return status;
  }
  fs->path_size = fs->path.size;
  int code = uv_fs_scandir(fs->loop, &fs->uv, path, 0, on_scandir);
  return begin(op, fs, code, result);
}

bool neap_fs_entry(const neap_fs_result *result, size_t index,
                   neap_file_entry *out) {
  if (index >= result->count)
    return false;
  const entry *found = &result->entries[index];
  *out = (neap_file_entry){.name = found->name, .type = found->type};
  return true;
}

void neap_sys_describe(int detail, char *name, size_t name_size, char *text,
                       size_t text_size) {
  if (name && name_size > 0)
    uv_err_name_r(detail, name, name_size);
  if (!text || text_size == 0)
    return;
  /* libuv's sentence is "illegal operation on a directory". */
  if (detail == UV_EISDIR)
    snprintf(text, text_size, "is a directory");
  else
    uv_strerror_r(detail, text, text_size);
}
