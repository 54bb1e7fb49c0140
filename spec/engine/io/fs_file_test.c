/* Handles of open files, watches, and what is done to names: what happens when
 * memory is missing, when they are cancelled, and when the engine goes away.
 * What they do when all is well is told by the specs in Lua.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "waiter.h"

typedef struct fixture {
  char folder[64];
  int files;
} fixture;

static int teardown(void **state) {
  fixture *f = *state;
  assert_int_equal(f->files, count_open_files());
  assert_int_equal(0, neap_fs_remove_now(NULL, f->folder, true, NULL));
  free(f);
  return 0;
}

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  *state = f;
  strcpy(f->folder, "/tmp/neap-file-XXXXXX");
  assert_non_null(mkdtemp(f->folder));
  /* libuv opens a pipe for good when the first loop is made. */
  failing_state memory;
  neap_engine_free(new_engine(&memory, 0));
  f->files = count_open_files();
  return 0;
}

/* Returns the first failure, else 0. */
#define TRY(call)                                                              \
  do {                                                                         \
    waiter w;                                                                  \
    prepare(&w);                                                               \
    int status = finish(engine, &w, call);                                     \
    if (status < 0)                                                            \
      return status;                                                           \
  } while (0)

/* Does a bit of all that can be done with a handle. */
static int use_file(neap_engine *engine, neap_file *file) {
  TRY(neap_file_write(file, &w.op, "ebb and flow", 12, &w.result));
  TRY(neap_file_seek(file, &w.op, NEAP_SEEK_SET, 4, &w.result));
  TRY(neap_file_read(file, &w.op, &w.result));
  TRY(neap_file_seek(file, &w.op, NEAP_SEEK_END, -1, &w.result));
  TRY(neap_file_truncate(file, &w.op, 3, &w.result));
  TRY(neap_file_sync(file, &w.op, &w.result));
  TRY(neap_file_fstat(file, &w.op, &w.result));
  TRY(neap_file_close(file, &w.op, &w.result));
  return 0;
}

static int open_file(neap_engine *engine, const char *path, const char *mode,
                     neap_file **file) {
  *file = NULL;
  TRY(neap_file_open(engine, &w.op, path, mode, file));
  return 0;
}

static int make_file(neap_engine *engine, const char *prefix,
                     neap_file **file) {
  *file = NULL;
  TRY(neap_file_temp(engine, &w.op, prefix, file));
  return 0;
}

/* Does a bit of all that can be done with names. */
static int use_names(neap_engine *engine, const char *folder) {
  char a[128], b[128], c[128];
  snprintf(a, sizeof a, "%s/x/y", folder);
  snprintf(b, sizeof b, "%s/x/y/file", folder);
  snprintf(c, sizeof c, "%s/x/link", folder);
  TRY(neap_fs_mkdir(engine, &w.op, a, 0, true, &w.result));
  TRY(neap_fs_replace(engine, &w.op, b, "text", 4, &w.result));
  TRY(neap_fs_symlink(engine, &w.op, b, c, &w.result));
  TRY(neap_fs_readlink(engine, &w.op, c, &w.result));
  TRY(neap_fs_realpath(engine, &w.op, c, &w.result));
  TRY(neap_fs_lstat(engine, &w.op, c, &w.result));
  TRY(neap_fs_rename(engine, &w.op, c, c, &w.result));
  TRY(neap_fs_chmod(engine, &w.op, b, 0600, &w.result));
  snprintf(c, sizeof c, "%s/x/copy", folder);
  TRY(neap_fs_copy(engine, &w.op, b, c, &w.result));
  snprintf(c, sizeof c, "%s/x/hard", folder);
  TRY(neap_fs_link(engine, &w.op, b, c, &w.result));
  snprintf(c, sizeof c, "%s/x/temp-", folder);
  TRY(neap_fs_tempdir(engine, &w.op, c, &w.result));
  snprintf(a, sizeof a, "%s/x", folder);
  TRY(neap_fs_remove(engine, &w.op, a, true, &w.result));
  return 0;
}

/* Watches a folder for a file that is made in it. */
static int use_watch(neap_engine *engine, const char *folder) {
  char path[128];
  neap_watch *watch;
  int detail;
  int status = neap_watch_new(engine, folder, &detail, &watch);
  if (status < 0)
    return status;
  snprintf(path, sizeof path, "%s/watched", folder);
  fclose(fopen(path, "w"));
  waiter w;
  prepare(&w);
  status = finish(engine, &w, neap_watch_wait(watch, &w.op));
  neap_change change;
  bool found = neap_watch_take(watch, &change);
  /* Where there is no memory for a change, it is told that one was lost. */
  if (found && change.kind == NEAP_CHANGE_OVERFLOW)
    status = NEAP_ENOMEM;
  neap_watch_free(watch);
  unlink(path);
  return found ? status : -100;
}

/* Watches where a link leads, which is nowhere at first. */
static int use_link_watch(neap_engine *engine, const char *folder) {
  char link[128], path[128];
  snprintf(link, sizeof link, "%s/link", folder);
  snprintf(path, sizeof path, "%s/watched", folder);
  unlink(link);
  assert_int_equal(0, symlink("watched", link));
  neap_watch *watch;
  int detail;
  int status = neap_watch_new(engine, link, &detail, &watch);
  if (status == NEAP_ESYS)
    status = neap_watch_missing(engine, link, &detail, &watch);
  if (status < 0)
    return status;
  fclose(fopen(path, "w"));
  waiter w;
  prepare(&w);
  status = finish(engine, &w, neap_watch_wait(watch, &w.op));
  neap_change change;
  bool found = false;
  while (neap_watch_take(watch, &change)) {
    found = true;
    if (change.kind == NEAP_CHANGE_OVERFLOW)
      status = NEAP_ENOMEM;
    else
      assert_string_equal(link, change.path);
  }
  neap_watch_free(watch);
  unlink(path);
  unlink(link);
  return found ? status : -100;
}

static int use_all(neap_engine *engine, const char *folder) {
  char path[128];
  neap_file *file;
  snprintf(path, sizeof path, "%s/file", folder);
  int status = open_file(engine, path, "w+", &file);
  if (status == 0)
    status = use_file(engine, file);
  neap_file_free(file);
  if (status == 0) {
    snprintf(path, sizeof path, "%s/temp-", folder);
    status = make_file(engine, path, &file);
    if (status == 0)
      status = use_file(engine, file);
    neap_file_free(file);
  }
  if (status == 0)
    status = use_names(engine, folder);
  if (status == 0)
    status = use_watch(engine, folder);
  if (status == 0)
    status = use_link_watch(engine, folder);
  return status;
}

static void clean(const char *folder) {
  char path[128];
  snprintf(path, sizeof path, "%s/x", folder);
  neap_fs_remove_now(NULL, path, true, NULL);
}

static void survives_each_allocation_that_fails(void **state) {
  fixture *f = *state;
  bool failed = true;
  for (long n = 1; failed; n++) {
    failing_state memory;
    neap_engine *engine = new_engine(&memory, n);
    if (engine) {
      int status = use_all(engine, f->folder);
      assert_int_equal(memory.failed ? NEAP_ENOMEM : 0, status);
    }
    neap_engine_free(engine);
    assert_int_equal(0, memory.live);
    failed = memory.failed;
    clean(f->folder);
  }
}

static void an_engine_may_be_freed_before_its_files(void **state) {
  fixture *f = *state;
  char path[128];
  snprintf(path, sizeof path, "%s/file", f->folder);
  for (int turns = 0; turns < 12; turns++) {
    failing_state memory;
    neap_engine *engine = new_engine(&memory, 0);
    neap_file *file, *temp;
    assert_int_equal(0, open_file(engine, path, "w+", &file));
    snprintf(path, sizeof path, "%s/temp-", f->folder);
    assert_int_equal(0, make_file(engine, path, &temp));
    snprintf(path, sizeof path, "%s/file", f->folder);
    waiter w[6];
    for (int i = 0; i < 6; i++)
      prepare(&w[i]);
    neap_file *opened = NULL;
    neap_watch *watch;
    assert_int_equal(0, neap_watch_new(engine, f->folder, NULL, &watch));
    neap_file_write(file, &w[0].op, "text", 4, &w[0].result);
    neap_file_read(file, &w[1].op, &w[1].result);
    neap_file_sync(temp, &w[2].op, &w[2].result);
    neap_file_close(temp, &w[3].op, &w[3].result);
    neap_file_open(engine, &w[4].op, path, "r", &opened);
    neap_watch_wait(watch, &w[5].op);
    for (int i = 0; i < turns; i++)
      neap_poll(engine, 1000000);
    neap_engine_free(engine);
    for (int i = 0; i < 6; i++) {
      assert_false(neap_op_active(&w[i].op));
      neap_fs_free(w[i].result);
    }
    assert_false(neap_file_is_open(file));
    neap_file_free(file);
    neap_file_free(temp);
    neap_file_free(opened);
    neap_watch_free(watch);
    assert_int_equal(0, memory.live);
  }
}

static void
operations_cancelled_at_any_time_leave_the_file_usable(void **state) {
  fixture *f = *state;
  char path[128];
  snprintf(path, sizeof path, "%s/file", f->folder);
  for (int turns = 0; turns < 6; turns++) {
    failing_state memory;
    neap_engine *engine = new_engine(&memory, 0);
    neap_file *file;
    assert_int_equal(0, open_file(engine, path, "w+", &file));
    waiter w[5];
    for (int i = 0; i < 5; i++)
      prepare(&w[i]);
    neap_file_write(file, &w[0].op, "text", 4, &w[0].result);
    neap_file_read(file, &w[1].op, &w[1].result);
    neap_file_seek(file, &w[2].op, NEAP_SEEK_END, 0, &w[2].result);
    neap_file_fstat(file, &w[3].op, &w[3].result);
    neap_file_truncate(file, &w[4].op, 0, &w[4].result);
    for (int i = 0; i < turns; i++)
      neap_poll(engine, 0);
    for (int i = 0; i < 5; i++)
      neap_op_cancel(&w[i].op, NEAP_ECANCELED);
    for (int i = 0; i < 5; i++) {
      int status = finish(engine, &w[i], 0);
      assert_true(status == 0 || status == NEAP_ECANCELED);
    }
    assert_int_equal(0, use_file(engine, file));
    neap_file_free(file);
    neap_engine_free(engine);
    assert_int_equal(0, memory.live);
  }
}

static void refuses_what_makes_no_sense(void **state) {
  fixture *f = *state;
  failing_state memory;
  neap_engine *engine = new_engine(&memory, 0);
  char path[128];
  snprintf(path, sizeof path, "%s/file", f->folder);
  neap_file *file;
  assert_int_equal(NEAP_EINVAL, open_file(engine, path, "q", &file));
  assert_int_equal(NEAP_EINVAL, open_file(engine, path, "r++", &file));
  assert_int_equal(0, open_file(engine, path, "w", &file));
  waiter w;
  prepare(&w);
  assert_int_equal(NEAP_EINVAL,
                   neap_file_truncate(file, &w.op, UINT64_MAX, &w.result));
  assert_int_equal(NEAP_EINVAL, neap_file_seek(file, &w.op, NEAP_SEEK_SET,
                                               INT64_MIN, &w.result));
  assert_int_equal(0,
                   finish(engine, &w, neap_file_close(file, &w.op, &w.result)));
  prepare(&w);
  assert_int_equal(NEAP_EINVAL, neap_file_read(file, &w.op, &w.result));
  neap_file_free(file);
  neap_file_free(NULL);
  neap_watch_free(NULL);
  neap_engine_free(engine);
  assert_int_equal(0, memory.live);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(survives_each_allocation_that_fails,
                                      setup, teardown),
      cmocka_unit_test_setup_teardown(an_engine_may_be_freed_before_its_files,
                                      setup, teardown),
      cmocka_unit_test_setup_teardown(
          operations_cancelled_at_any_time_leave_the_file_usable, setup,
          teardown),
      cmocka_unit_test_setup_teardown(refuses_what_makes_no_sense, setup,
                                      teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
