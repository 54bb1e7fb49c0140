/* Files: what is read, written, listed and told about, and what happens when
 * that fails, is cancelled, or the engine goes away.
 * SPDX-License-Identifier: MIT */

/* Long, because all of it needs the fixture and the three functions of the
 * system that the tests lead astray. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "waiter.h"

enum {
  POOL_THREADS = 2, /* by UV_THREADPOOL_SIZE */
  MAX_OPEN = 64,    /* files that an engine has open at a time */
};

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the names
 * in the headers of the system are reserved ones. */
#define EXPORTED __attribute__((visibility("default")))

/* When set: the file that grows by GROWTH just before it is read next. */
static _Atomic(const char *) growing;
#define GROWTH "and more"

EXPORTED ssize_t read(int file, void *bytes, size_t size) {
  const char *path = atomic_exchange(&growing, NULL);
  if (path) {
    FILE *end = fopen(path, "a");
    fputs(GROWTH, end);
    fclose(end);
  }
  return syscall(SYS_read, file, bytes, size);
}

/* When set: the most bytes of a file that are written at once. */
static atomic_size_t write_limit;

EXPORTED ssize_t write(int file, const void *bytes, size_t size) {
  size_t limit = write_limit;
  struct stat info;
  if (limit > 0 && size > limit && fstat(file, &info) == 0 &&
      S_ISREG(info.st_mode))
    size = limit;
  return syscall(SYS_write, file, bytes, size);
}

/* When set, directories tell the types of their entries to nobody, and give
 * the names in the reverse order. */
static atomic_bool secretive;

EXPORTED int scandir64(const char *path, struct dirent64 ***list,
                       int (*select)(const struct dirent64 *),
                       int (*compare)(const struct dirent64 **,
                                      const struct dirent64 **)) {
  int (*original)(const char *, struct dirent64 ***,
                  int (*)(const struct dirent64 *),
                  int (*)(const struct dirent64 **, const struct dirent64 **));
  *(void **)&original = dlsym(RTLD_NEXT, "scandir64");
  int count = original(path, list, select, compare);
  if (!secretive)
    return count;
  for (int i = 0; i < count; i++)
    (*list)[i]->d_type = DT_UNKNOWN;
  for (int i = 0, j = count - 1; i < j; i++, j--) {
    struct dirent64 *swapped = (*list)[i];
    (*list)[i] = (*list)[j];
    (*list)[j] = swapped;
  }
  return count;
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

/* When set, libuv gets no memory. */
static atomic_bool starving;

static void *starved_malloc(size_t size) {
  return starving ? NULL : malloc(size);
}

/* Has libuv take its memory from here; before it has taken any. */
static int feed_libuv(void) {
  int (*replace)(void *(*)(size_t), void *(*)(void *, size_t),
                 void *(*)(size_t, size_t), void (*)(void *));
  *(void **)&replace = dlsym(RTLD_DEFAULT, "uv_replace_allocator");
  return replace ? replace(starved_malloc, realloc, calloc, free) : -1;
}

typedef struct fixture {
  failing_state memory;
  neap_engine *engine;
  char folder[64];
  int files; /* descriptors open before the engine was there */
} fixture;

static int remove_one(const char *path, const struct stat *info, int type,
                      struct FTW *walk) {
  (void)info;
  (void)type;
  (void)walk;
  return remove(path);
}

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  *state = f;
  strcpy(f->folder, "/tmp/neap-fs-XXXXXX");
  assert_non_null(mkdtemp(f->folder));
  f->files = count_open_files();
  f->engine = new_engine(&f->memory, 0);
  assert_non_null(f->engine);
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  neap_engine_free(f->engine);
  assert_int_equal(0, f->memory.live);
  assert_int_equal(f->files, count_open_files());
  assert_int_equal(0, nftw(f->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS));
  free(f);
  return 0;
}

/* The path of `name` in the fixture's folder, valid until the 8th call after
 * this one. */
static const char *in(const fixture *f, const char *name) {
  static char paths[8][128];
  static unsigned next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", f->folder, name);
  return path;
}

static const char *make_file(const fixture *f, const char *name,
                             const char *bytes) {
  const char *path = in(f, name);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_true(fputs(bytes, file) >= 0);
  assert_int_equal(0, fclose(file));
  return path;
}

static const char *make_fifo(const fixture *f, const char *name) {
  const char *path = in(f, name);
  assert_int_equal(0, mkfifo(path, 0600));
  return path;
}

/* Asserts that a file has these bytes. */
static void assert_file(const char *path, const void *bytes, size_t size) {
  char *found = malloc(size + 1);
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  assert_int_equal(size, fread(found, 1, size + 1, file));
  assert_memory_equal(bytes, found, size);
  fclose(file);
  free(found);
}

/* Polls until nothing is pending. */
static void poll_all(neap_engine *engine) {
  while (neap_pending(engine) > 0)
    assert_true(neap_poll(engine, NEAP_FOREVER) >= 0);
}

static void assert_ended(const waiter *w, int status) {
  assert_int_equal(1, w->calls);
  assert_int_equal(status, w->status);
  assert_true((status == 0) == (w->result != NULL));
}

/* Asserts that an operation was started, waits for all that are pending, and
 * asserts how this one ended. */
static void await(neap_engine *engine, waiter *w, int started, int status) {
  assert_int_equal(0, started);
  assert_int_equal(0, w->calls);
  poll_all(engine);
  assert_ended(w, status);
}

static void assert_detail(const char *name, const waiter *w) {
  char found[32];
  neap_sys_describe(w->detail, found, sizeof found, NULL, 0);
  assert_string_equal(name, found);
}

static void assert_read(fixture *f, const char *path, const void *bytes,
                        size_t size) {
  waiter w;
  prepare(&w);
  await(f->engine, &w, neap_fs_read(f->engine, &w.op, path, 0, &w.result), 0);
  size_t count;
  const char *found = neap_fs_bytes(w.result, &count);
  assert_int_equal(size, count);
  assert_memory_equal(bytes, found, size);
  neap_fs_free(w.result);
}

static void write_file(fixture *f, const char *path, const void *bytes,
                       size_t size, bool append) {
  waiter w;
  prepare(&w);
  await(f->engine, &w,
        neap_fs_write(f->engine, &w.op, path, bytes, size, append, &w.result),
        0);
  neap_fs_free(w.result);
}

/* Bytes that repeat at no power of two. */
static char *make_bytes(size_t size) {
  char *bytes = malloc(size);
  for (size_t i = 0; i < size; i++)
    bytes[i] = (char)(i % 251);
  return bytes;
}

/* What a thread writes into a pipe. */
typedef struct feed {
  pthread_t thread;
  const char *path;
  const char *bytes;
  size_t size;
} feed;

static void *feed_pipe(void *arg) {
  feed *feeding = arg;
  FILE *file = fopen(feeding->path, "wb"); /* waits for the reader */
  fwrite(feeding->bytes, 1, feeding->size, file);
  fclose(file);
  return NULL;
}

static void start_feed(feed *feeding, const char *path, const char *bytes,
                       size_t size) {
  *feeding = (feed){.path = path, .bytes = bytes, .size = size};
  assert_int_equal(0,
                   pthread_create(&feeding->thread, NULL, feed_pipe, feeding));
}

static void end_feed(feed *feeding) {
  assert_int_equal(0, pthread_join(feeding->thread, NULL));
}

/* Operations that keep all threads of the pool waiting: each reads a pipe that
 * nobody has opened for writing. What is started after them cannot begin until
 * they have been freed. */
typedef struct blockade {
  waiter waiters[POOL_THREADS];
  feed feeds[POOL_THREADS];
  const char *pipes[POOL_THREADS];
} blockade;

static void block_pool(fixture *f, blockade *b) {
  static const char *const names[POOL_THREADS] = {"pipe1", "pipe2"};
  for (int i = 0; i < POOL_THREADS; i++) {
    waiter *w = &b->waiters[i];
    prepare(w);
    b->pipes[i] = make_fifo(f, names[i]);
    assert_int_equal(
        0, neap_fs_read(f->engine, &w->op, b->pipes[i], 0, &w->result));
  }
}

static void feed_blockade(blockade *b) {
  for (int i = 0; i < POOL_THREADS; i++)
    start_feed(&b->feeds[i], b->pipes[i], "x", 1);
}

static void end_blockade(blockade *b) {
  for (int i = 0; i < POOL_THREADS; i++) {
    end_feed(&b->feeds[i]);
    neap_fs_free(b->waiters[i].result);
  }
}

static void reads_whole_files(void **state) {
  fixture *f = *state;
  assert_read(f, make_file(f, "empty", ""), "", 0);
  assert_read(f, make_file(f, "text", "one\ntwo"), "one\ntwo", 7);

  size_t size = 3000000;
  char *bytes = make_bytes(size);
  FILE *file = fopen(in(f, "large"), "wb");
  fwrite(bytes, 1, size, file);
  fclose(file);
  assert_read(f, in(f, "large"), bytes, size);
  free(bytes);
}

static void reads_files_that_tell_no_size(void **state) {
  fixture *f = *state;
  struct stat info;
  assert_int_equal(0, stat("/proc/self/cmdline", &info));
  assert_int_equal(0, info.st_size);
  char expected[4096];
  FILE *file = fopen("/proc/self/cmdline", "rb");
  size_t size = fread(expected, 1, sizeof expected, file);
  fclose(file);
  assert_true(size > 0);
  assert_read(f, "/proc/self/cmdline", expected, size);
}

static void reads_pipes_to_their_end(void **state) {
  fixture *f = *state;
  size_t size = 300000;
  char *bytes = make_bytes(size);
  feed feeding;
  start_feed(&feeding, make_fifo(f, "pipe"), bytes, size);
  assert_read(f, feeding.path, bytes, size);
  end_feed(&feeding);
  free(bytes);
}

static void reads_what_is_added_meanwhile(void **state) {
  fixture *f = *state;
  const char *path = make_file(f, "log", "at first ");
  growing = path;
  assert_read(f, path, "at first " GROWTH, strlen("at first " GROWTH));
}

static void reads_large_files_without_copies(void **state) {
  fixture *f = *state;
  size_t size = 100 << 20;
  const char *path = make_file(f, "large", "");
  assert_int_equal(0, truncate(path, (off_t)size));
  long calls = f->memory.calls;
  waiter w;
  prepare(&w);
  await(f->engine, &w, neap_fs_read(f->engine, &w.op, path, 0, &w.result), 0);
  size_t count;
  neap_fs_bytes(w.result, &count);
  assert_int_equal(size, count);
  neap_fs_free(w.result);
  /* The result, its path, its bytes. */
  assert_int_equal(calls + 3, f->memory.calls);
  assert_true(f->memory.peak < size + (1 << 20));
}

static void reads_no_more_than_allowed(void **state) {
  fixture *f = *state;
  const char *path = make_file(f, "text", "12345678");
  waiter w;
  prepare(&w);
  await(f->engine, &w, neap_fs_read(f->engine, &w.op, path, 8, &w.result), 0);
  neap_fs_free(w.result);
  prepare(&w);
  await(f->engine, &w, neap_fs_read(f->engine, &w.op, path, 7, &w.result),
        NEAP_ETOOBIG);
  prepare(&w);
  await(f->engine, &w,
        neap_fs_read(f->engine, &w.op, path, UINT64_MAX, &w.result), 0);
  neap_fs_free(w.result);

  feed feeding;
  char *bytes = make_bytes(50000);
  start_feed(&feeding, make_fifo(f, "pipe"), bytes, 50000);
  prepare(&w);
  await(f->engine, &w,
        neap_fs_read(f->engine, &w.op, feeding.path, 49999, &w.result),
        NEAP_ETOOBIG);
  end_feed(&feeding);
  free(bytes);

  prepare(&w);
  await(f->engine, &w,
        neap_fs_read(f->engine, &w.op, "/dev/zero", 100000, &w.result),
        NEAP_ETOOBIG);
  assert_true(f->memory.peak < 1000000);
}

static void writes_whole_files(void **state) {
  fixture *f = *state;
  const char *path = in(f, "file");
  write_file(f, path, "a longer text", 13, false);
  assert_file(path, "a longer text", 13);
  write_file(f, path, "zero\0", 5, false);
  assert_file(path, "zero\0", 5);
  write_file(f, path, NULL, 0, false);
  assert_file(path, "", 0);

  size_t size = 3000000;
  char *bytes = make_bytes(size);
  write_file(f, path, bytes, size, false);
  assert_file(path, bytes, size);
  free(bytes);
}

static void appends_to_files(void **state) {
  fixture *f = *state;
  const char *path = in(f, "file");
  write_file(f, path, "one ", 4, true);
  write_file(f, path, "two", 3, true);
  write_file(f, path, "", 0, true);
  assert_file(path, "one two", 7);
}

static void creates_files_as_the_umask_says(void **state) {
  fixture *f = *state;
  mode_t before = umask(027);
  write_file(f, in(f, "file"), "x", 1, false);
  umask(before);
  struct stat info;
  assert_int_equal(0, stat(in(f, "file"), &info));
  assert_int_equal(0640, info.st_mode & 07777);
}

static void writes_all_when_the_system_takes_a_part(void **state) {
  fixture *f = *state;
  write_limit = 3;
  write_file(f, in(f, "file"), "0123456789", 10, false);
  write_limit = 0;
  assert_file(in(f, "file"), "0123456789", 10);
}

static void copies_what_it_was_given(void **state) {
  fixture *f = *state;
  char path[128], bytes[] = "as it was";
  snprintf(path, sizeof path, "%s", in(f, "file"));
  waiter w;
  prepare(&w);
  int started = neap_fs_write(f->engine, &w.op, path, bytes, strlen(bytes),
                              false, &w.result);
  memset(path, '#', sizeof path);
  memset(bytes, '#', sizeof bytes);
  await(f->engine, &w, started, 0);
  assert_file(in(f, "file"), "as it was", 9);
  neap_fs_free(w.result);
}

static neap_file_stat stat_of(fixture *f, const char *path) {
  waiter w;
  prepare(&w);
  await(f->engine, &w, neap_fs_stat(f->engine, &w.op, path, &w.result), 0);
  neap_file_stat found;
  neap_fs_get_stat(w.result, &found);
  neap_fs_free(w.result);
  return found;
}

static void tells_about_files(void **state) {
  fixture *f = *state;
  const char *path = make_file(f, "file", "12345");
  assert_int_equal(0, chmod(path, 04751));
  struct timespec times[2] = {{.tv_sec = 1}, {1500000000, 250000000}};
  assert_int_equal(0, utimensat(AT_FDCWD, path, times, 0));
  assert_int_equal(0, symlink("file", in(f, "link")));

  neap_file_stat found = stat_of(f, path);
  assert_int_equal(NEAP_FILE_REGULAR, found.type);
  assert_int_equal(04751, found.mode);
  assert_int_equal(5, found.size);
  assert_true(found.mtime == 1500000000.25);

  found = stat_of(f, in(f, "link"));
  assert_int_equal(NEAP_FILE_REGULAR, found.type);
  assert_int_equal(5, found.size);
  assert_int_equal(NEAP_FILE_DIRECTORY, stat_of(f, f->folder).type);
  assert_int_equal(NEAP_FILE_OTHER, stat_of(f, "/dev/null").type);
}

/* Makes one entry of each kind, and lists them. */
static void check_list(fixture *f) {
  make_file(f, "b", "");
  make_file(f, "a", "");
  make_file(f, "Z", "");
  make_file(f, ".hidden", "");
  make_file(f, "\xc3\xa4", "");
  make_file(f, "a.txt", "");
  make_fifo(f, "pipe");
  assert_int_equal(0, mkdir(in(f, "folder"), 0700));
  assert_int_equal(0, symlink("folder", in(f, "link")));
  assert_int_equal(0, symlink("nowhere", in(f, "dangling")));
  static const neap_file_entry expected[] = {
      {".hidden", NEAP_FILE_REGULAR},  {"Z", NEAP_FILE_REGULAR},
      {"a", NEAP_FILE_REGULAR},        {"a.txt", NEAP_FILE_REGULAR},
      {"b", NEAP_FILE_REGULAR},        {"dangling", NEAP_FILE_LINK},
      {"folder", NEAP_FILE_DIRECTORY}, {"link", NEAP_FILE_LINK},
      {"pipe", NEAP_FILE_OTHER},       {"\xc3\xa4", NEAP_FILE_REGULAR},
  };
  size_t count = sizeof expected / sizeof *expected;

  waiter w;
  prepare(&w);
  await(f->engine, &w, neap_fs_list(f->engine, &w.op, f->folder, &w.result), 0);
  neap_file_entry found;
  for (size_t i = 0; i < count; i++) {
    assert_true(neap_fs_entry(w.result, i, &found));
    assert_string_equal(expected[i].name, found.name);
    assert_int_equal(expected[i].type, found.type);
  }
  assert_false(neap_fs_entry(w.result, count, &found));
  neap_fs_free(w.result);
}

static void lists_directories(void **state) {
  check_list(*state);
}

static void finds_types_that_a_directory_does_not_tell(void **state) {
  secretive = true;
  check_list(*state);
  secretive = false;
}

static void lists_the_empty_and_the_crowded(void **state) {
  fixture *f = *state;
  const char *folder = in(f, "folder");
  assert_int_equal(0, mkdir(folder, 0700));
  waiter w;
  prepare(&w);
  await(f->engine, &w, neap_fs_list(f->engine, &w.op, folder, &w.result), 0);
  neap_file_entry found;
  assert_false(neap_fs_entry(w.result, 0, &found));
  neap_fs_free(w.result);

  char name[32];
  for (int i = 0; i < 500; i++) {
    snprintf(name, sizeof name, "folder/%03d", (i * 7) % 500);
    make_file(f, name, "");
  }
  prepare(&w);
  await(f->engine, &w,
        neap_fs_list(f->engine, &w.op, in(f, "folder"), &w.result), 0);
  for (int i = 0; i < 500; i++) {
    assert_true(neap_fs_entry(w.result, (size_t)i, &found));
    snprintf(name, sizeof name, "%03d", i);
    assert_string_equal(name, found.name);
  }
  neap_fs_free(w.result);
}

typedef int (*start_fn)(neap_engine *engine, waiter *w, const char *path);

static int start_read(neap_engine *engine, waiter *w, const char *path) {
  return neap_fs_read(engine, &w->op, path, 0, &w->result);
}

static int start_write(neap_engine *engine, waiter *w, const char *path) {
  return neap_fs_write(engine, &w->op, path, "text", 4, false, &w->result);
}

static int start_stat(neap_engine *engine, waiter *w, const char *path) {
  return neap_fs_stat(engine, &w->op, path, &w->result);
}

static int start_list(neap_engine *engine, waiter *w, const char *path) {
  return neap_fs_list(engine, &w->op, path, &w->result);
}

static void tells_why_it_failed(void **state) {
  fixture *f = *state;
  make_file(f, "file", "");
  const struct {
    start_fn start;
    const char *path, *name;
  } cases[] = {
      {start_read, "", "ENOENT"},
      {start_read, in(f, "missing"), "ENOENT"},
      {start_read, in(f, "file/file"), "ENOTDIR"},
      {start_read, f->folder, "EISDIR"},
      {start_write, in(f, "missing/file"), "ENOENT"},
      {start_write, f->folder, "EISDIR"},
      {start_write, "/dev/full", "ENOSPC"},
      {start_stat, in(f, "missing"), "ENOENT"},
      {start_list, in(f, "missing"), "ENOENT"},
      {start_list, in(f, "file"), "ENOTDIR"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    waiter w;
    prepare(&w);
    await(f->engine, &w, cases[i].start(f->engine, &w, cases[i].path),
          NEAP_ESYS);
    assert_detail(cases[i].name, &w);
  }
}

static void reads_a_thousand_files_at_once(void **state) {
  enum { COUNT = 1000 };
  fixture *f = *state;
  waiter *waiters = calloc(COUNT, sizeof *waiters);
  char text[32];
  for (int i = 0; i < COUNT; i++) {
    snprintf(text, sizeof text, "%d", i);
    make_file(f, text, text);
  }
  for (int i = 0; i < COUNT; i++) {
    snprintf(text, sizeof text, "%d", i);
    prepare(&waiters[i]);
    assert_int_equal(0, neap_fs_read(f->engine, &waiters[i].op, in(f, text), 0,
                                     &waiters[i].result));
  }
  assert_int_equal(COUNT, neap_pending(f->engine));
  poll_all(f->engine);
  for (int i = 0; i < COUNT; i++) {
    snprintf(text, sizeof text, "%d", i);
    assert_int_equal(1, waiters[i].calls);
    assert_int_equal(0, waiters[i].status);
    size_t size;
    const char *bytes = neap_fs_bytes(waiters[i].result, &size);
    assert_int_equal(strlen(text), size);
    assert_memory_equal(text, bytes, size);
    neap_fs_free(waiters[i].result);
  }
  free(waiters);
}

static void opens_few_files_at_a_time(void **state) {
  enum { COUNT = 300 };
  fixture *f = *state;
  const char *source = make_file(f, "source", "text");
  const char *target = in(f, "target");
  struct rlimit before, few;
  assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &before));
  few = before;
  few.rlim_cur = (rlim_t)count_open_files() + MAX_OPEN;
  assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &few));
  waiter waiters[COUNT];
  for (int i = 0; i < COUNT; i++) {
    waiter *w = &waiters[i];
    prepare(w);
    int started = i % 2 == 0
                      ? neap_fs_read(f->engine, &w->op, source, 0, &w->result)
                      : neap_fs_write(f->engine, &w->op, target, "x", 1, true,
                                      &w->result);
    assert_int_equal(0, started);
  }
  poll_all(f->engine);
  assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &before));
  for (int i = 0; i < COUNT; i++) {
    assert_ended(&waiters[i], 0);
    neap_fs_free(waiters[i].result);
  }
  assert_int_equal(COUNT / 2, stat_of(f, target).size);
}

/* Operations that keep the pool and all files that may be open. What is started
 * after them stands in line. */
typedef struct crowd {
  blockade first;
  waiter others[MAX_OPEN - POOL_THREADS];
} crowd;

static void make_crowd(fixture *f, crowd *c) {
  block_pool(f, &c->first);
  const char *path = make_file(f, "other", "text");
  for (int i = 0; i < MAX_OPEN - POOL_THREADS; i++) {
    waiter *w = &c->others[i];
    prepare(w);
    assert_int_equal(0, neap_fs_read(f->engine, &w->op, path, 0, &w->result));
  }
}

/* Waits until nothing is pending; the blockade has been fed. */
static void end_crowd(fixture *f, crowd *c) {
  poll_all(f->engine);
  end_blockade(&c->first);
  for (int i = 0; i < MAX_OPEN - POOL_THREADS; i++) {
    assert_ended(&c->others[i], 0);
    neap_fs_free(c->others[i].result);
  }
}

/* With all threads but one kept waiting, what is begun first ends first. */
static void opens_files_in_the_order_asked_for(void **state) {
  enum { COUNT = 3 * MAX_OPEN };
  fixture *f = *state;
  waiter blocked, waiters[COUNT];
  const char *pipe = make_fifo(f, "pipe"), *log = in(f, "log");
  prepare(&blocked);
  assert_int_equal(
      0, neap_fs_read(f->engine, &blocked.op, pipe, 0, &blocked.result));
  char expected[COUNT];
  for (int i = 0; i < COUNT; i++) {
    expected[i] = (char)i;
    prepare(&waiters[i]);
    assert_int_equal(0,
                     neap_fs_write(f->engine, &waiters[i].op, log, &expected[i],
                                   1, true, &waiters[i].result));
  }
  while (neap_pending(f->engine) > 1)
    neap_poll(f->engine, NEAP_FOREVER);
  for (int i = 0; i < COUNT; i++) {
    assert_ended(&waiters[i], 0);
    neap_fs_free(waiters[i].result);
  }
  assert_file(log, expected, COUNT);
  feed feeding;
  start_feed(&feeding, pipe, "x", 1);
  poll_all(f->engine);
  end_feed(&feeding);
  assert_ended(&blocked, 0);
  neap_fs_free(blocked.result);
}

static void who_waits_in_line_can_leave_it(void **state) {
  fixture *f = *state;
  crowd c;
  make_crowd(f, &c);
  const char *const paths[] = {in(f, "1"), in(f, "2"), in(f, "3"), in(f, "4")};
  waiter w[4];
  size_t live = 0;
  for (int i = 0; i < 4; i++) {
    if (i == 1)
      live = f->memory.live;
    prepare(&w[i]);
    assert_int_equal(0, neap_fs_write(f->engine, &w[i].op, paths[i], "x", 1,
                                      false, &w[i].result));
  }
  neap_op_cancel(&w[2].op, NEAP_ETIMEDOUT);
  neap_op_cancel(&w[1].op, NEAP_ECANCELED);
  neap_op_forget(&w[3].op);
  assert_int_equal(live, f->memory.live);
  assert_int_equal(2, neap_poll(f->engine, 0));
  assert_ended(&w[1], NEAP_ECANCELED);
  assert_ended(&w[2], NEAP_ETIMEDOUT);
  assert_false(neap_op_active(&w[3].op));

  feed_blockade(&c.first);
  end_crowd(f, &c);
  assert_ended(&w[0], 0);
  neap_fs_free(w[0].result);
  assert_int_equal(0, w[3].calls);
  assert_file(paths[0], "x", 1);
  for (int i = 1; i < 4; i++)
    assert_int_equal(-1, access(paths[i], F_OK));
}

static void only_who_opens_files_waits_in_line(void **state) {
  fixture *f = *state;
  crowd c;
  make_crowd(f, &c);
  waiter w[3];
  for (int i = 0; i < 3; i++)
    prepare(&w[i]);
  neap_fs_read(f->engine, &w[0].op, in(f, "other"), 0, &w[0].result);
  neap_fs_stat(f->engine, &w[1].op, f->folder, &w[1].result);
  neap_fs_list(f->engine, &w[2].op, f->folder, &w[2].result);
  /* One that has begun belongs to libuv until its end, even if it is forgotten.
   * One that stands in line is freed at once. */
  size_t live = f->memory.live;
  neap_op_forget(&w[1].op);
  neap_op_forget(&w[2].op);
  assert_int_equal(live, f->memory.live);
  neap_op_forget(&w[0].op);
  assert_true(f->memory.live < live);
  feed_blockade(&c.first);
  end_crowd(f, &c);
}

static void an_engine_freed_forgets_who_waits_in_line(void **state) {
  fixture *f = *state;
  crowd c;
  make_crowd(f, &c);
  const char *path = in(f, "file");
  waiter w[100];
  for (int i = 0; i < 100; i++) {
    prepare(&w[i]);
    assert_int_equal(0, neap_fs_write(f->engine, &w[i].op, path, "x", 1, false,
                                      &w[i].result));
  }
  int writers[POOL_THREADS];
  for (int i = 0; i < POOL_THREADS; i++)
    writers[i] = open(c.first.pipes[i], O_WRONLY);
  neap_engine_free(f->engine);
  f->engine = NULL;
  for (int i = 0; i < POOL_THREADS; i++)
    close(writers[i]);
  for (int i = 0; i < 100; i++) {
    assert_int_equal(0, w[i].calls);
    assert_false(neap_op_active(&w[i].op));
    assert_null(w[i].result);
  }
  assert_int_equal(-1, access(path, F_OK));
}

static void goes_on_when_a_file_in_line_cannot_begin(void **state) {
  fixture *f = *state;
  crowd c;
  make_crowd(f, &c);
  const char *path = in(f, "other");
  waiter w[3];
  for (int i = 0; i < 3; i++) {
    prepare(&w[i]);
    assert_int_equal(0,
                     neap_fs_read(f->engine, &w[i].op, path, 0, &w[i].result));
  }
  starving = true;
  feed_blockade(&c.first);
  end_crowd(f, &c);
  for (int i = 0; i < 3; i++)
    assert_ended(&w[i], NEAP_ENOMEM);
  prepare(&w[0]);
  int status = neap_fs_read(f->engine, &w[0].op, path, 0, &w[0].result);
  starving = false;
  assert_int_equal(NEAP_ENOMEM, status);
  assert_false(neap_op_active(&w[0].op));
  assert_read(f, path, "text", 4);
}

static void goes_on_after_running_out_of_descriptors(void **state) {
  fixture *f = *state;
  const char *path = make_file(f, "file", "text");
  assert_read(f, path, "text", 4);
  struct rlimit before, none;
  assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &before));
  none = before;
  none.rlim_cur = 0;
  assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &none));
  waiter w;
  prepare(&w);
  int started = neap_fs_read(f->engine, &w.op, path, 0, &w.result);
  poll_all(f->engine);
  assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &before));
  assert_int_equal(0, started);
  assert_ended(&w, NEAP_ESYS);
  assert_detail("EMFILE", &w);
  assert_read(f, path, "text", 4);
}

static void a_write_cancelled_in_time_leaves_no_trace(void **state) {
  fixture *f = *state;
  blockade b;
  block_pool(f, &b);
  waiter w;
  prepare(&w);
  assert_int_equal(0, neap_fs_write(f->engine, &w.op, in(f, "file"), "x", 1,
                                    false, &w.result));
  neap_op_cancel(&w.op, NEAP_ECANCELED);
  assert_int_equal(0, w.calls);
  assert_int_equal(1, neap_poll(f->engine, 0));
  assert_int_equal(1, w.calls);
  assert_int_equal(NEAP_ECANCELED, w.status);
  assert_null(w.result);

  feed_blockade(&b);
  poll_all(f->engine);
  end_blockade(&b);
  assert_int_equal(1, w.calls);
  assert_int_equal(-1, access(in(f, "file"), F_OK));
}

static void a_step_begun_ends_unseen(void **state) {
  fixture *f = *state;
  const char *path = make_fifo(f, "pipe");
  waiter w;
  prepare(&w);
  assert_int_equal(0, neap_fs_read(f->engine, &w.op, path, 0, &w.result));
  int writer = open(path, O_WRONLY); /* waits until a thread opens it, too */
  assert_true(writer >= 0);
  neap_op_cancel(&w.op, NEAP_ETIMEDOUT);
  assert_int_equal(1, neap_poll(f->engine, 0));
  assert_int_equal(1, w.calls);
  assert_int_equal(NEAP_ETIMEDOUT, w.status);
  assert_int_equal(0, neap_pending(f->engine));

  /* It opens the pipe, sees that nobody waits, and closes it. Writing then
   * fails: there is no reader. */
  assert_read(f, make_file(f, "other", "text"), "text", 4);
  neap_engine_free(f->engine);
  f->engine = NULL;
  assert_int_equal(-1, write(writer, "x", 1));
  assert_int_equal(EPIPE, errno);
  assert_int_equal(0, close(writer));
  assert_int_equal(1, w.calls);
  assert_null(w.result);
}

static void a_read_cancelled_amid_closes_its_file(void **state) {
  fixture *f = *state;
  const char *path = make_fifo(f, "pipe");
  waiter w;
  prepare(&w);
  assert_int_equal(0, neap_fs_read(f->engine, &w.op, path, 0, &w.result));
  int writer = open(path, O_WRONLY);
  neap_poll(f->engine, NEAP_FOREVER); /* it has been opened */
  neap_poll(f->engine, NEAP_FOREVER); /* its size is known; it is being read */
  neap_op_cancel(&w.op, NEAP_ECANCELED);
  assert_int_equal(1, neap_poll(f->engine, 0));
  assert_int_equal(NEAP_ECANCELED, w.status);
  assert_int_equal(0, close(writer));
  neap_engine_free(f->engine);
  f->engine = NULL;
  assert_int_equal(1, w.calls);
  assert_null(w.result);
}

static void a_forgotten_operation_may_be_freed(void **state) {
  fixture *f = *state;
  const char *path = make_file(f, "file", "text");
  waiter *w = malloc(sizeof *w);
  prepare(w);
  assert_int_equal(0, neap_fs_read(f->engine, &w->op, path, 0, &w->result));
  neap_op_forget(&w->op);
  assert_false(neap_op_active(&w->op));
  assert_int_equal(0, neap_pending(f->engine));
  free(w);
  assert_read(f, path, "text", 4);
}

/* Frees an engine after each number of turns that four operations take. */
static void an_engine_may_be_freed_at_any_time(void **state) {
  fixture *f = *state;
  neap_engine_free(f->engine);
  f->engine = NULL;
  const char *source = make_file(f, "file", "text"), *target = in(f, "copy");
  secretive = true; /* so that list takes more than one step */
  for (int turns = 0; turns < 12; turns++) {
    failing_state memory;
    neap_engine *engine = new_engine(&memory, 0);
    waiter w[4];
    for (int i = 0; i < 4; i++)
      prepare(&w[i]);
    neap_fs_read(engine, &w[0].op, source, 0, &w[0].result);
    neap_fs_write(engine, &w[1].op, target, "x", 1, true, &w[1].result);
    neap_fs_list(engine, &w[2].op, f->folder, &w[2].result);
    neap_fs_stat(engine, &w[3].op, source, &w[3].result);
    for (int i = 0; i < turns; i++)
      neap_poll(engine, NEAP_FOREVER);
    int calls[4];
    for (int i = 0; i < 4; i++)
      calls[i] = w[i].calls;
    neap_engine_free(engine);
    for (int i = 0; i < 4; i++) {
      assert_int_equal(calls[i], w[i].calls);
      assert_false(neap_op_active(&w[i].op));
      neap_op_forget(&w[i].op); /* harmless, though the engine is gone */
      neap_fs_free(w[i].result);
    }
    assert_int_equal(0, memory.live);
  }
  secretive = false;
}

static void an_engine_freed_waits_for_what_has_begun(void **state) {
  fixture *f = *state;
  const char *path = make_fifo(f, "pipe");
  waiter w;
  prepare(&w);
  assert_int_equal(0, neap_fs_read(f->engine, &w.op, path, 0, &w.result));
  int writer = open(path, O_WRONLY);
  neap_engine_free(f->engine);
  f->engine = NULL;
  assert_int_equal(0, w.calls);
  assert_false(neap_op_active(&w.op));
  assert_null(w.result);
  assert_int_equal(-1, write(writer, "x", 1)); /* the reader has closed it */
  assert_int_equal(EPIPE, errno);
  assert_int_equal(0, close(writer));
}

/* Starts an operation with an engine of its own in which allocation `fail_at`
 * fails; returns whether there was one. */
static bool survives(start_fn start, const char *path, long fail_at) {
  failing_state memory;
  neap_engine *engine = new_engine(&memory, fail_at);
  waiter w;
  prepare(&w);
  int status = NEAP_ENOMEM;
  if (engine)
    status = start(engine, &w, path);
  if (status == 0) {
    poll_all(engine);
    assert_int_equal(1, w.calls);
    status = w.status;
    neap_fs_free(w.result);
  } else {
    assert_int_equal(0, w.calls);
    assert_false(neap_op_active(&w.op));
  }
  assert_int_equal(memory.failed ? NEAP_ENOMEM : 0, status);
  neap_engine_free(engine);
  assert_int_equal(0, memory.live);
  return memory.failed;
}

static void survives_each_allocation_that_fails(void **state) {
  fixture *f = *state;
  const char *path = make_file(f, "file", "text");
  make_file(f, "a name so long that the path has to grow", "");
  make_file(f, "third", "");
  const struct {
    start_fn start;
    const char *path;
  } cases[] = {
      {start_read, path},      {start_read, "/proc/self/status"},
      {start_write, path},     {start_stat, path},
      {start_list, f->folder},
  };
  int files = count_open_files();
  secretive = true;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    long count = 1;
    while (survives(cases[i].start, cases[i].path, count))
      count++;
    assert_true(count > 3); /* the engine alone takes two */
    assert_int_equal(files, count_open_files());
  }
  secretive = false;
}

static void describes_codes_of_the_system(void **state) {
  fixture *f = *state;
  waiter w;
  prepare(&w);
  await(f->engine, &w,
        neap_fs_stat(f->engine, &w.op, in(f, "missing"), &w.result), NEAP_ESYS);
  char name[16], text[64], little[4];
  neap_sys_describe(w.detail, name, sizeof name, text, sizeof text);
  assert_string_equal("ENOENT", name);
  assert_string_equal("no such file or directory", text);
  neap_sys_describe(w.detail, little, sizeof little, little, 0);
  assert_string_equal("ENO", little);
  neap_sys_describe(w.detail, NULL, 0, little, sizeof little);
  assert_string_equal("no ", little);
  neap_sys_describe(-123456, name, sizeof name, text, sizeof text);
  assert_true(strlen(name) > 0 && strlen(text) > 0);

  prepare(&w);
  await(f->engine, &w, neap_fs_read(f->engine, &w.op, f->folder, 0, &w.result),
        NEAP_ESYS);
  neap_sys_describe(w.detail, name, sizeof name, text, sizeof text);
  assert_string_equal("EISDIR", name);
  assert_string_equal("is a directory", text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(reads_whole_files),
      TEST(reads_files_that_tell_no_size),
      TEST(reads_pipes_to_their_end),
      TEST(reads_what_is_added_meanwhile),
      TEST(reads_large_files_without_copies),
      TEST(reads_no_more_than_allowed),
      TEST(writes_whole_files),
      TEST(appends_to_files),
      TEST(creates_files_as_the_umask_says),
      TEST(writes_all_when_the_system_takes_a_part),
      TEST(copies_what_it_was_given),
      TEST(tells_about_files),
      TEST(lists_directories),
      TEST(finds_types_that_a_directory_does_not_tell),
      TEST(lists_the_empty_and_the_crowded),
      TEST(tells_why_it_failed),
      TEST(reads_a_thousand_files_at_once),
      TEST(opens_few_files_at_a_time),
      TEST(opens_files_in_the_order_asked_for),
      TEST(who_waits_in_line_can_leave_it),
      TEST(only_who_opens_files_waits_in_line),
      TEST(an_engine_freed_forgets_who_waits_in_line),
      TEST(goes_on_when_a_file_in_line_cannot_begin),
      TEST(goes_on_after_running_out_of_descriptors),
      TEST(a_write_cancelled_in_time_leaves_no_trace),
      TEST(a_step_begun_ends_unseen),
      TEST(a_read_cancelled_amid_closes_its_file),
      TEST(a_forgotten_operation_may_be_freed),
      TEST(an_engine_may_be_freed_at_any_time),
      TEST(an_engine_freed_waits_for_what_has_begun),
      TEST(survives_each_allocation_that_fails),
      TEST(describes_codes_of_the_system),
  };
  setenv("UV_THREADPOOL_SIZE", "2", 1);
  if (feed_libuv() < 0)
    return 1;
  signal(SIGPIPE, SIG_IGN);
  /* The first loop of a process opens a pipe that libuv keeps. */
  neap_engine *engine = NULL;
  if (neap_engine_new(NULL, &engine) < 0)
    return 1;
  neap_engine_free(engine);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
