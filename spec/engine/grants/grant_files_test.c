/* Files in a restricted engine: what is done with them stays in the folders
 * that were granted, however it is tried.
 * SPDX-License-Identifier: MIT
 *
 * Long, because every operation of files is tried in the same folders, beside
 * what must not be reached, with openat2 and without it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "waiter.h"

/* When set, the system has no openat2. */
static atomic_bool no_openat2;

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
__attribute__((visibility("default"))) long syscall(long number, ...) {
  static long (*original)(long, ...);
  long a[6];
  va_list args;
  va_start(args, number);
  for (int i = 0; i < 6; i++)
    a[i] = va_arg(args, long);
  va_end(args);
  if (!original)
    *(void **)&original = dlsym(RTLD_NEXT, "syscall");
  if (number == SYS_openat2 && atomic_load(&no_openat2)) {
    errno = ENOSYS;
    return -1;
  }
  return original(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static atomic_bool stop;

/* The folder of a test:
 *
 *   out/       not granted; has secret, folder/secret
 *   in/        granted, the first; has what is in make_fixture
 *   ro/        granted to be read only; has file
 */
typedef struct fixture {
  char base[64];
  char in[80], out[80], ro[80];
  neap_engine *engine;
} fixture;

/* The path below the folder of the test. */
static const char *path_of(const fixture *f, const char *name) {
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", f->base, name);
  return path;
}

static void put(const fixture *f, const char *name, const char *text) {
  FILE *file = fopen(path_of(f, name), "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static void make_link(const fixture *f, const char *target, const char *name) {
  assert_int_equal(0, symlink(target, path_of(f, name)));
}

static void make_dir(const fixture *f, const char *name) {
  assert_int_equal(0, mkdir(path_of(f, name), 0755));
}

static neap_engine *restricted_to(const fixture *f) {
  char read_only[96], first[96];
  snprintf(first, sizeof first, "files=%s", f->in);
  snprintf(read_only, sizeof read_only, "files=%s:ro", f->ro);
  const char *const list[] = {first, read_only, NULL};
  neap_grants grants = NEAP_GRANTS_INIT;
  grants.list = list;
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.grants = &grants;
  neap_engine *engine;
  assert_int_equal(0, neap_engine_new(&opts, &engine));
  return engine;
}

static int make_fixture(void **state) {
  fixture *f = calloc(1, sizeof *f);
  char target[160];
  snprintf(f->base, sizeof f->base, "/tmp/neap-grants-XXXXXX");
  if (!f || !mkdtemp(f->base))
    return -1;
  snprintf(f->in, sizeof f->in, "%s/in", f->base);
  snprintf(f->out, sizeof f->out, "%s/out", f->base);
  snprintf(f->ro, sizeof f->ro, "%s/ro", f->base);
  make_dir(f, "in");
  make_dir(f, "in/dir");
  make_dir(f, "in/dir/deep");
  make_dir(f, "out");
  make_dir(f, "out/folder");
  make_dir(f, "ro");
  make_dir(f, "ro/dir");
  make_dir(f, "inside"); /* its name begins as that of a folder does */
  put(f, "in/file", "inner");
  put(f, "in/dir/file", "inner");
  put(f, "out/secret", "secret");
  put(f, "out/folder/secret", "secret");
  put(f, "ro/file", "read only");
  put(f, "inside/secret", "secret");
  make_link(f, "file", "in/link");
  make_link(f, "dir", "in/link-dir");
  make_link(f, "dir/../file", "in/link-up-and-down");
  make_link(f, "../out/secret", "in/out-file");
  make_link(f, "../out", "in/out-dir");
  make_link(f, "../in/file", "in/out-and-in");
  make_link(f, "link-loop", "in/link-loop");
  make_link(f, "nowhere", "in/link-nowhere");
  make_link(f, "../out/new", "in/out-new");
  snprintf(target, sizeof target, "%s/secret", f->out);
  make_link(f, target, "in/abs-file");
  make_link(f, f->out, "in/abs-dir");
  snprintf(target, sizeof target, "%s/file", f->in);
  make_link(f, target, "in/abs-inner");
  make_link(f, "/proc/self/root", "in/proc-root");
  make_link(f, "/proc/self/cwd", "in/proc-cwd");
  make_link(f, "../out/secret", "ro/out-file");
  f->engine = restricted_to(f);
  *state = f;
  return 0;
}

static int free_fixture(void **state) {
  fixture *f = *state;
  neap_engine_free(f->engine);
  neap_fs_remove_now(NULL, f->base, true, NULL);
  free(f);
  return 0;
}

/* What is tried. */
typedef enum act {
  READ,
  WRITE,
  APPEND,
  REPLACE,
  STAT,
  LSTAT,
  LIST,
  MKDIR,
  PARENTS,
  REMOVE,
  TREE,
  RENAME,
  COPY,
  LINK,
  SYMLINK,
  READLINK,
  REALPATH,
  CHMOD,
  TEMPDIR,
  OPEN,
  OPEN_TO_WRITE,
  TEMPFILE,
  WATCH,
  NOW,
} act;

typedef struct attempt {
  const char *words;
  act act;
  const char *path, *other; /* "@" stands for the folder of the test */
  int status;
  const char *code; /* of ESYS */
} attempt;

/* Puts the folder of the test for "@". */
static const char *expand(const fixture *f, const char *text, char *out,
                          size_t size) {
  if (!text)
    return NULL;
  const char *rest = *text == '@' ? text + 1 : text;
  snprintf(out, size, "%s%s", *text == '@' ? f->base : "", rest);
  return out;
}

static int try_watch(neap_engine *engine, const char *path, int *detail) {
  neap_watch *watch = NULL;
  int status = neap_watch_new(engine, path, detail, &watch);
  neap_watch_free(watch);
  return status;
}

static int start(neap_engine *e, waiter *w, act what, const char *path,
                 const char *other, neap_file **file) {
  switch (what) {
  case READ:
    return neap_fs_read(e, &w->op, path, 0, &w->result);
  case WRITE:
    return neap_fs_write(e, &w->op, path, "new", 3, false, &w->result);
  case APPEND:
    return neap_fs_write(e, &w->op, path, "new", 3, true, &w->result);
  case REPLACE:
    return neap_fs_replace(e, &w->op, path, "new", 3, &w->result);
  case STAT:
    return neap_fs_stat(e, &w->op, path, &w->result);
  case LSTAT:
    return neap_fs_lstat(e, &w->op, path, &w->result);
  case LIST:
    return neap_fs_list(e, &w->op, path, &w->result);
  case MKDIR:
  case PARENTS:
    return neap_fs_mkdir(e, &w->op, path, 0, what == PARENTS, &w->result);
  case REMOVE:
  case TREE:
    return neap_fs_remove(e, &w->op, path, what == TREE, &w->result);
  case RENAME:
    return neap_fs_rename(e, &w->op, path, other, &w->result);
  case COPY:
    return neap_fs_copy(e, &w->op, path, other, &w->result);
  case LINK:
    return neap_fs_link(e, &w->op, path, other, &w->result);
  case SYMLINK:
    return neap_fs_symlink(e, &w->op, other, path, &w->result);
  case READLINK:
    return neap_fs_readlink(e, &w->op, path, &w->result);
  case REALPATH:
    return neap_fs_realpath(e, &w->op, path, &w->result);
  case CHMOD:
    return neap_fs_chmod(e, &w->op, path, 0700, &w->result);
  case TEMPDIR:
    return neap_fs_tempdir(e, &w->op, path, &w->result);
  case OPEN:
    return neap_file_open(e, &w->op, path, "r", file);
  case OPEN_TO_WRITE:
    return neap_file_open(e, &w->op, path, "w", file);
  default:
    return neap_file_temp(e, &w->op, path, file);
  }
}

/* Tries something, and returns how it has ended. */
static int attempt_it(const fixture *f, const attempt *a, int *detail) {
  char path[256], other[256];
  neap_file *file = NULL;
  waiter w;
  expand(f, a->path, path, sizeof path);
  const char *second = expand(f, a->other, other, sizeof other);
  *detail = 0;
  if (a->act == WATCH)
    return try_watch(f->engine, path, detail);
  if (a->act == NOW)
    return neap_fs_remove_now(f->engine, path, true, detail);
  prepare(&w);
  int started = start(f->engine, &w, a->act, path, second, &file);
  int status = finish(f->engine, &w, started);
  *detail = w.detail;
  neap_file_free(file);
  return status;
}

/* Those that are allowed come first, so that the others find what they need. */
static const attempt attempts[] = {
    {"a relative path is in the first folder", READ, "file", NULL, 0, NULL},
    {"an absolute path", READ, "@/in/file", NULL, 0, NULL},
    {"with slashes and dots", READ, "@//./in/.//file", NULL, 0, NULL},
    {"up and down again", READ, "dir/../file", NULL, 0, NULL},
    {"over a link", READ, "link", NULL, 0, NULL},
    {"over a link to a folder", READ, "link-dir/file", NULL, 0, NULL},
    {"over a link that goes up", READ, "link-up-and-down", NULL, 0, NULL},
    {"in the other folder", READ, "@/ro/file", NULL, 0, NULL},
    {"the folder itself", LIST, "@/in", NULL, 0, NULL},
    {"the folder as a dot", LIST, ".", NULL, 0, NULL},
    {"a folder", LIST, "dir/", NULL, 0, NULL},
    {"the folder's data", STAT, "@/in/", NULL, 0, NULL},
    {"a link's own data", LSTAT, "out-file", NULL, 0, NULL},
    {"where a link leads", READLINK, "out-file", NULL, 0, NULL},
    {"a real path", REALPATH, "link-dir/file", NULL, 0, NULL},
    {"a new file", WRITE, "new", NULL, 0, NULL},
    {"more of it", APPEND, "new", NULL, 0, NULL},
    {"another instead", REPLACE, "new", NULL, 0, NULL},
    {"another where a link leads", REPLACE, "link", NULL, 0, NULL},
    {"a new folder", MKDIR, "made", NULL, 0, NULL},
    {"several", PARENTS, "made/a/b/", NULL, 0, NULL},
    {"several that are there", PARENTS, "@/in/made/a/b", NULL, 0, NULL},
    {"a copy from where it may be read", COPY, "@/ro/file", "copied", 0, NULL},
    {"another name", RENAME, "copied", "made/moved", 0, NULL},
    {"a second name", LINK, "made/moved", "made/second", 0, NULL},
    {"a link", SYMLINK, "made/link", "../file", 0, NULL},
    {"a mode", CHMOD, "link", NULL, 0, NULL},
    {"a temporary folder", TEMPDIR, "made/t-", NULL, 0, NULL},
    {"a temporary file", TEMPFILE, "made/t-", NULL, 0, NULL},
    {"an open file", OPEN, "@/ro/file", NULL, 0, NULL},
    {"one to write to", OPEN_TO_WRITE, "made/opened", NULL, 0, NULL},
    {"an end", REMOVE, "made/moved", NULL, 0, NULL},
    {"of all", TREE, "made", NULL, 0, NULL},
    {"watching", WATCH, "dir", NULL, 0, NULL},
    {"watching a file over a link", WATCH, "link-dir/file", NULL, 0, NULL},
    {"watching the folder itself", WATCH, "@/ro", NULL, 0, NULL},
    {"a name that is missing", READ, "missing", NULL, NEAP_ESYS, "ENOENT"},
    {"a link to nowhere", READ, "link-nowhere", NULL, NEAP_ESYS, "ENOENT"},
    {"a loop", READ, "link-loop", NULL, NEAP_ESYS, "ELOOP"},
    {"no name at all", READ, "", NULL, NEAP_ESYS, "ENOENT"},
    {"a file as a folder", READ, "file/", NULL, NEAP_ESYS, "ENOTDIR"},
    {"removing a dot", REMOVE, "dir/.", NULL, NEAP_ESYS, "EINVAL"},
    {"a folder that is there", MKDIR, "dir", NULL, NEAP_ESYS, "EEXIST"},

    {"an absolute path outside", READ, "@/out/secret", NULL, NEAP_EPERM, NULL},
    {"one that is missing", READ, "@/out/missing", NULL, NEAP_EPERM, NULL},
    {"a neighbour of almost the name", READ, "@/inside/secret", NULL,
     NEAP_EPERM, NULL},
    {"the folder above", LIST, "@", NULL, NEAP_EPERM, NULL},
    {"the top", LIST, "/", NULL, NEAP_EPERM, NULL},
    {"passwords", READ, "/etc/shadow", NULL, NEAP_EPERM, NULL},
    {"the process", READ, "/proc/self/environ", NULL, NEAP_EPERM, NULL},
    {"its descriptors", READ, "/proc/self/fd/0", NULL, NEAP_EPERM, NULL},
    {"a device", WRITE, "/dev/null", NULL, NEAP_EPERM, NULL},
    {"up", READ, "../out/secret", NULL, NEAP_EPERM, NULL},
    {"up to what is missing", READ, "../out/missing", NULL, NEAP_EPERM, NULL},
    {"up from an absolute path", READ, "@/in/../out/secret", NULL, NEAP_EPERM,
     NULL},
    {"up and in again", READ, "@/in/../in/file", NULL, NEAP_EPERM, NULL},
    {"up beside the folder", READ, "@/out/../in/file", NULL, NEAP_EPERM, NULL},
    {"up from below", READ, "dir/../../out/secret", NULL, NEAP_EPERM, NULL},
    {"a dot before", READ, "./../out/secret", NULL, NEAP_EPERM, NULL},
    {"a link out", READ, "out-file", NULL, NEAP_EPERM, NULL},
    {"a link out and in", READ, "out-and-in", NULL, NEAP_EPERM, NULL},
    {"a folder by a link", READ, "out-dir/secret", NULL, NEAP_EPERM, NULL},
    {"a missing file by a link", READ, "out-dir/missing", NULL, NEAP_EPERM,
     NULL},
    {"an absolute link", READ, "abs-file", NULL, NEAP_EPERM, NULL},
    {"an absolute link to inside", READ, "abs-inner", NULL, NEAP_EPERM, NULL},
    {"an absolute link to a folder", READ, "abs-dir/secret", NULL, NEAP_EPERM,
     NULL},
    {"a link to the root of the process", READ, "proc-root/etc/passwd", NULL,
     NEAP_EPERM, NULL},
    {"a link to its folder", LIST, "proc-cwd", NULL, NEAP_EPERM, NULL},
    {"a link in the other folder", READ, "@/ro/out-file", NULL, NEAP_EPERM,
     NULL},
    {"opening", OPEN, "out-file", NULL, NEAP_EPERM, NULL},
    {"opening to write", OPEN_TO_WRITE, "out-file", NULL, NEAP_EPERM, NULL},
    {"making a file by a link", WRITE, "out-new", NULL, NEAP_EPERM, NULL},
    {"writing by a link", WRITE, "out-file", NULL, NEAP_EPERM, NULL},
    {"adding by a link", APPEND, "abs-file", NULL, NEAP_EPERM, NULL},
    {"replacing by a link", REPLACE, "out-file", NULL, NEAP_EPERM, NULL},
    {"replacing in a folder", REPLACE, "out-dir/secret", NULL, NEAP_EPERM,
     NULL},
    {"telling of it", STAT, "out-file", NULL, NEAP_EPERM, NULL},
    {"telling of a name in a folder", LSTAT, "out-dir/secret", NULL, NEAP_EPERM,
     NULL},
    {"telling of a link with a slash", LSTAT, "out-dir/", NULL, NEAP_EPERM,
     NULL},
    {"listing by a link", LIST, "out-dir", NULL, NEAP_EPERM, NULL},
    {"listing by a link with a slash", LIST, "abs-dir/", NULL, NEAP_EPERM,
     NULL},
    {"listing up", LIST, "..", NULL, NEAP_EPERM, NULL},
    {"making a folder by a link", MKDIR, "out-dir/new", NULL, NEAP_EPERM, NULL},
    {"making several", PARENTS, "out-dir/a/b", NULL, NEAP_EPERM, NULL},
    {"making one up", MKDIR, "../new", NULL, NEAP_EPERM, NULL},
    {"removing by a link", REMOVE, "out-dir/secret", NULL, NEAP_EPERM, NULL},
    {"removing all by a link", TREE, "out-dir/folder", NULL, NEAP_EPERM, NULL},
    {"removing up", TREE, "../out", NULL, NEAP_EPERM, NULL},
    {"removing the folder", TREE, "@/in", NULL, NEAP_EPERM, NULL},
    {"removing the folder with a slash", TREE, "@/in/", NULL, NEAP_EPERM, NULL},
    {"removing it as a dot", TREE, ".", NULL, NEAP_EPERM, NULL},
    {"moving the folder", RENAME, "@/in", "@/in/dir/in", NEAP_EPERM, NULL},
    {"moving over the folder", RENAME, "dir", "@/in", NEAP_EPERM, NULL},
    {"moving out", RENAME, "file", "out-dir/file", NEAP_EPERM, NULL},
    {"moving up", RENAME, "file", "../file", NEAP_EPERM, NULL},
    {"moving in", RENAME, "out-dir/secret", "secret", NEAP_EPERM, NULL},
    {"copying out", COPY, "file", "out-dir/file", NEAP_EPERM, NULL},
    {"copying in", COPY, "out-file", "secret", NEAP_EPERM, NULL},
    {"copying in by an absolute path", COPY, "@/out/secret", "secret",
     NEAP_EPERM, NULL},
    {"a second name outside", LINK, "file", "out-dir/file", NEAP_EPERM, NULL},
    {"a second name of what is outside", LINK, "out-dir/secret", "secret",
     NEAP_EPERM, NULL},
    {"an absolute link made", SYMLINK, "escape", "/etc", NEAP_EPERM, NULL},
    {"a link out made", SYMLINK, "escape", "../out", NEAP_EPERM, NULL},
    {"a link out made below", SYMLINK, "dir/escape", "x/../../../out",
     NEAP_EPERM, NULL},
    {"a link made outside", SYMLINK, "out-dir/link", "secret", NEAP_EPERM,
     NULL},
    {"where a link outside leads", READLINK, "out-dir/link", NULL, NEAP_EPERM,
     NULL},
    {"the real path of a link", REALPATH, "out-file", NULL, NEAP_EPERM, NULL},
    {"the mode of a link", CHMOD, "out-file", NULL, NEAP_EPERM, NULL},
    {"the mode by a link", CHMOD, "out-dir/secret", NULL, NEAP_EPERM, NULL},
    {"a temporary folder by a link", TEMPDIR, "out-dir/t-", NULL, NEAP_EPERM,
     NULL},
    {"a temporary file by a link", TEMPFILE, "out-dir/t-", NULL, NEAP_EPERM,
     NULL},
    {"a temporary file elsewhere", TEMPFILE, "/tmp/t-", NULL, NEAP_EPERM, NULL},
    {"watching elsewhere", WATCH, "@/out", NULL, NEAP_EPERM, NULL},
    {"watching up", WATCH, "..", NULL, NEAP_EPERM, NULL},
    {"watching up from below", WATCH, "dir/../../out", NULL, NEAP_EPERM, NULL},
    {"watching by a link", WATCH, "out-dir", NULL, NEAP_EPERM, NULL},
    {"watching by an absolute link", WATCH, "abs-dir", NULL, NEAP_EPERM, NULL},
    {"watching a file by a link", WATCH, "out-dir/secret", NULL, NEAP_EPERM,
     NULL},
    {"watching what is missing by a link", WATCH, "out-dir/missing", NULL,
     NEAP_EPERM, NULL},
    {"watching descriptors", WATCH, "proc-root/proc", NULL, NEAP_EPERM, NULL},
    {"removing at once", NOW, "@/out", NULL, NEAP_EPERM, NULL},
    {"removing at once by a link", NOW, "out-dir/secret", NULL, NEAP_EPERM,
     NULL},
    {"removing the folder at once", NOW, "@/in", NULL, NEAP_EPERM, NULL},

    {"writing where it may be read", WRITE, "@/ro/file", NULL, NEAP_EPERM,
     NULL},
    {"a new file there", WRITE, "@/ro/new", NULL, NEAP_EPERM, NULL},
    {"adding there", APPEND, "@/ro/file", NULL, NEAP_EPERM, NULL},
    {"replacing there", REPLACE, "@/ro/file", NULL, NEAP_EPERM, NULL},
    {"opening to write there", OPEN_TO_WRITE, "@/ro/file", NULL, NEAP_EPERM,
     NULL},
    {"a folder there", MKDIR, "@/ro/new", NULL, NEAP_EPERM, NULL},
    {"folders there", PARENTS, "@/ro/dir/new", NULL, NEAP_EPERM, NULL},
    {"removing there", REMOVE, "@/ro/file", NULL, NEAP_EPERM, NULL},
    {"removing all there", TREE, "@/ro/dir", NULL, NEAP_EPERM, NULL},
    {"removing there at once", NOW, "@/ro/dir", NULL, NEAP_EPERM, NULL},
    {"moving from there", RENAME, "@/ro/file", "moved", NEAP_EPERM, NULL},
    {"moving there", RENAME, "file", "@/ro/file", NEAP_EPERM, NULL},
    {"copying there", COPY, "file", "@/ro/new", NEAP_EPERM, NULL},
    {"a second name of what is there", LINK, "@/ro/file", "second", NEAP_EPERM,
     NULL},
    {"a link there", SYMLINK, "@/ro/link", "file", NEAP_EPERM, NULL},
    {"a mode there", CHMOD, "@/ro/file", NULL, NEAP_EPERM, NULL},
    {"a temporary folder there", TEMPDIR, "@/ro/t-", NULL, NEAP_EPERM, NULL},
    {"a temporary file there", TEMPFILE, "@/ro/t-", NULL, NEAP_EPERM, NULL},
};

enum { ATTEMPTS = sizeof attempts / sizeof *attempts };

/* Whether nothing outside has changed. */
static void check_outside(const fixture *f) {
  static const char *const files[] = {"out/secret", "out/folder/secret",
                                      "inside/secret"};
  char text[16];
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    FILE *file = fopen(path_of(f, files[i]), "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    assert_string_equal("secret", text);
    fclose(file);
    struct stat found;
    stat(path_of(f, files[i]), &found);
    assert_int_equal(0644, found.st_mode & 07777);
    assert_int_equal(1, found.st_nlink);
  }
  neap_engine *engine;
  assert_int_equal(0, neap_engine_new(NULL, &engine));
  waiter w;
  prepare(&w);
  assert_int_equal(0, neap_fs_list(engine, &w.op, f->out, &w.result));
  while (w.calls == 0)
    neap_poll(engine, NEAP_FOREVER);
  neap_file_entry entry;
  assert_true(neap_fs_entry(w.result, 0, &entry));
  assert_string_equal("folder", entry.name);
  assert_true(neap_fs_entry(w.result, 1, &entry));
  assert_string_equal("secret", entry.name);
  assert_false(neap_fs_entry(w.result, 2, &entry));
  neap_fs_free(w.result);
  neap_engine_free(engine);
}

/* Whether an attempt has ended as it has to. A walk without openat2 refuses
 * links and ".." that lead nowhere outside, too, and so what needs those. */
static bool is_well(const attempt *a, int status, const char *name) {
  if (no_openat2 && a->status != NEAP_EPERM)
    return true;
  return status == a->status && (!a->code || strcmp(a->code, name) == 0);
}

static void try_all(const fixture *f) {
  int ignored;
  try_watch(f->engine, f->in, &ignored); /* inotify's descriptor stays */
  int before = count_open_files(), failures = 0;
  for (size_t i = 0; i < ATTEMPTS; i++) {
    const attempt *a = &attempts[i];
    int detail;
    char name[32] = "";
    int status = attempt_it(f, a, &detail);
    if (status == NEAP_ESYS)
      neap_sys_describe(detail, name, sizeof name, NULL, 0);
    bool well = is_well(a, status, name);
    if (status == NEAP_EPERM && a->act != NOW)
      well = well && strlen(neap_refusal_text(f->engine, detail)) > 13;
    if (!well) {
      print_error("%s: %s %s: %s %s instead of %s %s\n", a->words, a->path,
                  a->other ? a->other : "", neap_status_name(status), name,
                  neap_status_name(a->status), a->code ? a->code : "");
      failures++;
    }
  }
  assert_int_equal(0, failures);
  check_outside(f);
  neap_poll(f->engine, 0);
  assert_int_equal(before, count_open_files());
}

static void test_nothing_leaves_the_folders(void **state) {
  try_all(*state);
}

/* Changes in/swap between a folder and a link that leads out, all the time. */
static void *swap(void *ud) {
  const fixture *f = ud;
  char one[128], other[128];
  snprintf(one, sizeof one, "%s/swap", f->in);
  snprintf(other, sizeof other, "%s/swap-link", f->in);
  while (!atomic_load(&stop))
    syscall(SYS_renameat2, AT_FDCWD, one, AT_FDCWD, other, 2 /* EXCHANGE */);
  return NULL;
}

/* Tries something once; what is read must not come from outside. */
static void race(const fixture *f, act what, const char *path,
                 const char *other, int ended[2]) {
  neap_file *file = NULL;
  waiter w;
  prepare(&w);
  if (what == WATCH) {
    int detail;
    ended[try_watch(f->engine, path, &detail) == 0]++;
    return;
  }
  assert_int_equal(0, start(f->engine, &w, what, path, other, &file));
  while (w.calls == 0)
    neap_poll(f->engine, NEAP_FOREVER);
  ended[w.status == 0]++;
  size_t size;
  if (w.status == 0 && what == READ)
    assert_memory_not_equal("secret", neap_fs_bytes(w.result, &size), 6);
  neap_file_entry entry;
  if (w.status == 0 && what == LIST)
    for (size_t i = 0; neap_fs_entry(w.result, i, &entry); i++)
      assert_string_not_equal("outside", entry.name);
  neap_fs_free(w.result);
  neap_file_free(file);
}

static void test_a_folder_becomes_a_link_all_the_time(void **state) {
  const fixture *f = *state;
  static const struct {
    act act;
    const char *path, *other;
  } races[] = {
      {READ, "swap/secret", NULL},      {WRITE, "swap/new", NULL},
      {REPLACE, "swap/secret", NULL},   {LIST, "swap", NULL},
      {MKDIR, "swap/new-dir", NULL},    {PARENTS, "swap/a/b", NULL},
      {REMOVE, "swap/secret", NULL},    {TREE, "swap/folder", NULL},
      {RENAME, "swap/secret", "moved"}, {RENAME, "swap/new", "swap/moved"},
      {COPY, "file", "swap/copy"},      {LINK, "swap/secret", "linked"},
      {SYMLINK, "swap/link", "x"},      {CHMOD, "swap/secret", NULL},
      {TEMPDIR, "swap/t-", NULL},       {TEMPFILE, "swap/t-", NULL},
      {WATCH, "swap/secret", NULL},     {WATCH, "swap", NULL},
      {APPEND, "swap/secret", NULL},    {OPEN_TO_WRITE, "swap/secret", NULL},
      {REMOVE, "linked", NULL},         {COPY, "swap/secret", "swap/copy"},
  };
  make_dir(f, "in/swap");
  make_link(f, "../out", "in/swap-link");
  pthread_t thread;
  atomic_store(&stop, false);
  assert_int_equal(0, pthread_create(&thread, NULL, swap, (void *)f));
  int ended[2] = {0};
  for (int round = 0; round < 60; round++)
    for (size_t i = 0; i < sizeof races / sizeof *races; i++)
      race(f, races[i].act, races[i].path, races[i].other, ended);
  atomic_store(&stop, true);
  pthread_join(thread, NULL);
  assert_true(ended[0] > 0 && ended[1] > 0); /* it was a race */
  check_outside(f);
}

/* A folder that was granted stays granted when another takes its place. */
static void test_a_folder_is_replaced(void **state) {
  const fixture *f = *state;
  char moved[96];
  int detail;
  snprintf(moved, sizeof moved, "%s/moved-away", f->base);
  assert_int_equal(0, rename(f->in, moved));
  assert_int_equal(0, symlink("out", f->in));
  const attempt read_inner = {"", READ, "file", NULL, 0, NULL};
  assert_int_equal(0, attempt_it(f, &read_inner, &detail));
  const attempt read_secret = {"", READ, "@/in/secret", NULL, 0, NULL};
  assert_int_equal(NEAP_ESYS, attempt_it(f, &read_secret, &detail));
  const attempt write_secret = {"", WRITE, "@/in/secret", NULL, 0, NULL};
  assert_int_equal(0, attempt_it(f, &write_secret, &detail));
  check_outside(f);
  const attempt real = {"", REALPATH, "@/in/file", NULL, 0, NULL};
  assert_int_equal(0, attempt_it(f, &real, &detail));
}

static void test_the_same_without_openat2(void **state) {
  fixture *f = *state;
  neap_engine_free(f->engine);
  no_openat2 = true;
  f->engine = restricted_to(f);
  try_all(f);
  const attempt plain = {"", READ, "dir/file", NULL, 0, NULL};
  int detail;
  assert_int_equal(0, attempt_it(f, &plain, &detail));
  const attempt link = {"", READ, "link", NULL, NEAP_EPERM, NULL};
  assert_int_equal(NEAP_EPERM, attempt_it(f, &link, &detail));
  no_openat2 = false;
}

/* What a watch of a folder tells is of that folder, also when a link takes its
 * place. */
static void test_watching(void **state) {
  const fixture *f = *state;
  neap_watch *watch;
  neap_change change;
  waiter w;
  int detail;
  assert_int_equal(NEAP_ESYS,
                   neap_watch_new(f->engine, "dir/new", &detail, &watch));
  assert_int_equal(0, neap_watch_new(f->engine, "dir", &detail, &watch));
  put(f, "in/dir/new", "x");
  prepare(&w);
  assert_int_equal(0, neap_watch_wait(watch, &w.op));
  while (w.calls == 0)
    neap_poll(f->engine, NEAP_FOREVER);
  assert_true(neap_watch_take(watch, &change));
  assert_string_equal("dir/new", change.path);
  char moved[96];
  snprintf(moved, sizeof moved, "%s/in/dir-moved", f->base);
  assert_int_equal(0, rename(path_of(f, "in/dir"), moved));
  make_link(f, "../out", "in/dir");
  for (bool over = false; !over; over = neap_watch_has_ended(watch)) {
    while (neap_watch_take(watch, &change))
      ;
    if (neap_watch_has_ended(watch))
      break;
    prepare(&w);
    assert_int_equal(0, neap_watch_wait(watch, &w.op));
    while (w.calls == 0)
      neap_poll(f->engine, NEAP_FOREVER);
  }
  put(f, "out/seen", "x");
  neap_poll(f->engine, 0);
  assert_false(neap_watch_take(watch, &change));
  unlink(path_of(f, "out/seen"));
  neap_watch_free(watch);
}

static void test_real_paths(void **state) {
  const fixture *f = *state;
  waiter w;
  char expected[128];
  size_t size;
  prepare(&w);
  neap_fs_realpath(f->engine, &w.op, "link-dir/../link", &w.result);
  while (w.calls == 0)
    neap_poll(f->engine, NEAP_FOREVER);
  assert_int_equal(0, w.status);
  snprintf(expected, sizeof expected, "%s/file", f->in);
  const char *path = neap_fs_bytes(w.result, &size);
  assert_int_equal(strlen(expected), size);
  assert_memory_equal(expected, path, size);
  neap_fs_free(w.result);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_a_folder_becomes_a_link_all_the_time,
                                      make_fixture, free_fixture),
      cmocka_unit_test_setup_teardown(test_a_folder_is_replaced, make_fixture,
                                      free_fixture),
      cmocka_unit_test_setup_teardown(test_the_same_without_openat2,
                                      make_fixture, free_fixture),
      cmocka_unit_test_setup_teardown(test_watching, make_fixture,
                                      free_fixture),
      cmocka_unit_test_setup_teardown(test_real_paths, make_fixture,
                                      free_fixture),
      cmocka_unit_test_setup_teardown(test_nothing_leaves_the_folders,
                                      make_fixture, free_fixture),
  };
  umask(022);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
